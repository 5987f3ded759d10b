"""What the bills must be, worked out without any of our code: a dictionary of sums, a price list, one rounding."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

PRICES = {
    "api-calls": Decimal("0.002"),
    "model-a-tokens": Decimal(3),
    "model-b-tokens": Decimal(15),
    "model-c-tokens": Decimal("0.6"),
    "images": Decimal("0.04"),
}
MILLION = Decimal(1_000_000)
CENT = Decimal("0.01")


def bills(events: Iterable[tuple[str, str, str, Mapping[str, str]]]) -> dict[str, Decimal]:
    """Total by customer for (transaction id, customer, event type, properties); of one id the first counts."""
    seen: set[str] = set()
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for name, customer, event_type, properties in events:
        if name in seen:
            continue
        seen.add(name)
        if event_type == "api_call":
            sums[customer, "api-calls"] += Decimal(properties["calls"])
        elif event_type == "image":
            sums[customer, "images"] += Decimal(properties["images"])
        elif event_type == "completion":
            sums[customer, f"model-{properties['model']}-tokens"] += Decimal(properties["tokens"]) / MILLION
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for (customer, product), quantity in sums.items():
        totals[customer] += (quantity * PRICES[product]).quantize(CENT, ROUND_HALF_UP)
    return dict(totals)
