"""What METER counts for a generation that is open: the scope's products once more, under the names of their twins, with the corrections that it rests on.

To METER twins are products that are new: from where on they are metered is written with the first batch that does, and what lies before is
filled by a backfill (`backfill.py`). The same stands here twice: as conditions of statements, and for small batches, which are counted event by event.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sqlglot import exp

from contracts import counting
from contracts.case import UsageEvent
from contracts.twins import SEPARATOR, Scope, twin
from pipelines.metering.compile import Meter
from pipelines.metering.trees import Tree, among, call, text, whole
from pipelines.replay.generations import Generations, reserved

FEW: Final = 20
"""So many ids stand in a statement; more go into a table."""
SetTable = Callable[[str, frozenset[str]], None]
"""Makes a table of one column with these values."""


def ordinary(meters: Iterable[Meter], generations: Generations) -> list[Meter]:
    """Products do not count the events that corrections have brought: their windows get those by an exchange."""
    if not generations.corrected:
        return list(meters)
    own = call("not", call("startsWith", exp.column("transaction_id"), text(SEPARATOR)))
    return [each._replace(conditions=(*each.conditions, own)) for each in meters]


def twins(known: Mapping[str, Iterable[Meter]], generations: Generations, set_table: SetTable) -> dict[str, list[Meter]]:
    """The twins of the generation that is open, by catalogue."""
    current = generations.current
    if current is None or not current.metered:
        return {}
    numbers = generations.rests_on(current)
    more = [*_within(current.scope, current.number, set_table), *_corrected(generations, numbers, f"meter.left_out_{current.number}", set_table)]
    return {
        name: [
            each._replace(product=twin(each.product, current.number), conditions=(*each.conditions, *more))
            for each in meters
            if each.product in current.scope.products.get(name, {})
        ]
        for name, meters in known.items()
    }


def counted(known: Mapping[str, Iterable[counting.Meter]], generations: Generations) -> list[counting.Meter]:
    """The same twins event by event. Events that corrections have brought are not asked about: whoever counts event by event leaves these to the statements."""
    current = generations.current
    if current is None or not current.metered:
        return []
    scope, customers, left_out = current.scope, frozenset(current.scope.customers), frozenset(generations.left_out(generations.rests_on(current)))

    def within(event: UsageEvent) -> bool:
        return (
            (not customers or event.customer in customers)
            and (scope.from_ms is None or event.timestamp_ms >= scope.from_ms)
            and (scope.until_ms is None or event.timestamp_ms < scope.until_ms)
            and event.transaction_id not in left_out
        )

    return [
        each._replace(product_id=twin(each.product_id, current.number), only=within)
        for name, found in known.items()
        for each in found
        if each.product_id in scope.products.get(name, {})
    ]


def in_force(generations: Generations, set_table: SetTable) -> list[Tree]:
    """What a product that is new must hold of past events: those that are billed now."""
    return _corrected(generations, generations.in_force(), "meter.left_out", set_table) if generations.corrected else []


def _within(scope: Scope, number: int, set_table: SetTable) -> Iterable[Tree]:
    if scope.customers:
        yield _among("customer", scope.customers, f"meter.scope_{number}", set_table)
    if scope.from_ms is not None:
        yield exp.GTE(this=exp.column("timestamp"), expression=whole(scope.from_ms))
    if scope.until_ms is not None:
        yield exp.LT(this=exp.column("timestamp"), expression=whole(scope.until_ms))


def _corrected(generations: Generations, numbers: Iterable[int], table: str, set_table: SetTable) -> list[Tree]:
    if not generations.corrected:
        return []
    given = list(numbers)
    brought = [call("not", call("startsWith", exp.column("transaction_id"), text(SEPARATOR)))]
    brought += [call("startsWith", exp.column("transaction_id"), text(reserved(number))) for number in given]
    found: list[Tree] = [exp.paren(exp.or_(*brought))]
    if left_out := generations.left_out(given):
        found.append(call("not", _among("transaction_id", left_out, table, set_table)))
    return found


def _among(column: str, values: Iterable[str], table: str, set_table: SetTable) -> Tree:
    given = list(values)
    if len(given) <= FEW:
        return among(exp.column(column), given)
    set_table(table, frozenset(given))
    database, _, name = table.partition(".")
    return exp.In(this=exp.column(column), field=exp.column(name, table=database))
