"""The producers in other languages, run against the broker: METER counts their events, in the partitions of our own partitioner, and each id once."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from console.services import Services
from contracts.catalogue import Catalogue, Metric, Price, Product, Rate, RateCard
from contracts.contract import Contract
from pipelines import clock
from pipelines.edits import Edit
from pipelines.local.kafka_jars import fetched
from pipelines.partitioning import partition_of
from pipelines.publishing import Publisher
from pipelines.settings import Settings
from pipelines.testing import Stack, until
from schemas.codec import Codec
from tests.unit.ingest.test_examples import PRODUCERS, SAMPLE

COUNT = 25
"""Events of each run."""
COUNTED = "SELECT sum(value_sum) FROM usage_hourly WHERE customer = {customer:String} AND catalogue = {customer:String}"
"""METER counts for every catalogue; the customer's has its name."""
REJECTED = "SELECT DISTINCT reason FROM rejected_events WHERE customer = {customer:String}"


def java(_: Path) -> list[str]:
    """Kafka's own client is among the jars of the embedded broker."""
    if shutil.which("javac") is None:
        pytest.skip("no JDK on this machine: `apt-get install default-jdk-headless`, and the Java example runs")
    path = os.pathsep.join(map(str, fetched(Settings().cache)))
    return ["java", "-cp", path, str(PRODUCERS / "java" / "UsageProducer.java")]


def go(folder: Path) -> list[str]:
    if shutil.which("go") is None:
        pytest.skip("no Go on this machine: with it the Go example runs")
    shutil.copytree(PRODUCERS / "go", folder, dirs_exist_ok=True)
    fetch(["go", "mod", "download"], folder)
    subprocess.run(["go", "build", "-o", "producer", "."], cwd=folder, check=True, timeout=300)
    return [str(folder / "producer")]


def typescript(folder: Path) -> list[str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node on this machine: with it and npm the TypeScript example runs")
    shutil.copytree(PRODUCERS / "typescript", folder, dirs_exist_ok=True)
    fetch(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], folder)
    subprocess.run(["npx", "--no-install", "tsc"], cwd=folder, check=True, timeout=300)
    return ["node", str(folder / "producer.js")]


def fetch(command: list[str], folder: Path) -> None:
    """Bring the client; without a way to its registry the test is skipped, and says so."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode:
        pytest.skip(f"the Kafka client cannot be fetched here: `{' '.join(command)}` says {done.stderr.strip()[-300:]}")


@pytest.fixture
def customer(stack: Stack) -> str:
    """A customer whose `api_call` events are counted."""
    name = f"producers-{uuid.uuid4().hex[:8]}"
    codec = Codec()
    publisher = Publisher(str(stack.settings.kafka), codec)
    catalogue = Catalogue(
        id=name,
        metrics={"calls": Metric(event_types=["api_call"], aggregation="sum", value="calls")},
        products={"calls": Product(name="Calls", metric="calls")},
        rate_cards={"list": RateCard(rates=[Rate(product="calls", price=Price(per_unit=Decimal("0.01")))])},
    )
    start = time.strftime("%Y-%m-01", time.gmtime())
    contract = Contract(id=name, customer=name, catalogue=name, rate_card="list", starting_at=start)
    publisher.publish(Edit([catalogue], [contract], "the tests", {clock.WALL: time.time_ns() // 1_000_000}))
    publisher.close()
    return name


@pytest.mark.parametrize(
    ("prefix", "prepared"),
    (pytest.param("java", java, id="java"), pytest.param("go", go, id="go"), pytest.param("node", typescript, id="typescript")),
)
@pytest.mark.long
def test_a_producer_in_another_language_is_counted(
    prefix: str, prepared: Callable[[Path], list[str]], customer: str, stack: Stack, services: Services, tmp_path: Path
) -> None:
    # given the example, ready to run
    command = prepared(tmp_path / "example")
    # then it writes what our codec writes
    shown = subprocess.run([*command, "bytes"], capture_output=True, text=True, timeout=120, check=True)
    assert shown.stdout.strip() == Codec().encode("usage_event", SAMPLE).hex()
    # when it sends its events twice, as after an error
    for _ in range(2):
        subprocess.run([*command, str(stack.settings.kafka), customer, str(COUNT)], timeout=120, check=True)
    # then all of them have arrived, where our own producer would have put them
    ids = [f"{prefix}-{number}" for number in range(1, COUNT + 1)]
    rows = until(lambda: found if len(found := services.warehouse.events(ids=ids, customer=customer, limit=1_000)) >= 2 * COUNT else None, "the events arrive")
    assert {each.partition for each in rows if each.partition != partition_of(each.transaction_id, stack.settings.partitions)} == set()
    # and each id counts once: the second time it says another moment, which is told
    until(lambda: services.warehouse.query(COUNTED, customer=customer) == [(Decimal(5 * COUNT),)], "they are counted")
    until(lambda: services.warehouse.query(REJECTED, customer=customer) == [("conflict",)], "repeats that differ are told, and nothing else is")
