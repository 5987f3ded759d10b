"""`/v1/contracts…` and the reading side of `/v2/contracts…`."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from console.access.guard import CustomerReading, Writing
from console.books import Change
from console.errors import ConflictError, invalid
from console.metronome import contract_out, packages
from console.metronome.contract_in import contract_in
from console.metronome.rate_cards import Selector, row_out
from console.metronome.serving import CLOCK_HEADER, change, paged, shelf
from console.metronome.shelf import Shelf, new_id, now_ms, ref
from console.requests import Body, Held, Json
from console.services import Services
from console.wire import Answer, Exact
from contracts.catalogue import Catalogue, Rate
from contracts.contract import Contract, Override
from contracts.instants import instant_ms
from contracts.money import exact
from contracts.translation.fields import Fields, Wrong
from contracts.translation.metronome.coins import Coins, credit_type_of
from contracts.translation.metronome.rates import holds, price_out
from contracts.translation.metronome.statements import filter_in
from pipelines.objects import Object

router = APIRouter(tags=["Metronome: contracts"], default_response_class=Answer, route_class=Exact)


@router.post("/v1/contracts/create", summary="Create a contract")
def create(held: Held, caller: Writing, request: Request, body: Json) -> Any:
    """With the header `Taximeter-Clock: NAME` the contract lives on that test clock."""
    clock = request.headers.get(CLOCK_HEADER, "wall")
    name = new_id()

    def make(at: Shelf) -> Change:
        fields = Fields(dict(body.fields.data))
        package = packages.filled(fields, at)
        contract, extras = contract_in(fields, at, name, clock)
        objects = at.once("contracts", extras.get("uniqueness_key"), name)
        extras |= {"created_ms": now_ms(), "created_by": caller.name} | ({"package_id": package} if package else {})
        return Change({"data": {"id": name}}, contracts=[contract], objects=[Object("contract", name, extras), *objects])

    return change(held, caller, body, make)


@router.post("/v1/contracts/get", summary="Get a contract")
def v1_get(held: Held, caller: CustomerReading, body: Json) -> Any:
    return {"data": _one(held, caller.see, body, contract_out.v1)}


@router.post("/v2/contracts/get", summary="Get a contract")
def v2_get(held: Held, caller: CustomerReading, body: Json) -> Any:
    if body.fields.has("as_of_date") and body.fields.instant_ms("as_of_date") < now_ms():
        return {"data": _as_of(held, caller.see, body)}
    body.fields.any("as_of_date")
    return {"data": _one(held, caller.see, body, contract_out.v2)}


@router.post("/v1/contracts/list", summary="List a customer's contracts")
def v1_list(held: Held, caller: CustomerReading, body: Json) -> Any:
    return _list(held, caller.see, body, contract_out.v1)


@router.post("/v2/contracts/list", summary="List a customer's contracts")
def v2_list(held: Held, caller: CustomerReading, body: Json) -> Any:
    return _list(held, caller.see, body, contract_out.v2)


@router.post("/v1/contracts/archive", summary="Archive a contract")
def archive(held: Held, caller: Writing, body: Json) -> Any:
    """It is in no list any more. With `void_invoices`, its draft and final usage invoices are voided."""
    customer, name, void = body.fields.text("customer_id"), body.fields.text("contract_id"), body.fields.flag("void_invoices")
    body.fields.done()

    def make(at: Shelf) -> Change:
        at.contract(customer, name)
        kept = at.extras(name)
        if kept.get("archived_ms"):
            raise ConflictError(Wrong("contract_id", "this contract is archived already"))
        return Change({"data": {"id": name}}, objects=[Object("contract", name, kept | {"archived_ms": now_ms()})])

    answer = change(held, caller, body, make)
    if void:
        for invoice in contract_out.money_of(held, customer).invoices:
            if invoice.contract == name and invoice.kind == "usage" and invoice.status == "final":
                held.books.act("void", name, invoice.starting_ms, caller.name)
    return answer


@router.post("/v1/contracts/updateEndDate", summary="Set or remove a contract's end")
def update_end(held: Held, caller: Writing, body: Json) -> Any:
    """An end in a final period is refused (void the invoice first), whatever `allow_ending_before_finalized_invoice` says."""
    customer, name = body.fields.text("customer_id"), body.fields.text("contract_id")
    end = body.fields.instant_or_none("ending_before")
    body.fields.flag("allow_ending_before_finalized_invoice", False)
    body.fields.done()

    def make(at: Shelf) -> Change:
        contract = at.contract(customer, name)
        return Change({"data": {"id": name}}, contracts=[msgspec.structs.replace(contract, ending_before=end)])

    return change(held, caller, body, make)


@router.post("/v1/contracts/setUsageFilter", summary="Route a customer's usage between contracts by a property")
def set_filter(held: Held, caller: Writing, body: Json) -> Any:
    customer, name = body.fields.text("customer_id"), body.fields.text("contract_id")

    def make(at: Shelf) -> Change:
        contract = at.contract(customer, name)
        usage_filter = filter_in(body.fields, contract.starting_at)
        body.fields.done()
        return Change(None, contracts=[msgspec.structs.replace(contract, usage_filter=usage_filter)])

    change(held, caller, body, make)
    return {}


@router.post("/v1/contracts/getContractRateSchedule", summary="Rates of a contract at a time: list, override, commit")
def rate_schedule(held: Held, caller: CustomerReading, body: Json, limit: int | None = None, next_page: str | None = None) -> Any:
    fields, at = body.fields, shelf(held)
    customer, name = fields.text("customer_id"), fields.text("contract_id")
    caller.see(customer)
    contract = at.contract(customer, name)
    moment = fields.instant_ms("at") if fields.has("at") else held.books.times([contract])[contract.clock]
    fields.any("at")
    wanted = [Selector(each) for each in fields.objects("selectors")]
    fields.done()
    catalogue = at.catalogue(contract.catalogue)
    card = catalogue.rate_cards.get(contract.rate_card or "")
    rows = []
    for rate in card.rates if card else []:
        if holds(rate, moment, catalogue.timezone) and (not wanted or any(each.takes(catalogue, rate) for each in wanted)):
            rows.append(_scheduled(at, contract, catalogue, rate, moment))
    page, cursor = paged(rows, lambda row: f"{row['product_id']}|{sorted(row.get('pricing_group_values', {}).items())}", next_page, limit)
    return {"data": page, "next_page": cursor}


def _scheduled(at: Shelf, contract: Contract, catalogue: Catalogue, rate: Rate, moment: int) -> dict[str, Any]:
    row = row_out(at, catalogue, rate)
    row["list_rate"] = row.pop("rate")
    row["rate_card_id"] = ref(catalogue, contract.rate_card or "")
    winner = winning(contract, catalogue, rate, moment)
    if winner is not None:
        if winner.entitled is not None:
            row["entitled"] = winner.entitled
        coins = None if rate.unit else Coins.of(catalogue)
        if winner.price is not None:
            row["override_rate"] = price_out(winner.price, coins) | {"credit_type": credit_type_of(catalogue, rate.unit)}
        elif winner.multiplier is not None and rate.price.per_unit is not None:
            with exact():
                price = rate.price.per_unit * winner.multiplier
            row["override_rate"] = {"rate_type": "FLAT", "price": coins.out(price) if coins else price, "credit_type": credit_type_of(catalogue, rate.unit)}
    return row


def winning(contract: Contract, catalogue: Catalogue, rate: Rate, moment: int) -> Override | None:
    """The contract override that wins for all usage of a rate at a time: the last overwrite, else the lowest multiplier, or the smallest priority."""
    zone, tags = contract.billing.timezone, set(catalogue.products[rate.product].tags)

    def applies(each: Override) -> bool:
        if each.commits or each.tiers or each.target != "list":
            return False
        if each.starting_at is not None and moment < instant_ms(each.starting_at, zone):
            return False
        if each.ending_before is not None and moment >= instant_ms(each.ending_before, zone):
            return False
        named = (not each.products and not each.tags) or rate.product in each.products or bool(tags & set(each.tags))
        return named and all(rate.where.get(key) == value or [rate.where.get(key)] == value for key, value in each.where.items())

    fitting = [each for each in contract.overrides if applies(each)]
    if contract.override_selection == "explicit":
        return min(fitting, key=lambda each: each.priority, default=None)
    overwrites = [each for each in fitting if each.price is not None or each.entitled is not None]
    return overwrites[-1] if overwrites else min(fitting, key=lambda each: each.multiplier or 1, default=None)


def _one(held: Services, see: Any, body: Body, show: Any) -> Any:
    fields, at = body.fields, shelf(held)
    customer, name = fields.text("customer_id"), fields.text("contract_id")
    see(customer)
    balance, ledgers = fields.flag("include_balance", False), fields.flag("include_ledgers", False)
    fields.done()
    money = contract_out.money_of(held, customer) if balance or ledgers else None
    return show(at, at.contract(customer, name), money, ledgers=ledgers)


def _as_of(held: Services, see: Any, body: Body) -> Any:
    """The contract as it was recorded then."""
    fields, at = body.fields, shelf(held)
    customer, name, moment = fields.text("customer_id"), fields.text("contract_id"), fields.instant_ms("as_of_date")
    see(customer)
    fields.refuse("is of now; leave as_of_date out", "include_balance", "include_ledgers")
    fields.done()
    at.contract(customer, name)
    versions = [each for each in held.warehouse.history("contract", name) if each.recorded_ms <= moment]
    if not versions:
        raise invalid("as_of_date", "the contract was not there yet")
    return contract_out.v2(at, msgspec.json.decode(versions[-1].body, type=Contract, strict=False))


def _list(held: Services, see: Any, body: Body, show: Any) -> Any:
    fields, at = body.fields, shelf(held)
    customer = fields.text("customer_id")
    see(customer)
    covering = fields.instant_ms("covering_date") if fields.has("covering_date") else None
    starting = fields.instant_ms("starting_at") if fields.has("starting_at") else None
    archived, balance, ledgers = (fields.flag(name, False) for name in ("include_archived", "include_balance", "include_ledgers"))
    limit, cursor = fields.whole("limit", 100), fields.text_or_none("cursor")
    for name in ("covering_date", "starting_at"):
        fields.any(name)
    fields.done()
    at.customer(customer)
    found = []
    for contract in at.contracts_of(customer):
        zone = contract.billing.timezone
        start = instant_ms(contract.starting_at, zone)
        end = instant_ms(contract.ending_before, zone) if contract.ending_before else 1 << 62
        kept = at.extras(contract.id)
        if (archived or not kept.get("archived_ms")) and (covering is None or start <= covering < end) and (starting is None or start >= starting):
            found.append(contract)
    page, following = paged(found, lambda each: str(each.id), cursor, limit, "cursor")
    money = contract_out.money_of(held, customer) if balance or ledgers else None
    return {"data": [show(at, each, money, ledgers=ledgers) for each in page], "cursor": following, "next_page": following}
