"""What the objects of an export are. The API's answers do not say; their fields do."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from contracts.translation.saved import Finding, Saved

MARKS: Final = (
    ("invoice", ("line_items", "customer_id", "status")),
    ("contract", ("customer_id", "starting_at", "usage_statement_schedule")),
    ("contract v1", ("customer_id", "current", "initial")),
    ("grant", ("access_schedule", "product", "type")),
    ("customer", ("ingest_aliases",)),
    ("metric", ("name", "event_type_filter")),
    ("metric", ("name", "aggregation_type")),
    ("metric", ("name", "sql")),
    ("product", ("current", "initial", "type")),
    ("rate", ("product_id", "rate", "entitled")),
    ("rate card", ("name", "fiat_credit_type")),
    ("rate card", ("name", "credit_type_conversions")),
    ("rate card", ("name", "aliases", "created_by")),
    ("credit type", ("is_currency", "name")),
)
"""Kinds, each with fields that only it has together; the first that fits."""
UNNAMED: Final = ("rate",)


def kind_of(data: Mapping[str, Any]) -> str:
    """The kind; empty: none that can be read."""
    return next((kind for kind, marks in MARKS if all(mark in data for mark in marks)), "")


def sort(objects: Iterable[Saved]) -> tuple[dict[str, list[Saved]], list[Finding]]:
    """Objects by kind, each once: the newer API's answer goes before the older one's."""
    found: dict[str, list[Saved]] = {kind: [] for kind, _ in MARKS}
    first: dict[tuple[str, str], Saved] = {}
    findings: list[Finding] = []
    for each in objects:
        kind = kind_of(each.data)
        if not kind:
            keys = ", ".join(sorted(each.data)[:6])
            findings.append(each.finding("refused", "object", "", f"is nothing that is read here (it has {keys}); take its file out of the export"))
            continue
        there = each if kind in UNNAMED else first.setdefault((kind, each.id), each)
        if there is each:
            found[kind].append(each)
        elif there.data != each.data:
            findings.append(each.finding("refused", kind, "id", f"stands in {there.file} already, and differs there; keep one of the two"))
    newer = {each.id for each in found["contract"]}
    found["contract v1"] = [each for each in found["contract v1"] if each.id not in newer]
    return found, findings
