-- What was used and is on no final invoice yet, by customer: before commits and credits, and what of it is due.
SELECT i.customer AS customer, i.currency AS currency, sumIf(l.amount, l.kind != 'commit') AS used, sum(l.amount) AS due
FROM invoices AS i
INNER JOIN invoice_lines AS l ON l.customer = i.customer AND l.invoice = i.id
WHERE i.status = 'draft' AND i.kind = 'usage'
GROUP BY customer, currency
ORDER BY used DESC, customer
