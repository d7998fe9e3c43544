SELECT sum(share_pct) AS shares FROM dim_payment_analysis HAVING abs(sum(share_pct) - 100) > 0.1
