SELECT pickup_date,
       pickup_hour                                        AS hour,
       bool_or(is_rush_hour)                              AS is_rush_hour,
       count(*)                                           AS trips,
       CAST(sum(coalesce(passenger_count, 0)) AS BIGINT)  AS passengers,
       CAST(sum(trip_distance) AS DECIMAL(18, 2))         AS miles,
       CAST(sum(fare_amount) AS DECIMAL(18, 2))           AS fares,
       CAST(sum(coalesce(tip_amount, 0)) AS DECIMAL(18, 2)) AS tips,
       CAST(sum(total_amount) AS DECIMAL(18, 2))          AS revenue,
       CAST(sum(fare_amount) / count(*) AS DECIMAL(18, 2)) AS average_fare,
       round(median(fare_per_mile), 2)                    AS median_fare_per_mile,
       round(median(tip_pct), 2)                          AS median_tip_pct
FROM silver
GROUP BY pickup_date, pickup_hour
