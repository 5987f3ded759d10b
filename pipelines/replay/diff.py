"""What a cutover of the open generation would change: each family folded from the warehouse as it is billed, and with the windows exchanged."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from contracts.rendering import ordered
from contracts.result import Result
from contracts.timeline import iso
from pipelines.preview import balances_changed, invoices_changed
from pipelines.replay.generations import Generation
from pipelines.verifying.families import Family, clocks_of
from pipelines.warehouse.many import merged_inputs_of
from pipelines.warehouse.rebuild import FOREVER_MS, Exchanges, FamilyInputs

Change = dict[str, Any]
TOGETHER: Final = 100
"""Families whose inputs are asked for at once."""


def results(inputs: FamilyInputs, generation: Generation, now_ms: int) -> tuple[Result, Result]:
    """What is billed of a family, and what would be."""
    exchanges = Exchanges(inputs)
    ledger = inputs.replay(exchanges)
    before = ledger.result(now_ms)
    exchanges.scopes[generation.number] = generation.scope
    exchanges.exchange(ledger, generation.number, now_ms, FOREVER_MS)
    return before, ledger.result(now_ms)


def differences(
    client: Client, generation: Generation, families: Sequence[Family], window_minutes: int, tell: Callable[[int, int], None] = lambda *_: None
) -> Iterator[Change]:
    """For each family that would change: `{"customer", "as_of", "invoices", "balances"}`, in the shape of an edit's preview."""
    for start in range(0, len(families), TOGETHER):
        some = families[start : start + TOGETHER]
        clocks = clocks_of(client, some)
        found = merged_inputs_of(client, [family.root for family in some], window_minutes)
        for place, family in enumerate(some, start=start + 1):
            now_ms = clocks[family.root]
            one, other = results(found.pop(family.root), generation, now_ms)
            invoices = invoices_changed(ordered(one).invoices, ordered(other).invoices)
            balances = balances_changed(ordered(one).balances, ordered(other).balances)
            tell(place, len(families))
            if invoices or balances:
                yield {"customer": family.root, "as_of": iso(now_ms), "invoices": invoices, "balances": balances}


def affected(families: Sequence[Family], generation: Generation) -> list[Family]:
    """Families of which some id is in the generation's scope."""
    wanted = set(generation.scope.customers)
    return [family for family in families if not wanted or wanted.intersection(family.ids)]
