-- The TLC has changed its columns over the years, and yellow and green differ. The first SELECT has no row but every
-- name that was ever used, so each of them can be asked for below, whatever the file has; names match in any case.
-- Numbers that count or name something come as 1.0 from some files: `.0` is taken off.
WITH wide AS (
    SELECT NULL AS lpep_pickup_datetime, NULL AS tpep_pickup_datetime, NULL AS pickup_datetime,
           NULL AS lpep_dropoff_datetime, NULL AS tpep_dropoff_datetime, NULL AS dropoff_datetime,
           NULL AS VendorID, NULL AS vendor_id, NULL AS passenger_count, NULL AS trip_distance,
           NULL AS RatecodeID, NULL AS rate_code_id, NULL AS store_and_fwd_flag,
           NULL AS PULocationID, NULL AS pickup_location_id, NULL AS DOLocationID, NULL AS dropoff_location_id,
           NULL AS payment_type, NULL AS fare_amount, NULL AS extra, NULL AS mta_tax, NULL AS tip_amount,
           NULL AS tolls_amount, NULL AS improvement_surcharge, NULL AS congestion_surcharge, NULL AS airport_fee,
           NULL AS total_amount, NULL AS trip_type
    WHERE false
    UNION ALL BY NAME
    SELECT * FROM input
), named AS (
    SELECT CASE WHEN lpep_pickup_datetime IS NOT NULL THEN 'green'
                WHEN tpep_pickup_datetime IS NOT NULL THEN 'yellow'
                ELSE 'unknown' END                                                        AS cab_type,
           CAST(coalesce(VendorID, vendor_id) AS VARCHAR)                                 AS vendor_id,
           coalesce(lpep_pickup_datetime, tpep_pickup_datetime, pickup_datetime)          AS pickup_at,
           coalesce(lpep_dropoff_datetime, tpep_dropoff_datetime, dropoff_datetime)       AS dropoff_at,
           regexp_replace(CAST(passenger_count AS VARCHAR), '\.0*$', '')                  AS passenger_count,
           trip_distance,
           regexp_replace(CAST(coalesce(RatecodeID, rate_code_id) AS VARCHAR), '\.0*$', '') AS rate_code,
           store_and_fwd_flag,
           regexp_replace(CAST(coalesce(PULocationID, pickup_location_id) AS VARCHAR), '\.0*$', '') AS pickup_zone_id,
           regexp_replace(CAST(coalesce(DOLocationID, dropoff_location_id) AS VARCHAR), '\.0*$', '') AS dropoff_zone_id,
           regexp_replace(CAST(payment_type AS VARCHAR), '\.0*$', '')                     AS payment_type,
           fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, congestion_surcharge,
           airport_fee, total_amount,
           regexp_replace(CAST(trip_type AS VARCHAR), '\.0*$', '')                        AS trip_type
    FROM wide
)
-- A trip is all that is said of it. (No two rows of the months looked at are equal, and a file that is given twice
-- adds nothing.)
SELECT md5(concat_ws('|', cab_type, coalesce(vendor_id, '-'), pickup_at, dropoff_at, coalesce(passenger_count, '-'),
                     trip_distance, coalesce(rate_code, '-'), coalesce(store_and_fwd_flag, '-'), pickup_zone_id,
                     dropoff_zone_id, coalesce(payment_type, '-'), fare_amount, coalesce(CAST(extra AS VARCHAR), '-'),
                     coalesce(CAST(mta_tax AS VARCHAR), '-'), coalesce(CAST(tip_amount AS VARCHAR), '-'),
                     coalesce(CAST(tolls_amount AS VARCHAR), '-'),
                     coalesce(CAST(congestion_surcharge AS VARCHAR), '-'), total_amount)) AS trip_id,
       *
FROM named
