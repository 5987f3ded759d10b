-- Metered usage of a customer by day and product. For sums; other metrics have columns of their own in usage_hourly.
-- customer: String
SELECT toDate(hour) AS day, product, sum(events) AS accepted, sum(value_sum) AS quantity
FROM usage_hourly
WHERE customer = {customer:String}
GROUP BY day, product
ORDER BY day, product
