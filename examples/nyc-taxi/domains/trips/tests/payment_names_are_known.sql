SELECT payment_type, payment_name
FROM dim_payment_analysis
WHERE payment_name NOT IN ('flex fare', 'credit card', 'cash', 'no charge', 'dispute', 'voided', 'unknown')
   OR payment_name IS NULL
