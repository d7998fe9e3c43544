SELECT * FROM fact_hourly_summary WHERE hour IS NULL OR hour NOT BETWEEN 0 AND 23 OR trips <= 0
