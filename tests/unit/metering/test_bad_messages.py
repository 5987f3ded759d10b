"""Bad messages of every kind: each has its reason, the rest of the batch counts, and the next batch too."""

import io
import json
import struct
from collections.abc import Iterator
from decimal import Decimal, localcontext

import fastavro
import msgspec
import pytest

from contracts.catalogue import Catalogue
from pipelines.metering import hashing
from pipelines.metering.batch import FEW_BYTES, HOUR_MS
from pipelines.metering.rejects import SHOWN
from schemas.codec import EVENT_BYTES, Codec, current
from schemas.packed import long
from schemas.registry import RegistryError
from tests.metering import CODEC, NOW, Meter, deltas, documents, meter, reasons, rejects
from tests.site import relations
from tests.unit.codec.registry_server import RegistryServer

CATALOGUE = msgspec.convert(
    {
        "metrics": {
            "n": {"event_types": ["call"], "aggregation": "sum", "value": "n"},
            "users": {"event_types": ["call"], "aggregation": "unique", "value": "user"},
            "ratio": {"event_types": ["ratio"], "aggregation": "sum", "value": {"expression": "a / b"}},
        },
        "products": {
            "n": {"name": "N", "metric": "n", "presentation_group_keys": ["ü key"]},
            "users": {"name": "Users", "metric": "users"},
            "ratio": {"name": "Ratio", "metric": "ratio"},
        },
    },
    Catalogue,
    strict=False,
)
DAY_MS = 24 * HOUR_MS
HEADER = CODEC.header("usage_event")


@pytest.fixture(scope="module")
def one() -> Iterator[Meter]:
    with meter(documents(CATALOGUE)) as made:
        yield made


def text(value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return long(len(data)) + data


def body(transaction_id: bytes | str, properties: bytes = b"\x00", *, customer: bytes | str = "acme", at: bytes | None = None) -> bytes:
    """An event written by hand: what no well-behaved writer would write."""
    return HEADER + text(transaction_id) + text(customer) + text("call") + (at or long(NOW)) + properties


def entries(*pairs: tuple[bytes | str, bytes | str]) -> bytes:
    return long(len(pairs)) + b"".join(text(key) + text(value) for key, value in pairs) + b"\x00"


EVENT = CODEC.encode("usage_event", {"transaction_id": "whole", "customer": "acme", "event_type": "call", "timestamp": NOW, "properties": {"n": "1"}})
ONE = entries(("n", "1"))
LONG_VARINT = b"\xff" * 9 + b"\x01"
BAD: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "tombstone"),
    "empty": (b"", "empty"),
    "one byte": (b"\xc3", "truncated"),
    "half a header": (EVENT[:7], "truncated"),
    "no body": (EVENT[:10], "truncated"),
    "cut in the middle": (EVENT[:25], "truncated"),
    "without its last byte": (EVENT[:-1], "truncated"),
    "one byte too many": (EVENT + b"\x00", "garbage"),
    "two events": (EVENT + EVENT[10:], "garbage"),
    "json": (b'{"transaction_id": "t"}', "garbage"),
    "random": (bytes(range(256)), "unknown_schema"),
    "zeros": (bytes(64), "unknown_schema"),
    "unknown fingerprint": (EVENT[:2] + bytes(8) + EVENT[10:], "unknown_schema"),
    "another record type": (CODEC.encode("clock_tick", {"clock": "wall", "now": NOW}), "unknown_schema"),
    "confluent without a registry": (b"\x00\x00\x00\x00\x01" + EVENT[10:], "unknown_schema"),
    "another type's body": (HEADER + CODEC.encode("clock_tick", {"clock": "wall", "now": NOW})[10:], "truncated"),
    "a length of exabytes": (HEADER + long(1 << 60) + b"x", "truncated"),
    "a negative length": (HEADER + b"\x01" + EVENT[11:], "truncated"),
    "a map of billions": (body("t", long(1 << 33)), "truncated"),
    "no utf-8": (body(b"\xff\xfe", ONE), "garbage"),
    "no utf-8 in a key": (body("t", entries((b"\xc3", "1"))), "garbage"),
    "no utf-8 in a value": (body("t", entries(("n", "1"), ("x", b"\xed\xa0\x80"))), "garbage"),
    "a property twice": (body("t", entries(("n", "1"), ("n", "2"))), "garbage"),
    "a property twice, the same": (body("t", entries(("n", "1"), ("n", "1"))), "garbage"),
    "no transaction id": (body("", ONE), "incomplete"),
    "no customer": (body("t", ONE, customer=""), "incomplete"),
    "an id that is too long": (body("t" * 1001, ONE), "too_large"),
    "a customer that is too long": (body("t", ONE, customer="c" * 1001), "too_large"),
    "an event that is too large": (body("t", entries(("n", "1"), ("x", "y" * EVENT_BYTES))), "too_large"),
    "a member that is too long": (body("t", entries(("n", "1"), ("user", "u" * 1001))), "too_large"),
    "long ago": (body("t", ONE, at=long(NOW - 34 * DAY_MS - 1)), "too_old"),
    "before 1970": (body("t", ONE, at=b"\x01"), "too_old"),
    "the beginning of time": (body("t", ONE, at=LONG_VARINT), "too_old"),
    "the end of time": (body("t", ONE, at=b"\xfe" + b"\xff" * 8 + b"\x01"), "too_far_ahead"),
    "a day and a moment ahead": (body("t", ONE, at=long(NOW + DAY_MS + 1)), "too_far_ahead"),
    "seconds instead of milliseconds": (body("t", ONE, at=long(NOW // 1000)), "too_old"),
    "no number": (body("t"), "not_a_number"),
    **{f"the number {value[:45]!r}": (body("t", entries(("n", value))), "not_a_number") for value in ("", "x", "nan", "NaN", "inf", "-Infinity", "1e3", "1E-7", "0x10", "1,5", " 1", "1 ", "1\n", "1.", ".5", "--1", "٣", "1_000", "9" * 39, "0." + "1" * 19, "1" * 5000)},
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_message_is_rejected_and_its_neighbours_count(one: Meter, name: str) -> None:
    """Given a bad message between good ones, when the batch is metered, then it alone is rejected, with its bytes."""
    value, reason = BAD[name]
    first = one.offset
    good = [one.event(f"{name}-{place}", {"n": "2"}) for place in range(2)]

    outcome = one.take([good[0], value, good[1]])

    assert reasons(outcome) == {first + 1: reason}
    assert outcome.accepted == 2
    assert [delta["value"] for delta in deltas(outcome) if delta["product"] == "n"] == ["4"]
    record = rejects(outcome)[0].record
    assert record["value"] == (None if reason == "too_large" else value)
    assert (record["topic"], record["partition"], record["recorded_at"], record["key"]) == ("usage-events", 0, NOW, b"k")


def test_all_kinds_in_one_batch(one: Meter) -> None:
    """Given every kind of bad message in one batch with hundreds of good events, then all of each are told apart."""
    first = one.offset
    values: list[bytes | None] = []
    expected = {}
    for round_, (value, reason) in enumerate(BAD.values()):
        values += [one.event(f"among-{round_}-{place}", {"n": "1"}) for place in range(20)]
        expected[first + len(values)] = reason
        values.append(value)

    outcome = one.take(values)

    assert reasons(outcome) == expected
    assert outcome.accepted == 20 * len(BAD)
    assert sum(int(delta["value"]) for delta in deltas(outcome) if delta["product"] == "n") == 20 * len(BAD)


WITH_ITS_SIZE = b"\x03" + long(8) + text("n") + text("1") + text("n") + text("2") + b"\x00"
"""Minus two entries, in so many bytes: as some writers have it."""
NOW_PADDED = long(NOW)[:-1] + bytes([long(NOW)[-1] | 0x80]) + b"\x80" * (11 - len(long(NOW))) + b"\x00"
"""Twelve bytes: more than the engine takes."""


@pytest.mark.parametrize("properties", (entries(("n", "1"), ("n", "2")), WITH_ITS_SIZE), ids=("plain", "with its size"))
@pytest.mark.parametrize("beside", (b"", NOW_PADDED), ids=("alone", "beside one that the engine can not read"))
def test_an_event_with_a_property_twice_is_refused_whoever_stands_beside_it(one: Meter, properties: bytes, beside: bytes) -> None:
    name = f"twice-{len(properties)}-{len(beside)}"
    values = [body(name, properties), body(f"{name}-good", ONE)] + ([body(f"{name}-odd", ONE, at=beside)] if beside else [])
    outcome = one.take(values)
    assert outcome.accepted == len(values) - 1
    assert [(each.offset - one.offset + len(values), each.reason) for each in rejects(outcome)] == [(0, "garbage")]


def test_a_few_large_events_count_as_they_would_alone(one: Meter) -> None:
    long_text = "x" * (EVENT_BYTES // 2)
    values = [one.event(f"large-{number}", {"n": "1", "prompt": long_text}) for number in range(9)]
    assert sum(map(len, values)) > FEW_BYTES
    before = hashing._remembered.cache_info().currsize
    assert one.take(values).accepted == 9
    assert one.take([one.event("large-alone", {"n": "1", "prompt": long_text})]).accepted == 1
    # and no long text is kept
    assert hashing._remembered.cache_info().currsize <= before + 2


def test_a_batch_of_nothing_but_bad_messages(one: Meter) -> None:
    outcome = one.take([value for value, _ in BAD.values()])

    assert outcome.accepted == 0
    assert deltas(outcome) == []
    assert sum(outcome.reasons.values()) == len(BAD)


def test_analysts_are_told_every_reason() -> None:
    (view,) = [each for each in relations() if each.name == "rejected_events"]
    (told,) = [each.about for each in view.columns if each.name == "reason"]

    assert {reason for _, reason in BAD.values()} | {"conflict", "too_far_ahead"} <= set(told.replace(" or ", ", ").split(", "))


def test_an_empty_batch(one: Meter) -> None:
    assert one.take([]).metered == []


def test_unicode_keys_and_values_count(one: Meter) -> None:
    outcome = one.take([one.event("unicode-🦔", {"n": "1", "ü key": "\x00日本\\'"}, customer="Ωmega")])

    found = next(delta for delta in deltas(outcome) if delta["product"] == "n")
    assert found["group"] == {"ü key": "\x00日本\\'"}
    assert found["customer"] == "Ωmega"


@pytest.mark.parametrize("value", ("9" * 38 + "." + "9" * 18, "-" + "9" * 38, "+0.000000000000000001", "007"))
def test_numbers_at_the_limits_count_exactly(one: Meter, value: str) -> None:
    outcome = one.take([one.event(f"limit {value} {place}", {"n": value}) for place in range(3)])

    found = next(delta["value"] for delta in deltas(outcome) if delta["product"] == "n")
    with localcontext(prec=100):
        assert Decimal(found) == 3 * Decimal(value)


@pytest.mark.parametrize("at", (NOW - 34 * DAY_MS, NOW + DAY_MS))
def test_times_at_the_limits_count(one: Meter, at: int) -> None:
    assert one.take([one.event(f"time {at}", {"n": "1"}, at=at)]).accepted == 1


def test_an_expression_without_a_value_is_not_a_number(one: Meter) -> None:
    first = one.offset

    outcome = one.take([one.event(f"ratio {b}", {"a": "1", "b": b}, event_type="ratio") for b in ("4", "0", "x")])

    assert reasons(outcome) == {first + 1: "not_a_number", first + 2: "not_a_number"}
    assert [delta["value"] for delta in deltas(outcome)] == ["0.25"]


def test_a_rejected_event_does_not_hold_its_id(one: Meter) -> None:
    """Given an event that is too old, when the same id comes again in time, then it counts."""
    first = one.offset
    outcome = one.take([one.event("again", {"n": "1"}, at=NOW - 40 * DAY_MS), one.event("again", {"n": "1"})])

    assert reasons(outcome) == {first: "too_old"}
    assert outcome.accepted == 1


def test_an_id_that_is_rejected_at_the_second_attempt_is_free(one: Meter) -> None:
    """Given an attempt that counted an event and did not commit, when it is rejected under other documents, then another event may have its id."""
    with meter(documents(Catalogue())) as other:
        event = other.event("free", {"n": "x"})
        assert other.take([event]).accepted == 1
        other.prepare(documents(CATALOGUE, version=2))
        other.offset = 0

        outcome = other.take([event, other.event("free", {"n": "5"})])

        assert reasons(outcome) == {0: "not_a_number"}
        assert [delta["value"] for delta in deltas(outcome)] == ["5"]
    one.prepare(documents(CATALOGUE))


def test_what_is_long_is_shown_in_part(one: Meter) -> None:
    outcome = one.take([one.event("x", {"n": "1"}, customer="c" * 5000)])

    record = rejects(outcome)[0].record
    assert record["customer"] == "c" * SHOWN
    assert "1000 bytes" in record["detail"]


@pytest.mark.parametrize("count", (1, 127, 128, 129, 1000))
def test_bad_messages_are_found_among_any_number(one: Meter, count: int) -> None:
    first = one.offset
    values: list[bytes | None] = [one.event(f"among {count} {place}", {"n": "1"}) for place in range(count)]
    values[count // 2] = EVENT[:-1]

    outcome = one.take(values)

    assert reasons(outcome) == {first + count // 2: "truncated"}
    assert outcome.accepted == count - 1


def test_an_earlier_version_of_the_schema_counts_beside_the_present_one(one: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given events of another published version, when they come mixed with present ones, then all count."""
    from schemas import codec

    raw = json.loads(current("usage_event").text)
    raw["fields"] = [field for field in raw["fields"] if field["name"] != "properties"]
    earlier = codec.parse("usage_event", json.dumps(raw))
    published = codec.versions
    known = {**published("usage_event"), earlier.fingerprint: earlier}
    monkeypatch.setattr(codec, "versions", lambda name: known if name == "usage_event" else published(name))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, earlier.parsed, {"transaction_id": "earlier", "customer": "acme", "event_type": "other", "timestamp": NOW})

    outcome = one.take([b"\xc3\x01" + earlier.fingerprint + out.getvalue(), one.event("present", {"n": "1"})])

    assert outcome.accepted == 2


def test_confluent_messages_count_alone_and_mixed() -> None:
    with RegistryServer() as registry:
        codec = Codec.at(registry.url)
        with meter(documents(CATALOGUE), codec=codec) as one:
            outcome = one.take([one.event(f"c{place}", {"n": "1"}) for place in range(5)])
            assert codec.decode("metered_usage", outcome.metered[0][1])["deltas"][0]["value"] == "5"

            plain = CODEC.encode("usage_event", {"transaction_id": "p", "customer": "acme", "event_type": "call", "timestamp": NOW, "properties": {"n": "1"}})
            mixed = one.take([one.event("c9", {"n": "1"}), plain, b"\x00" + struct.pack(">I", 99) + plain[10:], one.event("c10", {"n": "1"})[:-1]])
            assert mixed.accepted == 2
            assert mixed.reasons == {"unknown_schema": 1, "truncated": 1}


def test_a_registry_that_is_down_rejects_nothing() -> None:
    with RegistryServer() as registry:
        codec = Codec.at(registry.url)
        with meter(documents(CATALOGUE), codec=codec) as one:
            event = one.event("c", {"n": "1"})
            one.take([one.event("first", {"n": "1"})])
            registry.down = True
            with pytest.raises(RegistryError):
                one.take([event, b"\x00" + struct.pack(">I", 7) + event[5:]])
            registry.down = False
            assert one.take([event]).accepted == 1


def test_many_members_and_points_become_many_deltas(one: Meter) -> None:
    """Given more members than one delta may have, then several have them all, and the events once."""
    outcome = one.take([one.event(f"m{place}", {"n": "1", "user": f"user-{place:04d}"}) for place in range(250)])

    found = [delta for delta in deltas(outcome) if delta["product"] == "users"]
    assert sorted(len(delta["members"]) for delta in found) == [50, 100, 100]
    assert sum(delta["events"] for delta in found) == 250
    assert sorted(member for delta in found for member in delta["members"]) == [f"user-{place:04d}" for place in range(250)]


def test_records_stay_below_the_limit_of_a_record(one: Meter) -> None:
    """Given events near the largest size with all of it in a group value, then no record comes near a million bytes."""
    wide = "w" * (EVENT_BYTES - 200)
    outcome = one.take([one.event(f"wide{place}", {"n": "1", "ü key": f"{place}{wide}"}) for place in range(8)])

    assert outcome.accepted == 8
    assert max(len(value) for _, value in outcome.metered) < 800_000
    assert sum(delta["events"] for delta in deltas(outcome) if delta["product"] == "n") == 8


def test_an_id_as_corrections_give_it_is_refused(one: Meter) -> None:
    """Given an event whose id begins like those that corrections bring, when none has brought it, then it is rejected and its neighbours count."""
    first = one.offset
    outcome = one.take([one.event("\x1f1\x1fx", {"n": "1"}), one.event("beside", {"n": "1"})])

    assert reasons(outcome) == {first: "reserved_id"}
    assert outcome.accepted == 1
