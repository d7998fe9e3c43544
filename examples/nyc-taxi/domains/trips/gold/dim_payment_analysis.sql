SELECT coalesce(payment_type, -1)                      AS payment_type,
       CASE coalesce(payment_type, -1)
           WHEN 0 THEN 'flex fare'
           WHEN 1 THEN 'credit card'
           WHEN 2 THEN 'cash'
           WHEN 3 THEN 'no charge'
           WHEN 4 THEN 'dispute'
           WHEN 6 THEN 'voided'
           ELSE 'unknown'
       END                                             AS payment_name,
       count(*)                                        AS trips,
       round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS share_pct,
       CAST(sum(total_amount) AS DECIMAL(18, 2))       AS revenue,
       CAST(sum(coalesce(tip_amount, 0)) AS DECIMAL(18, 2)) AS tips,
       round(median(tip_pct), 2)                       AS median_tip_pct
FROM silver
GROUP BY coalesce(payment_type, -1)
