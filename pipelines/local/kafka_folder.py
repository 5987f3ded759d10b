"""The folder of a new broker, as Kafka's own tool formats it: made once for each version of Kafka, since only the two ids in it differ.

The tool is a JVM of its own, which takes about as long as the start of the broker.
"""

import base64
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contracts.errors import TaximeterError

FORMAT_S: Final = 60.0
PROPERTIES: Final = "meta.properties"
"""The file with the ids. Beside it there are the first records of the metadata, which name no broker, address or cluster."""
IDS: Final = ("cluster.id", "directory.id")


class KafkaStartError(TaximeterError):
    """Kafka can not be started."""


def make(folder: Path, pattern: Path, format_with: Callable[[Path, str], list[str]]) -> None:
    """Make `folder` from `pattern`, and that with the tool when it is not there. Written beside it and renamed: one that was interrupted leaves no half of it.

    `format_with`: the command that formats a folder for a cluster id. Raises KafkaStartError, OSError.
    """
    if not pattern.exists():
        _format(pattern, format_with)
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(pattern, draft)
    properties = draft / PROPERTIES
    lines = properties.read_text(encoding="utf-8").splitlines()
    own = [f"{name}={_id()}" if (name := line.partition("=")[0]) in IDS else line for line in lines]
    properties.write_text("\n".join(own) + "\n", encoding="utf-8")
    draft.rename(folder)


def _format(pattern: Path, format_with: Callable[[Path, str], list[str]]) -> None:
    with tempfile.TemporaryDirectory(prefix="kafka-format-", dir=pattern.parent) as beside:
        draft = Path(beside) / "kafka"
        done = subprocess.run(format_with(draft, _id()), capture_output=True, text=True, timeout=FORMAT_S, check=False)  # noqa: S603 - our own command line
        if done.returncode != 0:
            raise KafkaStartError(f"kafka: {draft} can not be formatted: {(done.stderr or done.stdout).strip()[-1000:]}")
        try:
            draft.rename(pattern)
        except OSError:  # somebody else was as quick
            if not pattern.exists():
                raise


def _id() -> str:
    """A UUID as Kafka writes them."""
    while (name := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # it would look like an option
    return name
