"""A contract as Metronome's API shows it, v2 and v1."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from console import ledger
from console.ledger import Entry
from console.metronome import terms_out
from console.metronome.shelf import Shelf, at_text, ref
from console.metronome.terms_out import Showing
from console.services import Services
from contracts.contract import Commit, Contract, Credit
from contracts.result import Balance, Invoice
from contracts.timeline import iso
from contracts.translation.metronome.coins import Coins
from pipelines.warehouse import reads

KEPT: Final = (
    "custom_fields", "net_payment_terms_days", "netsuite_sales_order_id", "salesforce_opportunity_id", "total_contract_value", "uniqueness_key", "package_id",
)  # fmt: skip


class Money(NamedTuple):
    """What the warehouse knows about a customer's grants."""

    balances: Mapping[tuple[str, str], Balance]
    invoices: Sequence[Invoice]
    now_ms: int


def money_of(held: Services, customer: str) -> Money:
    with held.warehouse.client() as client:
        balances = {(each.contract, each.id): each for each in reads.balances_of(client, customer)}
        invoices = reads.invoices_of(client, customer)
    now_ms = max([held.warehouse.now_ms(), *(each.starting_ms for each in invoices)])
    return Money(balances, invoices, now_ms)


def showing(at: Shelf, contract: Contract) -> Showing:
    extras, recorded = at.extras(contract.id), at.papers.documents.contracts.get(contract.id)
    created_at, created_by = terms_out.created(extras, recorded.recorded_ms if recorded else 0)
    catalogue = at.catalogue(contract.catalogue)
    return Showing(contract, catalogue, Coins.of(catalogue), created_at, created_by, extras["terms"])


def v2(at: Shelf, contract: Contract, money: Money | None = None, *, ledgers: bool = False) -> dict[str, Any]:
    """The contract of `/v2`; with `money`, balances, and ledgers when they are wanted."""
    shown, extras = showing(at, contract), at.extras(contract.id)
    row = _common(shown) | {
        "id": contract.id,
        "customer_id": contract.customer,
        "credits": [with_money(shown, each, terms_out.credit_out(shown, each), money, ledgers=ledgers) for each in contract.credits],
        "commits": [with_money(shown, each, terms_out.commit_out(shown, each), money, ledgers=ledgers) for each in contract.commits],
        "usage_filter": terms_out.filters_out(shown),
        "transitions": _transitions(at, contract),
        "subscriptions": [terms_out.subscription_out(shown, each) for each in contract.subscriptions],
        "recurring_commits": [terms_out.recurring_out(shown, each) for each in contract.recurring_commits],
        "recurring_credits": [terms_out.recurring_out(shown, each) for each in contract.recurring_credits],
        "multiplier_override_prioritization": "LOWEST_MULTIPLIER" if contract.override_selection == "lowest_multiplier" else "EXPLICIT",
    }
    hierarchy = _hierarchy(at, contract)
    if hierarchy is not None:
        row["hierarchy_configuration"] = hierarchy
    row |= {key: extras[key] for key in KEPT if key in extras}
    return row | ({"archived_at": at_text(extras["archived_ms"])} if extras.get("archived_ms") else {})


def v1(at: Shelf, contract: Contract, money: Money | None = None, *, ledgers: bool = False) -> dict[str, Any]:
    """The contract of `/v1`: first state, and the present one with everything that edits have made of it."""
    shown, extras = showing(at, contract), at.extras(contract.id)
    current = _common(shown) | {
        "commits": [with_money(shown, each, terms_out.commit_out(shown, each), money, ledgers=ledgers) for each in contract.commits],
        "credits": [with_money(shown, each, terms_out.credit_out(shown, each), money, ledgers=ledgers) for each in contract.credits],
        "transitions": _transitions(at, contract),
        "recurring_commits": [terms_out.recurring_out(shown, each) for each in contract.recurring_commits],
        "recurring_credits": [terms_out.recurring_out(shown, each) for each in contract.recurring_credits],
    }
    filters = terms_out.filters_out(shown)
    if filters:
        current["usage_filter"] = {"current": filters[0], "initial": filters[0], "updates": []}
    row = {
        "id": contract.id,
        "customer_id": contract.customer,
        "amendments": [],
        "current": current,
        "initial": current,
        "subscriptions": [terms_out.subscription_out(shown, each) for each in contract.subscriptions],
    }
    row |= {key: extras[key] for key in ("custom_fields", "uniqueness_key", "package_id") if key in extras}
    return row | ({"archived_at": at_text(extras["archived_ms"])} if extras.get("archived_ms") else {})


def with_money(shown: Showing, grant: Commit | Credit, row: dict[str, Any], money: Money | None, *, ledgers: bool) -> dict[str, Any]:
    balance = money.balances.get((shown.contract.id, grant.id)) if money else None
    if money is None:
        return row
    row["balance"] = shown.coins.out(balance.remaining) if balance else 0
    if ledgers:
        row["ledger"] = ledger_out(shown, grant, balance, money) if balance else []
    return row


def ledger_out(shown: Showing, grant: Commit | Credit, balance: Balance, money: Money) -> list[dict[str, Any]]:
    """Entries as the API names them; manual ones, which changed a segment's amount, are shown as such."""
    kind = grant.type if isinstance(grant, Commit) else "credit"
    extras = shown.terms.get(grant.id, {})
    segments = [name for name, _ in terms_out.segments_out(grant.id, grant.access, extras)]
    entries = ledger.entries(shown.contract, ledger.Grant(grant.id, kind, grant.access), balance, money.invoices, money.now_ms)
    manual = extras.get("manual", [])
    found = []
    for entry in entries:
        segment = segments[entry.segment] if entry.segment is not None else next(iter(segments), grant.id)
        by_hand = [each for each in manual if entry.type == "granted" and each["segment_id"] == segment]
        amount = shown.coins.out(entry.amount) - sum((Decimal(each["amount"]) for each in by_hand), Decimal(0))
        found.append(_entry(kind, entry, amount, segment))
        found += [
            {"type": _manual(kind), "timestamp": each["timestamp"], "amount": Decimal(each["amount"]), "reason": each["reason"]}
            for each in by_hand
        ]
    return found


def _manual(kind: str) -> str:
    return {"prepaid": "PREPAID_COMMIT_MANUAL", "postpaid": "POSTPAID_COMMIT_MANUAL", "credit": "CREDIT_MANUAL"}[kind]


def _entry(kind: str, entry: Entry, amount: Decimal, segment: str) -> dict[str, Any]:
    prefix = {"prepaid": "PREPAID_COMMIT", "postpaid": "POSTPAID_COMMIT", "credit": "CREDIT"}[kind]
    row: dict[str, Any] = {"timestamp": iso(entry.at_ms), "amount": amount}
    match entry.type:
        case "granted":
            return row | {"type": "POSTPAID_COMMIT_INITIAL_BALANCE"} if kind == "postpaid" else row | {"type": f"{prefix}_SEGMENT_START", "segment_id": segment}
        case "drawn":
            return row | {"type": f"{prefix}_AUTOMATED_INVOICE_DEDUCTION", "invoice_id": entry.invoice, "segment_id": segment}
        case "true_up":
            return row | {"type": "POSTPAID_COMMIT_TRUEUP", "invoice_id": entry.invoice}
        case "expired":
            return row | {"type": f"{prefix}_EXPIRATION"} | ({} if kind == "postpaid" else {"segment_id": segment})
    return row | {"type": _manual(kind), "reason": "rollover or adjustment"}


def _common(shown: Showing) -> dict[str, Any]:
    contract = shown.contract
    row: dict[str, Any] = {
        "created_at": shown.created_at,
        "created_by": shown.created_by,
        "starting_at": shown.instant(contract.starting_at),
        "overrides": terms_out.overrides_out(shown, contract.overrides),
        "scheduled_charges": terms_out.charges_out(shown, contract.charges),
        "usage_statement_schedule": terms_out.schedule_out(shown),
    }
    if contract.name is not None:
        row["name"] = contract.name
    if contract.ending_before is not None:
        row["ending_before"] = shown.instant(contract.ending_before)
    if contract.rate_card is not None:
        row["rate_card_id"] = ref(shown.catalogue, contract.rate_card)
    return row


def _transitions(at: Shelf, contract: Contract) -> list[dict[str, Any]]:
    found = [{"from_contract_id": contract.renews, "to_contract_id": contract.id, "type": "RENEWAL"}] if contract.renews else []
    for each in at.papers.documents.contracts.values():
        if each.contract.renews == contract.id:
            found.append({"from_contract_id": contract.id, "to_contract_id": each.contract.id, "type": "RENEWAL"})
    return found


def _hierarchy(at: Shelf, contract: Contract) -> dict[str, Any] | None:
    contracts = at.papers.documents.contracts
    if contract.parent is not None:
        parent = contracts.get(contract.parent)
        customer = parent.contract.customer if parent else ""
        return {"parent": {"contract_id": contract.parent, "customer_id": customer}, "payer": contract.payer.upper()}
    children = [each.contract for each in contracts.values() if each.contract.parent == contract.id]
    if not children:
        return None
    return {"children": [{"contract_id": each.id, "customer_id": each.customer} for each in sorted(children, key=lambda child: child.id)]}
