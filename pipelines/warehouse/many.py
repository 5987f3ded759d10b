"""Inputs of many families, asked for at once: what a question costs it costs whatever it is about."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from contracts.usage import Delta
from pipelines.warehouse.rebuild import FOREVER_MS, FamilyInputs, RecordedDocument, aggregations, family_inputs, in_order, merged_deltas

DOCUMENTS: Final = """
SELECT kind, id, version, toUnixTimestamp64Milli(recorded_at), toUnixTimestamp64Milli(effective_at), body, source_partition, root
FROM document_records FINAL
WHERE kind IN ('contract', 'action') AND root IN {roots:Array(String)} OR kind IN ('replay', 'catalogue')
ORDER BY source_offset"""

Row = Sequence[Any]


def merged_inputs_of(client: Client, roots: Sequence[str], window_minutes: int) -> dict[str, FamilyInputs]:
    """By root what `rebuild.merged_inputs` gives for it. Raises clickhouse-connect's errors."""
    documents = _documents(client, roots)
    ids = {root: sorted({root} | {name for each in found if each.kind == "contract" for name in _ids(each)}) for root, found in documents.items()}
    kinds = aggregations(each.catalogue() for each in {(each.id, each.version): each for found in documents.values() for each in found if each.kind == "catalogue"}.values())
    exact = {root for root, found in documents.items() if kinds is None or any(each.kind == "action" for each in found)}
    merged = sorted({name for root in documents.keys() - exact for name in ids[root]})
    usage: dict[str, list[Delta]] = defaultdict(list)
    for delta in merged_deltas(client, merged, FOREVER_MS, kinds or {}, window_minutes * 60_000) if merged else ():
        usage[delta.customer].append(delta)
    found: dict[str, FamilyInputs] = {}
    for root in roots:
        if root in exact:
            found[root] = family_inputs(client, root).quiet()
        else:
            mine = sorted((delta for name in ids[root] for delta in usage[name]), key=lambda delta: delta.recorded_ms)
            found[root] = FamilyInputs(root, tuple(documents[root]), tuple(mine)).quiet()
    return found


def _documents(client: Client, roots: Sequence[str]) -> Mapping[str, list[RecordedDocument]]:
    own: dict[str, list[tuple[int, Row]]] = {root: [] for root in roots}
    partitions: dict[str, set[int]] = {root: set() for root in roots}
    common: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    for place, (*row, partition, root) in enumerate(client.query(DOCUMENTS, parameters={"roots": list(roots)}).result_rows):
        if row[0] in ("contract", "action"):
            own[root].append((place, row))
            partitions[root].add(partition)
        else:
            common[partition].append((place, row))
    found = {}
    for root, rows in own.items():
        named = {msgspec.json.decode(row[5])["catalogue"] for _, row in rows if row[0] == "contract"}
        shared = [(place, row) for partition in partitions[root] for place, row in common[partition] if row[0] == "replay" or row[1] in named]
        found[root] = in_order(row for _, row in sorted([*rows, *shared]))
    return found


def _ids(document: RecordedDocument) -> tuple[str, ...]:
    contract = document.contract()
    return (contract.customer, *contract.aliases)
