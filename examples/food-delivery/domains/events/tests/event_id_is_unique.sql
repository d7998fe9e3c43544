SELECT event_id, count(*) AS times FROM silver GROUP BY event_id HAVING count(*) > 1
