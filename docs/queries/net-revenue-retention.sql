-- Of what customers used in one month, the share that the same customers used in another: above 1 they grew.
-- Void invoices do not count.
-- before, after: first days of the months
SELECT currency, sum(used_before) AS revenue_before, sum(used_after) AS revenue_after, round(revenue_after / nullIf(revenue_before, 0), 4) AS retention
FROM (
    SELECT customer, currency,
        sumIf(amount, starting_at >= {before:Date} AND starting_at < addMonths({before:Date}, 1)) AS used_before,
        sumIf(amount, starting_at >= {after:Date} AND starting_at < addMonths({after:Date}, 1)) AS used_after
    FROM invoice_lines
    WHERE kind IN ('usage', 'subscription', 'composite', 'correction', 'minimum', 'maximum', 'discount') AND invoice NOT IN (SELECT id FROM invoices WHERE status = 'void')
    GROUP BY customer, currency
    HAVING used_before > 0
)
GROUP BY currency
ORDER BY currency
