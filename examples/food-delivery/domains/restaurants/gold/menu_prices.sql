WITH dishes AS (
    SELECT snapshot_date, cuisine, restaurant_id, unnest(menu_items) AS dish FROM silver
)
SELECT snapshot_date,
       cuisine,
       dish.category                                   AS category,
       count(DISTINCT restaurant_id)                   AS restaurants,
       count(*)                                        AS dishes,
       count(*) FILTER (dish.is_available)             AS available,
       min(dish.price)                                 AS cheapest,
       CAST(avg(dish.price) AS DECIMAL(10, 2))         AS average,
       max(dish.price)                                 AS dearest
FROM dishes
GROUP BY snapshot_date, cuisine, dish.category
