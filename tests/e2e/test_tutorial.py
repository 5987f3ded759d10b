"""The tutorial, done: its files are saved, its commands run in their order, and what it shows is what they print."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
PATIENCE_S = 120.0
READS = ("taximeter invoice", "taximeter balance", "taximeter alerts", "taximeter rejects", "taximeter sql")
"""Commands that show what the pipeline has come to: they are asked again until it has."""


class Step(NamedTuple):
    command: str
    shown: list[str]


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        elif line.strip():
            found[-1].shown.append(line)
    return found


def missing(shown: list[str], printed: str) -> list[str]:
    """Lines of the page that were not printed, in this order; spaces do not count, … stands for anything."""
    rest = [" ".join(line.split()) for line in printed.splitlines()]
    for at, line in enumerate(shown):
        wanted = re.compile(".*".join(re.escape(part) for part in " ".join(line.split()).split("…")))
        place = next((number for number, candidate in enumerate(rest) if wanted.fullmatch(candidate)), None)
        if place is None:
            return shown[at:]
        rest = rest[place + 1 :]
    return []


def test_what_is_not_printed_would_be_found() -> None:
    assert missing(["a  1", "the … b"], "x\na 1\nthe long b") == []
    assert missing(["a 2"], "a 1") == ["a 2"]
    assert missing(["b", "a"], "a\nb") == ["a"]


@pytest.mark.long  # test_commands goes nearly the same way
@pytest.mark.timeout(900)
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TAXIMETER_DATA": str(tmp_path / "data"),
        "COLUMNS": "140",
    }
    for name in ("TAXIMETER_KAFKA", "TAXIMETER_CLICKHOUSE"):
        environment.pop(name, None)

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
        )
        return done.stdout

    ran = 0
    try:
        for kind, title, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            if title:
                (tmp_path / title).write_text(text, encoding="utf-8")
            elif kind == "console":
                for step in steps(text):
                    deadline = time.monotonic() + PATIENCE_S
                    while (wrong := missing(step.shown, printed := run(step.command))) and step.command.startswith(READS) and time.monotonic() < deadline:
                        continue
                    assert wrong == [], f"$ {step.command}\n{printed}"
                    ran += 1
    finally:
        run("taximeter down")
    assert ran > 15
