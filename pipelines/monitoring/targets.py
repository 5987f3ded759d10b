"""Where Prometheus finds the processes of a stack: `<data>/run/prometheus.json`, for its `file_sd_configs`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def path(data: Path) -> Path:
    return data / "run" / "prometheus.json"


def write(data: Path, served: Mapping[str, str]) -> None:
    """`served`: `host:port` by stage. Replaces the file when it says something else. Raises OSError."""
    found: list[dict[str, Any]] = [{"targets": [address], "labels": {"stage": name}} for name, address in sorted(served.items())]
    text = json.dumps(found)
    where = path(data)
    if where.exists() and where.read_text(encoding="utf-8") == text:
        return
    draft = where.with_suffix(f".{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(where)
