SELECT s.pickup_date, s.trips, s.revenue, h.trips AS summed_trips, h.revenue AS summed_revenue
FROM (SELECT pickup_date, count(*) AS trips, sum(total_amount) AS revenue FROM silver GROUP BY pickup_date) s
LEFT JOIN (SELECT pickup_date, sum(trips) AS trips, sum(revenue) AS revenue
           FROM fact_hourly_summary GROUP BY pickup_date) h USING (pickup_date)
WHERE s.trips IS DISTINCT FROM h.trips OR s.revenue IS DISTINCT FROM h.revenue
