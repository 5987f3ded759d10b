"""The program: commands, help, exit status, messages. Servers are not needed for any of this."""

import json
import os
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from taximeter.cli import COMMANDS, program

CASES = Path(__file__).parents[2] / "cases" / "files"
RIGHT = CASES / "october-demo-edit.yaml"
REFUSED = CASES / "october-demo-edit-refused.yaml"
WITHOUT_STACK = {key: value for key, value in os.environ.items() if not key.startswith("TAXIMETER_")}


def run(*arguments: object, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    told = WITHOUT_STACK | ({"TAXIMETER_DATA": str(data)} if data else {})
    return subprocess.run([sys.executable, "-m", "taximeter.cli", *map(str, arguments)], capture_output=True, text=True, env=told, timeout=60, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    # when help is asked for
    told = CliRunner().invoke(program, [name, "--help"])
    # then it ends well and shows how the command is used
    assert told.exit_code == 0, told.output
    assert f"taximeter {name}" in told.output.split("\n", 1)[1]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {"up", "down", "stage"}])
def test_what_is_printed_for_people_is_there_as_json_too(name: str) -> None:
    command: click.Command = import_module(f"taximeter.commands.{name}").command
    several = command.commands.values() if isinstance(command, click.Group) else [command]
    assert any("--json" in option.opts for each in several for option in each.params), name


def test_help_lists_every_command_and_imports_none() -> None:
    # when only the list is asked for
    script = "import sys, taximeter.cli as c\ntry:\n c.program(['--help'])\nexcept SystemExit:\n pass\nprint([m for m in sys.modules if m.startswith('taximeter.commands.')])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # then all are told, and none is loaded
    assert all(f"\n  {name} " in told.stdout for name in COMMANDS)
    assert told.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize("heavy", ("pydantic", "sqlglot", "confluent_kafka", "clickhouse_connect", "rich", "numpy", "fastavro", "faust", "chdb"))
def test_rating_a_case_loads_nothing_heavy(heavy: str) -> None:
    script = f"import sys; sys.argv = ['taximeter', 'rate', {str(RIGHT)!r}, '--json']\nimport taximeter.cli as c\ntry:\n c.main()\nexcept SystemExit:\n pass\nprint({heavy!r} in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.endswith("False\n")


def test_a_case_is_rated_in_half_a_second() -> None:
    # given the machine may be busy: what counts is how long a processor works for it, Python's start included, when nobody takes its caches away
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run("rate", RIGHT, "--json").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 0.5


def test_one_case_is_an_object_and_several_are_a_list() -> None:
    one = json.loads(run("rate", RIGHT, "--json").stdout)
    several = json.loads(run("rate", RIGHT, CASES / "october-demo.yaml", "--json").stdout)
    assert several[0] == one
    assert one["digest"].startswith("sha256:")
    assert several[1]["digest"] != one["digest"]


def test_for_people_there_are_tables() -> None:
    told = run("rate", RIGHT)
    assert told.returncode == 0
    assert "39,100.00" in told.stdout
    assert "half-price" in told.stdout


def test_a_refused_case_ends_with_2_and_says_where() -> None:
    told = run("rate", REFUSED, "--json")
    assert told.returncode == 2
    assert told.stdout == ""
    assert f"{REFUSED}:" in told.stderr
    assert "access total" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    (
        (("rate", "nowhere.yaml"), 2, "nowhere.yaml:1: cannot be read"),
        (("rate",), 2, "Missing argument"),
        (("rat",), 2, "Did you mean 'rate'?"),
        (("rate", RIGHT, "--jsno"), 2, "--json"),
        (("clock", "--to", "2025-01-01"), 2, "needs the NAME"),
        (("bench", "speed"), 2, "'core', 'meter'"),
        (("bench", "core", "--option", "seconds"), 2, "KEY=VALUE"),
    ),
)
def test_wrong_use_ends_with_2(arguments: tuple[object, ...], status: int, words: str) -> None:
    told = run(*arguments)
    assert told.returncode == status
    assert words in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("arguments", (("play", RIGHT), ("invoice", "acme"), ("balance", "acme"), ("alerts",), ("sql", "SELECT 1"), ("clock",), ("apply", "ACME")))
def test_without_a_stack_there_is_one_clear_message(arguments: tuple[object, ...], tmp_path: Path) -> None:
    # given no stack runs on the data folder
    document = tmp_path / "acme.yaml"
    document.write_text("contract: {id: acme, customer: acme, starting_at: 2025-01-01}")
    told = run(*(document if each == "ACME" else each for each in arguments), data=tmp_path / "data")
    # then the command fails and says what to do
    assert told.returncode in {1, 2}
    assert "taximeter up" in told.stderr
    assert "Traceback" not in told.stderr


def test_send_refuses_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    assert "no such file" in run("send", tmp_path / "usage.csv").stderr.lower()
    strange = tmp_path / "usage.doc"
    strange.touch()
    told = run("send", strange)
    assert told.returncode == 2
    assert "--format" in told.stderr
