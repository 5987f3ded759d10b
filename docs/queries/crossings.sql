-- Thresholds that went into alarm, and when each was over.
SELECT customer, contract, threshold, crossing, minIf(at, state = 'in_alarm') AS since, anyIf(value, state = 'in_alarm') AS value, if(countIf(state = 'ok') > 0, minIf(at, state = 'ok'), NULL) AS over
FROM alerts
GROUP BY customer, contract, threshold, crossing
ORDER BY since DESC, customer, threshold
