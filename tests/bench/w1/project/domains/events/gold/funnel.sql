SELECT *, purchases / views AS conversion
FROM (
    SELECT event_date,
           count(DISTINCT session_id) FILTER (event_type = 'product_view') AS views,
           count(DISTINCT session_id) FILTER (event_type = 'add_to_cart') AS carts,
           count(DISTINCT session_id) FILTER (event_type = 'checkout_start') AS checkouts,
           count(DISTINCT session_id) FILTER (event_type = 'purchase') AS purchases
    FROM silver
    GROUP BY ALL
)
