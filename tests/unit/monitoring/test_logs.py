"""Logs: text for people, a JSON object a line for collectors."""

import json
import logging
import subprocess
import sys
from datetime import datetime

import pytest

from pipelines.monitoring.logs import log_to_stderr
from pipelines.settings import Settings

PROGRAM = """
import logging
from pipelines.monitoring.logs import log_to_stderr
from pipelines.settings import Settings
log_to_stderr(Settings(logs="{form}"), "meter")
logging.getLogger("taximeter.meter").warning("%s waits for %d", "Zoë", 3)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("taximeter.meter").exception("broken")
"""


def said(form: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(form=form)], capture_output=True, encoding="utf-8", check=True, timeout=120)
    return done.stderr.splitlines()


def test_json_is_one_object_a_line() -> None:
    first, second = (json.loads(line) for line in said("json"))
    assert first | {"time": ""} == {"time": "", "level": "WARNING", "logger": "taximeter.meter", "message": "Zoë waits for 3", "stage": "meter"}
    assert datetime.fromisoformat(first["time"]).utcoffset() is not None
    assert "ZeroDivisionError" in second["exc_info"]


def test_text_is_for_people() -> None:
    assert said("text")[0].endswith("meter WARNING Zoë waits for 3")


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="'text' or 'json'"):
        log_to_stderr(Settings.model_validate({"logs": "xml"}), "meter")
    assert logging.getLogger().handlers is not None
