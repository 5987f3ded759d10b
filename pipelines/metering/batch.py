"""One batch through METER: decode, reject, dedup, aggregate, pack. No Kafka here: messages in, records out."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from pipelines.document_log import Documents
from pipelines.metering import compile as sql
from pipelines.metering.decode import SENTINEL, TABLE, Bad, Batch, Decoder
from pipelines.metering.dedup import Dedup
from pipelines.metering.engine import Engine
from pipelines.metering.routing import Routing, routing
from pipelines.metering.step import delta, judge, packs, untimely
from schemas.codec import Codec

SINGLES: Final = "meter.singles"
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
_ROW: Final = np.dtype([("key", "V16"), ("body", "<u8"), ("timestamp", "<i8")])


class Messages(NamedTuple):
    """A batch as it came from usage-events, in columns; per partition in order of offset."""

    values: list[bytes | None]
    keys: Sequence[bytes | None]
    partitions: npt.NDArray[np.uint16]
    offsets: npt.NDArray[np.int64]
    recorded_ms: npt.NDArray[np.int64]

    def part(self, positions: npt.NDArray[np.int64]) -> "Messages":
        """The messages at `positions`."""
        chosen = positions.tolist()
        return Messages(
            [self.values[i] for i in chosen],
            [self.keys[i] for i in chosen],
            self.partitions[positions],
            self.offsets[positions],
            self.recorded_ms[positions],
        )


class Limits(NamedTuple):
    window_ms: int = HOUR_MS
    late_ms: int = 34 * DAY_MS
    ahead_ms: int = 24 * HOUR_MS
    partitions: int = 12


class Outcome(NamedTuple):
    """What a batch becomes."""

    metered: list[tuple[int, bytes]]
    """(partition, value) of metered-usage records."""
    rejected: list[tuple[int, bytes]]
    """(partition, value) of rejected-events records."""
    fresh: list[tuple[bytes, bytes]]
    """Entries for the dedup store."""
    accepted: int
    duplicates: int
    reasons: dict[str, int]


class Plan(NamedTuple):
    """The meters of all catalogues, and what is special about customers. Made anew when a document changes."""

    meters: list[sql.Meter]
    statements: list[sql.Statement]
    """By position in `meters`."""
    checks: list[str]
    """By position in `meters`: finds events without a number; empty where none is needed."""
    single: sql.Single
    routes: Routing


class Metering:
    """Holds the engine's tables and the compiled plan. Not thread safe."""

    def __init__(self, engine: Engine, codec: Codec, limits: Limits, topic: str = "usage-events") -> None:
        self._engine = engine
        self._codec = codec
        self._limits = limits
        self._topic = topic
        self._decoder = Decoder(engine, codec)
        self._rows: Any = msgspec.json.Decoder(list[Any])
        self._plan = Plan([], [], [], sql.Single(), routing(Documents(), limits.partitions))

    def prepare(self, documents: Documents) -> None:
        """Take the documents as they are now; they hold for all following batches."""
        meters = [each for known in documents.catalogues.values() for each in sql.meters(known.catalogue)]
        routes = routing(documents, self._limits.partitions)
        singles = SINGLES if routes.singles else None
        if singles:
            self._set_table(SINGLES, routes.singles)
        filters = []
        for position, (key, customers) in enumerate(routes.filters.items()):
            name = f"meter.filtered_{position}"
            self._set_table(name, customers)
            filters.append((key, name))
        single = sql.Single(singles, tuple(filters))
        statements = [sql.statement(each, TABLE, self._limits.window_ms, single) for each in meters]
        checks = [sql.check(each, position, TABLE) for position, each in enumerate(meters)]
        self._plan = Plan(meters, statements, checks, single, routes)

    def _set_table(self, name: str, members: frozenset[str]) -> None:
        self._engine.run(f"CREATE OR REPLACE TABLE {name} (customer String) ENGINE = Set")
        rows = "\n".join(json.dumps({"customer": each}) for each in sorted(members))
        self._engine.scratch.write_text(rows)
        self._engine.run(f"INSERT INTO {name} SELECT customer FROM file('{self._engine.scratch}', 'JSONEachRow', 'customer String')")  # noqa: S608

    def run(self, messages: Messages, dedup: Dedup) -> Outcome:
        """Meter a batch. `dedup` is read here; the caller writes `fresh` to it."""
        positions, bad, rows = self._load(messages)
        recorded = messages.recorded_ms[positions]
        old, ahead = untimely(rows["timestamp"], recorded, self._limits.late_ms, self._limits.ahead_ms)
        bad += [Bad(int(positions[i]), "too_old", _when(rows["timestamp"][i], recorded[i])) for i in old]
        bad += [Bad(int(positions[i]), "too_far_ahead", _when(rows["timestamp"][i], recorded[i])) for i in ahead]

        active = self._active()
        bad += self._not_numbers(active, {each.position for each in bad})

        wrong = {each.position for each in bad}
        keys: list[bytes] = rows["key"].tolist()
        bodies: list[int] = rows["body"].tolist()
        offsets: list[int] = messages.offsets[positions].tolist()
        places = positions
        if wrong:
            keep = [i for i, place in enumerate(positions.tolist()) if place not in wrong]
            places = positions[keep]
            keys, bodies, offsets = [keys[i] for i in keep], [bodies[i] for i in keep], [offsets[i] for i in keep]
        verdicts = judge(keys, bodies, offsets, dedup.get(keys))
        for i, first in verdicts.conflicts:
            bad.append(Bad(int(places[i]), "conflict", f"the id belongs to another event, at offset {first} of the same partition"))
        excluded = sorted({*(int(places[i]) for i in verdicts.duplicates), *(each.position for each in bad)})
        metered = self._deltas(active, excluded)
        reasons: dict[str, int] = {}
        for each in bad:
            reasons[each.reason] = reasons.get(each.reason, 0) + 1
        accepted = len(places) - len(verdicts.duplicates) - len(verdicts.conflicts)
        return Outcome(metered, self._rejects(messages, bad), verdicts.fresh, accepted, len(verdicts.duplicates), reasons)

    def identify(self, messages: Messages, dedup: Dedup) -> list[tuple[bytes, bytes]]:
        """Entries for the store of events that are known to have counted, or to be duplicates of such."""
        positions, _, rows = self._load(messages)
        keys: list[bytes] = rows["key"].tolist()
        return judge(keys, rows["body"].tolist(), messages.offsets[positions].tolist(), dedup.get(keys)).fresh

    def _load(self, messages: Messages) -> tuple[npt.NDArray[np.int64], list[Bad], Any]:
        """Into the engine: positions of the events, what is none, and key, body and timestamp of each event."""
        bad = [Bad(position, "tombstone", "a record without a value") for position, value in enumerate(messages.values) if value is None]
        tombstones = {each.position for each in bad}
        values = [value or b"" for value in messages.values] if bad else messages.values
        positions, broken = self._decoder.load(Batch(cast("list[bytes]", values), messages.recorded_ms, messages.partitions))
        bad += [each for each in broken if each.position not in tombstones]
        return positions, bad, np.frombuffer(self._engine.query(_IDENTITY, "RowBinary"), _ROW)

    def _active(self) -> list[int]:
        """Positions of the meters for which the batch has events."""
        seen = {row[0] for row in self._select(f"SELECT DISTINCT event_type FROM {TABLE} WHERE n != {SENTINEL}")}  # noqa: S608
        return [position for position, each in enumerate(self._plan.meters) if not seen.isdisjoint(each.event_types)]

    def _not_numbers(self, active: Sequence[int], known: set[int]) -> list[Bad]:
        meters = self._plan.meters
        statement = " UNION ALL ".join(check for position in active if (check := self._plan.checks[position]))
        found: dict[int, Bad] = {}
        for place, which in self._select(statement) if statement else ():
            if place not in known and place not in found:
                detail = f"product {meters[which].product}: its value must be decimal text, at most 38 digits before the point and 18 behind"
                found[place] = Bad(place, "not_a_number", detail)
        return list(found.values())

    def _deltas(self, active: Sequence[int], excluded: Sequence[int]) -> list[tuple[int, bytes]]:
        routed: dict[int, list[dict[str, Any]]] = {}
        partition: dict[str, int] = {}
        for position in active:
            each = self._plan.meters[position]
            keys = sql.groups_of(each, self._plan.single)
            rows = self._select(self._plan.statements[position].without(excluded))
            for row in rows:
                if row[0] not in partition:
                    partition[row[0]] = self._plan.routes.partition_of(row[0])
                routed.setdefault(partition[row[0]], []).append(delta(each.catalogue, each.product, each.aggregation, keys, row))
        records = []
        for target, deltas in sorted(routed.items()):
            deltas.sort(key=lambda each: (each["sequence"] is not None, each["sequence"] or 0))
            records += [(target, self._codec.encode("metered_usage", {"deltas": pack})) for pack in packs(deltas)]
        return records

    def _rejects(self, messages: Messages, bad: Sequence[Bad]) -> list[tuple[int, bytes]]:
        records = []
        for position, reason, detail in sorted(bad):
            value = messages.values[position]
            try:
                event = self._codec.decode("usage_event", value or b"")
            except ValueError:
                event = {}
            records.append(
                (
                    int(messages.partitions[position]),
                    self._codec.encode(
                        "rejected_event",
                        {
                            "topic": self._topic,
                            "partition": int(messages.partitions[position]),
                            "offset": int(messages.offsets[position]),
                            "recorded_at": int(messages.recorded_ms[position]),
                            "reason": reason,
                            "detail": detail,
                            "transaction_id": event.get("transaction_id"),
                            "customer": event.get("customer"),
                            "key": messages.keys[position],
                            "value": value,
                        },
                    ),
                )
            )
        return records

    def _select(self, statement: str) -> list[list[Any]]:
        return [self._rows.decode(line) for line in self._engine.query(statement, "JSONCompactEachRow").splitlines()]


def _when(timestamp: int, recorded: int) -> str:
    hours = (int(timestamp) - int(recorded)) / HOUR_MS
    return f"event time is {abs(hours):.1f} hours {'after' if hours > 0 else 'before'} its arrival"


_IDENTITY: Final = (
    "SELECT sipHash128(partition, transaction_id), cityHash64(customer, event_type, timestamp, mapKeys(properties), mapValues(properties)), "
    f"timestamp FROM {TABLE} WHERE n != {SENTINEL}"
)
