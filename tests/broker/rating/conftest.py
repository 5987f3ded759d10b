"""A broker and a rig of its own for each test: what a killed worker leaves behind must not meet the next test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.testing import Kafka
from tests.broker.rating.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Kafka(tmp_path) as kafka:
        made = Rig(tmp_path, kafka)
        try:
            yield made
        finally:
            made.close()
