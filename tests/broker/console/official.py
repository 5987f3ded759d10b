"""What the tests with the official client share."""

import uuid
from collections.abc import Callable
from typing import Any

from metronome import Metronome

from contracts.translation.metronome.coins import USD
from pipelines.testing import until

OCTOBER = "2026-10-01T00:00:00Z"
NOVEMBER = "2026-11-01T00:00:00Z"
NEXT_YEAR = "2027-10-01T00:00:00Z"


def awaited(look: Callable[[], Any], ready: Callable[[Any], bool], what: str) -> Any:
    """The first answer of `look` that is ready."""

    def once() -> tuple[Any] | None:
        found = look()
        return (found,) if ready(found) else None

    return until(once, what)[0]


class Priced:
    """A customer, a metric, a product and a rate card with a rate, of one test."""

    def __init__(self, client: Metronome) -> None:
        self.tag = uuid.uuid4().hex[:8]
        self.alias = f"alias-{self.tag}"
        self.customer = client.v1.customers.create(name=f"Acme {self.tag}", ingest_aliases=[self.alias], custom_fields={"tier": "gold"}).data.id
        self.metric = client.v1.billable_metrics.create(
            name="API calls",
            aggregation_type="SUM",
            aggregation_key="calls",
            event_type_filter={"in_values": [f"call-{self.tag}"]},
            property_filters=[{"name": "status", "in_values": ["ok"]}, {"name": "region", "exists": True}],
            group_keys=[["region"], ["region", "model"]],
            custom_fields={"owner": "billing"},
        ).data.id
        self.product = client.v1.contracts.products.create(
            name="API calls",
            type="USAGE",
            billable_metric_id=self.metric,
            pricing_group_key=["region"],
            presentation_group_key=["model"],
            quantity_conversion={"conversion_factor": 1000, "operation": "DIVIDE"},
            quantity_rounding={"decimal_places": 0, "rounding_method": "ROUND_UP"},
            tags=["ai"],
        ).data.id
        self.fee = client.v1.contracts.products.create(name="Prepaid", type="FIXED").data.id
        self.card = client.v1.contracts.rate_cards.create(name="List", description="what it costs", aliases=[{"name": f"list-{self.tag}"}]).data.id
        client.v1.contracts.rate_cards.rates.add(
            rate_card_id=self.card, product_id=self.product, entitled=True, rate_type="FLAT", price=25.5, starting_at="2026-01-01T00:00:00Z",
            pricing_group_values={"region": "eu"},
        )  # fmt: skip

    def contract(self, client: Metronome, **more: object) -> str:
        made = client.v1.contracts.create(customer_id=self.customer, rate_card_id=self.card, starting_at=OCTOBER, **more)  # type: ignore[arg-type]
        return made.data.id

    def terms(self) -> dict[str, Any]:
        """Terms of nearly every kind, as `contract` takes them."""
        return {
            "commits": [
                {
                    "product_id": self.fee, "type": "PREPAID", "name": "Year", "priority": 10, "rate_type": "COMMIT_RATE", "rollover_fraction": 0.5,
                    "temporary_id": "year", "custom_fields": {"po": "7"}, "applicable_product_ids": [self.product],
                    "access_schedule": {"credit_type_id": USD, "schedule_items": [{"amount": 1_000_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                    "invoice_schedule": {"schedule_items": [{"timestamp": OCTOBER, "unit_price": 400_000, "quantity": 2}]},
                },
                {
                    "product_id": self.fee, "type": "POSTPAID",
                    "access_schedule": {"schedule_items": [{"amount": 500_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                    "invoice_schedule": {"schedule_items": [{"timestamp": NEXT_YEAR, "amount": 500_000}]},
                },
            ],
            "credits": [
                {"product_id": self.fee, "name": "Promo", "access_schedule": {"schedule_items": [{"amount": 12_345, "starting_at": OCTOBER, "ending_before": NOVEMBER}]}},
            ],
            "overrides": [
                {
                    "starting_at": OCTOBER, "ending_before": NOVEMBER, "type": "MULTIPLIER", "multiplier": 0.8,
                    "override_specifiers": [{"product_id": self.product, "pricing_group_values": {"region": "eu"}}, {"product_tags": ["ai"]}],
                },
                {"starting_at": OCTOBER, "product_id": self.product, "type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT", "price": 12.25}},
                {
                    "starting_at": OCTOBER, "type": "MULTIPLIER", "multiplier": 0.5, "is_commit_specific": True,
                    "override_specifiers": [{"commit_ids": ["year"]}],
                },
                {"starting_at": OCTOBER, "product_id": self.product, "type": "TIERED", "tiers": [{"size": 10, "multiplier": 0.9}, {"multiplier": 0.7}]},
            ],
            "scheduled_charges": [
                {"product_id": self.fee, "name": "Setup", "schedule": {"schedule_items": [{"timestamp": OCTOBER, "amount": 5_000}, {"timestamp": NOVEMBER, "amount": 6_000}]}},
            ],
            "recurring_credits": [
                {"product_id": self.fee, "priority": 5, "starting_at": OCTOBER, "access_amount": {"unit_price": 1_000, "quantity": 2}, "commit_duration": {"value": 2}},
            ],
            "usage_filter": {"group_key": "region", "group_values": ["eu", "us"]},
        }  # fmt: skip
