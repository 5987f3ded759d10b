"""The windows that RATE bills, as the warehouse has them."""

from clickhouse_connect.driver.client import Client

from contracts.windows import merge
from pipelines.verifying.windows import Counted, Kinds, Place
from pipelines.warehouse.rebuild import merged_inputs


def live_windows(client: Client, root: str, window_minutes: int, kinds: Kinds) -> Counted:
    """All windows of a family."""
    found: Counted = {}
    inputs = merged_inputs(client, root, window_minutes)
    for customer, catalogue, product, group, window_ms, aggregate in inputs.windows(inputs.replay()):
        slots = found.setdefault(Place(customer, catalogue, product, group, window_ms), {})
        slots[window_ms] = merge(kinds.get((catalogue, product), "count"), slots.get(window_ms), aggregate)
    return found
