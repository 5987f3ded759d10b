"""Where a difference is located: windows that differ, and whether it is their events that do."""

from contracts.windows import Aggregate
from pipelines.verifying.compare import Windows, differing_windows, inputs_differ
from pipelines.verifying.windows import Place

KINDS = {("ai", "calls"): "sum"}
NOON = Place("acme", "ai", "calls", (), 1_760_000_400_000)
ONE = Place("acme", "ai", "calls", (), 1_760_004_000_000)
TWO = Place("acme", "ai", "calls", (), 1_760_007_600_000)


def test_events_are_looked_for_where_kafka_and_clickhouse_have_others() -> None:
    # given: a window that was metered under another definition, one with a changed raw event, and one that is the same everywhere
    as_now, as_then, flipped = Aggregate(2, 5, 30), Aggregate(2, 5, 40), Aggregate(2, 5, 31)
    windows = Windows(
        shown={NOON: {0: as_then}, ONE: {0: as_now}, TWO: {0: as_now}},
        kafka={NOON: {0: as_now}, ONE: {0: as_now}, TWO: {0: as_now}},
        clickhouse={NOON: {0: as_now}, ONE: {0: flipped}, TWO: {0: as_now}},
    )

    # when
    found = differing_windows(windows, KINDS, ["calls"])

    # then
    assert [place for place, _ in found] == [NOON, ONE]
    assert [inputs_differ(KINDS, place, sides) for place, sides in found] == [False, True]
