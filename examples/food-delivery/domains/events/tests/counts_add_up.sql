-- The hourly counts are all of the day's events.
SELECT s.event_date, s.events, h.events AS counted
FROM (SELECT event_date, count(*) AS events FROM silver GROUP BY event_date) s
LEFT JOIN (SELECT event_date, sum(events) AS events FROM hourly_event_counts GROUP BY event_date) h USING (event_date)
WHERE s.events IS DISTINCT FROM h.events
