"""An export of Metronome to documents."""

from contracts.translation.imported import Read, checked
from contracts.translation.metronome.agreements import contracts_in
from contracts.translation.metronome.bills import bills_in
from contracts.translation.metronome.pricing import pricing_in
from contracts.translation.metronome.sorting import kind_of, sort
from contracts.translation.saved import Export, unfinished


def import_export(export: Export, *, window_minutes: int = 60) -> Read:
    """Documents that pass our checks, the invoices of the export, and everything that is in neither."""
    of, findings = sort(export.objects)
    findings = [*export.findings, *unfinished(export.pages, lambda page: kind_of(page.first)), *findings]
    pricing = pricing_in(of)
    findings += pricing.findings
    contracts = contracts_in(of, pricing, findings)
    imported = checked(list(pricing.catalogues.values()), contracts, findings, window_minutes)
    known = {each.id: each for each in imported.contracts}
    bills = bills_in(of["invoice"], known, {each.id: each for each in imported.catalogues}, imported.findings)
    return Read(imported, bills, {each.id: str(each.data.get("name", "")) for each in of["customer"]})
