"""RATE's local rows: a beginning of the changelog, whoever wrote there and however they are recovered."""

import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import faust
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.rating.tables import Claim, StateTable, Store

A, B = b"writer-a", b"writer-b"


class Row(NamedTuple):
    """A record of the changelog."""

    offset: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    topic: str = "changelog"
    partition: int = 0
    checksum: int = -1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    app = faust.App("tables", datadir=str(tmp_path), store="rocksdb://", autodiscover=False, web_enabled=False, topic_disable_leader=True)
    made = StateTable(app, name="state", key_type=bytes, value_type=bytes, partitions=1).store
    yield made
    for db in made._dbs.values():
        db.close()


def batch(first: int, claim: Claim, rows: dict[bytes, bytes], behind: int | None = None) -> list[Row]:
    """Rows that stand from `first` on, of a writer who expected them at `behind`."""
    expected = first if behind is None else behind
    return [Row(first + at, key, value, told) for at, ((key, value), told) in enumerate(zip(rows.items(), claim.headers(expected, len(rows)), strict=True))]


def test_rows_that_stand_elsewhere_than_their_writer_believed_do_not_count(store: Store) -> None:
    # given an owner, who writes twice
    owner = batch(0, Claim(1, A), {b"x": b"1", b"y": b"1"}) + batch(2, Claim(1, A), {b"x": b"2"})
    # when a successor who had seen only the first of these writes between them and a third
    late = batch(3, Claim(2, B), {b"x": b"old", b"z": b"old"}, behind=2)
    store.recover(0, owner + late)
    # then what he made of a state that was not the newest is passed over, and will be written again by whoever owns the partition now
    assert store.get_row(0, b"x") == b"2"
    assert store.get_row(0, b"z") is None
    assert store.held_offset(0) == 4
    assert store.claim(0) == Claim(1, A)
    assert store.disputed(0) == {b"x": b"2", b"z": None}


def test_a_successor_who_had_seen_everything_counts_and_the_former_owner_no_more(store: Store) -> None:
    store.recover(0, batch(0, Claim(1, A), {b"x": b"1"}) + batch(1, Claim(2, B), {b"x": b"2"}) + batch(2, Claim(1, A), {b"x": b"3"}))

    assert store.get_row(0, b"x") == b"2"
    assert store.claim(0) == Claim(2, B)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_recoveries_beside_each_other_leave_what_one_alone_would(store: Store, seed: int) -> None:
    """Given a changelog, when several threads recover it in portions of their own, some only up to an earlier end, then the rows are those of its end."""
    dice = random.Random(seed)
    start = (store.held_offset(0) or -1) + 1
    log: list[Row] = []
    while len(log) < 60:
        rows = {b"k%d" % dice.randrange(6): b"%d-%d" % (seed, len(log) + at) for at in range(dice.randint(1, 5))}
        log += batch(start + len(log), Claim(1, A), rows)
    expected = {row.key: row.value for row in log}

    def recover(end: int) -> None:
        own, at = random.Random(seed + end), 0
        while at < end:
            portion = own.randint(1, 20)
            store.recover(0, log[at : min(end, at + portion)])
            at += portion

    threads = [threading.Thread(target=recover, args=(end,)) for end in (len(log), dice.randint(1, len(log)), dice.randint(1, len(log)))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert {key: store.get_row(0, key) for key in expected} == expected
    assert store.held_offset(0) == start + len(log) - 1


def test_a_recovery_in_the_midst_of_another_waits_for_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a recovery that has looked at what is held, when another one comes before it writes, then it does not write older rows over newer ones."""
    log = batch(0, Claim(1, A), {b"x": b"1"}) + batch(1, Claim(1, A), {b"x": b"2"})
    held: Any = Store.held_offset
    others: list[threading.Thread] = []

    def interrupted(self: Store, partition: int) -> int | None:
        found: int | None = held(self, partition)
        if not others:
            others.append(threading.Thread(target=store.recover, args=(0, log)))
            others[0].start()
            others[0].join(0.3)
        return found

    monkeypatch.setattr(Store, "held_offset", interrupted)
    store.recover(0, log[:1])
    others[0].join()

    assert store.get_row(0, b"x") == b"2"
    assert held(store, 0) == 1
