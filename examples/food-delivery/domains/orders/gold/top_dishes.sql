-- What people eat: every dish of every order that was not cancelled.
WITH dishes AS (
    SELECT order_date, restaurant_id, unnest(items) AS dish
    FROM silver
    WHERE status <> 'cancelled'
)
SELECT order_date,
       dish.item_id                                                       AS item_id,
       min(dish.name)                                                     AS name,
       min(restaurant_id)                                                 AS restaurant_id,
       CAST(sum(dish.quantity) AS BIGINT)                                 AS portions,
       CAST(sum(dish.quantity * dish.unit_price) AS DECIMAL(18, 2))       AS revenue
FROM dishes
GROUP BY order_date, dish.item_id
