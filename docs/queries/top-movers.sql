-- Customers and products whose spend changed most from one month to another.
-- Void invoices do not count.
-- before, after: first days of the months
SELECT customer, product, currency,
    sumIf(amount, starting_at >= {before:Date} AND starting_at < addMonths({before:Date}, 1)) AS spend_before,
    sumIf(amount, starting_at >= {after:Date} AND starting_at < addMonths({after:Date}, 1)) AS spend_after,
    spend_after - spend_before AS change
FROM invoice_lines
WHERE kind IN ('usage', 'subscription', 'composite', 'correction') AND invoice NOT IN (SELECT id FROM invoices WHERE status = 'void')
    AND starting_at >= {before:Date}
GROUP BY customer, product, currency
HAVING change != 0
ORDER BY abs(change) DESC, customer, product
LIMIT 20
