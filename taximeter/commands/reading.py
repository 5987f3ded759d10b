"""What the commands that read the warehouse share: opening it, its errors as messages, tables for people."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from rich.console import Console
    from rich.table import Table

    from pipelines.settings import Settings

MONTHS = 12
WIDTH = 180


def settings_of() -> "Settings":
    """The settings, with the addresses of the embedded stack where they name no other."""
    from pipelines.local.addresses import located
    from pipelines.settings import Settings

    return located(Settings())


@contextmanager
def warehouse(*, user: str | None = None, password: str = "") -> Iterator["Client"]:
    """A client of the warehouse for the length of the block; its errors become click's, with what to do about them."""
    from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

    from contracts.errors import TaximeterError
    from pipelines.warehouse.client import connect

    settings = settings_of()
    quiet()
    client = None
    try:
        client = connect(settings, user=user, password=password)
        yield client
    except OperationalError as error:
        raise click.ClickException(
            f"the warehouse at {settings.clickhouse} does not answer: `taximeter status` tells whether it runs ({_first_line(error)})"
        ) from error
    except DatabaseError as error:
        raise click.ClickException(_first_line(error)) from error
    except (ClickHouseError, TaximeterError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        if client is not None:
            client.close()


def quiet() -> None:
    """The client's own complaints about a lost server say less than ours."""
    import logging

    for chatty in ("urllib3", "clickhouse_connect"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def console() -> "Console":
    """Standard output; wide where it is no terminal, so that nothing in a file or pipe is folded."""
    from rich.console import Console

    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=WIDTH)


def table(title: str, columns: Sequence[tuple[str, bool]]) -> "Table":
    """An empty table; each column has a name and whether it holds numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", header_style="bold")
    for name, numeric in columns:
        made.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    return made


def number(value: Decimal | int | str | None) -> str:
    """Plain decimal text with thousands separators; nothing for none."""
    if value is None:
        return ""
    exact = Decimal(value)
    if isinstance(value, str):
        exact = exact.normalize()
    return f"{exact:,f}"


def instant(ms: int) -> str:
    """An instant for people: a date when it is midnight, else to the second (UTC)."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    if at.hour == at.minute == at.second == 0:
        return f"{at:%Y-%m-%d}"
    return f"{at:%Y-%m-%d %H:%M:%S}"


def instant_ms(text: str) -> int:
    """A time that a person gave: RFC 3339, or a date at midnight UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time: give a date (2025-10-31) or RFC 3339 (2025-10-31T23:00:00Z)") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def period_ms(text: str) -> tuple[int, int]:
    """Start and end of a year (2025), month (2025-10) or day (2025-10-15), UTC, or of what lies between two instants or dates (2025-10-15/2025-11-01)."""
    if "/" in text:
        return _between(text)
    parts = text.split("-")
    try:
        year, month, day = (int(part) for part in (*parts, "1", "1")[:3])
        start = datetime(year, month, day, tzinfo=UTC)
        if len(parts) == 1:
            end = start.replace(year=year + 1)
        elif len(parts) == 2:
            end = start.replace(year=year + month // MONTHS, month=month % MONTHS + 1)
        else:
            end = datetime.fromtimestamp(start.timestamp() + 86_400, UTC)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a period: give a month (2025-10), a year (2025), a day (2025-10-15) or a start and an end (2025-10-15/2025-11-01)") from None
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def _between(text: str) -> tuple[int, int]:
    from contracts.instants import instant_ms

    try:
        start, end = (instant_ms(part) for part in text.split("/"))
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is not a period: write a start and an end, RFC 3339 or dates, such as 2025-10-15/2025-11-01") from None
    if start >= end:
        raise click.BadParameter(f"{text!r} ends before it begins: the end is not part of a period, and comes after its start")
    return start, end


def cell(value: Any) -> str:
    """A value of an answer as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (Decimal, int)):
        return number(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds").removesuffix(".000")
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return str(value)


def _first_line(error: Exception) -> str:
    text = str(error).split("server response: ", 1)[-1]
    return text.split(" (for url ", 1)[0].splitlines()[0]
