"""The systems that can be imported: how an export is read, and how its invoices are compared."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from contracts.case import UsageLine
from contracts.timeline import iso
from contracts.translation.bills import billed_contract, metered_by_bills, usage_of
from contracts.translation.comparing import Compared, What, Where, compared, gaps, rated
from contracts.translation.imported import Read
from contracts.translation.saved import Export, Finding


class System(NamedTuple):
    read: Callable[[Export], Read]
    where: Where
    what: What
    converted: bool
    """Whether quantities on invoices are behind conversion and rounding."""

    def compare(self, read: Read, usage: Sequence[UsageLine] | None) -> list[Compared]:
        """Each invoice of the export beside ours. Without usage events: of the quantities on the invoices."""
        imported, bills = read.imported, read.bills
        if not bills:
            imported.findings.append(Finding("noted", "", "invoice", "", "", "the export has no invoice of an imported contract, so there is nothing to compare"))
            return []
        catalogues, contracts = imported.catalogues, imported.contracts
        told = usage
        if usage is None:
            catalogues = [metered_by_bills(each, converted=self.converted) for each in catalogues]
            contracts = [billed_contract(each) for each in contracts]
            usage = usage_of(bills)
        else:
            _strangers(read, usage)
        found = rated(catalogues, contracts, usage, max(bill.ending_ms for bill in bills))
        if told is None:
            for name, starts in sorted(gaps(bills, found.invoices).items()):
                message = f"{len(starts)} period{'' if len(starts) == 1 else 's'}, the first of {iso(min(starts))[:10]}, without an invoice in the export: usage is missing, and what it drew from commits"
                imported.findings.append(Finding("noted", "", "contract", name, "", message))
        imported.findings.extend(
            Finding("noted", "", "usage event", each.transaction_id, "", f"does not count: {each.reason}") for each in found.rejected
        )
        return compared(bills, found.invoices, self.where, self.what)


def _strangers(read: Read, usage: Sequence[UsageLine]) -> None:
    known = {name for each in read.imported.contracts for name in (each.customer, *each.aliases)}
    for name in sorted({each.customer or "" for each in usage} - known):
        count = sum(each.customer == name for each in usage)
        read.imported.findings.append(Finding("noted", "", "usage", name, "customer", f"{count:,} events are of a customer without an imported contract"))


def metronome() -> System:
    from contracts.translation.metronome.bills import key_of, place_of
    from contracts.translation.metronome.importing import import_export

    return System(import_export, place_of, key_of, converted=True)


def stripe(*, align: bool) -> System:
    from contracts.translation.stripe.bills import key_of, place_of
    from contracts.translation.stripe.importing import import_export

    return System(partial(import_export, align=align), place_of, key_of, converted=False)
