"""What `--period` takes."""

from datetime import UTC, datetime

import click
import pytest

from taximeter.commands.reading import period_ms


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    (
        ("2025", ms(2025, 1, 1), ms(2026, 1, 1)),
        ("2025-12", ms(2025, 12, 1), ms(2026, 1, 1)),
        ("2024-02-29", ms(2024, 2, 29), ms(2024, 3, 1)),
        ("2025-10-15/2025-11-01", ms(2025, 10, 15), ms(2025, 11, 1)),
        ("2025-10-15T08:30:00+02:00/2025-10-15T07:00:00Z", ms(2025, 10, 15, 6, 30), ms(2025, 10, 15, 7)),
    ),
)
def test_a_period_is_half_open_and_utc(text: str, start: int, end: int) -> None:
    assert period_ms(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "said"),
    (
        ("2025-13", "is not a period"),
        ("october", "is not a period"),
        ("2025-10-15/", "write a start and an end"),
        ("2025-10-15/x/y", "write a start and an end"),
        ("2025-11-01/2025-11-01", "ends before it begins"),
    ),
)
def test_what_is_no_period_is_refused_with_what_one_looks_like(text: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        period_ms(text)
