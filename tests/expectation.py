"""What a case expects against what came out. The rules are those of the case document: only the given keys are compared, numbers by value, times as instants."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from contracts.instants import instant_ms

TIMES: Final = {"starting_at", "ending_before", "issue_at", "at"}
INVOICE: Final = ("customer", "contract", "kind", "starting_at", "ending_before", "issue_at", "status")
Row = Mapping[str, Any]


def differences(expect: Row, result: Row) -> list[str]:
    """One line for each difference between `expect` of a case and a result as JSON."""
    found = _invoices(expect.get("invoices"), [each for each in result["invoices"] if each["status"] != "void"])
    for want in expect.get("balances", ()):
        found += _one("balance", want, [each for each in result["balances"] if each["id"] == want["id"]])
    for want in expect.get("rejected", ()):
        found += _one("reject", want, [each for each in result["rejected"] if _fits(want, each)])
    if "alerts" in expect:
        alarms = [each for each in result["alerts"] if each["state"] == "in_alarm"]
        found += _all("alert", expect["alerts"], alarms)
    return found


def _invoices(expected: Sequence[Row] | None, invoices: list[Row]) -> list[str]:
    found: list[str] = []
    left = list(invoices)
    for want in expected or ():
        head = {key: want[key] for key in INVOICE if key in want}
        have = next((each for each in left if _fits(head, each)), None)
        if have is None:
            if _zero(want.get("total", "1")):
                continue
            found.append(f"invoice {head} is missing; there are {[{key: each[key] for key in INVOICE} for each in left]}")
            continue
        left.remove(have)
        found += _one(f"invoice {head}", {key: value for key, value in want.items() if key != "lines"}, [have])
        if "lines" in want:
            postpaid = [line for line in have["lines"] if not (line["kind"] == "commit" and not _zero(line["amount"]) and _stays_due(have, line))]
            found += _all(f"invoice {head}, line", want["lines"], postpaid)
    kinds = {want["kind"] for want in expected or () if "kind" in want}
    found += [f"invoice {each} is not expected" for each in left if each["kind"] in kinds and each["kind"] != "scheduled" and not _zero(each["total"])]
    return found


def _stays_due(invoice: Row, line: Row) -> bool:
    """Whether a line of kind commit is only shown: then the total is the sum of the others."""
    return Decimal(invoice["total"]) != sum(Decimal(each["amount"]) for each in invoice["lines"]) and line["kind"] == "commit"


def _all(what: str, expected: Iterable[Row], rows: Sequence[Row]) -> list[str]:
    """Rows are exactly those; rows of zero may be left out."""
    left, found = list(rows), []
    for want in expected:
        have = next((each for each in left if _fits(want, each)), None)
        if have is not None:
            left.remove(have)
        elif not _zero(want.get("amount", "1")):
            found.append(f"{what} {dict(want)} is missing")
    return found + [f"{what} {each} is not expected" for each in left if not _zero(each.get("amount", "1"))]


def _one(what: str, want: Row, rows: Sequence[Row]) -> list[str]:
    if len(rows) != 1:
        return [f"{what}: {len(rows)} rows for {dict(want)}"]
    return [f"{what}: {key} is {rows[0].get(key)!r}, expected {value!r}" for key, value in want.items() if not _same(key, value, rows[0].get(key))]


def _fits(want: Row, have: Row) -> bool:
    return all(_same(key, value, have.get(key)) for key, value in want.items())


def _same(key: str, want: Any, have: Any) -> bool:
    if want is None or have is None:
        return want is have
    if key in TIMES:
        return instant_ms(str(want)) == instant_ms(str(have))
    if isinstance(want, Mapping):
        return want.keys() == have.keys() and all(str(value) == str(have[name]) for name, value in want.items())
    try:
        return Decimal(str(want)) == Decimal(str(have))
    except InvalidOperation:
        return str(want) == str(have)


def _zero(value: Any) -> bool:
    return Decimal(str(value)) == 0
