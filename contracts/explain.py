"""From a line to its derivation: windows, running quantity, rate, winning and losing overrides, tier arithmetic, draws, rounding.

What is explained is the account as it stands. A final line is derived again from its usage under the terms of today; `changed` says when these
would price it otherwise than the invoice, which stays as it is.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from contracts.catalogue import Rate
from contracts.grounds import Ground, grounds
from contracts.lines import FixedLine, UsageLine
from contracts.money import money, plain, quotient
from contracts.offers import Tariff
from contracts.overrides import OverrideTerms
from contracts.reading import read
from contracts.result import Invoice
from contracts.result import Line as ResultLine
from contracts.scales import RAW
from contracts.statement import Statement
from contracts.terms import ContractTerms
from contracts.timeline import HOUR, iso

if TYPE_CHECKING:
    from contracts.life import Life
    from contracts.usage_lines import Line

__all__ = ["Candidate", "Draw", "Explanation", "Ground", "ListRate", "Quantity", "Step", "UsageWindow", "explain"]


class UsageWindow(NamedTuple):
    """A metering window of the line with usage: how many events, and the running quantity behind it."""

    start_ms: int
    events: int
    first_ms: int
    running: Decimal


class Quantity(NamedTuple):
    """The metric over event time from the period's start, before and behind the line, as counted and as billed."""

    metric: str
    aggregation: str
    raw_before: Decimal
    raw_after: Decimal
    divide_by: Decimal
    rounding: str | None
    before: Decimal
    after: Decimal


class ListRate(NamedTuple):
    """The rate of the rate card that holds; `number` counts the card's rates from 1. No card: only the contract prices the product."""

    card: str | None
    number: int | None
    where: dict[str, object]
    starting_at: str | None
    ending_before: str | None
    price: dict[str, object]


class Candidate(NamedTuple):
    """An override that reaches the line, and why it wins or not."""

    id: str
    effect: str
    wins: bool
    reason: str


class Step(NamedTuple):
    """quantity × unit price, exactly and as the line has it."""

    quantity: Decimal
    unit_price: Decimal
    tier: int | None
    exact: Decimal
    amount: Decimal


class Draw(NamedTuple):
    """A segment that could pay the line, in draw order, and what it pays of it."""

    contract: str
    grant: str
    segment_ms: int
    amount: Decimal
    unit_price: Decimal | None
    override: str | None


class Explanation(NamedTuple):
    invoice: str
    contract: str
    status: str
    line: ResultLine
    period: tuple[int, int]
    quantity: Quantity | None
    windows: tuple[UsageWindow, ...]
    rate: ListRate | None
    overrides: tuple[Candidate, ...]
    steps: tuple[Step, ...]
    reduced: Decimal
    """What maximums, discounts and falling quantities take off before grants pay."""
    draws: tuple[Draw, ...]
    changed: bool
    """The terms of today would price it otherwise."""
    grounds: tuple[str, ...] = ()
    """The term that it comes from, where no usage of its own stands behind it."""
    rests_on: tuple[Ground, ...] = ()
    """Lines that it is worked out from."""

    def json(self) -> dict[str, object]:
        """Plain data: numbers as text, times as RFC 3339."""
        found = _plain(self)
        assert isinstance(found, dict)  # noqa: S101  # a named tuple becomes one
        return found

    def text(self) -> str:
        """For people, a few lines."""
        return "\n".join(_said(self))


def explain(life: "Life", line_id: str) -> Explanation | None:
    """The derivation of a line; none: the account has no such line."""
    found = next(((i, line) for i in read(life).invoices for line in i.lines if line.id == line_id), None)
    if found is None:
        return None
    invoice, shown = found
    behind = grounds(life, invoice, shown)
    return _derived(life, invoice, shown)._replace(grounds=behind.said, rests_on=behind.lines)


def _derived(life: "Life", invoice: Invoice, shown: ResultLine) -> Explanation:
    statement = life.open.get((invoice.contract, invoice.starting_ms))
    if invoice.kind not in {"usage", "correction"}:
        return _bare(invoice, shown)
    if invoice.status != "draft" or statement is None:
        return _final(life, invoice, shown)
    origins = [line for line in statement.lines for _ in line.printed()]
    place = next(number for number, line in enumerate(invoice.lines) if line.id == shown.id)
    return _explained(life, invoice, shown, statement, origins[place], final=False) if place < len(origins) else _bare(invoice, shown)


def _final(life: "Life", invoice: Invoice, shown: ResultLine) -> Explanation:
    payer = life.family.terms.get(invoice.contract)
    period = payer.period_of(invoice.starting_ms) if payer is not None else None
    if payer is None or period is None:
        return _bare(invoice, shown)
    statement = Statement(life.family, life.book, payer, *period, correction=False)
    statement.closing = True
    statement.refresh(period[0].end)
    for origin in statement.lines:
        product = origin.product.id if origin.product else None
        if (product, dict(origin.key), origin.span[0], origin.order[-1] or None) == (shown.product, dict(shown.group), shown.starting_ms, shown.tier):
            return _explained(life, invoice, shown, statement, origin, final=True)
    return _bare(invoice, shown)._replace(changed=True)


def _bare(invoice: Invoice, shown: ResultLine) -> Explanation:
    """A line that is derived from nothing but itself: a scheduled charge, a true-up, a cut."""
    nothing = money(0, -int(shown.amount.as_tuple().exponent))
    return Explanation(
        invoice.id, invoice.contract, invoice.status, shown, (invoice.starting_ms, invoice.ending_ms), None, (), None, (), (), nothing, (), changed=False
    )


def _explained(life: "Life", invoice: Invoice, shown: ResultLine, statement: Statement, origin: "Line", *, final: bool) -> Explanation:
    terms = origin.terms
    places = terms.places
    found = _bare(invoice, shown)._replace(reduced=money(origin.reduced, places), draws=tuple(_draws(origin, places)))
    if isinstance(origin, FixedLine):
        if shown.unit_price is not None and shown.quantity is not None:
            step = Step(shown.quantity, shown.unit_price, shown.tier, _exact(shown), shown.amount)
            found = found._replace(steps=(step,))
        return found
    unit = origin.unit
    atoms = origin.end - origin.start
    exact = Fraction(atoms) * unit.numerator / unit.denominator / 10**places
    step = Step(unit.quantity(atoms), unit.shown, unit.tier, quotient(exact.numerator, exact.denominator), money(origin.amount, places))
    changed = final and (shown.unit_price != unit.shown and shown.commit is None)
    return found._replace(
        quantity=_quantity(origin, statement, life.now),
        windows=tuple(_windows(origin, statement)),
        rate=_rate(origin),
        overrides=tuple(_candidates(terms, origin)),
        steps=(step,),
        changed=changed,
        draws=found.draws if not final else tuple(_fact_draws(invoice, shown)),
    )


def _exact(shown: ResultLine) -> Decimal:
    exact = Fraction(shown.quantity or 0) * Fraction(shown.unit_price or 0)
    return quotient(exact.numerator, exact.denominator)


def _quantity(origin: UsageLine, statement: Statement, now: int) -> Quantity:
    product = origin.context.product
    series = statement.series_of(origin)
    raw_unit = RAW * HOUR if product.kind == "time_weighted" else RAW
    start, end = (series.at(edge, now) if series is not None else 0 for edge in origin.span)
    scale = product.scale
    return Quantity(
        product.metric or "", product.kind, quotient(start, raw_unit), quotient(end, raw_unit), quotient(scale.per, raw_unit * scale.factor),
        scale.rounding, scale.quantity(scale.billed(start)), scale.quantity(scale.billed(end)),
    )  # fmt: skip


def _windows(origin: UsageLine, statement: Statement) -> Iterator[UsageWindow]:
    series = statement.series_of(origin)
    if series is not None and origin.kind == "usage":
        scale = origin.context.product.scale
        for start in series.inside(*origin.span):
            part = series.parts[start]
            yield UsageWindow(start, part.events, part.first_ms, scale.quantity(scale.billed(series.at(start + 1, start + 1))))


def _rate(origin: UsageLine) -> ListRate:
    card, rate = origin.terms.card, origin.offer.rate
    if rate is None:
        return ListRate(None, None, {}, None, None, {})
    name = origin.terms.document.rate_card or ""
    document: Rate = card.catalogue.rate_cards[name].rates[rate.number]
    price = origin.context.product.model(rate.price, rate.factor).describe()
    return ListRate(name, rate.number + 1, dict(document.where), document.starting_at, document.ending_before, price)


def _candidates(terms: ContractTerms, origin: UsageLine) -> Iterator[Candidate]:
    tariff: Tariff = origin.offer.tariff
    winner = next((o for o in tariff.chain if o.id == origin.override), None)
    for o in terms.overrides:
        if not (o.start <= origin.span[0] < o.end) or not tariff.reaches(o):
            continue
        if o.entitled is not None:
            yield Candidate(o.id, _effect(o), wins=False, reason="says only whether the product is entitled")
        elif o.commits:
            yield Candidate(
                o.id, _effect(o), wins=any(c.override == o.id for c in origin.covers), reason=f"holds only while {', '.join(sorted(o.commits))} is drawn"
            )
        elif winner is not None and o.id == winner.id:
            yield Candidate(o.id, _effect(o), wins=True, reason="wins")
        else:
            yield Candidate(o.id, _effect(o), wins=False, reason=_lost(o, winner, explicit=terms.explicit))


def _lost(o: OverrideTerms, winner: OverrideTerms | None, *, explicit: bool) -> str:
    if winner is None or o.target == "commit":
        return "changes the commit price only" if o.target == "commit" else "its units are used up"
    if winner.price is not None:
        return f"overwrite {winner.id} was added later" if o.price is not None else f"an overwrite ({winner.id}) goes before a multiplier"
    return f"{winner.id} has the smaller priority" if explicit else f"the multiplier of {winner.id} is lower"


def _effect(o: OverrideTerms) -> str:
    if o.multiplier is not None:
        return f"list price × {_number(o.multiplier)}"
    if o.tiers:
        return "list price × " + ", then × ".join(f"{_number(m)}" + (f" for {_number(size)} units" if size is not None else "") for size, m in o.tiers)
    return "price of its own" if o.price is not None else "entitled" if o.entitled else "not entitled"


def _draws(origin: "Line", places: int) -> Iterator[Draw]:
    for pay in origin.pays:
        covers = [cover for cover in origin.covers if cover.pay is pay]
        grant = pay.grant
        if not covers:
            yield Draw(grant.contract, grant.name, pay.segment.start, money(0, places), None, None)
        for cover in covers:
            price = cover.price
            yield Draw(
                grant.contract, grant.name, pay.segment.start, money(cover.amount, places),
                None if price is None else quotient(price.numerator, price.denominator), cover.override,
            )  # fmt: skip


def _fact_draws(invoice: Invoice, shown: ResultLine) -> Iterator[Draw]:
    """Draws of a final line stand on its invoice."""
    for line in invoice.lines:
        same = (line.product, line.group, line.starting_ms) == (shown.product, shown.group, shown.starting_ms)
        if same and line.commit is not None and line.kind != "commit":
            yield Draw(invoice.contract, line.commit, line.starting_ms, line.amount, line.unit_price, line.override)


def _number(value: Fraction) -> str:
    return plain(quotient(value.numerator, value.denominator))


def _plain(value: object, name: str = "") -> object:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {_named(key): _plain(each, key) for key, each in value._asdict().items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each, name) for each in value]
    if isinstance(value, Decimal):
        return format(value, "f") if name == "amount" else plain(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and (name.endswith("_ms") or name == "period"):
        return iso(value)
    return value


def _named(key: str) -> str:
    return {"starting_ms": "starting_at", "ending_ms": "ending_before"}.get(key, key.removesuffix("_ms"))


def _said(e: Explanation) -> Iterator[str]:
    line = e.line
    what = line.product or line.commit or line.kind
    yield f"{line.kind} {what}: {format(line.amount, 'f')}, {iso(line.starting_ms)} to {iso(line.ending_ms)}, on the {e.status} invoice {e.invoice} of {e.contract}"
    for ground in e.grounds:
        yield f"  term      {ground}"
    for each in e.rests_on:
        yield f"  from      {each.what}: {format(each.amount, 'f')}, line {each.line}"
    if e.quantity is not None:
        q = e.quantity
        said = f"{q.aggregation} of {q.metric} over the period: {plain(q.raw_before)} before, {plain(q.raw_after)} behind the line"
        divided = "" if q.divide_by == 1 else f"; divided by {plain(q.divide_by)}"
        yield f"  quantity  {said}{divided}{f'; rounded {q.rounding}' if q.rounding else ''}: {plain(q.before)} to {plain(q.after)}"
    if e.windows:
        events = sum(w.events for w in e.windows)
        yield f"  windows   {len(e.windows)} with {events} events, the first at {iso(e.windows[0].first_ms)}"
    if e.rate is not None:
        yield f"  rate      {'of the contract alone' if e.rate.card is None else f'{e.rate.card}, rate {e.rate.number}: {e.rate.price}'}"
    for candidate in e.overrides:
        yield f"  override  {candidate.id} ({candidate.effect}): {candidate.reason}"
    for step in e.steps:
        tier = f"tier {step.tier}: " if step.tier else ""
        yield f"  price     {tier}{plain(step.quantity)} × {plain(step.unit_price)} = {plain(step.exact)}, rounded {format(step.amount, 'f')}"
    if e.reduced:
        yield f"  reduced   by {format(e.reduced, 'f')} before commits and credits pay"
    for draw in e.draws:
        at = "" if draw.unit_price is None else f" at {plain(draw.unit_price)}"
        yield f"  draws     {draw.grant} of {draw.contract} pays {format(draw.amount, 'f')}{at}"
    if e.changed:
        yield "  note      the terms have changed since this invoice became final; it stays as it is"
