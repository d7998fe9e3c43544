-- Everybody once, as last seen: over all days, for a day's partition has only those who changed.
WITH latest AS (
    SELECT user_id,
           arg_max(city, (snapshot_at, updated_at))         AS city,
           arg_max(loyalty_tier, (snapshot_at, updated_at)) AS loyalty_tier,
           arg_max(is_active, (snapshot_at, updated_at))    AS is_active
    FROM silver
    GROUP BY user_id
)
SELECT coalesce(city, 'unknown')                AS city,
       count(*)                                 AS users,
       count(*) FILTER (is_active)              AS active,
       count(*) FILTER (loyalty_tier = 'gold')  AS gold_tier
FROM latest
GROUP BY ALL
