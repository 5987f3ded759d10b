"""Servers for the tests: each starts when the first test asks for it and is stopped by its pid at the end."""

from collections.abc import Iterator

import pytest

from pipelines.testing import Kafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for all tests of a process. They share it: each names its own topics, groups and ids."""
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
