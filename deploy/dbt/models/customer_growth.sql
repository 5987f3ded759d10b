{{ config(order_by='(customer, month)') }}
SELECT customer, currency, month, spent, lagInFrame(spent) OVER (PARTITION BY customer, currency ORDER BY month) AS spent_before
FROM (
    SELECT customer, currency, month, sum(spend) AS spent
    FROM {{ ref('monthly_spend') }} AS monthly
    GROUP BY customer, currency, month
) AS months
