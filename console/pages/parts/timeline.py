"""A contract in time: bars for what holds from a day to another, and every day on which something begins, ends or falls due."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from console.pages.parts.price import price_text
from console.pages.parts.text import Html, day, number, tag
from contracts.catalogue import Catalogue, Rate
from contracts.contract import Access, Contract, Override
from contracts.instants import instant_ms

MONTH_MS: Final = 31 * 86_400_000
COLOURS: Final = {"Rate": 7, "Override": 0, "Commit": 1, "Credit": 2, "Subscription": 3}


class Span(NamedTuple):
    """Something that holds in [start, end); none: until the contract ends."""

    kind: str
    name: str
    said: str
    start_ms: int
    end_ms: int | None


def spans(contract: Contract, catalogue: Catalogue | None) -> list[Span]:
    """Rates that change, overrides, commits, credits and subscriptions, in the order of the document."""
    zone = contract.billing.timezone
    begins_ms = instant_ms(contract.starting_at, zone)

    def span(kind: str, name: str, said: str, start: str | None, end: str | None) -> Span:
        return Span(kind, name, said, instant_ms(start, zone) if start else begins_ms, instant_ms(end, zone) if end else None)

    found = [span("Rate", rate.product, price_text(rate.price), rate.starting_at, rate.ending_before) for rate in dated_rates(contract, catalogue)]
    found += [span("Override", each.id, effect(each), each.starting_at, each.ending_before) for each in contract.overrides]
    for kind, grants in (("Commit", contract.commits), ("Credit", contract.credits)):
        for grant in grants:
            found += [span(kind, grant.id, number(part.amount), part.starting_at, part.ending_before) for part in grant.access]
    for kind, recurring in (("Commit", contract.recurring_commits), ("Credit", contract.recurring_credits)):
        found += [span(kind, each.id, f"{number(each.amount)} every {each.every}", each.starting_at, each.ending_before) for each in recurring]
    found += [
        span("Subscription", each.id, f"{number(each.quantity)} × {number(each.price)}", each.starting_at, each.ending_before)
        for each in contract.subscriptions
    ]
    return found


def dated_rates(contract: Contract, catalogue: Catalogue | None) -> list[Rate]:
    """Of its rate card those that begin or end some day; the others hold always, and stand among the prices."""
    card = catalogue.rate_cards.get(contract.rate_card or "") if catalogue else None
    return [rate for rate in card.rates if rate.starting_at or rate.ending_before] if card else []


def bars(contract: Contract, catalogue: Catalogue | None, now_ms: int) -> Html:
    """One row for what has one name, with a bar for each time it holds, and a line for now."""
    found = spans(contract, catalogue)
    if not found:
        return Html("")
    zone = contract.billing.timezone
    start_ms = min(instant_ms(contract.starting_at, zone), *(each.start_ms for each in found))
    known = [now_ms, *(each.start_ms for each in found), *(each.end_ms for each in found if each.end_ms is not None)]
    end_ms = instant_ms(contract.ending_before, zone) if contract.ending_before else max(known) + MONTH_MS
    now = tag("i", class_="now", style=f"left:{_percent(now_ms, start_ms, end_ms)}%") if start_ms <= now_ms < end_ms else ""
    rows = []
    for kind, name in dict.fromkeys((each.kind, each.name) for each in found):
        drawn = [_bar(each, start_ms, end_ms) for each in found if (each.kind, each.name) == (kind, name)]
        rows.append(tag("div", tag("span", tag("small", kind), " ", name), tag("div", now, *drawn, class_="track"), class_="spanned"))
    axis = tag("div", tag("span"), tag("div", tag("span", day(start_ms)), tag("span", day(end_ms)), class_="pair"), class_="spanned soft")
    return tag("div", *rows, axis, class_="spans", role="img", aria_label="What holds when; the list below says the same")


def _bar(span: Span, start_ms: int, end_ms: int) -> Html:
    left, right = _percent(span.start_ms, start_ms, end_ms), _percent(end_ms if span.end_ms is None else span.end_ms, start_ms, end_ms)
    until = "the end of the contract" if span.end_ms is None else day(span.end_ms)
    said = f"{span.said}, from {day(span.start_ms)} until {until}"
    return tag("i", class_=f"c{COLOURS[span.kind]}", style=f"left:{left}%;width:{max(0.5, right - left):.1f}%", title=said)


def _percent(at_ms: int, start_ms: int, end_ms: int) -> float:
    """Where it is on a track."""
    return round(100 * min(1, max(0, (at_ms - start_ms) / max(1, end_ms - start_ms))), 1)


def moments(contract: Contract, catalogue: Catalogue | None = None) -> list[tuple[int | None, str]]:
    """What begins, ends or falls due, in the order of time; None: it has held from the start."""
    zone = contract.billing.timezone
    found = [(None if text is None else instant_ms(text, zone), said) for text, said in (*_dated(contract), *_priced(contract, catalogue))]
    return sorted(found, key=lambda each: (each[0] is not None, each[0] or 0))


def _dated(contract: Contract) -> Iterator[tuple[str | None, str]]:
    yield contract.starting_at, "The contract begins"
    for override in contract.overrides:
        yield override.starting_at, f"Override {override.id}: {effect(override)}"
        if override.ending_before:
            yield override.ending_before, f"Override {override.id} ends"
    yield from _granted(contract)
    yield from _due(contract)
    for discount in contract.discounts:
        yield (
            discount.starting_at,
            f"Invoice discount {discount.id}: {number(discount.percent) + ' %' if discount.percent is not None else number(discount.amount)}",
        )
    if contract.ending_before:
        yield contract.ending_before, "The contract ends"


def _priced(contract: Contract, catalogue: Catalogue | None) -> Iterator[tuple[str | None, str]]:
    for rate in dated_rates(contract, catalogue):
        name = catalogue.products[rate.product].name if catalogue and rate.product in catalogue.products else rate.product
        yield rate.starting_at, f"List price of {name}: {price_text(rate.price)}"
        if rate.ending_before:
            yield rate.ending_before, f"List price of {name} ends: {price_text(rate.price)}"


def _granted(contract: Contract) -> Iterator[tuple[str | None, str]]:
    for commit in contract.commits:
        name = f"{commit.type.capitalize()} commit {commit.id}"
        yield from _segments(name, commit.access)
        for item in commit.invoice:
            yield item.at, f"{name}: {'true-up against' if commit.type == 'postpaid' else 'invoice of'} {number(item.amount)}"
    for credit in contract.credits:
        yield from _segments(f"Credit {credit.id}", credit.access)
    for recurring in (*contract.recurring_credits, *contract.recurring_commits):
        yield recurring.starting_at or contract.starting_at, f"Grant {recurring.id}: {number(recurring.amount)} every {recurring.every}"


def _due(contract: Contract) -> Iterator[tuple[str | None, str]]:
    for charge in contract.charges:
        yield charge.at or charge.from_, f"Charge {charge.id}: {number(charge.amount)}" + (f" every {charge.every}" if charge.every else "")
    for seat in contract.subscriptions:
        yield seat.starting_at or contract.starting_at, f"Subscription {seat.id}: {number(seat.quantity)} × {number(seat.price)} every {seat.every}"
        for change in seat.changes:
            yield change.at, f"Subscription {seat.id} changes" + (f" to {number(change.quantity)}" if change.quantity is not None else "")


def _segments(name: str, access: Sequence[Access]) -> Iterator[tuple[str | None, str]]:
    for segment in access:
        yield segment.starting_at, f"{name}: {number(segment.amount)} begins"
        if segment.ending_before:
            yield segment.ending_before, f"{name}: {number(segment.amount)} ends"


def effect(override: Override) -> str:
    """What an override does, in words."""
    targets = ", ".join([*override.products, *(f"tag {each}" for each in override.tags)]) or "every product"
    if override.commits:
        targets += f", while drawing {', '.join(override.commits)}"
    if override.entitled is not None:
        return f"{targets} {'may' if override.entitled else 'may not'} be used"
    if override.price is not None:
        return f"{targets} at {price_text(override.price)}"
    if override.tiers:
        return f"{targets}: " + ", ".join(f"× {number(each.multiplier)}" + (f" for {number(each.size)}" if each.size else "") for each in override.tiers)
    return f"{targets} × {number(override.multiplier)}"


def timeline(contract: Contract, catalogue: Catalogue | None, now_ms: int) -> Html:
    """Bars, and the list of days."""
    rows = [tag("li", tag("b", "always" if at is None else day(at)), " ", said) for at, said in moments(contract, catalogue)]
    return tag("div", bars(contract, catalogue, now_ms), tag("ol", *rows, class_="time"))
