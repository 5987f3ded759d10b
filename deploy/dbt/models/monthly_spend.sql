{{ config(order_by='(customer, month)') }}
SELECT customer, product, currency, toStartOfMonth(starting_at) AS month, sum(amount) AS spend
FROM {{ source('taximeter', 'invoice_lines') }}
WHERE kind IN ('usage', 'subscription', 'composite', 'correction')
    AND invoice NOT IN (SELECT id FROM {{ source('taximeter', 'invoices') }} WHERE status = 'void')
GROUP BY customer, product, currency, month
