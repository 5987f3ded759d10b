"""What one partition writes: disputed rows go in batches that the log takes, however many they are."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.rating.output import RECORD_BYTES, portions
from pipelines.rating.runner import PORTION_BYTES

ROWS = st.dictionaries(st.binary(min_size=1, max_size=9), st.one_of(st.none(), st.integers(0, PORTION_BYTES // 3).map(bytes)), max_size=12)


@given(rows=ROWS)
def test_every_disputed_row_is_in_one_batch_in_order_and_no_batch_is_over_the_bound(rows: dict[bytes, bytes | None]) -> None:
    found = list(portions(rows.items(), PORTION_BYTES))

    assert [pair for portion in found for pair in portion] == list(rows.items())
    for portion in found:
        assert portion
        size = sum(len(key) + len(value or b"") + RECORD_BYTES for key, value in portion)
        assert size <= PORTION_BYTES


def test_a_state_of_a_hundred_thousand_small_rows_takes_several_batches() -> None:
    rows: dict[bytes, bytes | None] = {b"%d" % number: b"1" * 80 for number in range(100_000)}

    found = list(portions(rows.items(), PORTION_BYTES))

    assert len(found) > 10
    assert sum(map(len, found)) == len(rows)
