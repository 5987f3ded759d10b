"""Servers for the tests: each starts when the first test asks for it and is stopped by its pid at the end."""

from collections.abc import Iterator

import pytest

from pipelines.testing import Kafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker with the pipeline's topics for all tests of a process. They share it: each takes ids of its own, and a broker of its own where that is not enough."""
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.with_topics()
