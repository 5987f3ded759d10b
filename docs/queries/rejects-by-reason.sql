-- Why usage events did not count.
SELECT reason, count() AS rejected, min(recorded_at) AS first, max(recorded_at) AS last, any(detail) AS example
FROM rejected_events
GROUP BY reason
ORDER BY rejected DESC, reason
