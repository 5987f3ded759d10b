"""How processes log: a line of text for people, or a JSON object a line for collectors (`TAXIMETER_LOGS=json`)."""

import logging
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from pipelines.settings import Settings

TEXT: Final = "%(asctime)s {stage} %(levelname)s %(message)s"
FIELDS: Final = "%(levelname)s %(name)s %(message)s"
NAMES: Final = {"levelname": "level", "name": "logger"}


def log_to_stderr(settings: Settings, stage: str, level: int = logging.INFO) -> None:
    """Everything that is logged from now on, by whatever library, goes to stderr in the form that the settings name.

    As JSON: `time` (UTC), `level`, `logger`, `message`, `stage`, and `exc_info` where there is one.
    """
    handler = logging.StreamHandler()
    if settings.logs == "json":
        handler.setFormatter(JsonFormatter(FIELDS, rename_fields=NAMES, static_fields={"stage": stage}, timestamp="time", json_ensure_ascii=False))
    else:
        handler.setFormatter(logging.Formatter(TEXT.format(stage=stage)))
    logging.basicConfig(level=level, handlers=[handler], force=True)
