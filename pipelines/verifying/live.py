"""The windows that RATE bills, as the warehouse has them."""

from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from pipelines.verifying.windows import Counted, Kinds, count
from pipelines.warehouse.rebuild import FOREVER_MS, merged_deltas


def live_windows(client: Client, ids: Sequence[str], window_minutes: int, kinds: Kinds) -> Counted:
    """All windows of these ids."""
    found: Counted = {}
    for delta in merged_deltas(client, sorted(ids), FOREVER_MS, kinds, window_minutes * 60_000):
        count(found, kinds, delta, delta.recorded_ms)
    return found
