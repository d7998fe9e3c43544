SELECT event_date,
       CAST(hour(event_timestamp) AS INTEGER) AS hour,
       event_type,
       count(*)                               AS events,
       count(DISTINCT user_id)                AS users,
       count(DISTINCT session_id)             AS sessions
FROM silver
GROUP BY ALL
