-- How many sessions get how far. A session counts for a step if it has reached that step or a later one.
WITH sessions AS (
    SELECT event_date,
           session_id,
           max(CASE event_type
                   WHEN 'restaurant_view' THEN 1
                   WHEN 'menu_item_view' THEN 2
                   WHEN 'add_to_cart' THEN 3
                   WHEN 'checkout_start' THEN 4
                   WHEN 'order_placed' THEN 5
                   ELSE 0
               END) AS step
    FROM silver
    GROUP BY event_date, session_id
)
SELECT event_date,
       count(*)                                                AS sessions,
       count(*) FILTER (step >= 1)                             AS viewed_restaurant,
       count(*) FILTER (step >= 2)                             AS viewed_item,
       count(*) FILTER (step >= 3)                             AS added_to_cart,
       count(*) FILTER (step >= 4)                             AS started_checkout,
       count(*) FILTER (step >= 5)                             AS ordered,
       round(CAST(count(*) FILTER (step >= 5) AS DOUBLE) / count(*), 4) AS conversion
FROM sessions
GROUP BY event_date
