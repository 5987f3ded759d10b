-- A customer's invoices of a month, line by line.
-- customer: String, month: the first day of it
SELECT i.kind AS invoice_kind, i.status, l.kind, l.product, l.group, l.starting_at, l.ending_before, l.quantity_text AS quantity, l.unit_price_text AS unit_price, l.commit, l.override, l.amount
FROM invoice_lines AS l
INNER JOIN invoices AS i ON i.customer = l.customer AND i.id = l.invoice
WHERE l.customer = {customer:String} AND i.starting_at >= {month:Date} AND i.starting_at < addMonths({month:Date}, 1)
ORDER BY i.starting_at, invoice_kind, l.starting_at, l.kind, l.product
