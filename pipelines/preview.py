"""What an edit would change: every affected family is rated twice from what the warehouse has, without the edit and with it.

The accounts are those of the stream, so the preview is what will be shown. Nothing is published.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, Final

import msgspec

from contracts.contract import Contract
from contracts.rendering import balance_json, invoice_json, line_json, ordered
from contracts.result import Balance, Invoice, Line, Result
from contracts.timeline import iso
from pipelines.document_log import Documents
from pipelines.edits import Edit, plan
from pipelines.warehouse.rebuild import FamilyInputs, merged_inputs

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from pipelines.deployment import Deployment

Change = dict[str, Any]
IDENTITY: Final = ("kind", "product", "group", "starting_at", "ending_before", "tier", "commit", "override")


def differences(stack: "Deployment", edit: Edit, present: Documents, warehouse: "Client | None" = None) -> Change:
    """The changes as JSON: `{"as_of": {clock: time}, "invoices": [...], "balances": [...]}`, only what differs.

    An invoice has its head, `total` as `{"before", "after"}` and `lines` as `[{"before": line or null, "after": line or null}]`; a balance
    likewise. `warehouse`: a client that is open already. Raises DocumentError when the edit cannot be, clickhouse-connect's errors.
    """
    plan(edit, present, 1, "preview")  # refuses what publishing would refuse
    families, concerned = present.families.edited(edit.contracts)
    affected = _affected(edit, present.families.contracts, families.contracts)
    times = dict(edit.recorded_ms) | {clock: now for clock, now in stack.times(affected, present).items() if clock not in edit.recorded_ms}
    invoices: list[Change] = []
    balances: list[Change] = []
    with closing(stack.warehouse()) if warehouse is None else nullcontext(warehouse) as client:
        for root in sorted({families.root(contract.customer) for contract in affected}):
            mine = [contract for contract in affected if families.root(contract.customer) == root]
            joined = [customer for customer in concerned if families.root(customer) == root and present.families.root(customer) != root]
            now_ms = max(times[contract.clock] for contract in mine)
            inputs = merged_inputs(client, root, stack.settings.window_minutes, more=joined)
            one, other = _results(inputs, edit, mine, present, _moment(edit, now_ms))
            invoices += invoices_changed(ordered(one).invoices, ordered(other).invoices)
            balances += balances_changed(ordered(one).balances, ordered(other).balances)
    clocks = {contract.clock for contract in affected}
    return {"as_of": {clock: iso(_moment(edit, times[clock])) for clock in sorted(clocks)}, "invoices": invoices, "balances": balances}


def _affected(edit: Edit, before: Mapping[str, Contract], after: Mapping[str, Contract]) -> list[Contract]:
    """Contracts that change, or whose catalogue does, as they will be."""
    catalogues = {catalogue.id for catalogue in edit.catalogues}
    changed = {contract.id for contract in edit.contracts}
    found = {name for name in before if after[name].catalogue in catalogues} if catalogues else set()
    return [after[name] for name in sorted(found | changed)]


def _moment(edit: Edit, now_ms: int) -> int:
    """The clock of the comparison: now, or when the edit begins to hold."""
    return max(now_ms, edit.effective_ms or 0)


def _results(inputs: FamilyInputs, edit: Edit, mine: Sequence[Contract], present: Documents, at_ms: int) -> tuple[Result, Result]:
    """The family without the edit and with it, at the same time."""
    ledger = inputs.replay()
    one = ledger.result(at_ms)
    names = {contract.catalogue for contract in mine}
    edited = {catalogue.id: catalogue for catalogue in edit.catalogues}
    for name in sorted(names):
        if name in edited:
            ledger.record_catalogue(edited[name], at_ms)
        elif name not in ledger.catalogues and name in present.catalogues:
            ledger.record_catalogue(present.catalogues[name].catalogue, at_ms)
    given = [msgspec.structs.replace(contract, thresholds=[]) for contract in edit.contracts if contract in mine]
    if given:
        ledger.record_contracts(given, at_ms)
    return one, ledger.result(at_ms)


def invoices_changed(before: Iterable[Invoice], after: Iterable[Invoice]) -> list[Change]:
    """Invoices that differ, each with the pairs of its lines that do."""
    old, new = {each.id: each for each in before}, {each.id: each for each in after}
    found = []
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        head = invoice_json(other or one)  # type: ignore[arg-type]  # one of the two is there
        del head["lines"], head["total"]
        total = {"before": None if one is None else format(one.total, "f"), "after": None if other is None else format(other.total, "f")}
        lines = _lines(one.lines if one else (), other.lines if other else ())
        if lines or total["before"] != total["after"] or (one and other and one.status != other.status):
            found.append({**head, "total": total, "lines": lines})
    return found


def _lines(before: Sequence[Line], after: Sequence[Line]) -> list[Change]:
    """Pairs of lines that differ: by id where there is one on both sides, else alone. Lines that come to zero and are new or gone are left out."""
    old, new = {each.id: each for each in before}, {each.id: each for each in after}
    found = []
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        if one == other or (not (one and other) and not (one or other).amount):  # type: ignore[union-attr]
            continue
        found.append({"before": one and line_json(one), "after": other and line_json(other)})
    found.sort(key=_place)
    return found


def _place(change: Change) -> tuple[Any, ...]:
    line = change["after"] or change["before"]
    return (line["product"] or "~", msgspec.json.encode(line["group"]), line["starting_at"], line["kind"], line["tier"] or 0, line["commit"] or "")


def balances_changed(before: Iterable[Balance], after: Iterable[Balance]) -> list[Change]:
    """Pairs of balances that differ."""
    old = {(each.contract, each.id): each for each in before}
    new = {(each.contract, each.id): each for each in after}
    found = []
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one != other:
            found.append({"before": one and balance_json(one), "after": other and balance_json(other)})
    return found
