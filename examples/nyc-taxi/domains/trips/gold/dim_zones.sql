-- Every zone of the lookup table, with what was picked up and set down there.
WITH pickups AS (
    SELECT pickup_zone_id                              AS zone_id,
           count(*)                                    AS pickups,
           CAST(sum(total_amount) AS DECIMAL(18, 2))   AS revenue,
           CAST(sum(coalesce(tip_amount, 0)) AS DECIMAL(18, 2)) AS tips,
           round(median(tip_pct), 2)                   AS median_tip_pct
    FROM silver
    GROUP BY pickup_zone_id
), dropoffs AS (
    SELECT dropoff_zone_id AS zone_id, count(*) AS dropoffs FROM silver GROUP BY dropoff_zone_id
)
SELECT z.zone_id,
       z.borough,
       z.zone,
       z.service_zone,
       coalesce(p.pickups, 0)                          AS pickups,
       coalesce(d.dropoffs, 0)                         AS dropoffs,
       coalesce(p.revenue, CAST(0 AS DECIMAL(18, 2)))  AS revenue,
       coalesce(p.tips, CAST(0 AS DECIMAL(18, 2)))     AS tips,
       p.median_tip_pct,
       rank() OVER (ORDER BY coalesce(p.revenue, 0) DESC) AS revenue_rank
FROM silver_zones z
LEFT JOIN pickups p USING (zone_id)
LEFT JOIN dropoffs d USING (zone_id)
