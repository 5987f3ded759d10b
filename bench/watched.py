"""What processes cost while something is measured: CPU seconds and the most memory they had."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil


class Cost(NamedTuple):
    cpu_s: float
    peak_rss_mb: float
    """Since the process began."""


class Watched:
    """Processes by name, from the moment it is made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._began = {name: _cpu_s(process) for name, process in self._processes.items()}

    def costs(self) -> dict[str, Cost]:
        """By name, until now. Raises psutil.NoSuchProcess when one has ended meanwhile."""
        return {name: Cost(_cpu_s(process) - self._began[name], _peak_mb(process)) for name, process in self._processes.items()}


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak_mb(process: psutil.Process) -> float:
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # a system without /proc: what it has now
    return float(process.memory_info().rss / 2**20)
