SELECT event_date, hour(event_ts)::INTEGER AS hour, event_type, count(*) AS events, count(DISTINCT user_id) AS users
FROM silver
GROUP BY ALL
