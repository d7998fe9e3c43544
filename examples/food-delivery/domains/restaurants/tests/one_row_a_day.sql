SELECT snapshot_date, restaurant_id FROM silver GROUP BY ALL HAVING count(*) > 1
