"""Stripe's Billing: saved price lists, meters, subscriptions and invoices to our documents."""
