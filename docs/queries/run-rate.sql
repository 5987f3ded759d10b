-- What the open periods come to if they go on as they began: spend so far over the share of the period that has passed.
-- Before commits and credits; the clock is the account's own.
SELECT customer, contract, starting_at, as_of, currency, spend AS spend_so_far,
    round(spend * dateDiff('minute', starting_at, ending_before) / greatest(1, dateDiff('minute', starting_at, least(as_of, ending_before))), 2) AS projected
FROM (
    SELECT i.customer AS customer, i.contract AS contract, i.starting_at AS starting_at, i.ending_before AS ending_before, i.currency AS currency, max(i.as_of) AS as_of, sum(l.amount) AS spend
    FROM invoices AS i
    INNER JOIN invoice_lines AS l ON l.customer = i.customer AND l.invoice = i.id
    WHERE i.status = 'draft' AND i.kind = 'usage' AND l.kind IN ('usage', 'subscription', 'composite')
    GROUP BY customer, contract, starting_at, ending_before, currency
)
ORDER BY projected DESC, customer
