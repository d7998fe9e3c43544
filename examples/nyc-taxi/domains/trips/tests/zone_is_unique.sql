SELECT zone_id FROM dim_zones GROUP BY zone_id HAVING count(*) > 1 OR zone_id IS NULL
