"""When grants can be drawn, and when they are invoiced: access and invoice schedules."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from contracts.contract import Access, Instalment
from contracts.instants import from_ms, instant_ms, to_ms
from contracts.money import exact, exponent
from contracts.timeline import add_months, iso
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.known import MONTHS, SPLIT, Known

MOST_ITEMS: Final = 1_000


def segment_key(start: str, end: str | None) -> str:
    """How an access segment is found among those whose ids are kept."""
    return f"{start}/{end or ''}"


def access_in(fields: Fields, known: Known) -> Access:
    """An item of an access schedule."""
    amount = fields.number("amount")
    if amount < 0:
        raise invalid(fields.at("amount"), "must not be negative")
    found = Access(amount=known.coins.into(amount), starting_at=fields.instant("starting_at"), ending_before=fields.instant("ending_before"))
    fields.done()
    return found


def accesses_in(fields: Fields, known: Known) -> tuple[list[Access], dict[str, str]]:
    if not fields.has("access_schedule"):
        fields.any("access_schedule")
        return [], {}
    schedule = fields.object("access_schedule")
    known.coins.check(schedule)
    schedule.word("access_type", ("SPEND",), "SPEND")
    found = [access_in(each, known) for each in schedule.objects("schedule_items")]
    schedule.done()
    return found, {segment_key(each.starting_at, each.ending_before): known.fresh() for each in found}


def instalment_in(fields: Fields, known: Known) -> Instalment:
    """An item of an invoice schedule."""
    _, _, amount = unit_and_amount(fields, known)
    found = Instalment(amount=amount, at=fields.instant("timestamp"))
    fields.done()
    return found


def instalments_in(fields: Fields, known: Known) -> tuple[list[Instalment], dict[str, str]]:
    known.coins.check(fields)
    found: list[Instalment] = []
    if fields.has("recurring_schedule"):
        series = fields.object("recurring_schedule")
        frequency = series.word("frequency", (*MONTHS, "WEEKLY"))
        _, _, amount = unit_and_amount(series, known)
        days = dates(series.instant("starting_at"), series.instant("ending_before"), MONTHS.get(frequency, 0))
        amounts = split_over(amount, len(days), SPLIT[series.word("amount_distribution", SPLIT)], known)
        found = [Instalment(amount=part, at=at) for at, part in zip(days, amounts, strict=True)]
        series.done()
    fields.any("recurring_schedule")
    found += [instalment_in(each, known) for each in fields.objects("schedule_items")]
    return found, {each.at: known.fresh() for each in found}


def unit_and_amount(fields: Fields, known: Known) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, amount a unit, and the whole: `amount`, or `unit_price` times `quantity`. Raises RefusedError when they do not agree."""
    amount, price = fields.number_or_none("amount"), fields.number_or_none("unit_price")
    quantity = fields.number("quantity", Decimal(1))
    if price is None:
        if amount is None:
            raise invalid(fields.at("amount"), "is missing (or unit_price, with quantity)")
        return Decimal(1), known.coins.into(amount), known.coins.into(amount)
    with exact():
        whole = price * quantity
    if amount not in (None, whole):
        raise invalid(fields.at("amount"), f"{amount} is not quantity × unit_price = {whole}; give one of them")
    return quantity, known.coins.into(price), known.coins.into(whole)


def product_of(fields: Fields, known: Known) -> Decimal:
    price, quantity = fields.number("unit_price"), fields.number("quantity", Decimal(1))
    with exact():
        return known.coins.into(price * quantity)


def dates(start: str, end: str, months: int) -> list[str]:
    """Every so many months (0: every week) from start, before end."""
    begun, until = from_ms(instant_ms(start)), instant_ms(end)
    found: list[str] = []
    while len(found) <= MOST_ITEMS:
        number = len(found)
        day: date = begun.date() + timedelta(weeks=number) if months == 0 else add_months(begun.date(), months * number)
        at_ms = to_ms(begun.replace(year=day.year, month=day.month, day=day.day))
        if at_ms >= until:
            return found
        found.append(iso(at_ms))
    raise invalid("recurring_schedule", f"has more than {MOST_ITEMS} dates")


def split_over(amount: Decimal, count: int, how: str, known: Known) -> list[Decimal]:
    """Parts of a series; divided ones are whole minor units and the last takes the remainder."""
    if how == "each" or count < 2:
        return [amount] * count
    minor = Decimal(1).scaleb(-exponent(known.coins.currency))
    part = (amount / count).quantize(minor, rounding="ROUND_DOWN")
    with exact():
        return [part] * (count - 1) + [amount - part * (count - 1)]
