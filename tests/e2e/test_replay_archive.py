"""A replay of what Kafka has let go: it is metered from the raw events in the warehouse."""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.testing import Stack
from tests.e2e.shell import Shell
from tests.e2e.test_replay import CATALOGUE, CONTRACT, send, totals, usage

pytestmark = pytest.mark.long


def test_what_kafka_has_let_go_is_metered_from_the_warehouse(tmp_path: Path) -> None:
    with Stack(tmp_path / "data", only=["meter", "rate", "sink", "clock"]) as stack:
        # given usage under a wrong metric, and a log that has lost all of it
        (tmp_path / "documents").mkdir()
        shell = Shell(stack, tmp_path / "documents")
        shell.run("apply", shell.write("catalogue.yaml", CATALOGUE % "4"), shell.write("acme.yaml", CONTRACT.format(name="acme")))
        send(shell, *usage("acme", "10", range(1, 5)), to="2025-10-05T00:00:00Z")
        assert totals(shell, "acme")["2025-10"] == "54.00"
        shell.run("apply", shell.write("mended.yaml", CATALOGUE % "2"))
        admin = AdminClient({"bootstrap.servers": str(stack.settings.kafka)})
        partitions = admin.list_topics("usage-events", timeout=60).topics["usage-events"].partitions
        for future in admin.delete_records([TopicPartition("usage-events", number, -1) for number in partitions]).values():
            future.result(120)

        # when it is metered again, then the bill is the right one
        shell.run("replay", "run", "--product", "tokens")
        shell.run("replay", "cutover")
        assert totals(shell, "acme")["2025-10"] == "46.00"
        shell.run("replay", "close")
