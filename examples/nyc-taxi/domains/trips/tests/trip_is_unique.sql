SELECT trip_id FROM silver GROUP BY trip_id HAVING count(*) > 1
