"""The address book of a running stack, `<data>/run/stack.json`: where it is, and how its stages do. The supervisor writes it, everybody reads it.

    {"pid", "state": "starting" | "up" | "stopping", "kafka", "clickhouse", "console", "updated_at", "stages": [{"name", "pid", "state", "lag", "last_commit_age_s", …}]}

NotRunningError     nothing runs and nothing is named; the message says what to do
"""

import json
import os
from pathlib import Path
from typing import Any

from contracts.errors import TaximeterError
from pipelines.local.ownership import owner
from pipelines.settings import Settings

ADDRESSES = ("kafka", "clickhouse")


class NotRunningError(TaximeterError):
    """There is no stack to talk to."""


def book_path(data: Path) -> Path:
    return data / "run" / "stack.json"


def write(data: Path, book: dict[str, Any]) -> None:
    """Replace the book as a whole. Only its owner may read it: the address of the warehouse may hold a password. Raises OSError."""
    path = book_path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(book), encoding="utf-8")
    draft.replace(path)


def read(data: Path) -> dict[str, Any] | None:
    """The book of the stack that runs on the folder; none when none does, whatever a killed one has left."""
    try:
        found = json.loads(book_path(data).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and owner(data / "run") == found.get("pid") else None


def located(settings: Settings) -> Settings:
    """The settings with the addresses of the running embedded stack where they name no other."""
    if settings.kafka is not None and settings.clickhouse is not None:
        return settings
    book = read(settings.data) or {}
    missing = {key: book[key] for key in ADDRESSES if getattr(settings, key) is None and book.get(key)}
    if "clickhouse" not in missing and settings.clickhouse is None:  # a warehouse that runs alone
        missing |= _lone_warehouse(settings.data)
    return settings.model_copy(update=missing) if missing else settings


def kafka_of(settings: Settings) -> str:
    """Bootstrap servers of the deployment. Raises NotRunningError."""
    found = located(settings).kafka
    if found is None:
        raise NotRunningError(f"no stack is running on {settings.data}: start one with `taximeter up`, or set TAXIMETER_KAFKA and TAXIMETER_CLICKHOUSE")
    return found


def without_password(url: str) -> str:
    """The address without user and password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _lone_warehouse(data: Path) -> dict[str, str]:
    if owner(data / "warehouse") is None:
        return {}
    try:
        return {"clickhouse": json.loads((data / "run" / "health-warehouse.json").read_text(encoding="utf-8"))["address"]}
    except (OSError, ValueError, KeyError):
        return {}
