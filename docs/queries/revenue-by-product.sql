-- Spend by month and product, before commits and credits.
SELECT toStartOfMonth(starting_at) AS month, product, currency, sum(amount) AS spend, uniqExact(customer) AS customers
FROM invoice_lines
WHERE kind IN ('usage', 'subscription', 'composite')
GROUP BY month, product, currency
ORDER BY month, spend DESC, product
