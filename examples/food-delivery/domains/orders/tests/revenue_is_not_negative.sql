SELECT * FROM daily_revenue WHERE revenue < 0 OR delivered + cancelled > orders
