"""Commits, credits and balances of a customer, and the history of a contract's edits."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from fastapi import APIRouter

from console.access.guard import CustomerReading
from console.errors import invalid
from console.metronome import contract_out, terms_out
from console.metronome.serving import paged, shelf
from console.metronome.shelf import Shelf
from console.metronome.terms_out import Showing, grouped
from console.reading import Version
from console.requests import Body, Held, Json
from console.services import Services
from console.wire import Answer, Exact
from contracts.contract import Commit, Contract, Credit
from contracts.instants import instant_ms
from contracts.timeline import iso
from contracts.translation.metronome.coins import Coins
from contracts.writing import data_of

router = APIRouter(tags=["Metronome: commits and credits"], default_response_class=Answer, route_class=Exact)

OPEN_MS = 1 << 62


@router.post("/v1/contracts/customerBalances/list", summary="List commits and credits of a customer, with balances")
def listed(held: Held, caller: CustomerReading, body: Json) -> Any:
    return _grants(held, caller.see, body, "id", "include_contract_balances", lambda _: True)


@router.post("/v1/contracts/customerCommits/list", summary="List commits of a customer")
def commits(held: Held, caller: CustomerReading, body: Json) -> Any:
    return _grants(held, caller.see, body, "commit_id", "include_contract_commits", lambda grant: isinstance(grant, Commit))


@router.post("/v1/contracts/customerCredits/list", summary="List credits of a customer")
def credits_(held: Held, caller: CustomerReading, body: Json) -> Any:
    return _grants(held, caller.see, body, "credit_id", "include_contract_credits", lambda grant: isinstance(grant, Credit))


@router.post("/v1/contracts/customerBalances/getNetBalance", summary="What is left of all commits and credits together")
def net(held: Held, caller: CustomerReading, body: Json) -> Any:
    """FINALIZED_AND_DRAFT counts what drafts draw; FINALIZED leaves it out."""
    fields, at = body.fields, shelf(held)
    customer = fields.text("customer_id")
    caller.see(customer)
    fields.word("access_type", ("SPEND",), "SPEND")
    drafts = fields.word("invoice_inclusion_mode", ("FINALIZED", "FINALIZED_AND_DRAFT"), "FINALIZED_AND_DRAFT") == "FINALIZED_AND_DRAFT"
    wanted = []
    for each in fields.objects("filters"):
        wanted.append((each.texts("balance_types"), each.mapping("custom_fields"), each.texts("ids")))
        each.done()
    currency = fields.text_or_none("credit_type_id")
    fields.done()
    at.customer(customer)
    money = contract_out.money_of(held, customer)
    total, coins = Decimal(0), Coins.of(at.catalogue())
    for contract in at.contracts_of(customer):
        shown = contract_out.showing(at, contract)
        coins = shown.coins
        for grant, kind in _all(contract):
            row = (f"{kind}_COMMIT" if kind != "CREDIT" else kind, shown.terms.get(grant.id, {}).get("custom_fields", {}), grant.id)
            if wanted and not any(_fits(each, row) for each in wanted):
                continue
            balance = money.balances.get((contract.id, grant.id))
            if balance is not None:
                total += balance.remaining + (Decimal(0) if drafts else _drafted(money, grant, kind))
    if currency not in (None, coins.credit_type["id"]):
        raise invalid("credit_type_id", f"balances of this customer are in {coins.credit_type['name']}")
    return {"data": {"balance": coins.out(total), "credit_type_id": coins.credit_type["id"]}}


@router.post("/v2/contracts/getEditHistory", summary="Edits of a contract, the first first")
def history(held: Held, caller: CustomerReading, body: Json) -> Any:
    """Every version of the document, whoever wrote it: what came, what went, what changed."""
    customer, name = body.fields.text("customer_id"), body.fields.text("contract_id")
    caller.see(customer)
    body.fields.done()
    at = shelf(held)
    at.contract(customer, name)
    versions = held.warehouse.history("contract", name)
    return {"data": [edit_out(at, before, after) for before, after in pairwise(versions)]}


def edit_out(at: Shelf, before: Version, after: Version) -> dict[str, Any]:
    old, new = (msgspec.json.decode(each.body, type=Contract, strict=False) for each in (before, after))
    shown = contract_out.showing(at, new)
    row: dict[str, Any] = {"id": after.edit, "timestamp": iso(after.recorded_ms)}
    shows: tuple[tuple[str, Callable[[Showing, Any], dict[str, Any]]], ...] = (
        ("commits", terms_out.commit_out),
        ("credits", terms_out.credit_out),
        ("recurring_commits", terms_out.recurring_out),
        ("recurring_credits", terms_out.recurring_out),
        ("subscriptions", terms_out.subscription_out),
    )
    for key, show in shows:
        _differences(row, key, getattr(old, key), getattr(new, key), partial(_each, show, shown))
    _differences(row, "overrides", _firsts(shown, old.overrides), _firsts(shown, new.overrides), lambda items: _whole(shown, items, new.overrides))
    _differences(row, "scheduled_charges", _firsts(shown, old.charges), _firsts(shown, new.charges), lambda items: _charges(shown, items, new.charges))
    if old.ending_before != new.ending_before and new.ending_before is not None:
        row["update_contract_end_date"] = shown.instant(new.ending_before)
    if old.name != new.name and new.name is not None:
        row["update_contract_name"] = new.name
    return row


def _each(show: Callable[[Showing, Any], dict[str, Any]], shown: Showing, items: list[Any]) -> list[dict[str, Any]]:
    return [show(shown, each) for each in items]


def _differences(row: dict[str, Any], key: str, old: list[Any], new: list[Any], show: Callable[[list[Any]], list[dict[str, Any]]]) -> None:
    """`add_…`, `update_…` and `remove_…` or `archive_…` of one list."""
    before, after = {each.id: each for each in old}, {each.id: each for each in new}
    added = [each for name, each in after.items() if name not in before]
    changed = [each for name, each in after.items() if name in before and data_of(before[name]) != data_of(each)]
    gone = [{"id": name} for name in before if name not in after]
    if added:
        row[f"add_{key}"] = show(added)
    if changed:
        row[f"update_{key}"] = [{"id": each.id, **({"name": each.name} if getattr(each, "name", None) else {})} for each in changed]
    if gone:
        row[f"{'remove' if key == 'overrides' else 'archive'}_{key}"] = gone


def _firsts(shown: Showing, items: list[Any]) -> list[Any]:
    by_id = {each.id: each for each in items}
    return [by_id[names[0]] for names in grouped(list(by_id), shown.terms)]


def _whole(shown: Showing, items: list[Any], everything: list[Any]) -> list[dict[str, Any]]:
    wanted = {each.id for each in items}
    return [row for row in terms_out.overrides_out(shown, everything) if row["id"] in wanted]


def _charges(shown: Showing, items: list[Any], everything: list[Any]) -> list[dict[str, Any]]:
    wanted = {each.id for each in items}
    return [row for row in terms_out.charges_out(shown, everything) if row["id"] in wanted]


def _all(contract: Contract) -> list[tuple[Commit | Credit, str]]:
    found: list[tuple[Commit | Credit, str]] = [(each, each.type.upper()) for each in contract.commits]
    return found + [(each, "CREDIT") for each in contract.credits]


def _fits(wanted: tuple[list[str], dict[str, str], list[str]], row: tuple[str, dict[str, str], str]) -> bool:
    kinds, fields, ids = wanted
    return (not kinds or row[0] in kinds) and fields.items() <= row[1].items() and (not ids or row[2] in ids)


def _drafted(money: contract_out.Money, grant: Commit | Credit, kind: str) -> Decimal:
    """What drafts draw."""
    found = Decimal(0)
    for invoice in money.invoices:
        for line in invoice.lines if invoice.status == "draft" else ():
            if line.commit == grant.id and line.kind != "true_up":
                found += -line.amount if line.kind == "commit" and kind != "POSTPAID" else line.amount if kind == "POSTPAID" and line.kind != "commit" else 0
    return found


def _grants(held: Services, see: Any, body: Body, word: str, include: str, takes: Callable[[Any], bool]) -> Any:
    fields, at = body.fields, shelf(held)
    customer = fields.text("customer_id")
    see(customer)
    only = fields.text_or_none(word)
    covering, starting, before = (fields.instant_ms(name) if fields.has(name) else None for name in ("covering_date", "starting_at", "effective_before"))
    balance, ledgers = fields.flag("include_balance", False), fields.flag("include_ledgers", False)
    empty = fields.flag("exclude_zero_balances", False) if word == "id" else False
    fields.flag(include, True)
    fields.flag("include_archived", False)
    fields.word("access_type", ("SPEND",), "SPEND")
    limit, cursor = fields.whole("limit", 25), fields.text_or_none("next_page")
    for name in ("covering_date", "starting_at", "effective_before"):
        fields.any(name)
    fields.done()
    at.customer(customer)
    money = contract_out.money_of(held, customer) if balance or ledgers or empty else None
    rows = []
    for contract in at.contracts_of(customer):
        shown = contract_out.showing(at, contract)
        for grant, _ in _all(contract):
            if not takes(grant) or only not in (None, grant.id) or not _during(grant, shown.zone, covering, starting, before):
                continue
            row = terms_out.commit_out(shown, grant) if isinstance(grant, Commit) else terms_out.credit_out(shown, grant)
            row = contract_out.with_money(shown, grant, row, money, ledgers=ledgers)
            if not (empty and not row["balance"]):
                rows.append((f"{contract.id}/{grant.id}", row))
    page, following = paged(rows, lambda each: str(each[0]), cursor, limit)
    return {"data": [row for _, row in page], "next_page": following}


def _during(grant: Commit | Credit, zone: str, covering: int | None, starting: int | None, before: int | None) -> bool:
    spans = [(instant_ms(each.starting_at, zone), instant_ms(each.ending_before, zone) if each.ending_before else OPEN_MS) for each in grant.access]
    if covering is not None and not any(start <= covering < end for start, end in spans):
        return False
    if starting is not None and not any(end > starting for _, end in spans):
        return False
    return before is None or any(start < before for start, _ in spans)


