SELECT *,
       CAST(hour(pickup_at) AS INTEGER)                                      AS pickup_hour,
       isodow(pickup_at) <= 5 AND hour(pickup_at) IN (7, 8, 9, 16, 17, 18, 19) AS is_rush_hour,
       round(date_diff('second', pickup_at, dropoff_at) / 60.0, 2)           AS trip_minutes,
       CASE WHEN trip_distance > 0
            THEN round(CAST(fare_amount AS DOUBLE) / CAST(trip_distance AS DOUBLE), 2) END AS fare_per_mile,
       CASE WHEN fare_amount > 0
            THEN round(100 * CAST(tip_amount AS DOUBLE) / CAST(fare_amount AS DOUBLE), 2) END AS tip_pct,
       CASE WHEN trip_distance < 2 THEN 'short' WHEN trip_distance < 10 THEN 'medium' ELSE 'long' END
                                                                             AS distance_category,
       CASE WHEN fare_amount < 10 THEN 'budget' WHEN fare_amount < 30 THEN 'standard' ELSE 'premium' END
                                                                             AS fare_category,
       CASE WHEN coalesce(tip_amount, 0) = 0 THEN 'none'
            WHEN fare_amount > 0 AND tip_amount < fare_amount * 0.15 THEN 'low'
            WHEN fare_amount > 0 AND tip_amount <= fare_amount * 0.25 THEN 'usual'
            ELSE 'generous' END                                              AS tip_category
FROM input
