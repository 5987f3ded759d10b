"""The first difference between two Results, where the rules say that they must be the same."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

Result = Mapping[str, Any]
GRANTS = ("commits", "credits", "recurring_credits", "recurring_commits")


def differences(case: Mapping[str, Any], ours: Result, theirs: Result) -> list[str]:
    """What differs, the coarsest first; empty when nothing does."""
    if "readings" in ours or "readings" in theirs:
        pairs = zip(ours.get("readings", []), theirs.get("readings", []), strict=True)
        return [f"reading {number}: {each}" for number, (a, b) in enumerate(pairs) for each in differences({**case, **case["readings"][number]}, a, b)]
    found: list[str] = []
    for what, view in (("totals", _totals), ("balances", _balances), ("rejected", _rejected), ("lines", _lines), ("status", _status), ("alerts", _alerts)):
        found += [f"{what}: {each}" for each in _differ(view(ours, case), view(theirs, case))]
    return found


def _differ(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> Iterator[str]:
    for key in sorted({*a, *b}, key=str):
        if a.get(key) != b.get(key):
            yield f"{key}: reference {a.get(key)}, other {b.get(key)}"


def _standing(result: Result, case: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for invoice in result["invoices"]:
        ahead = invoice["kind"] == "scheduled" and str(moment(invoice["issue_at"])) > str(moment(case["as_of"]))
        if invoice["status"] != "void" and not ahead:
            yield invoice


def moment(text: str | None) -> str | None:
    """One spelling of an instant."""
    if text is None:
        return None
    text = text if "T" in text else f"{text}T00:00:00Z"
    return text.replace(".000Z", "Z")


def _key(invoice: Mapping[str, Any]) -> tuple[str, ...]:
    if invoice["kind"] == "usage":
        return invoice["contract"], "usage", str(moment(invoice["starting_at"]))
    if invoice["kind"] == "correction":
        return invoice["contract"], "correction"
    return invoice["contract"], invoice["kind"], str(moment(invoice["issue_at"]))


def _totals(result: Result, case: Mapping[str, Any]) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = defaultdict(Decimal)
    for invoice in _standing(result, case):
        found[_key(invoice)] += Decimal(invoice["total"])
    return {key: amount for key, amount in found.items() if amount}


def _status(result: Result, case: Mapping[str, Any]) -> dict[Any, str]:
    return {
        _key(i): i["status"]
        for i in _standing(result, case)
        if i["kind"] != "correction" and (Decimal(i["total"]) or any(Decimal(line["amount"]) for line in i["lines"]))
    }


def _lines(result: Result, case: Mapping[str, Any]) -> dict[Any, tuple[Decimal, Decimal]]:
    postpaid = {commit["id"] for document in documents(case) for commit in document.get("commits", []) if commit["type"] == "postpaid"}
    # Where a pool pays a line hour by hour, rounding decides how much quantity a part has; "the amounts decide".
    shared = any(grant.get("shared") for document in documents(case) for name in GRANTS for grant in document.get(name, []))
    found: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for invoice in _standing(result, case):
        if invoice["kind"] != "usage":
            continue
        # Where a quantity falls, the rules say how much a credit covers, and not which lines.
        falls = any(line["kind"] in {"usage", "correction"} and Decimal(line["amount"]) < 0 for line in invoice["lines"])
        for line in invoice["lines"]:
            if falls and line["kind"] == "commit":
                continue
            if not Decimal(line["amount"]) or (line["kind"] == "commit" and line["commit"] in postpaid):
                continue
            detailed = line["kind"] in {"usage", "correction"}
            key = (
                *_key(invoice),
                line["kind"],
                line["product"],
                tuple(sorted((line["group"] or {}).items())),
                moment(line["starting_at"]),
                moment(line["ending_before"]),
                line["tier"] if detailed else None,
                None if falls else line["commit"],
                line["override"] if detailed else None,
                round(Decimal(line["unit_price"]), 12) if detailed and line["unit_price"] is not None else None,
            )
            found[key][0] += Decimal(line["amount"])
            found[key][1] += Decimal(line["quantity"] or 0) if detailed and not shared else 0
    return {key: (amount, round(quantity, 9)) for key, (amount, quantity) in found.items() if amount}


def documents(case: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [*case.get("contracts", []), *(edit["contract"] for edit in case.get("edits", []) if "contract" in edit)]


def _balances(result: Result, case: Mapping[str, Any]) -> dict[Any, tuple[Decimal, ...]]:
    named = {(document["id"], grant["id"]) for document in documents(case) for name in GRANTS for grant in document.get(name, [])}
    keys = ("granted", "applied", "expired", "remaining")
    return {
        (row["contract"], row["id"]): tuple(Decimal(row[key]) for key in keys)
        for row in result["balances"]
        if (row["contract"], row["id"]) in named and any(Decimal(row[key]) for key in keys)
    }


def _rejected(result: Result, case: Mapping[str, Any]) -> dict[Any, int]:
    found: dict[Any, int] = defaultdict(int)
    for each in result["rejected"]:
        found[each["transaction_id"], each["reason"]] += 1
    return dict(found)


def _alerts(result: Result, case: Mapping[str, Any]) -> dict[Any, tuple[Any, ...]]:
    return {
        (each.get("contract"), each["threshold"], each["crossing"]): (round(Decimal(each["value"]), 9), moment(each["at"]))
        for each in result["alerts"]
        if each["state"] == "in_alarm"
    }
