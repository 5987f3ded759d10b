"""Runs commands against a stack, in a folder with the documents."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.testing import Stack


class Shell:
    """`taximeter …` as a person would call it."""

    def __init__(self, stack: Stack, folder: Path, patience_s: float = 300) -> None:
        self.stack = stack
        self.folder = folder
        self._patience_s = patience_s
        self._told = os.environ | {"TAXIMETER_DATA": str(stack.data)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on by itself."""
        command = [sys.executable, "-m", "taximeter.cli", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._told, cwd=self.folder)

    def run(self, *arguments: str, status: int = 0) -> str:
        """What it prints, once it has ended with `status`."""
        command = [sys.executable, "-m", "taximeter.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self._told, cwd=self.folder, timeout=self._patience_s, check=False)
        assert done.returncode == status, f"{arguments}: {done.returncode}: {done.stderr} {done.stdout}"
        assert "Traceback" not in done.stderr
        return done.stdout or done.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status))

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name
