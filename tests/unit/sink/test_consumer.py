"""What SINK takes of a Kafka message."""

from types import SimpleNamespace
from typing import Any, Never

import pytest

from pipelines.sink.consumer import _record
from pipelines.topology import AWAITED, RATED_LINE_ITEMS, USAGE_EVENTS


def message(topic: str, headers: Any) -> Any:
    fields = {"topic": topic, "partition": 3, "offset": 7, "timestamp": (1, 5), "key": b"k", "value": b"v"}
    return SimpleNamespace(headers=headers, **{name: lambda value=value: value for name, value in fields.items()})


def test_headers_of_usage_events_are_not_looked_at() -> None:
    """Anybody may send any: the client fails at a name that is not UTF-8."""

    def unreadable() -> Never:
        raise SystemError("<method 'headers'> returned a result with an exception set")

    assert _record(message(USAGE_EVENTS.name, unreadable)) == (USAGE_EVENTS.name, 3, 7, 5, b"k", b"v", False)
    assert not _record(message(USAGE_EVENTS.name, lambda: [(AWAITED, b"")])).awaited


@pytest.mark.parametrize(("headers", "awaited"), [(None, False), ([], False), ([("other", b"")], False), ([(AWAITED, b"")], True)])
def test_results_say_whether_somebody_waits(headers: Any, awaited: bool) -> None:
    assert _record(message(RATED_LINE_ITEMS.name, lambda: headers)).awaited == awaited
