SELECT trip_id, fare_amount, total_amount FROM silver WHERE fare_amount < 0 OR total_amount < 0 OR tip_amount < 0
