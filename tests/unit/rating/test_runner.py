"""What one partition writes: disputed rows go in batches that the log takes, however many they are."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.rating.runner import PORTION_BYTES, ROW_BYTES, _portions

ROWS = st.dictionaries(st.binary(min_size=1, max_size=9), st.one_of(st.none(), st.integers(0, PORTION_BYTES // 3).map(bytes)), max_size=12)


@given(rows=ROWS)
def test_every_disputed_row_is_in_one_batch_in_order_and_no_batch_is_much_over_the_bound(rows: dict[bytes, bytes | None]) -> None:
    found = list(_portions(rows))

    assert [pair for portion in found for pair in portion.items()] == list(rows.items())
    for portion in found:
        assert portion
        size = sum(len(key) + len(value or b"") + ROW_BYTES for key, value in portion.items())
        assert size < PORTION_BYTES + PORTION_BYTES // 3 + 9 + ROW_BYTES


def test_a_state_of_a_hundred_thousand_small_rows_takes_several_batches() -> None:
    rows: dict[bytes, bytes | None] = {b"%d" % number: b"1" * 80 for number in range(100_000)}

    found = list(_portions(rows))

    assert len(found) > 10
    assert sum(map(len, found)) == len(rows)
