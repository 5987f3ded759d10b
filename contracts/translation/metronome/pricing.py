"""Catalogues from an export: metrics, products, rate cards with their rates; one catalogue for each currency of the rate cards."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from contracts.catalogue import Catalogue, Metric, PricingUnit, Product, Rate, RateCard
from contracts.checks.catalogue import CURRENCIES
from contracts.instants import instant_ms
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome import answers
from contracts.translation.metronome.coins import USD, Coins
from contracts.translation.metronome.metrics import metric_in
from contracts.translation.metronome.products import TYPES, product_in
from contracts.translation.metronome.rates import rate_in
from contracts.translation.metronome.times import EPOCH
from contracts.translation.saved import UNREADABLE, Finding, Saved, wrongs

METRIC: Final = ("id", "name", "custom_fields", "archived_at")
STATE: Final = ("name", "created_at", "created_by", "starting_at", "is_refundable", "netsuite_internal_item_id", "netsuite_overage_item_id")
REDEFINING: Final = ("billable_metric_id", "quantity_conversion", "quantity_rounding", "pricing_group_key", "presentation_group_key", "composite_product_ids", "composite_tags")


class SeatPrice(NamedTuple):
    """A SUBSCRIPTION rate of a card: contracts here say the price of a seat themselves."""

    product: str
    frequency: str
    starting_at: str
    price: Decimal


class Card(NamedTuple):
    """A rate card that was read: where it is, and what its contracts are read with."""

    catalogue: str
    coins: Coins
    credit_types: Mapping[str, str]
    seats: list[SeatPrice]


class Pricing(NamedTuple):
    catalogues: dict[str, Catalogue]
    """By currency."""
    cards: dict[str, Card]
    refused: dict[str, str]
    """Ids of metrics, products and rate cards that cannot be said, each with why."""
    findings: list[Finding]


def pricing_in(of: Mapping[str, list[Saved]]) -> Pricing:
    """Everything of an export that is priced by default."""
    found = Pricing({}, {}, {}, [])
    metrics = dict(_metrics(of["metric"], found))
    products = dict(_products(of["product"], metrics, found))
    rates = _by_card(of, found)
    for saved in of["rate card"]:
        if saved.id in found.refused:
            found.findings.append(saved.finding("refused", "rate card", "rates", found.refused[saved.id]))
            continue
        try:
            _card(saved, rates.get(saved.id, []), metrics, products, found)
        except UNREADABLE as error:
            _refuse(saved, "rate card", error, found)
    if not found.catalogues:
        found.catalogues["USD"] = Catalogue(metrics=metrics, products=products)
    _name(found)
    return found


def _refuse(saved: Saved, kind: str, error: Exception, found: Pricing) -> None:
    found.findings.extend(saved.refusals(kind, error))
    found.refused[saved.id] = "; ".join(map(str, wrongs(error)))


def _metrics(saved: Iterable[Saved], found: Pricing) -> Iterable[tuple[str, Metric]]:
    for each in saved:
        fields = Fields(each.data)
        for name in METRIC:
            fields.any(name)
        try:
            if not each.data.get("aggregation_type") and not each.data.get("sql"):
                raise invalid("aggregation_type", "is missing, so nobody can tell how it counts")
            metric = metric_in(fields)
            fields.done()
        except UNREADABLE as error:
            _refuse(each, "metric", error, found)
        else:
            yield each.id, metric


def _products(saved: list[Saved], metrics: Mapping[str, Metric], found: Pricing) -> Iterable[tuple[str, Product]]:
    named = {each.id for each in saved}

    def known(kind: str, names: Iterable[str]) -> Any:
        def look(name: str, field: str) -> str:
            if name not in names:
                why = f": {found.refused[name]}" if name in found.refused else "; it is not in the export"
                raise invalid(field, f"{kind} {name!r} could not be read{why}")
            return name

        return look

    for each in saved:
        try:
            kind = each.data["type"]
            if kind not in TYPES:
                raise invalid("type", f"{kind} is no kind of product here; {', '.join(TYPES)} are")
            fields = Fields(each.data["current"], "current")
            title = fields.text("name")
            for name in STATE:
                fields.any(name)
            product = product_in(fields, Product(name=title, type=TYPES[kind]), known("metric", metrics), known("product", named))
            fields.done()
            found.findings.extend(list(_updates(each)))
        except UNREADABLE as error:
            _refuse(each, "product", error, found)
        else:
            yield each.id, product


def _updates(saved: Saved) -> Iterable[Finding]:
    """Products have no dates here: what was another definition once, or will be, is told."""
    for number, row in enumerate(saved.data.get("updates") or []):
        said = [name for name in REDEFINING if row.get(name)]
        if said:
            message = f"changed {', '.join(said)} from {row.get('starting_at')} on; a product has no dates here, so the current definition holds for all periods"
            yield saved.finding("noted", "product", f"updates[{number}]", message)


def _by_card(of: Mapping[str, list[Saved]], found: Pricing) -> dict[str, list[Saved]]:
    """Rates by card. An answer with rates does not name its card: its request does, or the file's name, or there is only one."""
    cards = [each.id for each in of["rate card"]]
    rows: dict[str, list[Saved]] = {}
    seen: set[tuple[str, str]] = set()
    homeless = False
    for each in of["rate"]:
        asked = each.request.get("rate_card_id")
        named = [asked] if asked in cards else _named_in(each.file, cards) or (cards if len(cards) == 1 else [])
        if len(named) != 1:
            message = "belongs to no rate card that can be told; name the file after the rate card's id, or save the question with the answer: {request, response}"
            found.findings.append(each.finding("refused", "rate", "rate_card_id", message))
            homeless = True
        elif (said := (named[0], repr(each.data))) not in seen:
            seen.add(said)
            rows.setdefault(named[0], []).append(each)
    for card in cards if homeless else ():
        if card not in rows:
            found.refused[card] = "its rates may be among those that belong to no rate card"
    return rows


def _named_in(file: str, cards: Iterable[str]) -> list[str]:
    """The rate cards that a file's name has; of two names of which one is in the other, the longer."""
    found = [card for card in cards if card in file]
    return [card for card in found if not any(card in other for other in found if other != card)]


def _card(saved: Saved, rows: list[Saved], metrics: Mapping[str, Metric], products: Mapping[str, Product], found: Pricing) -> None:
    """Add a rate card to the catalogue of its currency. Raises RefusedError when any part of it cannot be said."""
    currency, fiat = _currency(saved.data.get("fiat_credit_type"))
    coins = Coins(currency)
    catalogue = found.catalogues.get(currency) or Catalogue(currency=currency, metrics=dict(metrics), products=dict(products))
    units = dict(catalogue.pricing_units)
    for number, row in enumerate(saved.data.get("credit_type_conversions") or []):
        kind, price = row["custom_credit_type"], coins.into(Decimal(row["fiat_per_custom_credit"]))
        if kind["id"] in units and units[kind["id"]].price != price:
            raise invalid(f"credit_type_conversions[{number}]", f"{kind['name']!r} has another price on another rate card; a unit has one price in a catalogue")
        units[kind["id"]] = PricingUnit(name=str(kind["name"]), price=price)
    ids = {fiat: coins.credit_type["id"]}
    rates: list[Rate] = []
    seats: list[SeatPrice] = []
    wrong: list[Finding] = []
    for row in rows:
        try:
            read = _rate(row, coins, ids, units, products, found)
        except UNREADABLE as error:
            wrong += [Finding("refused", row.file, "rate", f"{row.data.get('product_id')} of {saved.id}", each.field, each.message) for each in wrongs(error)]
            continue
        if isinstance(read, Rate):
            rates.append(read)
        else:
            seats.append(read)
    if wrong:
        found.findings.extend(wrong)
        raise invalid("rates", f"{len(wrong)} of {len(rows)} cannot be said (named above), so nothing on this card would be billed right")
    if not rows:
        found.findings.append(saved.finding("noted", "rate card", "rates", "has none in the export; save the answer of getRateSchedule if it has some"))
    cards = catalogue.rate_cards | {saved.id: RateCard(name=Fields(saved.data).text("name"), rates=rates)}
    found.catalogues[currency] = msgspec.structs.replace(catalogue, rate_cards=cards, pricing_units=units)
    found.cards[saved.id] = Card(currency, coins, ids, sorted(seats, key=lambda seat: instant_ms(seat.starting_at)))


def _currency(kind: Mapping[str, Any] | None) -> tuple[str, str]:
    """ISO code, and the id that the export has for it."""
    if not kind or kind["id"] == USD:
        return "USD", USD
    code = str(kind["name"]).split(" ", 1)[0].upper()
    if code not in CURRENCIES:
        raise invalid("fiat_credit_type", f"{kind['name']!r} is no currency of ISO 4217")
    return code, str(kind["id"])


def _rate(
    row: Saved, coins: Coins, ids: Mapping[str, str], units: Mapping[str, PricingUnit], products: Mapping[str, Product], found: Pricing
) -> Rate | SeatPrice:
    fields = Fields(answers.rate(row.data, ids))
    product = fields.text("product_id")
    if product not in products:
        raise invalid("product_id", f"product {product!r} " + (f"cannot be read: {found.refused[product]}" if product in found.refused else "is not in the export"))
    kind, title = fields.text_or_none("credit_type_id"), row.data["rate"].get("credit_type")
    unit = None if kind in (None, *ids.values()) else kind
    if unit is not None and unit not in units:
        raise invalid("rate.credit_type", f"{title} has no price on this rate card (credit_type_conversions), so it comes to no amount of money")
    if fields.data.get("rate_type") == "SUBSCRIPTION":
        return _seat(fields, product, coins)
    for name in ("is_prorated", "quantity", "billing_frequency"):
        fields.any(name)
    rate = rate_in(fields, product, coins, unit)
    fields.done()
    return msgspec.structs.replace(rate, starting_at=None) if rate.starting_at == EPOCH else rate


def _seat(fields: Fields, product: str, coins: Coins) -> SeatPrice:
    fields.word("rate_type", ("SUBSCRIPTION",))
    fields.refuse("does not belong to SUBSCRIPTION rates", "tiers", "custom_rate", "commit_rate", "pricing_group_values")
    for name in ("is_prorated", "quantity", "ending_before"):
        fields.any(name)
    price, frequency = coins.into(fields.number("price")), fields.text("billing_frequency")
    if not fields.flag("entitled"):
        raise invalid("entitled", "is false for a SUBSCRIPTION rate; take the rate out of the export, and end the subscriptions that have it")
    found = SeatPrice(product, frequency, fields.instant("starting_at"), price)
    fields.done()
    return found


def _name(found: Pricing) -> None:
    """One catalogue is `default`; of several that of US dollars, or else the first, and the others go by their currency."""
    home = "USD" if "USD" in found.catalogues else min(found.catalogues)
    for currency, catalogue in found.catalogues.items():
        found.catalogues[currency] = msgspec.structs.replace(catalogue, id="default" if currency == home else currency.lower())
