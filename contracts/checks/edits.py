"""What a new version of a contract may not change: who it is for, and what final invoices stand on."""

from collections.abc import Iterator
from typing import Any

from contracts.checks.findings import Findings, quiet_ms
from contracts.contract import Contract
from contracts.sources import Path
from contracts.timeline import iso

FINAL = "void that invoice first and regenerate it after the edit, or let the term start later"
DATED = ("overrides", "discounts", "recurring_credits", "recurring_commits")


def check_edit(findings: Findings, contract: Contract, previous: Contract, final_until_ms: int | None) -> None:
    """`previous` is the version that `contract` replaces; `final_until_ms` the end of its last final period, if there is one."""
    for key, why in (
        ("customer", "balances and final invoices belong to that customer"),
        ("catalogue", "amounts and products would mean other things"),
        ("clock", "what has happened would happen at other times"),
    ):
        before, now = getattr(previous, key), getattr(contract, key)
        if before != now:
            findings.add((key,), f"an edit cannot change the {key} from {before!r} to {now!r}: {why}; end this contract and make another")
    if final_until_ms is None:
        return
    until = iso(final_until_ms)
    zone = contract.billing.timezone
    start, started = quiet_ms(contract.starting_at, zone), quiet_ms(previous.starting_at, previous.billing.timezone)
    if start != started:
        findings.add(("starting_at",), f"invoices up to {until} are final, so the contract's start cannot change from {previous.starting_at}")
    if (contract.billing.period, contract.billing.anchor, zone) != (previous.billing.period, previous.billing.anchor, previous.billing.timezone):
        findings.add(("billing",), f"invoices up to {until} are final, so period, anchor and time zone cannot change; end this contract and make another")
    end = quiet_ms(contract.ending_before, zone)
    if end is not None and end < final_until_ms and contract.ending_before != previous.ending_before:
        findings.add(("ending_before",), f"the end lies in a final period: invoices up to {until} are final; {FINAL}")
    for path, starting_at, ending_before in _changed(contract, previous):
        closes = quiet_ms(ending_before, zone)
        if closes is not None and closes <= final_until_ms:
            said = f"{starting_at or 'the start'} to {ending_before}"
            findings.add(path, f"this term ({said}) lies in a final period: invoices up to {until} are final and do not change; {FINAL}")


def _changed(contract: Contract, previous: Contract) -> Iterator[tuple[Path, str | None, str | None]]:
    """Terms with their dates that are new or other than before, and access segments likewise."""
    for key in DATED:
        before: list[Any] = getattr(previous, key)
        for number, term in enumerate(getattr(contract, key)):
            if term not in before:
                yield (key, number), term.starting_at, term.ending_before
    for key in ("commits", "credits"):
        segments = {(grant.id, segment) for grant in getattr(previous, key) for segment in grant.access}
        for number, grant in enumerate(getattr(contract, key)):
            for place, segment in enumerate(grant.access):
                if (grant.id, segment) not in segments:
                    yield (key, number, "access", place), segment.starting_at, segment.ending_before
