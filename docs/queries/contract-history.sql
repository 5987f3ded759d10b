-- Every version of a customer's contracts: who, when, and how many overrides and commits it has.
-- customer: String
SELECT id, version, recorded_at, effective_at, author, JSONLength(body, 'overrides') AS overrides, JSONLength(body, 'commits') AS commits
FROM documents
WHERE kind = 'contract' AND customer = {customer:String}
ORDER BY id, version
