"""What METER does when a transaction fails: it goes on under its name, unless another process does."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipelines.metering import id_log, output
from pipelines.metering.output import Output
from pipelines.metering.patience import Patience

UNKNOWN = KafkaException(KafkaError(KafkaError.UNKNOWN, "Unknown broker error", txn_requires_abort=True))
FENCED = KafkaException(KafkaError(KafkaError._FENCED, "fenced by a newer instance", fatal=True))
NOT_TOLD = KafkaException(KafkaError(KafkaError._STATE, "not told which way it went", fatal=True))


class Client:
    """A producer whose transactions fail."""

    made = 0
    commit_fails: KafkaException = UNKNOWN
    abort_fails: KafkaException | None = None

    def __init__(self, _: object) -> None:
        Client.made += 1

    def init_transactions(self, _: float) -> None: ...

    def begin_transaction(self) -> None: ...

    def send_offsets_to_transaction(self, *_: object) -> None: ...

    def commit_transaction(self, _: float) -> None:
        raise self.commit_fails

    def abort_transaction(self, _: float) -> None:
        if self.abort_fails is not None:
            raise self.abort_fails


def commit(monkeypatch: pytest.MonkeyPatch, commit_fails: KafkaException, abort_fails: KafkaException | None) -> tuple[bool, int]:
    """What `commit` says, and how many producers there were."""
    monkeypatch.setattr(output, "Producer", Client)
    monkeypatch.setattr(output, "end_hanging", lambda _: [])
    monkeypatch.setattr(Client, "made", 0)
    monkeypatch.setattr(Client, "commit_fails", commit_fails)
    monkeypatch.setattr(Client, "abort_fails", abort_fails)
    ids: Any = id_log
    one = Output("nowhere:1", "meter-0", Patience(lambda _: None), ids)
    outcome: Any = SimpleNamespace(metered=[], rejected=[], ids=[], coverage=[])
    return one.commit(outcome, {}, None), Client.made


def test_what_failed_is_aborted_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commit(monkeypatch, UNKNOWN, None) == (False, 1)


def test_when_nobody_says_which_way_it_went_another_producer_settles_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commit(monkeypatch, UNKNOWN, NOT_TOLD) == (False, 2)
    assert commit(monkeypatch, NOT_TOLD, None) == (False, 2)


def test_who_was_replaced_ends_whenever_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for told in ((FENCED, None), (UNKNOWN, FENCED)):
        with pytest.raises(KafkaException, match="fenced by a newer instance"):
            commit(monkeypatch, *told)
        assert Client.made == 1  # it does not take its name back
