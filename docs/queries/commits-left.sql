-- Commits and credits that are not used up, the least used first: who will lose money or owe a true-up.
SELECT customer, contract, id, type, currency, granted, applied, expired, remaining, round(applied / nullIf(granted, 0), 4) AS share_used
FROM balances
WHERE remaining > 0
ORDER BY share_used, remaining DESC, customer, id
