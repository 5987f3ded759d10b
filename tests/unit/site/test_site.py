"""The docs as a site: it builds without a warning, its reference is of this code, and the runbook has every alarm."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from pipelines.settings import Settings
from taximeter.cli import COMMANDS, program
from tests import site
from tests.site import ROOT, WAREHOUSE, attribute_docs, pages, relations, warehouse

RUNBOOK = ROOT / "docs" / "operations" / "runbook.md"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    for page in ("index.html", "tutorial.html", "reference/commands.html", "reference/http-api.html", "operations/runbook.html"):
        assert (tmp_path / "site" / page).exists(), page


def test_every_command_option_setting_and_view_is_in_the_reference(made: dict[str, str]) -> None:
    context = click.Context(program, info_name="taximeter")
    for name in COMMANDS:
        assert f"## taximeter {name}\n" in made["reference/commands.md"]
        command = program.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[0] in made["reference/commands.md"]
    for name in Settings.model_fields:
        assert f"`TAXIMETER_{name.upper()}`" in made["reference/settings.md"]
    for view in ("invoices", "invoice_lines", "balances", "usage_hourly"):
        assert f"### {view}\n" in made["reference/warehouse.md"]
    assert "GET /api/v1/documents" in made["reference/http-api.md"]
    assert "## usage-events" in made["reference/topics.md"]
    assert "## Override" in made["reference/documents.md"]


def test_the_dictionary_in_the_repository_is_of_these_migrations_and_says_what_every_column_is() -> None:
    assert WAREHOUSE.read_text(encoding="utf-8") == warehouse(), "run `python -m tests.site`"
    for each in relations():
        assert each.about, each.name
        assert each.columns, each.name
        assert all(column.about for column in each.columns), each.name


def test_texts_under_settings_are_found() -> None:
    assert attribute_docs(Settings)["partitions"] == "Partitions of every topic, fixed for life."
    assert site.MADE in pages()["reference/settings.md"]


def test_the_runbook_has_each_alarm_with_meaning_check_and_cure() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    alarms = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))

    assert alarms
    for alarm in alarms:
        assert alarm in sections, f"the runbook says nothing of {alarm}"
        assert all(word in sections[alarm] for word in ("**Means:**", "**Check:**", "**Cure:**")), alarm
