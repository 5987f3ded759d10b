"""Exports of the tests: the saved answers in `exports/`, changed as a test needs it."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.translation.saved import Export, read

FOLDER: Final = Path(__file__).parent / "exports"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")

Files = dict[str, Any]
"""File name to its JSON."""
Edit = Callable[[Files], Any]


def files(system: str) -> Files:
    return {each.name: json.loads(each.read_text(encoding="utf-8"), parse_float=Decimal) for each in sorted((FOLDER / system).iterdir())}


def text(data: Any) -> str:
    """As the API would write it: numbers with all their digits."""
    return _ENCODER.encode(data).decode()


def export(found: Files, *skip: str) -> Export:
    return read({name: text(data) for name, data in found.items()}, skip)


def changed(system: str, *edits: Edit) -> Export:
    found = files(system)
    for edit in edits:
        edit(found)
    return export(found)


def write(folder: Path, found: Files) -> Path:
    folder.mkdir()
    for name, data in found.items():
        (folder / name).write_text(text(data), encoding="utf-8")
    return folder
