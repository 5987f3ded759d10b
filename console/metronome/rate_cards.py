"""`/v1/contract-pricing/rate-cards…`: rate cards and their rates."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import APIRouter

from console.access.guard import Reading, Writing
from console.books import Change
from console.errors import ConflictError, invalid
from console.metronome.serving import change, paged, shelf
from console.metronome.shelf import Shelf, at_text, new_id, now_ms, ref
from console.requests import Held, Json
from console.wire import Answer, Exact
from contracts.catalogue import Catalogue, PricingUnit, Rate, RateCard
from contracts.instants import instant_ms
from contracts.translation.fields import Fields, Wrong
from contracts.translation.metronome.coins import Coins, credit_type_of, unit_of
from contracts.translation.metronome.rates import dates_out, price_out, rate_in, rate_out, touches, with_rate
from pipelines.objects import Object

router = APIRouter(prefix="/v1/contract-pricing/rate-cards", tags=["Metronome: rate cards"], default_response_class=Answer, route_class=Exact)

FREQUENCIES: Final = ("MONTHLY", "QUARTERLY", "ANNUAL", "WEEKLY")
FAR_MS: Final = 1 << 62


@router.post("/create", summary="Create a rate card")
def create(held: Held, caller: Writing, body: Json) -> Any:
    fields, name = body.fields, new_id()
    title, currency = fields.text("name"), fields.text_or_none("fiat_credit_type_id")
    kept: dict[str, Any] = {
        "created_ms": now_ms(),
        "created_by": caller.name,
        "aliases": _aliases(fields),
        "custom_fields": fields.mapping("custom_fields"),
        "archived_ms": None,
    } | fields.kept("description")

    def make(at: Shelf) -> Change:
        catalogue = at.catalogue()
        if currency not in (None, Coins.of(catalogue).credit_type["id"]):
            raise invalid("fiat_credit_type_id", f"rate cards of this catalogue are in {catalogue.currency}; another currency is another catalogue document")
        after, kept["conversions"] = _with_units(at, catalogue, fields.objects("credit_type_conversions"), "credit_type_conversions")
        fields.done()
        after = msgspec.structs.replace(after, rate_cards=after.rate_cards | {name: RateCard(name=title)})
        return Change({"data": {"id": name}}, [after], objects=[Object("rate_card", name, kept)])

    return change(held, caller, body, make)


@router.post("/update", summary="Change a rate card's name, aliases and conversions")
def update(held: Held, caller: Writing, body: Json) -> Any:
    fields = body.fields
    name = fields.text("rate_card_id")

    def make(at: Shelf) -> Change:
        catalogue, inner, card = at.card(name, "rate_card_id")
        kept = at.kept("rate_card", name)
        after, added = _with_units(at, catalogue, fields.objects("add_credit_type_conversions"), "add_credit_type_conversions")
        kept["conversions"] = [*kept.get("conversions", []), *added]
        if fields.has("aliases"):
            kept["aliases"] = _aliases(fields)
        kept |= fields.kept("description")
        title = fields.text_or_none("name") or card.name
        fields.any("aliases")
        fields.done()
        cards = after.rate_cards | {inner: msgspec.structs.replace(card, name=title)}
        return Change({"data": {"id": name}}, [msgspec.structs.replace(after, rate_cards=cards)], objects=[Object("rate_card", name, kept)])

    return change(held, caller, body, make)


@router.post("/get", summary="Get a rate card")
def one(held: Held, _: Reading, body: Json) -> Any:
    name = body.fields.text("id")
    body.fields.done()
    at = shelf(held)
    return {"data": card_out(at, *at.card(name, "id"))}


@router.post("/list", summary="List rate cards")
def listed(held: Held, _: Reading, limit: int | None = None, next_page: str | None = None) -> Any:
    at = shelf(held)
    found = [card_out(at, catalogue, name, card) for catalogue in at.catalogues() for name, card in catalogue.rate_cards.items()]
    found = [each for each in found if not at.kept("rate_card", each["id"]).get("archived_ms")]
    page, cursor = paged(found, lambda each: str(each["id"]), next_page, limit)
    return {"data": page, "next_page": cursor}


@router.post("/archive", summary="Archive a rate card")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    """It stays on the contracts that have it, and is in no list."""
    name = body.fields.text("id")
    body.fields.done()

    def make(at: Shelf) -> Change:
        at.card(name, "id")
        kept = at.kept("rate_card", name)
        if kept.get("archived_ms"):
            raise ConflictError(Wrong("id", "this rate card is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("rate_card", name, kept | {"archived_ms": now_ms()})])

    return change(held, caller, body, make)


@router.post("/addRate", summary="Add a rate")
def add_rate(held: Held, caller: Writing, body: Json) -> Any:
    """From `starting_at` on it takes the place of what was said for the same product and group values."""
    card = body.fields.text("rate_card_id")

    def make(at: Shelf) -> Change:
        changed, objects, last = _added(at, card, [body.fields])
        return Change({"data": last}, changed, objects=objects)

    return change(held, caller, body, make)


@router.post("/addRates", summary="Add rates, all or none")
def add_rates(held: Held, caller: Writing, body: Json) -> Any:
    card, rates = body.fields.text("rate_card_id"), body.fields.objects("rates")
    body.fields.done()
    if not rates:
        raise invalid("rates", "must have a rate at least")

    def make(at: Shelf) -> Change:
        changed, objects, _ = _added(at, card, rates)
        return Change({"data": {"id": card}}, changed, objects=objects)

    return change(held, caller, body, make)


@router.post("/getRates", summary="Rates of a rate card at a time")
def get_rates(held: Held, _: Reading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    fields = body.fields
    name, at_ms = fields.text("rate_card_id"), fields.instant_ms("at")
    return _rates(held, name, at_ms, at_ms + 1, fields, limit, next_page)


@router.post("/getRateSchedule", summary="Rates of a rate card over an interval")
def get_schedule(held: Held, _: Reading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    fields = body.fields
    name, from_ms = fields.text("rate_card_id"), fields.instant_ms("starting_at")
    until_ms = fields.instant_ms("ending_before") if fields.has("ending_before") else FAR_MS
    fields.any("ending_before")
    return _rates(held, name, from_ms, until_ms, fields, limit, next_page)


def _rates(held: Held, name: str, from_ms: int, until_ms: int, fields: Fields, limit: int | None, next_page: str | None) -> Any:
    at = shelf(held)
    catalogue, inner, card = at.card(name, "rate_card_id")
    wanted = [Selector(each) for each in fields.objects("selectors")]
    fields.done()
    found = [
        row_out(at, catalogue, rate)
        for rate in card.rates
        if touches(rate, from_ms, until_ms, catalogue.timezone) and (not wanted or any(each.takes(catalogue, rate) for each in wanted))
    ]
    for kept in at.kept("rate_card", ref(catalogue, inner)).get("subscription_rates", []):
        if _during(kept, from_ms, until_ms) and (not wanted or any(each.product in (None, kept["product_id"]) for each in wanted)):
            found.append(subscription_rate_out(kept))
    page, cursor = paged(found, lambda row: f"{row['product_id']}|{sorted(row.get('pricing_group_values', {}).items())}|{row['starting_at']}", next_page, limit)
    return {"data": page, "next_page": cursor}


class Selector:
    """Which rates a request wants: all that is said must hold."""

    def __init__(self, fields: Fields) -> None:
        self.product = fields.text_or_none("product_id")
        self.tags = set(fields.texts("product_tags"))
        self.exact = fields.mapping("pricing_group_values") if fields.has("pricing_group_values") else None
        self.partial = fields.mapping("partial_pricing_group_values")
        fields.any("pricing_group_values")
        fields.any("billing_frequency")
        fields.done()

    def takes(self, catalogue: Catalogue, rate: Rate) -> bool:
        if self.product is not None and self.product != ref(catalogue, rate.product):
            return False
        if self.tags and not self.tags & set(catalogue.products[rate.product].tags):
            return False
        where = {key: str(value) for key, value in rate.where.items()}
        return (self.exact is None or where == self.exact) and self.partial.items() <= where.items()


def _added(at: Shelf, card_name: str, given: list[Fields]) -> tuple[list[Catalogue], list[Object], dict[str, Any]]:
    catalogue, inner, card = at.card(card_name, "rate_card_id")
    coins, rates, kept = Coins.of(catalogue), list(card.rates), at.kept("rate_card", card_name)
    subscriptions = list(kept.get("subscription_rates", []))
    last: dict[str, Any] = {}
    for fields in given:
        product = at.product_in(catalogue, fields.text("product_id"), fields.at("product_id"))
        if fields.data.get("rate_type") == "SUBSCRIPTION":
            row = _subscription_rate(catalogue, product, fields)
            subscriptions = _replaced(subscriptions, row)
            last = subscription_rate_out(row)["rate"]
        else:
            unit = unit_of(catalogue, fields.text_or_none("credit_type_id"), fields.at("credit_type_id"))
            rate = rate_in(fields, product, coins, unit)
            fields.refuse("belongs to SUBSCRIPTION rates", "billing_frequency", "is_prorated", "quantity")
            last = rate_out(rate, catalogue, credit_type_of(catalogue, unit))
            if rate.commit_price is not None:
                last["commit_rate"] = price_out(rate.commit_price, None if unit else coins)
            rates = with_rate(rates, rate, catalogue.timezone)
        fields.done()
    cards = catalogue.rate_cards | {inner: msgspec.structs.replace(card, rates=rates)}
    objects = [Object("rate_card", card_name, kept | {"subscription_rates": subscriptions})] if subscriptions else []
    changed = [msgspec.structs.replace(catalogue, rate_cards=cards)] if rates != card.rates else []
    return changed, objects, last


def _subscription_rate(catalogue: Catalogue, product: str, fields: Fields) -> dict[str, Any]:
    """A price a seat: it is kept with the rate card, and each subscription that is made takes the price of its time along."""
    price = fields.number("price")
    fields.refuse("does not belong to SUBSCRIPTION rates", "tiers", "custom_rate", "commit_rate", "pricing_group_values")
    fields.text_or_none("credit_type_id")
    fields.word("rate_type", ("SUBSCRIPTION",))
    of = catalogue.products[product]
    row: dict[str, Any] = {
        "product_id": ref(catalogue, product),
        "product_name": of.name,
        "product_tags": of.tags,
        "product_custom_fields": {},
        "entitled": fields.flag("entitled"),
        "starting_at": fields.instant("starting_at"),
        "billing_frequency": fields.word("billing_frequency", FREQUENCIES),
        "rate": {"rate_type": "SUBSCRIPTION", "price_text": str(price), "is_prorated": fields.flag("is_prorated", True), "credit_type": Coins.of(catalogue).credit_type},
    }
    if fields.has("quantity"):
        row["rate"]["quantity"] = fields.whole("quantity")
    end = fields.instant_or_none("ending_before")
    return row | ({"ending_before": end} if end else {})


def subscription_rate_out(kept: dict[str, Any]) -> dict[str, Any]:
    rate = {key: value for key, value in kept["rate"].items() if key != "price_text"} | {"price": Decimal(kept["rate"]["price_text"])}
    return kept | {"rate": rate}


def _during(row: dict[str, Any], from_ms: int, until_ms: int) -> bool:
    end = row.get("ending_before")
    return instant_ms(row["starting_at"]) < until_ms and (end is None or from_ms < instant_ms(end))


def _replaced(rows: list[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows with a new one that holds from its start on."""
    same = ("product_id", "billing_frequency")
    kept = []
    for row in rows:
        if any(row[key] != new[key] for key in same) or (row.get("ending_before") or new["starting_at"] + "~") <= new["starting_at"]:
            kept.append(row)
        elif row["starting_at"] < new["starting_at"]:
            kept.append(row | {"ending_before": new["starting_at"]})
    return [*kept, new]


def _aliases(fields: Fields) -> list[dict[str, Any]]:
    found = []
    for each in fields.objects("aliases"):
        row = {"name": each.text("name"), "starting_at": each.instant_or_none("starting_at"), "ending_before": each.instant_or_none("ending_before")}
        each.done()
        found.append({key: value for key, value in row.items() if value})
    return found


def _with_units(at: Shelf, catalogue: Catalogue, given: list[Fields], field: str) -> tuple[Catalogue, list[dict[str, str]]]:
    """Custom pricing units get their price: one for the whole catalogue. Raises InvalidError, ConflictError."""
    units, rows = dict(catalogue.pricing_units), []
    for number, each in enumerate(given):
        name, price = each.text("custom_credit_type_id"), Coins.of(catalogue).into(each.number("fiat_per_custom_credit"))
        each.done()
        kept = at.objects.get("credit_type", name)
        if kept is None and name not in units:
            raise invalid(f"{field}[{number}].custom_credit_type_id", f"there is no pricing unit {name!r}; make it with /v1/credit-types/create")
        if name in units and units[name].price != price:
            raise ConflictError(Wrong(f"{field}[{number}].fiat_per_custom_credit", "this unit has another price already; one unit has one price in a catalogue"))
        units[name] = PricingUnit(name=kept.body["name"] if kept else units[name].name, price=price)
        rows.append({"id": name})
    return msgspec.structs.replace(catalogue, pricing_units=units), rows


def card_out(at: Shelf, catalogue: Catalogue, name: str, card: RateCard) -> dict[str, Any]:
    kept, coins = at.kept("rate_card", ref(catalogue, name)), Coins.of(catalogue)
    used = dict.fromkeys([*(each["id"] for each in kept.get("conversions", [])), *(rate.unit for rate in card.rates if rate.unit)])
    row = {
        "id": ref(catalogue, name),
        "name": card.name or name,
        "created_at": at_text(kept.get("created_ms")),
        "created_by": kept.get("created_by", ""),
        "aliases": kept.get("aliases", []),
        "custom_fields": kept.get("custom_fields", {}),
        "fiat_credit_type": coins.credit_type,
        "credit_type_conversions": [
            {"custom_credit_type": credit_type_of(catalogue, unit), "fiat_per_custom_credit": str(coins.out(catalogue.pricing_units[unit].price))} for unit in used
        ],
    }
    return row | ({"description": kept["description"]} if "description" in kept else {})


def row_out(at: Shelf, catalogue: Catalogue, rate: Rate) -> dict[str, Any]:
    """A rate with its product and dates."""
    product = catalogue.products[rate.product]
    row = {
        "product_id": ref(catalogue, rate.product),
        "product_name": product.name,
        "product_tags": product.tags,
        "product_custom_fields": at.kept("product", ref(catalogue, rate.product)).get("custom_fields", {}),
        "entitled": rate.entitled,
        "rate": rate_out(rate, catalogue, credit_type_of(catalogue, rate.unit)),
        **dates_out(rate, catalogue.timezone),
    }
    if rate.where:
        row["pricing_group_values"] = {key: str(value) for key, value in rate.where.items()}
    if rate.commit_price is not None:
        row["commit_rate"] = price_out(rate.commit_price, None if rate.unit else Coins.of(catalogue))
    return row
