"""METER: usage-events → metered-usage. Every accepted event once, aggregated per customer, product, group and window."""
