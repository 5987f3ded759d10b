"""The health file of a worker: what `status` and `up` read. One small JSON file, replaced as a whole."""

import contextlib
import json
import os
import time
from pathlib import Path
from types import TracebackType


class Health:
    """Writes `<data>/run/health-<stage>.json`; removes it at a clean end, so a file whose pid is gone tells of a crash."""

    def __init__(self, data: Path, stage: str, **fixed: object) -> None:
        self._path = data / "run" / f"health-{stage}.json"
        self._fixed = {"stage": stage, "pid": os.getpid(), **fixed}

    def __enter__(self) -> "Health":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._path.unlink(missing_ok=True)
        else:
            self.report("failed", error=str(error))

    def report(self, state: str, **more: object) -> None:
        """Replace the file; `last_progress_at` is now unless `more` names it (UTC, epoch seconds). On a full disk the old one stays."""
        whole = {**self._fixed, "state": state, "last_progress_at": time.time(), **more}
        draft = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(whole), encoding="utf-8")
            draft.replace(self._path)
