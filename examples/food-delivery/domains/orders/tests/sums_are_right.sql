-- An order's subtotal is what its dishes cost, and its total adds fee and tip.
SELECT order_id, subtotal, total
FROM silver
WHERE total <> subtotal + coalesce(delivery_fee, 0) + coalesce(tip, 0)
   OR subtotal <> list_sum([i.quantity * i.unit_price FOR i IN items])
