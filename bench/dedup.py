"""`taximeter bench dedup`: what METER's store of ids takes at many ids: memory, disk, and what a batch costs it; then the same ids learned again.

Ids are random keys in batches as METER has them: each batch asks for its keys first, and one in a hundred of them was there before. What grows
with the ids is told from what does not. The reference holds ids in a Python dict.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psutil

from bench.report import Figure, folder_mb, report
from pipelines.metering.dedup import VALUE, Dedup, Entries
from pipelines.metering.ids import MOST, PACKED, Stretch, entries, packed, unpacked
from pipelines.metering.step import in_order
from schemas.codec import Codec

BATCH: Final = 50_000
LEAST: Final = 3_000_000
HELD: Final = 500_000
"""Ids of the reference: enough to tell what one takes."""


def run(ids: int = 5_000_000, duplicates: float = 0.01, seed: int = 1) -> dict[str, Any]:
    """Measure with so many ids. Raises ValueError."""
    if ids < LEAST:
        raise ValueError(f"ids is {ids}: it must be {LEAST} at least, for the last million is in buffers")
    dice = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="taximeter-bench-") as folder:
        filled = _filled(Path(folder) / "dedup", dice, ids // BATCH, duplicates)
        learned = _learned(Path(folder) / "again", dice)
    held_mb, tables_mb = _dict_mb(dice), filled["tables"] * 100
    return report(
        "dedup",
        {"ids": ids, "batch": BATCH, "duplicates": duplicates, "seed": seed},
        [
            Figure("filters_and_indexes_mb_per_100m_ids", tables_mb, "MB"),
            Figure("buffers_mb", filled["buffers_mb"], "MB"),
            Figure("block_cache_mb", filled["cache_mb"], "MB"),
            Figure("rss_growth_mb", filled["rss_mb"], "MB"),
            Figure("disk_mb_per_100m_ids", filled["disk"] * 100, "MB"),
            Figure("ids_per_s", filled["ids_per_s"], "1/s"),
            Figure("cpu_s_per_million_ids", filled["cpu_s_per_million"], "s"),
            Figure("learned_ids_per_s", learned, "1/s"),
        ],
        Figure("Python dict of the same keys and values, per 100 million ids", held_mb, "MB"),
        held_mb / tables_mb,
    )


def _filled(folder: Path, dice: np.random.Generator, batches: int, duplicates: float) -> dict[str, float]:
    store = Dedup(folder, 34, time.time_ns() // 1_000_000)
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss
    last = _keys(dice, BATCH)
    wall = cpu = 0.0
    for number in range(batches):
        keys = _keys(dice, BATCH)
        again = int(BATCH * duplicates) if number else 0
        asked = _ordered(np.concatenate([keys, last[:again]]))
        ids = Entries(keys.tolist(), [VALUE.pack(number * BATCH + place, 7) for place in range(BATCH)])
        began, spent = time.perf_counter(), time.process_time()
        found = store.get(asked.tolist())
        store.put(ids)
        wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - spent
        if len(found) - found.count(None) < again:
            raise RuntimeError("the store does not know an id that it was given")
        last = keys
    memory, rss = store.memory(), process.memory_info().rss - before
    store.close()
    count = batches * BATCH
    return {
        "tables": memory.tables / (count - memory.buffered),
        "buffers_mb": memory.buffers / 1e6,
        "cache_mb": memory.cache / 1e6,
        "rss_mb": rss / 1e6,
        "disk": folder_mb(folder) / count * 1e6,
        "ids_per_s": count / wall,
        "cpu_s_per_million": cpu / count * 1e6,
    }


def _learned(folder: Path, dice: np.random.Generator) -> float:
    """Ids a second from packed records into an empty store: without Kafka, which gives them faster than they can be written."""
    codec, records = Codec(), []
    for number in range(20):
        part = np.empty(MOST, PACKED)
        part["key"], part["body"], part["place"] = _keys(dice, MOST), 7, np.arange(MOST)
        records.append(packed(codec, Stretch(number * MOST, (number + 1) * MOST, part)))
    store = Dedup(folder, 34, time.time_ns() // 1_000_000)
    began = time.perf_counter()
    for start in range(0, len(records), 5):
        store.put(entries([unpacked(codec, record) for record in records[start : start + 5]], 0, len(records) * MOST))
    spent = time.perf_counter() - began
    store.close()
    return len(records) * MOST / spent


def _keys(dice: np.random.Generator, count: int) -> npt.NDArray[np.void]:
    return _ordered(np.frombuffer(dice.bytes(16 * count), "V16"))


def _ordered(keys: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    return keys[in_order(np.ascontiguousarray(keys))]


def _dict_mb(dice: np.random.Generator) -> float:
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss
    held = dict(zip(_keys(dice, HELD).tolist(), [VALUE.pack(place, 7) for place in range(HELD)], strict=True))
    grown = process.memory_info().rss - before
    return grown / len(held) * 100
