SELECT user_id, email FROM silver WHERE email NOT LIKE '_***@%'
