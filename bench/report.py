"""What a bench prints: workload, machine, figures, and the reference of the same run."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil


class Figure(NamedTuple):
    name: str
    value: float
    unit: str


def report(
    bench: str, workload: Mapping[str, Any], figures: Sequence[Figure], reference: Figure | None = None, ratio: float | None = None, **more: Any
) -> dict[str, Any]:
    """The object that `taximeter bench NAME --json` prints."""
    return {
        "bench": bench,
        "workload": dict(workload),
        "machine": machine(),
        "figures": [_rounded(each) for each in figures],
        "reference": None if reference is None else _rounded(reference),
        "ratio": None if ratio is None else round(ratio, 2),
        **more,
    }


def percentile(ascending: Sequence[float], percent: int) -> float:
    """The value below which so many of a hundred are; 0 of none."""
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)] if ascending else 0.0


def spread(name: str, took: Iterable[float]) -> list[Figure]:
    """Median and 99th of 100 of milliseconds."""
    ascending = sorted(took)
    return [Figure(f"{name}_p{percent}_ms", percentile(ascending, percent), "ms") for percent in (50, 99)]


def machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "cpu": _cpu(),
    }


def folder_mb(folder: Path) -> float:
    """Size of everything below it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _rounded(figure: Figure) -> dict[str, Any]:
    value = round(figure.value) if abs(figure.value) >= 1000 else round(figure.value, 2)
    return {"name": figure.name, "value": value, "unit": figure.unit}


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
