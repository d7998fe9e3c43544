SELECT event_date, country, category, count(*) AS orders, sum(quantity)::BIGINT AS units, sum(total) AS revenue
FROM silver
WHERE event_type = 'purchase'
GROUP BY ALL
