"""Files of an import: answers of an API in a folder, usage events, and the documents that are written."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from contracts.case import UsageLine
from contracts.errors import DocumentError
from contracts.loading import Known
from contracts.timeline import iso
from contracts.translation.imported import Imported
from contracts.translation.saved import Export, Finding, read
from contracts.writing import data_of, text_of, written
from pipelines.documents import load_documents, text_of_file
from pipelines.ingest.files import BadLine, FileError, events, format_of

ENDINGS: Final = (".json", ".jsonl", ".ndjson")
MOST_PROBLEMS: Final = 20


def read_export(path: Path, skip: Collection[str]) -> Export:
    """Every answer in a file, or in the files of a folder and the folders in it. Raises DocumentError, RefusedError."""
    files = sorted(each for each in path.rglob("*") if each.suffix in ENDINGS and each.is_file()) if path.is_dir() else [path]
    if not files:
        raise DocumentError([f"{path}: holds no files that end in {', '.join(ENDINGS)}; save the API's answers there"])
    return read({str(each.relative_to(path) if path.is_dir() else each): text_of_file(each) for each in files}, skip)


def read_usage(file: Path) -> list[UsageLine]:
    """Usage events, as `taximeter send` takes them. Raises DocumentError for whatever is wrong with a line."""
    found, bad = [], []
    try:
        with file.open("rb") as stream:
            for each in events(stream, format_of(str(file))):
                if isinstance(each, BadLine):
                    bad.append(f"{file}:{each.place}: {each.problem}")
                    continue
                late = None if each.recorded_ms is None else iso(each.recorded_ms)
                found.append(
                    UsageLine(
                        event_type=each.event_type, timestamp=iso(each.timestamp_ms), customer=each.customer, transaction_id=each.transaction_id,
                        recorded_at=late, properties=each.properties,
                    )
                )  # fmt: skip
    except FileError as error:
        raise DocumentError([str(error)]) from error
    if bad:
        raise DocumentError(bad[:MOST_PROBLEMS])
    return found


def write_documents(folder: Path, imported: Imported) -> list[Path]:
    """A file for each catalogue and for each customer, and `report.json`. Each is read again as `taximeter apply` would. Raises DocumentError."""
    if folder.exists() and any(folder.iterdir()):
        raise DocumentError([f"{folder}: is there already and not empty; name a new folder, or empty this one"])
    (folder / "contracts").mkdir(parents=True)
    made: dict[Path, str] = {}
    for catalogue in imported.catalogues:
        made[folder / ("catalogue.yaml" if catalogue.id == "default" else f"catalogue-{catalogue.id}.yaml")] = text_of(catalogue)
    taken: set[str] = set()
    for customer in dict.fromkeys(each.customer for each in imported.contracts):
        mine = [each for each in imported.contracts if each.customer == customer]
        file = folder / "contracts" / f"{_slug(customer, taken)}.yaml"
        made[file] = text_of(mine[0]) if len(mine) == 1 else written("contracts", [data_of(each) for each in mine])
    for file, text in made.items():
        file.write_text(text, encoding="utf-8")
    (folder / "report.json").write_text(json.dumps({"findings": [finding_json(each) for each in imported.findings]}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    there = load_documents(*made, known=Known())
    if there != [*imported.catalogues, *_by_customer(imported)]:
        raise AssertionError("what was written reads as something else")
    return list(made)


def _by_customer(imported: Imported) -> Sequence[object]:
    return [each for customer in dict.fromkeys(one.customer for one in imported.contracts) for each in imported.contracts if each.customer == customer]


def _slug(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "customer"
    found, number = plain, 2
    while found.lower() in taken:
        found, number = f"{plain}-{number}", number + 1
    taken.add(found.lower())
    return found


def finding_json(each: Finding) -> dict[str, str]:
    return dict(each._asdict())
