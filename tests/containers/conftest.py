"""Servers in containers: the same suites on a ClickHouse and a Kafka that others built. Skipped where no Docker engine answers."""

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from pipelines.local import topics
from pipelines.settings import Settings
from pipelines.warehouse.client import connect
from pipelines.warehouse.migrations import migrate

CLICKHOUSE = "clickhouse/clickhouse-server:25.8"
KAFKA = "confluentinc/cp-kafka:8.0.0"
PASSWORD = "container"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    why = no_engine()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.containers)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


def no_engine() -> str:
    """Why containers cannot be had here; empty when they can."""
    import docker

    with warnings.catch_warnings():
        # A client that finds no engine leaves its socket to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        why = ""
        try:
            docker.from_env().close()
        except docker.errors.DockerException as error:
            why = f"no Docker engine answers ({str(error)[:120]}): start one, or set DOCKER_HOST, to run the suites on containers too"
        gc.collect()
    return why


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """A ClickHouse server with the migrations applied: what TAXIMETER_CLICKHOUSE takes."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    container = DockerContainer(CLICKHOUSE).with_exposed_ports(8123).with_env("CLICKHOUSE_DB", "taximeter").with_env("CLICKHOUSE_PASSWORD", PASSWORD)
    container.waiting_for(HttpWaitStrategy(8123, "/ping"))
    with container:
        url = f"http://default:{PASSWORD}@{container.get_container_host_ip()}:{container.get_exposed_port(8123)}/taximeter"
        client = connect(Settings(clickhouse=url))
        migrate(lambda sql: client.raw_query(sql).decode(), "taximeter")
        yield url


@pytest.fixture
def client(address: str, tmp_path: Path) -> Client:
    return connect(Settings(data=tmp_path, clickhouse=address))


class ContainerKafka:
    """What the tests on the broker need of one."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap: str = bootstrap
        topics.ensure(Settings(kafka=bootstrap))


@pytest.fixture
def broker() -> Iterator[ContainerKafka]:
    """An Apache Kafka with the pipeline's topics, a fresh one for each test, as in tests/broker."""
    from testcontainers.community.kafka import KafkaContainer

    from tests.broker.metering.rig import publish

    container = KafkaContainer(KAFKA).with_kraft()
    for name in ("REPLICATION_FACTOR", "MIN_ISR"):
        container.with_env(f"KAFKA_TRANSACTION_STATE_LOG_{name}", "1")
    with container:
        made = ContainerKafka(container.get_bootstrap_server())
        publish(made)
        yield made
