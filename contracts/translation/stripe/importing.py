"""An export of Stripe to documents."""

from typing import Final

from contracts.contract import Contract
from contracts.translation.imported import Read, checked
from contracts.translation.saved import UNREADABLE, Export, Finding, Page, Saved, unfinished
from contracts.translation.stripe.bills import bills_in
from contracts.translation.stripe.catalogues import catalogues_of, price_list
from contracts.translation.stripe.subscriptions import NO_INVOICES, Clock, contract_in, id_of, metered_of

KINDS: Final = ("price", "product", "billing.meter", "subscription", "customer", "invoice")
BESIDE: Final = ("coupon", "promotion_code", "tax_rate")
"""Objects that say nothing by themselves: what counts is where they are used."""


def import_export(export: Export, *, align: bool = False, window_minutes: int = 60) -> Read:
    """Documents that pass our checks, the invoices of the export, and everything that is in neither."""
    findings = [*export.findings, *unfinished(export.pages, _kind)]
    of: dict[str, list[Saved]] = {kind: [] for kind in KINDS}
    seen: set[tuple[str, str]] = set()
    for each in export.objects:
        kind = str(each.data.get("object", ""))
        if kind not in of and kind not in BESIDE:
            findings.append(each.finding("refused", kind or "object", "object", f"is nothing that is read here; {', '.join(KINDS)} are. Take its file out of the export"))
        elif kind in of and (kind, each.id) not in seen:
            seen.add((kind, each.id))
            of[kind].append(each)
    listed = price_list(of, findings)
    sets: dict[str, set[frozenset[str]]] = {}
    sound: list[Saved] = []
    for each in of["subscription"]:
        if each.data.get("status") in NO_INVOICES:
            findings.append(each.finding("noted", "subscription", "status", f"is {each.data['status']}, so it was never billed; it is not imported"))
            continue
        try:
            currency, metered = metered_of(each, listed)
        except UNREADABLE as error:
            findings += each.refusals("subscription", error)
        else:
            sets.setdefault(currency, set()).add(metered)
            sound.append(each)
    catalogues = catalogues_of(listed, sets, findings)
    customers = {each.id: each.data for each in of["customer"]}
    contracts: list[tuple[Contract, Saved]] = []
    for each in sound:
        home = catalogues[str(each.data["currency"]).upper()].id
        try:
            contracts.append((contract_in(each, listed, home, Clock(align), customers.get(id_of(each.data["customer"]), {}), findings), each))
        except UNREADABLE as error:
            findings += each.refusals("subscription", error)
    findings += [finding for each in of["customer"] for finding in _balance(each)]
    imported = checked(list(catalogues.values()), contracts, findings, window_minutes)
    known = {each.id: each for each in imported.contracts}
    bills = bills_in(of["invoice"], known, {each.id: each for each in imported.catalogues}, imported.findings)
    return Read(imported, bills, {name: str(data.get("name") or data.get("email") or "") for name, data in customers.items()})


def _kind(page: Page) -> str:
    return page.url or str(page.first.get("object", ""))


def _balance(saved: Saved) -> list[Finding]:
    if not saved.data.get("balance"):
        return []
    message = f"{saved.data['balance']} in the smallest unit is taken from payments there, not from invoices; a credit of the contract would say it"
    return [saved.finding("noted", "customer", "balance", message)]
