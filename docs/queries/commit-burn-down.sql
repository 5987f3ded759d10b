-- A commit or credit, period by period: what it paid (or what counted to it), and what was left after that.
-- customer, commit: String
SELECT starting_at, applied, sum(applied) OVER (ORDER BY starting_at) AS applied_until, granted - applied_until AS left_of_granted
FROM (
    SELECT starting_at, sum(amount) AS applied
    FROM invoice_lines
    WHERE customer = {customer:String} AND commit = {commit:String} AND kind NOT IN ('commit', 'charge', 'true_up')
        AND invoice NOT IN (SELECT id FROM invoices WHERE status = 'void')
    GROUP BY starting_at
) AS periods
CROSS JOIN (SELECT max(granted) AS granted FROM balances WHERE customer = {customer:String} AND id = {commit:String}) AS of_it
ORDER BY starting_at
