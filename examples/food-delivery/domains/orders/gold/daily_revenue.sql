-- What was delivered, where. The city is the restaurant's; all that is known of a restaurant is its snapshots, and any
-- of the day will do.
WITH places AS (
    SELECT restaurant_id, snapshot_date, min(city) AS city
    FROM silver_restaurants
    GROUP BY restaurant_id, snapshot_date
)
SELECT o.order_date,
       coalesce(p.city, 'unknown')                                              AS city,
       count(*)                                                                 AS orders,
       count(*) FILTER (o.status = 'delivered')                                 AS delivered,
       count(*) FILTER (o.status = 'cancelled')                                 AS cancelled,
       CAST(coalesce(sum(o.total) FILTER (o.status = 'delivered'), 0) AS DECIMAL(18, 2)) AS revenue,
       CAST(coalesce(sum(o.tip) FILTER (o.status = 'delivered'), 0) AS DECIMAL(18, 2))   AS tips
FROM silver o
LEFT JOIN places p ON p.restaurant_id = o.restaurant_id AND p.snapshot_date = o.order_date
GROUP BY ALL
