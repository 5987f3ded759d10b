"""`previewEvents`: the customer's family folded again with some more events, by the code that the stream runs."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from console.errors import InvalidError, invalid
from console.ingest import timestamp_ms
from console.metronome.shelf import Shelf
from console.metronome.usage import property_text
from console.services import Services
from contracts.case import UsageEvent
from contracts.contract import Contract
from contracts.metering import Limits, Metering
from contracts.result import Invoice
from contracts.timeline import iso
from contracts.translation.fields import Fields, Wrong
from pipelines.warehouse.rebuild import family_inputs, root_of

MOST = 100


def preview(held: Services, at: Shelf, customer: str, given: Sequence[Fields], *, merge: bool) -> Sequence[Invoice]:
    """All invoices of the family as they would be. Raises InvalidError."""
    if not 0 < len(given) <= MOST:
        raise invalid("events", f"must be 1 to {MOST} events")
    contracts = at.contracts_of(customer)
    if not contracts:
        raise invalid("customer_id", "has no contract yet, so there is no invoice")
    times = held.books.times(contracts)
    now_ms = max(times[contract.clock] for contract in contracts)
    events = [_event(fields, customer, number, now_ms) for number, fields in enumerate(given)]
    with held.warehouse.client() as client:
        inputs = family_inputs(client, root_of(client, customer))
    if not merge:
        inputs = inputs._replace(deltas=())
    ledger = inputs.replay()
    forever = Limits(held.deployment.settings.window_minutes * 60_000, late_ms=1 << 60, ahead_ms=1 << 60)
    metering = Metering(forever)
    documents = at.papers.documents
    known: dict[str, Contract] = {name: each.contract for name, each in documents.contracts.items()}
    metering.prepare([each.catalogue for each in documents.catalogues.values()], known)
    metered = metering.take(events)
    if metered.rejected:
        numbers = {event.transaction_id: number for number, event in enumerate(events)}
        raise InvalidError(*(Wrong(f"events[{numbers[each.transaction_id]}]", f"would be rejected: {each.reason}") for each in metered.rejected))
    ledger.record_usage(metered.deltas)
    return ledger.result(max(now_ms, *(event.timestamp_ms for event in events))).invoices


def _event(fields: Fields, customer: str, number: int, now_ms: int) -> UsageEvent:
    stamp = fields.text("timestamp", iso(now_ms))
    moment = timestamp_ms(stamp, fields.at("timestamp"))
    name = fields.text("transaction_id", f"preview-{number}")
    kind, properties = fields.text("event_type"), _properties(fields)
    fields.any("customer_id")
    fields.done()
    return UsageEvent(name, customer, kind, moment, max(moment, now_ms), properties)


def _properties(fields: Fields) -> dict[str, str]:
    given: Any = fields.any("properties") or {}
    if not isinstance(given, dict):
        raise invalid(fields.at("properties"), "must be an object")
    return {key: format(value, "f") if isinstance(value, Decimal) else property_text(value) for key, value in given.items() if value is not None}
