"""The rules of a case: its documents as they are recorded one after the other, its usage, its readings."""

from contracts.case import Case, Edit
from contracts.catalogue import Catalogue
from contracts.checks.catalogue import check_catalogue
from contracts.checks.contract import check_contract
from contracts.checks.findings import Findings, quiet_ms
from contracts.contract import Contract
from contracts.sources import Path, Problem
from contracts.timeline import grid


def check_case(case: Case, *, window_minutes: int = 60) -> list[Problem]:
    """Everything that is wrong with a case and the documents in it."""
    findings = Findings("UTC", window_minutes)
    findings.problems += _under(("catalogue",), check_catalogue(case.catalogue, window_minutes=window_minutes))
    recorded: dict[str, Contract] = {}
    for number, contract in enumerate(case.contracts):
        if contract.id in recorded:
            findings.add(("contracts", number, "id"), f"the contract id {contract.id!r} is given twice; write a later version under edits")
        recorded[contract.id] = contract
    for number, contract in enumerate(case.contracts):
        found = check_contract(contract, case.catalogue, recorded.values(), window_minutes=window_minutes)
        findings.problems += _under(("contracts", number), found)
    _edits(findings, case, recorded)
    _actions(findings, case, {*recorded, *(edit.contract.id for edit in case.edits if edit.contract)})
    _usage(findings, case)
    _readings(findings, case)
    return findings.problems


def _under(path: Path, problems: list[Problem]) -> list[Problem]:
    return [Problem((*path, *problem.path), problem.message) for problem in problems]


def _edits(findings: Findings, case: Case, recorded: dict[str, Contract]) -> None:
    """Each edit against what is recorded before it."""
    catalogue = case.catalogue
    order = sorted(range(len(case.edits)), key=lambda number: quiet_ms(case.edits[number].at, "UTC") or 0)
    for number in order:
        edit, path = case.edits[number], ("edits", number)
        at_ms = findings.instant((*path, "at"), edit.at)
        if (edit.contract is None) == (edit.catalogue is None):
            findings.add(path, "an edit holds the new version of one document: contract, or catalogue")
        if edit.catalogue is not None:
            catalogue = _catalogue_edit(findings, edit, number, catalogue, recorded)
        if edit.contract is not None:
            contract, previous = edit.contract, recorded.get(edit.contract.id)
            recorded[contract.id] = contract
            final_ms = None
            if previous is not None and at_ms is not None and not _taken_back(case, contract.id):
                final_ms = _final_until(previous, at_ms)
            found = check_contract(contract, catalogue, recorded.values(), previous, window_minutes=findings.window_minutes, final_until_ms=final_ms)
            findings.problems += _under((*path, "contract"), found)


def _catalogue_edit(findings: Findings, edit: Edit, number: int, before: Catalogue, recorded: dict[str, Contract]) -> Catalogue:
    catalogue = edit.catalogue or before
    path = ("edits", number, "catalogue")
    findings.problems += _under(path, check_catalogue(catalogue, before, window_minutes=findings.window_minutes))
    for contract in recorded.values():
        for problem in check_contract(contract, catalogue, recorded.values(), window_minutes=findings.window_minutes):
            findings.add(path, f"contract {contract.id!r} would no longer fit: {problem.message}")
    return catalogue


def _final_until(contract: Contract, now_ms: int) -> int | None:
    """End of the last usage invoice of a contract that is final at `now_ms` (end + grace)."""
    probe = Findings(contract.billing.timezone)
    start = quiet_ms(contract.starting_at, contract.billing.timezone)
    grace = probe.duration((), contract.billing.grace)
    if start is None or grace is None:
        return None
    try:
        periods = grid(contract.billing.period, contract.billing.anchor, contract.billing.timezone, start)
        ended = periods.around(now_ms - grace).start
    except (ValueError, OverflowError):
        return None
    close = quiet_ms(contract.ending_before, contract.billing.timezone)
    if close is not None and close + grace <= now_ms:
        ended = max(ended, close)
    return ended if ended > start else None


def _taken_back(case: Case, contract: str) -> bool:
    """Whether an invoice of the contract is voided or regenerated: then terms in a period that was final have a sense."""
    for action in case.actions:
        for target in (action.void, action.regenerate):
            if target is not None and target.contract == contract:
                return True
    return False


def _actions(findings: Findings, case: Case, contracts: set[str]) -> None:
    for number, action in enumerate(case.actions):
        path = ("actions", number)
        findings.instant((*path, "at"), action.at)
        given = [name for name in ("void", "regenerate", "finalize") if getattr(action, name) is not None]
        if len(given) != 1:
            findings.add(path, "an action is exactly one of void, regenerate, finalize: {contract, starting_at}")
            continue
        findings.known((*path, given[0], "contract"), "contract", action.target.contract, contracts)
        findings.instant((*path, given[0], "starting_at"), action.target.starting_at)


def _usage(findings: Findings, case: Case) -> None:
    for number, line in enumerate(case.usage):
        path = ("usage", number)
        if line.customer is None:
            findings.add(path, "the case has several customers, so each usage line names its customer")
        findings.instant((*path, "timestamp"), line.timestamp)
        findings.instant((*path, "recorded_at"), line.recorded_at)
        if line.repeat is not None:
            every = findings.duration((*path, "repeat", "every"), line.repeat.every)
            if every == 0 and line.repeat.times > 1:
                findings.add((*path, "repeat", "every"), "a run needs a step of more than nothing")
            findings.positive((*path, "repeat", "times"), line.repeat.times)


def _readings(findings: Findings, case: Case) -> None:
    findings.instant(("as_of",), case.as_of)
    if case.as_of is None and not case.readings:
        findings.add((), "'as_of' is missing: the clock when the result is read (or readings: [{as_of, expect}])")
    if case.as_of is not None and case.readings:
        findings.add(("as_of",), "a case has one as_of and expect, or readings, not both")
    for number, reading in enumerate(case.readings):
        findings.instant(("readings", number, "as_of"), reading.as_of)
