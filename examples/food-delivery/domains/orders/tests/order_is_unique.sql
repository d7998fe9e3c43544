SELECT order_id, count(*) AS times FROM silver GROUP BY order_id HAVING count(*) > 1
