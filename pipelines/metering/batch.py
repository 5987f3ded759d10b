"""One batch through METER: decode, reject, dedup, aggregate, pack. No Kafka here: messages in, records out."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from contracts.twins import number_of
from pipelines.document_log import Documents, RecordedCatalogue
from pipelines.metering import compile as products
from pipelines.metering import statements as sql
from pipelines.metering import trees, twins
from pipelines.metering.decode import SENTINEL, TABLE, Bad, Batch, Decoder
from pipelines.metering.dedup import VALUE, Dedup, Entries
from pipelines.metering.engine import Engine, EngineError
from pipelines.metering.few import Few
from pipelines.metering.ids import packed, stretches
from pipelines.metering.messages import Messages
from pipelines.metering.rejects import readable, rejects
from pipelines.metering.routing import Routing, routing
from pipelines.metering.step import IDENTITY, MARK_BYTES, in_order, judge, packs, untimely
from schemas.codec import ID_BYTES, Codec
from schemas.packed import metered_usage

SINGLES: Final = "meter.singles"
KNOWN: Final = "meter.known"
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
FEW: Final = 1_200
FEW_BYTES: Final = 500_000
"""A batch of more goes through the statements, however few events it has: those have no need to take apart what no product asks for."""
MANY: Final = 50
"""Products with which every statement may name all of them; of more, only those are named of which events have come since the last document."""
_ROW: Final = np.dtype([("n", "<u8"), ("key", "V16"), ("body", "<u8"), ("timestamp", "<i8"), ("flags", "u1")])
_NO_TEXT: Final = "text that is not UTF-8"
_DETAILS: Final = {
    sql.NO_TEXT: ("garbage", _NO_TEXT),
    sql.REPEATED: ("garbage", "a property stands twice"),
    sql.RESERVED: ("reserved_id", "a transaction_id that begins with U+001F is one of a correction: send the event under another one"),
}


class Limits(NamedTuple):
    window_ms: int = HOUR_MS
    late_ms: int = 34 * DAY_MS
    ahead_ms: int = DAY_MS
    partitions: int = 12
    few: int = FEW
    """Batches of so many events at most are counted event by event (`few.py`)."""


class Outcome(NamedTuple):
    """What a batch becomes."""

    metered: list[tuple[int, bytes]]
    """(partition, value) of metered-usage records."""
    rejected: list[tuple[int, bytes]]
    """(partition, value) of rejected-events records."""
    fresh: Entries
    """For the dedup store."""
    read: int
    accepted: int
    duplicates: int
    reasons: dict[str, int]
    ids: Sequence[tuple[int, bytes]] = ()
    """(partition of usage-events, value) of accepted-events records."""
    coverage: Sequence[tuple[int, bytes, bytes]] = ()
    """(partition, key, value) of backfills records."""
    backfilled: int = 0
    """Accepted events of the past that were metered for products that are new."""


class Plan(NamedTuple):
    """What is asked of a batch. Made anew when a document changes, or when events come of which it knows no products."""

    types: frozenset[str]
    """Event types whose products it has."""
    meters: list[products.Meter]
    identity: str
    checks: list[str]
    """By position in `meters`: finds events without the value that is needed; empty where none is."""
    deltas: sql.Deltas


class Metering:
    """Holds the engine's tables and the compiled plan. Not thread safe."""

    def __init__(self, engine: Engine, codec: Codec, limits: Limits, topic: str = "usage-events") -> None:
        self._engine = engine
        self._codec = codec
        self._limits = limits
        self._topic = topic
        self._decoder = Decoder(engine, codec)
        self._few = Few(self._decoder, limits.window_ms)
        self._tables: dict[str, AbstractSet[str]] = {}
        self._compiled: dict[str, tuple[int, list[products.Meter]]] = {}
        """Products by catalogue and its version."""
        self._known: dict[str, tuple[int, list[products.Meter]]] = {}
        """The same, with those of a generation that is open."""
        engine.run(f"CREATE TABLE IF NOT EXISTS {sql.EXCLUDED} (n UInt64) ENGINE = Set SETTINGS persistent = 0")
        engine.run(f"CREATE TABLE IF NOT EXISTS {sql.GATHERED} AS {TABLE}")
        nothing = Documents()
        self._routed = (nothing, -1)
        """Whose contracts the routes are of, and when (`Documents.owned`)."""
        self.prepare(nothing)

    def prepare(self, documents: Documents) -> None:
        """Take the documents as they are now; they hold for all following batches. A change of one needs another call."""
        self.documents = documents
        """What was prepared last."""
        self._filling: tuple[AbstractSet[tuple[str, str]], sql.Deltas] | None = None
        self._compiled = {name: self._products(name, known) for name, known in documents.catalogues.items()}
        beside = twins.twins({name: found for name, (_, found) in self._compiled.items()}, documents.generations, self._set_table)
        self._known = {
            name: (version, [*twins.ordinary(found, documents.generations), *beside.get(name, ())]) for name, (version, found) in self._compiled.items()
        }
        if documents is not self._routed[0] or documents.owned != self._routed[1]:
            self._routes = routing(documents, self._limits.partitions)
            self._single = self._owning(self._routes)
            self._routed = (documents, documents.owned)
        self._few.prepare(documents, self._routes)
        meters = [each for _, found in self._known.values() for each in found]
        self._types = frozenset(kind for each in meters for kind in each.event_types)
        self._plan = self._planned(self._types if len(meters) <= MANY else frozenset())

    def _owning(self, routes: Routing) -> sql.Single:
        """Tell the engine whose events go where, and whose are metered one by one."""
        self._set_roots(routes)
        singles = SINGLES if routes.owners.singles else None
        if singles:
            self._set_table(SINGLES, routes.owners.singles)
        filters = []
        for position, (key, customers) in enumerate(routes.owners.filters.items()):
            name = f"meter.filtered_{position}"
            self._set_table(name, customers)
            filters.append((key, name))
        if filters:
            self._set_table(KNOWN, frozenset(routes.owners.roots))
        return sql.Single(singles, tuple(filters), KNOWN if filters else "")

    def _products(self, name: str, known: RecordedCatalogue) -> tuple[int, list[products.Meter]]:
        before = self._compiled.get(name)
        return before if before is not None and before[0] == known.version else (known.version, products.meters(known.catalogue))

    def _planned(self, types: frozenset[str]) -> Plan:
        """The plan for events of these types: planning a statement costs more than running it, and grows with the products that it names."""
        meters = [each for _, found in self._known.values() for each in found if not types.isdisjoint(each.event_types)]
        checks = [sql.check(each, position) for position, each in enumerate(meters)]
        deltas = sql.deltas(meters, self._limits.window_ms, self._limits.partitions, self._single)
        return Plan(types, meters, sql.identity(meters, self.documents.generations.brought()), checks, deltas)

    def _extended(self) -> bool:
        """Whether the batch in the table has events of whose products the plan did not know; now it does."""
        if self._plan.types == self._types:
            return False
        found = self._engine.lines(f"SELECT DISTINCT event_type FROM {TABLE} WHERE n != {SENTINEL} AND isValidUTF8(event_type)")
        fresh = self._types.intersection(msgspec.json.decode(row, type=tuple[str])[0] for row in found) - self._plan.types
        if fresh:
            self._plan = self._planned(self._plan.types | fresh)
        return bool(fresh)

    def _set_roots(self, routes: Routing) -> None:
        places = {each: routes.partition_of(each) + 1 for each, root in routes.owners.roots.items() if each != root}
        rows = [{"customer": each, "place": place} for each, place in sorted(places.items())]
        self._engine.make(sql.ROOTS, "customer String, place UInt16", "Join(ANY, LEFT, customer) SETTINGS persistent = 0", rows)

    def _set_table(self, name: str, members: AbstractSet[str]) -> None:
        if self._tables.get(name) != members:
            self._engine.make(name, "customer String", "Set SETTINGS persistent = 0", [{"customer": each} for each in sorted(members)])
            self._tables[name] = members

    def run(self, messages: Messages, dedup: Dedup, follow: Callable[[], None] | None = None) -> Outcome:
        """Meter a batch. `dedup` is read here; the caller writes `fresh` to it.

        `follow` is called when the events are decoded, and may `prepare`: what it learns holds for this batch.
        """
        few, plan = self._looked_at(messages), self._plan
        bad: list[Bad] = []
        if few is not None:
            positions, rows = np.arange(len(few), dtype=np.int64), few
        else:
            positions, bad, rows = self._load(messages, plan.identity)
        if follow is not None:
            follow()
        # What was learned may also be a correction, whose events would be refused under the documents from before.
        if (few is None and self._plan is not plan) or (few is not None and not self._few.count()):
            few, plan = None, self._plan
            positions, bad, rows = self._load(messages, plan.identity)
        if few is None and len(positions) and self._extended():
            rows = np.frombuffer(self._engine.query(self._plan.identity, "RowBinary"), _ROW)[:-1]
        recorded = messages.recorded_ms[positions]
        old, ahead = untimely(rows["timestamp"], recorded, self._limits.late_ms, self._limits.ahead_ms)
        bad += [Bad(int(positions[i]), "too_old", _when(rows["timestamp"][i], recorded[i])) for i in old]
        bad += [Bad(int(positions[i]), "too_far_ahead", _when(rows["timestamp"][i], recorded[i])) for i in ahead]
        if (rows["flags"] & sql.NO_VALUE).any():
            bad += self._without_value({each.position for each in bad})

        identities = _identities(rows, messages.offsets[positions])
        places = positions
        if bad:
            wrong = np.isin(positions, [each.position for each in bad])
            _forget(identities[wrong], dedup)
            identities, places = identities[~wrong], places[~wrong]
        order = in_order(np.ascontiguousarray(identities["key"]))
        identities, places = identities[order], places[order]
        verdicts = judge(identities, dedup.get(identities["key"].tolist()))
        for i, first in verdicts.conflicts:
            bad.append(Bad(int(places[i]), "conflict", f"the id belongs to another event, at offset {first} of the same partition"))
        excluded = sorted({*places[verdicts.duplicates].tolist(), *(each.position for each in bad)})
        metered = self._deltas(excluded) if few is None else self._packed(self._few.rows(excluded))
        reasons: dict[str, int] = {}
        for each in bad:
            reasons[each.reason] = reasons.get(each.reason, 0) + 1
        uncounted = [*verdicts.duplicates, *(place for place, _ in verdicts.conflicts)]
        if uncounted:
            identities, places = np.delete(identities, uncounted), np.delete(places, uncounted)
        found = stretches(identities, messages.partitions[places], messages.spans())
        ids = [(partition, packed(self._codec, stretch)) for partition, stretch in found]
        rejected = rejects(self._codec, self._topic, messages, bad)
        return Outcome(metered, rejected, verdicts.fresh, len(messages.values), len(places), len(verdicts.duplicates), reasons, ids)

    def _looked_at(self, messages: Messages) -> Any:
        """Rows as the engine gives them, when the batch can be counted event by event as far as is known."""
        if not 0 < len(messages.values) <= self._limits.few or None in messages.values:
            return None
        values = cast("Sequence[bytes]", messages.values)
        if sum(map(len, values)) > FEW_BYTES:
            return None
        return self._few.load(Batch(values, messages.recorded_ms, messages.partitions), _ROW)

    def meters(self) -> Mapping[str, tuple[int, frozenset[str]]]:
        """What following batches are metered for: by catalogue its version and its products."""
        return {name: (version, frozenset(each.product for each in found)) for name, (version, found) in self._known.items()}

    def gather(self, messages: Messages, wanted: AbstractSet[tuple[str, str]]) -> int:
        """Put events of the past, all of which were accepted once, beside what is gathered of it for the products `wanted` (catalogue, product); how many
        there are that may concern them.

        Planning a statement costs more than counting a slice of events, and what RATE is told of many is no more than of few: so they are counted
        together. Most replays are of some products, and an event that can not be of theirs is not even decoded: the name of its type does not stand in it.
        """
        marks = [kind.encode() for kind in self._types_of(wanted)]
        values = [value or b"" for value in messages.values]
        places = sorted({place for mark in marks for place, value in enumerate(values) if mark in value})
        if not places:
            return 0
        _, bad, _ = self._load(messages._replace(keys=values).part(np.array(places, np.int64)), sql.PLACES)  # of keys nothing is asked, and they cost
        if bad:
            raise EngineError(f"an event that was accepted can not be read again: {bad[0].reason}, {bad[0].detail}")
        self._engine.run(f"INSERT INTO {sql.GATHERED} SELECT * FROM {TABLE} WHERE n != {SENTINEL}")
        return len(places)

    def _types_of(self, wanted: AbstractSet[tuple[str, str]]) -> frozenset[str]:
        return frozenset(kind for _, found in self._known.values() for each in found if (each.catalogue, each.product) in wanted for kind in each.event_types)

    def filled(self, wanted: AbstractSet[tuple[str, str]]) -> list[tuple[int, bytes]]:
        """Records of metered-usage for the products `wanted` (catalogue, product) alone, from what is gathered, which is let go.

        An event without the value that such a product needs counts for the others as it did, and not for this one. Nothing is metered event by
        event: thresholds see a backfill as a whole, as they see every change of a document.
        """
        mark = secrets.token_bytes(MARK_BYTES)
        statement = self._filling_of(wanted).of(mark, excluding=False)
        found = self._packed(_rows(self._engine.query(statement, "Avro"), mark), backfill=True) if statement else []
        self.forget()
        return found

    def forget(self) -> None:
        """Let go of what is gathered."""
        self._engine.run(f"TRUNCATE TABLE {sql.GATHERED}")

    def _filling_of(self, wanted: AbstractSet[tuple[str, str]]) -> sql.Deltas:
        """What is asked of every portion for the same products, until a document changes."""
        if self._filling is None or self._filling[0] != wanted:
            meters = [self._corrected(each) for _, found in self._known.values() for each in found if (each.catalogue, each.product) in wanted]
            able = [each if each.invalid is None else each._replace(conditions=(*each.conditions, trees.call("not", each.invalid))) for each in meters]
            self._filling = wanted, sql.deltas(able, self._limits.window_ms, self._limits.partitions, self._single._replace(singles=None), sql.GATHERED)
        return self._filling[1]

    def _corrected(self, each: products.Meter) -> products.Meter:
        """A product that is new, over the past as it is billed now; a twin has its own."""
        generations = self.documents.generations
        if number_of(each.product) is not None or not generations.corrected:
            return each
        compiled = next(one for one in self._compiled[each.catalogue][1] if one.product == each.product)
        return compiled._replace(conditions=(*compiled.conditions, *twins.in_force(generations, self._set_table)))

    def identify(self, messages: Messages, rejected: npt.NDArray[np.bool_], dedup: Dedup) -> Entries:
        """Entries for the store of events of which it is known whether they were rejected; all others counted, or are duplicates of such."""
        positions, _, rows = self._load(messages, sql.identity(()))
        identities = _identities(rows, messages.offsets[positions])
        refused = rejected[positions]
        _forget(identities[refused], dedup)
        identities = identities[~refused]
        identities = identities[in_order(np.ascontiguousarray(identities["key"]))]
        return judge(identities, dedup.get(identities["key"].tolist())).fresh

    def _load(self, messages: Messages, identity: str) -> tuple[npt.NDArray[np.int64], list[Bad], Any]:
        """Into the engine: positions of the events, what is none, and a row of `identity` for each event."""
        bad = [Bad(position, "tombstone", "a record without a value") for position, value in enumerate(messages.values) if value is None]
        tombstones = {each.position for each in bad}
        values = [value or b"" for value in messages.values] if bad else messages.values
        batch = Batch(cast("Sequence[bytes]", values), messages.recorded_ms, messages.partitions)
        positions, broken, answer = self._decoder.load(batch, identity, _ROW.itemsize)
        rows = np.frombuffer(answer, _ROW)
        bad += [each for each in broken if each.position not in tombstones]
        flawed = np.flatnonzero(rows["flags"] & (sql.NO_TEXT | sql.REPEATED | sql.NO_ID | sql.RESERVED))
        if len(flawed):
            bad += [self._flaw(messages, int(positions[i]), int(rows["flags"][i])) for i in flawed]
        return positions, bad, rows

    def _flaw(self, messages: Messages, position: int, flags: int) -> Bad:
        for flag, (reason, detail) in _DETAILS.items():
            if flags & flag:
                return Bad(position, reason, detail)
        event = readable(self._codec, messages.values[position])
        names = [name for name in ("transaction_id", "customer") if not event.get(name)]
        if names:
            return Bad(position, "incomplete", f"{' and '.join(names)} must not be empty")
        return Bad(position, "too_large", f"transaction_id, customer and event_type may have {ID_BYTES} bytes each")

    def _without_value(self, known: set[int]) -> list[Bad]:
        statement = " UNION ALL ".join(check for check in self._plan.checks if check)
        found: dict[int, Bad] = {}
        for row in self._engine.lines(statement):
            place, which = msgspec.json.decode(row, type=tuple[int, int])
            if place in known or place in found:
                continue
            meter = self._plan.meters[which]
            if meter.aggregation == "unique":
                detail = f"product {meter.product}: what it counts may have {ID_BYTES} bytes"
                found[place] = Bad(place, "too_large", detail)
            else:
                detail = f"product {meter.product}: its value must be decimal text, at most 38 digits before the point and 18 behind"
                found[place] = Bad(place, "not_a_number", detail)
        return list(found.values())

    def _deltas(self, excluded: Sequence[int]) -> list[tuple[int, bytes]]:
        mark = secrets.token_bytes(MARK_BYTES)
        statement = self._plan.deltas.of(mark, excluding=bool(excluded))
        if not statement:
            return []
        if excluded:
            self._engine.run(f"TRUNCATE TABLE {sql.EXCLUDED}")
            self._engine.scratch.write_bytes(np.array(excluded, "<u8").tobytes())
            self._engine.run(f"INSERT INTO {sql.EXCLUDED} SELECT n FROM file('{self._engine.scratch}', 'RowBinary', 'n UInt64')")
        return self._packed(_rows(self._engine.query(statement, "Avro"), mark))

    def _packed(self, rows: Iterable[bytes], *, backfill: bool = False) -> list[tuple[int, bytes]]:
        """Records of metered-usage from rows of deltas."""
        header = self._codec.header("metered_usage")
        behind = self.documents.behind
        return [(target, header + metered_usage(bodies, behind.get(target, -1), backfill=backfill)) for target, bodies in packs(rows)]


_SYNC: Final = bytes(16)


def _rows(answer: bytes, mark: bytes) -> list[bytes]:
    """What `Deltas` have answered, row by row. The file ends with the marker of its only block, and nobody who writes events knows the mark."""
    return answer[: -len(_SYNC)].split(mark)[1:]


def _identities(rows: Any, offsets: npt.NDArray[np.int64]) -> Any:
    identities = np.empty(len(rows), IDENTITY)
    identities["key"], identities["body"], identities["offset"] = rows["key"], rows["body"], offsets
    return identities


def _forget(rejected: Any, dedup: Dedup) -> None:
    """Under documents that held for an attempt which did not commit, an event may have counted that is rejected now: its id is free."""
    keys = rejected["key"].tolist()
    stale = [
        key
        for key, offset, value in zip(keys, rejected["offset"].tolist(), dedup.get(keys), strict=True)
        if value is not None and VALUE.unpack(value)[0] == offset
    ]
    if stale:
        dedup.forget(stale)


def _when(timestamp: int, recorded: int) -> str:
    hours = (int(timestamp) - int(recorded)) / HOUR_MS
    return f"event time is {abs(hours):.1f} hours {'after' if hours > 0 else 'before'} its arrival"
