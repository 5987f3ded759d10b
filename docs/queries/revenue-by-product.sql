-- Spend by month and product, before commits and credits; usage that came late in the month in which it was used. Without void invoices.
SELECT toStartOfMonth(starting_at) AS month, product, currency, sum(amount) AS spend, uniqExact(customer) AS customers
FROM invoice_lines
WHERE kind IN ('usage', 'subscription', 'composite', 'correction') AND invoice NOT IN (SELECT id FROM invoices WHERE status = 'void')
GROUP BY month, product, currency
ORDER BY month, spend DESC, product
