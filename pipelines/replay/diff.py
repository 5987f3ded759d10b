"""What a cutover of the open generation would change: each family folded from the warehouse as it is billed, and with the windows exchanged."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from contracts.rendering import ordered
from contracts.result import Result
from contracts.timeline import iso
from pipelines.preview import balances_changed, invoices_changed
from pipelines.replay.generations import Generation
from pipelines.verifying.families import Family, shown
from pipelines.warehouse.rebuild import merged_inputs

Change = dict[str, Any]


def results(client: Client, generation: Generation, family: Family, window_minutes: int) -> tuple[int, Result, Result]:
    """The family's clock, what is billed, and what would be."""
    now_ms = shown(client, family).now_ms
    inputs = merged_inputs(client, family.root, window_minutes)
    ledger = inputs.replay()
    before = ledger.result(now_ms)
    inputs.exchange(ledger, generation.scope, generation.number, now_ms)
    return now_ms, before, ledger.result(now_ms)


def differences(
    client: Client, generation: Generation, families: Sequence[Family], window_minutes: int, tell: Callable[[int, int], None] = lambda *_: None
) -> Iterator[Change]:
    """For each family that would change: `{"customer", "as_of", "invoices", "balances"}`, in the shape of an edit's preview."""
    for place, family in enumerate(families, start=1):
        now_ms, one, other = results(client, generation, family, window_minutes)
        invoices = invoices_changed(ordered(one).invoices, ordered(other).invoices)
        balances = balances_changed(ordered(one).balances, ordered(other).balances)
        tell(place, len(families))
        if invoices or balances:
            yield {"customer": family.root, "as_of": iso(now_ms), "invoices": invoices, "balances": balances}


def affected(families: Sequence[Family], generation: Generation) -> list[Family]:
    """Families of which some id is in the generation's scope."""
    wanted = set(generation.scope.customers)
    return [family for family in families if not wanted or wanted.intersection(family.ids)]
