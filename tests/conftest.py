"""Servers for the tests: each starts when the first test asks for it and is stopped by its pid at the end."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]

from pipelines.testing import Kafka

os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
"""The brokers of tests live for seconds: what the second compiler takes is not got back."""

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")  # how long an example takes depends on what else the machine does

SHARED = ("tests/together/", "tests/warehouse/", "tests/browser/", "tests/broker/console/", "tests/containers/")
"""Folders whose tests share servers."""


class ByServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """`--dist loadscope`: one process takes all of a folder that shares servers, so that these are started once and stopped early; else all of a file."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SHARED if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return ByServers(config, log) if config.getoption("dist") == "loadscope" else None


STACKS = ("tests/together/", "tests/faults/", "tests/e2e/", "tests/browser/")
"""Tests with whole stacks."""
TOLD = "TAXIMETER_PARTITIONS" in os.environ


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Four partitions in whole stacks: a transaction costs the broker about a millisecond for each. The demo, as a newcomer starts it, has the default of twelve."""
    if not TOLD and item.nodeid.startswith(STACKS):
        os.environ["TAXIMETER_PARTITIONS"] = "4"
    elif not TOLD:
        os.environ.pop("TAXIMETER_PARTITIONS", None)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker with the pipeline's topics for all tests of a process. They share it: each takes ids of its own, and a broker of its own where that is not enough."""
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.with_topics()
