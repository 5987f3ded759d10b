"""With many catalogues a batch names only the products of which there are events, and counts all the same."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from contracts.catalogue import Catalogue
from pipelines.document_log import Documents
from pipelines.metering import few
from pipelines.metering.batch import FEW, MANY, Limits, Metering
from pipelines.metering.dedup import Dedup
from pipelines.metering.engine import engine
from pipelines.metering.messages import Messages
from schemas.codec import Codec
from tests import oracle

CODEC = Codec()
NOW = 1_760_000_000_000


def catalogue(number: int) -> Catalogue:
    return msgspec.convert(
        {
            "id": f"shop-{number}",
            "metrics": {
                "tokens": {"event_types": [f"tok-{number}"], "aggregation": "sum", "value": "n"},
                "calls": {"event_types": [f"tok-{number}", f"call-{number}"], "aggregation": "count"},
                "peak": {"event_types": [f"call-{number}"], "aggregation": "max", "value": "n"},
            },
            "products": {name: {"name": name, "metric": name} for name in ("tokens", "calls", "peak")},
        },
        Catalogue,
        strict=False,
    )


CATALOGUES = [catalogue(number) for number in range(MANY)]


@pytest.fixture(params=(0, FEW), ids=("statements", "few"))
def metering(request: pytest.FixtureRequest) -> Metering:
    few_events: int = request.param
    documents = Documents()
    for each in CATALOGUES:
        documents.record({"kind": "catalogue", "id": each.id, "version": 1, "body": msgspec.json.encode(each).decode()})
    made = Metering(engine(), CODEC, Limits(partitions=3, few=few_events))
    made.prepare(documents)
    return made


@pytest.fixture
def dedup() -> Iterator[Dedup]:
    with tempfile.TemporaryDirectory() as folder:
        store = Dedup(Path(folder) / "dedup", 34, NOW)
        yield store
        store.close()


def event(name: str, event_type: str, **properties: str) -> dict[str, Any]:
    return {"transaction_id": name, "customer": "acme", "event_type": event_type, "timestamp": NOW, "properties": properties}


def run(metering: Metering, dedup: Dedup, batch: list[dict[str, Any]], offset: int) -> tuple[list[dict[str, Any]], list[str]]:
    values: list[bytes | None] = [CODEC.encode("usage_event", each) for each in batch]
    count = len(values)
    places = np.arange(offset, offset + count)
    outcome = metering.run(Messages(values, [b"k"] * count, np.zeros(count, np.uint16), places, np.full(count, NOW, np.int64)), dedup)
    dedup.put(outcome.fresh)
    deltas = [delta for _, value in outcome.metered for delta in CODEC.decode("metered_usage", value)["deltas"]]
    return deltas, [CODEC.decode("rejected_event", value)["reason"] for _, value in outcome.rejected]


def test_products_are_planned_as_their_events_come(metering: Metering, dedup: Dedup) -> None:
    # given more products than a statement names at once, and batches of ever other types
    first = [event("a", "tok-7", n="2"), event("b", "call-7", n="5"), event("c", "unknown", n="1")]
    second = [event("d", "tok-7", n="3"), event("e", "call-40", n="x"), event("f", "tok-40", n="4"), event("g", "tok-40")]
    # when they are metered one after the other
    found, rejected = run(metering, dedup, first, 0)
    more, refused = run(metering, dedup, second, len(first))
    # then every product has its usage, also of types that came later, and what has no number is rejected
    assert rejected == []
    assert refused == ["not_a_number", "not_a_number"]
    for number, expected in ((7, first + second[:1]), (40, [second[2]])):
        own = [delta for delta in found + more if delta["catalogue"] == f"shop-{number}"]
        assert oracle.merged(own, CATALOGUES[number]) == oracle.totals(expected, CATALOGUES[number])
    assert {delta["catalogue"] for delta in found + more} == {"shop-7", "shop-40"}


def test_a_new_version_of_a_catalogue_holds_for_the_next_batch(metering: Metering, dedup: Dedup) -> None:
    run(metering, dedup, [event("a", "tok-7", n="2")], 0)
    # given a version that counts another property
    documents = Documents()
    for each in CATALOGUES:
        documents.record({"kind": "catalogue", "id": each.id, "version": 1, "body": msgspec.json.encode(each).decode()})
    changed = msgspec.structs.replace(
        CATALOGUES[7], metrics=CATALOGUES[7].metrics | {"tokens": msgspec.structs.replace(CATALOGUES[7].metrics["tokens"], value="m")}
    )
    documents.record({"kind": "catalogue", "id": changed.id, "version": 2, "body": msgspec.json.encode(changed).decode()})
    # when it is in force
    metering.prepare(documents)
    found, _ = run(metering, dedup, [event("b", "tok-7", n="2", m="9")], 1)
    # then it decides
    assert [delta["value"] for delta in found if delta["product"] == "tokens"] == ["9"]


@pytest.mark.parametrize("uses", [5, 6], ids=["too many", "few enough"])
def test_a_batch_of_which_products_want_too_much_is_left_to_the_statements(dedup: Dedup, monkeypatch: pytest.MonkeyPatch, uses: int) -> None:
    # given a small batch of which products want six things
    monkeypatch.setattr(few, "USES", uses)
    asked: list[Any] = []
    counted = few.Few.rows

    def rows(self: few.Few, excluded: Any) -> Any:
        asked.append(excluded)
        return counted(self, excluded)

    monkeypatch.setattr(few.Few, "rows", rows)
    documents = Documents()
    documents.record({"kind": "catalogue", "id": "shop-0", "version": 1, "body": msgspec.json.encode(CATALOGUES[0]).decode()})
    metering = Metering(engine(), CODEC, Limits(partitions=3))
    metering.prepare(documents)
    events = [("a", "tok-0"), ("b", "tok-0"), ("c", "other"), ("d", "call-0")]
    values = [
        CODEC.encode("usage_event", {"transaction_id": name, "customer": "acme", "event_type": kind, "timestamp": NOW, "properties": {"n": "3"}})
        for name, kind in events
    ]
    # when it is metered, then event by event only up to so many, and the same comes out
    outcome = metering.run(Messages(values, [b"k"] * 4, np.zeros(4, np.uint16), np.arange(4), np.full(4, NOW, np.int64)), dedup)
    assert len(asked) == (uses > 5)
    assert outcome.accepted == 4
    found = [each for _, value in outcome.metered for each in CODEC.decode("metered_usage", value)["deltas"]]
    assert {each["product"]: (each["events"], each["value"]) for each in found} == {"tokens": (2, "6"), "calls": (3, None), "peak": (1, "3")}
