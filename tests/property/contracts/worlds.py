"""Small random worlds for the fold: a catalogue of one or two products, one contract, events of October 2025, and accounts that are told of them."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from contracts.account import Account
from contracts.catalogue import Catalogue, Metric, Package, Price, Product, Quantity, Rate, RateCard, Tier
from contracts.contract import Access, Commit, Contract, Credit, Instalment, Override, OverrideTier
from contracts.offline import Memory
from contracts.result import Invoice, Line, Result
from contracts.usage import Delta, Point

HOUR = 3_600_000
DAY = 24 * HOUR
OCTOBER = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp()) * 1000
NOVEMBER = OCTOBER + 31 * DAY
KINDS = ("count", "sum", "max", "min", "latest", "unique", "time_weighted")


class Event(NamedTuple):
    """A usage event of a product, metered."""

    product: str
    at_ms: int
    value: Decimal
    group: tuple[tuple[str, str], ...] = ()
    customer: str = "acme"
    recorded_ms: int | None = None


class World(NamedTuple):
    catalogue: Catalogue
    contract: Contract
    events: tuple[Event, ...]


def day(number: int) -> str:
    """A date of October 2025 (1 to 31), or the first of November (32)."""
    return "2025-11-01" if number > 31 else f"2025-10-{number:02d}"


cents = st.integers(0, 500).map(lambda n: Decimal(n) / 100)
amounts = st.integers(1, 40_000).map(lambda n: Decimal(n) / 100)
multipliers = st.integers(0, 150).map(lambda n: Decimal(n) / 100)


@st.composite
def tiers(draw: st.DrawFn, *, flats: bool = True) -> list[Tier]:
    bounds = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=3)))
    flat = cents if flats else st.just(Decimal(0))
    made = [Tier(up_to=Decimal(b), per_unit=draw(cents), flat=draw(flat)) for b in bounds]
    return [*made, Tier(per_unit=draw(cents), flat=draw(flat))]


def prices(*, flats: bool = True, free: bool = True) -> st.SearchStrategy[Price]:
    spare = st.integers(0, 20).map(Decimal) if free else st.just(Decimal(0))
    found = [
        st.builds(lambda p, f: Price(per_unit=p, free=f), cents, spare),
        st.builds(lambda s, p, f: Price(package=Package(size=Decimal(s), price=p), free=f), st.integers(1, 12), cents, spare),
        st.builds(lambda t, f: Price(graduated=t, free=f), tiers(flats=flats), spare),
        st.builds(lambda t, f: Price(volume=t, free=f), tiers(flats=flats), spare),
    ]
    return st.one_of(*found, *([st.builds(lambda p: Price(flat=p), cents)] if flats else []))


@st.composite
def rates(draw: st.DrawFn, product: str, price: st.SearchStrategy[Price], *, commit: bool = False) -> list[Rate]:
    """One to three rates, one behind the other."""
    cuts = sorted(draw(st.sets(st.integers(2, 31), max_size=2)))
    edges = [None, *map(day, cuts), None]
    made = []
    for start, end in itertools.pairwise(edges):
        at_commit = draw(st.none() | prices(flats=False, free=False)) if commit else None
        made.append(Rate(product=product, price=draw(price), commit_price=at_commit, starting_at=start, ending_before=end))
    return made


@st.composite
def events(draw: st.DrawFn, kind: str, product: str = "p", *, size: int = 12, negative: bool = False) -> tuple[Event, ...]:
    low = -300 if negative else 0
    made = []
    for _ in range(draw(st.integers(0, size))):
        at = OCTOBER + draw(st.integers(0, 31 * 48 - 1)) * HOUR // 2
        value = Decimal(draw(st.integers(0, 6))) if kind == "unique" else Decimal(draw(st.integers(low, 2_000))) / draw(st.sampled_from((1, 10, 100)))
        made.append(Event(product, at, value))
    return tuple(made)


def metric(kind: Any, *, carry: bool = False) -> Metric:
    return Metric(event_types=["e"], aggregation=kind, value=None if kind == "count" else "v", carry=carry, group_keys=["region"])


def catalogue(kind: str, made: Sequence[Rate], quantity: Quantity | None = None, *, keys: Sequence[str] = (), extra: dict[str, Product] | None = None) -> Catalogue:
    products = {"p": Product(name="P", metric="m", quantity=quantity, pricing_group_keys=list(keys), tags=["t"]), **(extra or {})}
    return Catalogue(metrics={"m": metric(kind)}, products=products, rate_cards={"list": RateCard(rates=list(made))})


def contract(**terms: Any) -> Contract:
    return Contract(**{"id": "k", "customer": "acme", "rate_card": "list", "starting_at": "2025-10-01", "ending_before": "2026-10-01", **terms})


@st.composite
def overrides(draw: st.DrawFn, *, commits: Sequence[str] = (), size: int = 3) -> list[Override]:
    made = []
    for number in range(draw(st.integers(0, size))):
        start, end = sorted((draw(st.integers(1, 31)), draw(st.integers(1, 32))))
        effect = draw(st.sampled_from(("multiplier", "price", "tiers", "entitled") if size > 2 else ("multiplier", "price")))
        what: dict[str, Any] = {"multiplier": draw(multipliers)}
        if effect == "price":
            what = {"price": draw(prices(flats=False, free=False))}
        elif effect == "tiers":
            what = {"tiers": [OverrideTier(size=Decimal(draw(st.integers(1, 30))), multiplier=draw(multipliers)), OverrideTier(multiplier=draw(multipliers))]}
        elif effect == "entitled":
            what = {"entitled": draw(st.booleans())}
        named = [draw(st.sampled_from(list(commits)))] if commits and effect in {"multiplier", "price"} and draw(st.booleans()) else []
        made.append(
            Override(id=f"o{number}", starting_at=day(start), ending_before=day(end if end > start else start + 1), commits=named, priority=draw(st.integers(1, 3)), **what)
        )
    return made


@st.composite
def segments(draw: st.DrawFn) -> list[Access]:
    cuts = sorted(draw(st.sets(st.integers(2, 31), max_size=2)))
    edges = [day(1), *map(day, cuts), "2026-01-01"]
    return [Access(amount=draw(amounts), starting_at=a, ending_before=b) for a, b in itertools.pairwise(edges)]


@st.composite
def grants(draw: st.DrawFn) -> dict[str, Any]:
    """Commits and credits of a contract, as keyword arguments."""
    commits, credits_ = [], []
    for number in range(draw(st.integers(0, 2))):
        access = draw(segments())
        if draw(st.booleans()):
            total = sum((a.amount for a in access), Decimal(0))
            commits.append(Commit(id=f"post{number}", type="postpaid", access=access, invoice=[Instalment(amount=total, at="2026-01-01")], priority=draw(st.integers(1, 3))))
        else:
            at_commit = draw(st.booleans())
            commits.append(Commit(id=f"pre{number}", type="prepaid", access=access, rate="commit" if at_commit else "list", priority=draw(st.integers(1, 3))))
    for number in range(draw(st.integers(0, 2))):
        credits_.append(Credit(id=f"cred{number}", access=draw(segments()), priority=draw(st.integers(1, 3)), products=draw(st.sampled_from(([], ["p"])))))
    return {"commits": commits, "credits": credits_}


@st.composite
def worlds(draw: st.DrawFn, *, kinds: Sequence[str] = KINDS, negative: bool = True) -> World:
    """Everything of one product at once: prices that change, overrides, grants."""
    kind = draw(st.sampled_from(list(kinds)))
    terms = draw(grants())
    names = [g.id for g in (*terms["commits"], *terms["credits"])]
    quantity = draw(st.none() | st.builds(lambda d, r: Quantity(divide_by=Decimal(d), round=r), st.sampled_from((2, 3, 10)), st.sampled_from((None, "up", "down", "half_up"))))
    made = catalogue(kind, draw(rates("p", prices(), commit=True)), quantity)
    agreed = contract(overrides=draw(overrides(commits=names)), override_selection=draw(st.sampled_from(("lowest_multiplier", "explicit"))), **terms)
    return World(made, agreed, draw(events(kind, negative=negative and kind not in {"time_weighted", "unique", "count"})))


def delta(event: Event, kind: str, number: int, *, alone: bool = False) -> Delta:
    """The event as METER hands it on; `number` makes its transaction id."""
    recorded = event.at_ms if event.recorded_ms is None else event.recorded_ms
    gauge = kind in {"latest", "time_weighted"}
    return Delta(
        "default", event.product, event.customer, dict(event.group), event.at_ms - event.at_ms % HOUR, recorded, event.at_ms, 1,
        event.value if kind in {"sum", "max", "min"} else None, (Point(event.at_ms, f"x{number:04d}", event.value),) if gauge else (),
        frozenset({str(event.value)}) if kind == "unique" else frozenset(), number if alone else None,
    )  # fmt: skip


def kind_of(made: Catalogue, product: str) -> str:
    return made.metrics[made.products[product].metric or ""].aggregation


def account(world: World, *, usage: bool = True, at_ms: int = NOVEMBER - HOUR, alone: bool = False) -> Account:
    """An account that was told of the world in order, with its clock at `at_ms`."""
    made = Account("acme", Memory())
    made.record_catalogue(world.catalogue, OCTOBER)
    made.record_contract(world.contract, OCTOBER)
    if usage:
        tell(made, world, alone=alone)
    made.advance(at_ms)
    return made


def tell(made: Account, world: World, *, alone: bool = False) -> None:
    numbered = sorted(enumerate(world.events), key=lambda each: (each[1].at_ms if each[1].recorded_ms is None else each[1].recorded_ms, each[0]))
    for number, event in numbered:
        made.record_usage([delta(event, kind_of(world.catalogue, event.product), number, alone=alone)])


def facts(result: Result) -> tuple[Any, ...]:
    """What a result says, alerts aside."""
    return result.invoices, result.balances


def usage_invoice(result: Result, start: int = OCTOBER) -> Invoice:
    return next(i for i in result.invoices if i.kind == "usage" and i.starting_ms == start and i.status != "void")


def of_kind(lines: Iterable[Line], *kinds: str) -> list[Line]:
    return [line for line in lines if line.kind in kinds]


def raw(kind: str, found: Sequence[Event], until: int, start: int = OCTOBER) -> Decimal:
    """A(start..until) straight from the definition."""
    inside = sorted(((e.at_ms, number, e.value) for number, e in enumerate(found) if start <= e.at_ms < until))
    values = [value for _, _, value in inside]
    if kind == "count":
        return Decimal(len(values))
    if kind == "unique":
        return Decimal(len(set(values)))
    if not values:
        return Decimal(0)
    if kind == "time_weighted":
        spans = zip(inside, [*(at for at, _, _ in inside[1:]), until], strict=True)
        return sum((value * (end - at) / HOUR for (at, _, value), end in spans), Decimal(0))
    return {"sum": lambda: sum(values, Decimal(0)), "max": lambda: max(values), "min": lambda: min(values), "latest": lambda: values[-1]}[kind]()
