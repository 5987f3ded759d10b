"""How a line came about: the family is told again from the warehouse and asked; the events behind the line are looked up beside it."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import TaximeterError
from contracts.explain import Explanation
from contracts.timeline import iso
from pipelines.corrected import COUNTS, corrected, correction_of, original_id
from pipelines.metering.compile import meters
from pipelines.metering.trees import sql
from pipelines.replay.recorded import generations_of
from pipelines.warehouse.rebuild import FamilyInputs, merged_inputs, root_of

SHORTEST_WINDOW_MINUTES: Final = 15
LINE: Final = "SELECT customer, toUnixTimestamp64Milli(as_of) FROM invoice_lines WHERE id = {line:String} LIMIT 1"
CLOCK: Final = "SELECT toUnixTimestamp64Milli(max(as_of)) FROM invoice_revisions WHERE customer = {customer:String}"
EVENTS: Final = """
SELECT transaction_id, customer, toUnixTimestamp64Milli(timestamp), properties, count() OVER ()
FROM (
  SELECT * FROM usage_events
  WHERE customer IN {{customers:Array(String)}}
   AND timestamp >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC') AND timestamp < fromUnixTimestamp64Milli({{until_ms:Int64}}, 'UTC')
   AND {conditions}
   AND (source_partition, source_offset) NOT IN (SELECT partition, offset FROM rejected_events WHERE topic = 'usage-events')
  ORDER BY source_partition, source_offset LIMIT 1 BY transaction_id
)
WHERE {counts}
ORDER BY timestamp, transaction_id LIMIT {{limit:UInt32}}"""


class UnknownLineError(TaximeterError):
    """The warehouse has no such line."""


class Event(NamedTuple):
    """An accepted event that the line counts."""

    transaction_id: str
    customer: str
    timestamp_ms: int
    properties: dict[str, str]
    correction: int | None = None
    """The correction that has brought it; none: a service has sent it so."""

    def json(self) -> dict[str, Any]:
        found = {"transaction_id": self.transaction_id, "customer": self.customer, "timestamp": iso(self.timestamp_ms), "properties": self.properties}
        return found if self.correction is None else found | {"correction": self.correction}


class Explained(NamedTuple):
    explanation: Explanation
    events: tuple[Event, ...]
    """The first of them, by event time."""
    event_count: int
    """How many there are."""

    def json(self) -> dict[str, Any]:
        return {**self.explanation.json(), "event_count": self.event_count, "events": [each.json() for each in self.events]}


def explained(client: Client, line: str, *, events: int = 20) -> Explained:
    """The derivation of the line with this id, and the first `events` events behind it. Raises UnknownLineError, clickhouse-connect's errors."""
    rows = client.query(LINE, parameters={"line": line}).result_rows
    if not rows:
        raise UnknownLineError(f"there is no line {line!r}; `taximeter invoice CUSTOMER --json` shows the ids of lines")
    customer = rows[0][0]
    now_ms = max(rows[0][1], client.query(CLOCK, parameters={"customer": customer}).result_rows[0][0])
    inputs = merged_inputs(client, root_of(client, customer), SHORTEST_WINDOW_MINUTES, now_ms)
    ledger = inputs.replay()
    ledger.result(now_ms)
    account = ledger.account_of(customer)
    found = account.explain(line) if account is not None else None
    if found is None:
        raise UnknownLineError(f"line {line!r} of customer {customer!r} is no longer on an invoice: a later edit or event has taken it away")
    behind, count = _events(client, found, inputs, ledger.contracts.values(), ledger.catalogues, events)
    return Explained(found, behind, count)


def _events(
    client: Client, found: Explanation, inputs: FamilyInputs, contracts: Iterable[Contract], catalogues: dict[str, Catalogue], limit: int
) -> tuple[tuple[Event, ...], int]:
    if not found.windows:
        return (), 0
    known = {contract.id: contract for contract in contracts}
    own = known.get(found.contract)
    catalogue = catalogues.get(own.catalogue if own else "")
    meter = next((each for each in meters(catalogue) if each.product == found.line.product), None) if catalogue else None
    if meter is None:
        return (), 0
    paid = [each for each in known.values() if each.id == found.contract or (each.payer == "parent" and each.parent == found.contract)]
    customers = sorted({name for each in paid for name in (each.customer, *each.aliases)} or {inputs.root})
    wanted = {f"group_{number}": pair for number, pair in enumerate(sorted(found.line.group.items()))}
    conditions = [f"({sql(tree)})" for tree in meter.conditions]
    conditions += [f"properties[{{{name}_key:String}}] = {{{name}_value:String}}" for name in wanted]
    asked: dict[str, Any] = {"customers": customers, "from_ms": found.line.starting_ms, "until_ms": found.line.ending_ms, "limit": limit}
    for name, (key, value) in wanted.items():
        asked |= {f"{name}_key": key, f"{name}_value": value}
    in_force = corrected(generations_of(client))
    # The conditions are METER's own trees, in which names and values are escaped literals.
    rows = client.query(EVENTS.format(conditions=" AND ".join(conditions), counts=COUNTS), parameters=asked | in_force.asked()).result_rows
    events = tuple(Event(original_id(name), customer, timestamp_ms, dict(properties), correction_of(name)) for name, customer, timestamp_ms, properties, _ in rows)
    return events, rows[0][4] if rows else 0
