"""What today's usage comes to, for all customers, kept up to date by those whose drafts have changed.

A line says what the usage of a whole period comes to; today's part of it is in proportion to the metered quantity, as on the chart of a customer. A
look reads some customers only, those that have waited longest, so it costs the same however many there are; the others wait for the next looks.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from console.books import Books, Papers
from console.reading import Warehouse
from console.spreading import DAY_MS, Hour, hours, weight
from contracts.contract import Contract
from contracts.money import exact, exponent, half_up, minor, money
from contracts.result import Line
from pipelines.warehouse.reads import line_from

MOST: Final = 200
MOST_WHOLE: Final = 10
"""Of these, customers of whom a whole period is read: quantities of their products do not add up over days."""
SHARE: Final = 20
PAUSE_S: Final = 3.0
"""A look is followed by a pause: so many times what it took, and so long at least."""
ADDED_UP: Final = ("count", "sum")

CHANGED: Final = """
SELECT customer, toUnixTimestamp64Milli(max(written_at)) FROM invoice_revisions
WHERE kind = 'usage' AND written_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC') GROUP BY customer"""
LINES: Final = """
SELECT customer, contract, id, kind, product, group, toUnixTimestamp64Milli(starting_at), toUnixTimestamp64Milli(ending_before),
       quantity, unit_price, tier, amount, currency, commit, override
FROM line_revisions FINAL
WHERE customer IN {customers:Array(String)} AND NOT deleted AND kind = 'usage' AND product IS NOT NULL AND amount != 0
 AND starting_at < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') AND ending_before > fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
 AND invoice IN (SELECT id FROM invoice_revisions FINAL WHERE customer IN {customers:Array(String)} AND kind = 'usage' AND status = 'draft')"""
USED: Final = """
SELECT customer, catalogue, product, group, toUnixTimestamp64Milli(toDateTime64(hour, 3, 'UTC')), events, toString(value_sum) FROM usage_hourly
WHERE customer IN {ids:Array(String)} AND hour >= toDateTime(intDiv({from_ms:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({until_ms:Int64}, 1000), 'UTC')"""

Money = Mapping[str, Decimal]
"""By currency."""


class Spend(NamedTuple):
    """`waiting`: customers whose drafts have changed and that were not read since."""

    amounts: Money
    waiting: int


class Billed(NamedTuple):
    """What lines of one product and group come to for one time together: tiers, and parts that commits cover."""

    contract: Contract
    product: str
    group: Mapping[str, str]
    starting_ms: int
    ending_ms: int
    currency: str
    amount: Decimal
    quantity: Decimal


class Today:
    """Not for two threads at once."""

    def __init__(self, warehouse: Warehouse, books: Books) -> None:
        self._warehouse = warehouse
        self._books = books
        self._from_ms = 0
        self._since_ms = 0
        self._marks: dict[str, int] = {}
        self._waiting: dict[str, None] = {}
        self._spent: dict[str, Money] = {}
        self._next = float("-inf")

    def look(self) -> Spend:
        """What was found until now, with another look if it is time for one. Raises UnavailableError."""
        began = time.monotonic()
        if began >= self._next:
            self._look(self._warehouse.now_ms())
            self._next = time.monotonic() + max(PAUSE_S, (time.monotonic() - began) * SHARE)
        amounts: dict[str, Decimal] = defaultdict(Decimal)
        with exact():
            for spent in self._spent.values():
                for currency, amount in spent.items():
                    amounts[currency] += amount
        return Spend(amounts, len(self._waiting))

    def _look(self, now_ms: int) -> None:
        from_ms = now_ms - now_ms % DAY_MS
        if from_ms != self._from_ms:  # a new day begins with nothing
            self._from_ms = self._since_ms = from_ms
            self._marks, self._waiting, self._spent = {}, {}, {}
        for customer, written_ms in self._warehouse.look(CHANGED, since_ms=self._since_ms):
            if self._marks.get(customer, 0) < written_ms:
                self._marks[customer] = written_ms
                self._waiting.setdefault(customer)
        self._since_ms = max(from_ms, now_ms - 10_000)  # rows of one insert become visible together, but not in the order of their time
        chosen = list(self._waiting)[:MOST]
        if not chosen:
            return
        read = self._read(chosen)
        for customer in chosen:
            if customer in read:
                del self._waiting[customer]
                self._spent[customer] = read[customer]

    def _read(self, customers: Sequence[str]) -> dict[str, Money]:
        """Of these customers, or of the first of them."""
        papers = self._books.now()
        asked = {"from_ms": self._from_ms, "until_ms": self._from_ms + DAY_MS}
        rows = self._warehouse.consistent(lambda still: self._warehouse.look(still.tables(LINES), customers=customers, **asked))
        billed = _billed(papers, ((customer, contract, rest[10], line_from(rest)) for customer, contract, *rest in rows))
        children = _paid(papers)
        ids = {each.contract.id: _ids(each.contract, children) for found in billed.values() for each in found}
        used: dict[tuple[str, str, str], list[Hour]] = defaultdict(list)
        for name, catalogue, product, group, start_ms, events, value in self._warehouse.look(
            USED, ids=sorted({name for each in ids.values() for name in each}), **asked
        ):
            used[name, catalogue, product].append(Hour(product, dict(group), start_ms, weight(events, value)))
        spent: dict[str, Money] = {}
        whole = 0
        for customer in customers:
            found = billed.get(customer, [])
            if any(_whole(papers, each) is None for each in found):
                whole += 1
                if whole > MOST_WHOLE:
                    break
            amounts: dict[str, Decimal] = defaultdict(Decimal)
            for each in found:
                mine = [hour for name in ids[each.contract.id] for hour in used[name, each.contract.catalogue, each.product]]
                with exact():
                    amounts[each.currency] += self._share(papers, each, mine, ids[each.contract.id])
            spent[customer] = amounts
        return spent

    def _share(self, papers: Papers, billed: Billed, today: Sequence[Hour], ids: Sequence[str]) -> Decimal:
        """Today's part of an amount, rounded to the currency's minor unit."""
        if billed.starting_ms >= self._from_ms:
            return billed.amount
        whole = _whole(papers, billed)
        if whole is None:
            found = hours(self._warehouse, ids, billed.contract.catalogue, billed.starting_ms, billed.ending_ms)
            whole = _weight(billed, found)
            today = [hour for hour in found if hour.start_ms >= self._from_ms]
        part = _weight(billed, today)
        if not whole:
            return Decimal(0)
        places = exponent(billed.currency)
        return money(half_up(minor(billed.amount, places) * min(part, whole), whole), places)


def _billed(papers: Papers, lines: Iterable[tuple[str, str, str, Line]]) -> dict[str, list[Billed]]:
    """By customer."""
    found: dict[tuple[object, ...], Billed] = {}
    owners: dict[tuple[object, ...], str] = {}
    for customer, contract, currency, line in lines:
        recorded = papers.documents.contracts.get(contract)
        if recorded is None or line.product is None:
            continue
        place = (contract, line.product, tuple(sorted(line.group.items())), line.starting_ms, line.ending_ms)
        before = found.get(place) or Billed(recorded.contract, line.product, line.group, line.starting_ms, line.ending_ms, currency, Decimal(0), Decimal(0))
        found[place] = before._replace(amount=before.amount + line.amount, quantity=before.quantity + (line.quantity or 0))
        owners[place] = customer
    by_customer: dict[str, list[Billed]] = defaultdict(list)
    for told_apart, each in found.items():
        by_customer[owners[told_apart]].append(each)
    return by_customer


def _whole(papers: Papers, billed: Billed) -> int | None:
    """The metered quantity behind an amount, as a weight; none: it is not the sum of what days have."""
    catalogue = papers.documents.catalogues.get(billed.contract.catalogue)
    product = catalogue.catalogue.products.get(billed.product) if catalogue else None
    metric = catalogue.catalogue.metrics.get(product.metric or "") if catalogue and product else None
    if product is None or metric is None or metric.aggregation not in ADDED_UP:
        return None
    with exact():
        quantity = billed.quantity * (product.quantity.divide_by if product.quantity else 1)
        return int(abs(quantity) * 10**6) if metric.aggregation == "sum" else int(abs(quantity))


def _weight(billed: Billed, found: Iterable[Hour]) -> int:
    return sum(
        hour.weight for hour in found
        if hour.product == billed.product and billed.starting_ms <= hour.start_ms < billed.ending_ms and billed.group.items() <= hour.group.items()
    )  # fmt: skip


def _paid(papers: Papers) -> Mapping[str, Sequence[Contract]]:
    """Children by the contract that pays for them."""
    found: dict[str, list[Contract]] = defaultdict(list)
    for recorded in papers.documents.contracts.values():
        if recorded.contract.payer == "parent" and recorded.contract.parent:
            found[recorded.contract.parent].append(recorded.contract)
    return found


def _ids(contract: Contract, children: Mapping[str, Sequence[Contract]]) -> list[str]:
    """Whose usage the contract's invoices have."""
    return sorted({name for each in (contract, *children.get(contract.id, ())) for name in (each.customer, *each.aliases)})
