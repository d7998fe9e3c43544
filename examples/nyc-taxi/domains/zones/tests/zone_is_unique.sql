SELECT zone_id FROM silver GROUP BY zone_id HAVING count(*) > 1
