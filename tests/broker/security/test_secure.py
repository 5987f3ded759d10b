"""Everything through a Kafka that asks for TLS and a password, and a ClickHouse behind TLS."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from pipelines.local.warehouse_child import WarehouseChild
from pipelines.reach import reach, reach_async
from pipelines.settings import Settings
from pipelines.testing import Stack, until
from pipelines.topology import USAGE_EVENTS
from tests.broker.security.secure import HOST, PASSWORD, USER, Papers, SecureKafka, TlsFront

pytestmark = pytest.mark.timeout(900)
CASE = Path(__file__).parents[2] / "cases" / "files" / "october-demo-edit.yaml"


def test_every_stage_and_command_works_over_tls_with_a_password(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    with SecureKafka(tmp_path / "kafka", papers) as broker, WarehouseChild(tmp_path / "warehouse") as warehouse:
        # given a stack that knows Kafka and ClickHouse by their encrypted addresses alone
        with TlsFront(papers, int(warehouse.url.rpartition(":")[2])) as front:
            told: dict[str, object] = {
                "kafka": broker.scram,
                "kafka_security": "sasl_ssl",
                "kafka_user": USER,
                "kafka_password": PASSWORD,
                "kafka_ca": papers.ca,
                "clickhouse": f"https://{HOST}:{front.port}/taximeter",
                "clickhouse_ca": papers.ca,
            }
            environment = {**os.environ, **{f"TAXIMETER_{name.upper()}": str(value) for name, value in told.items()}}
            with Stack(tmp_path / "stack", **told):  # type: ignore[arg-type]  # settings by name
                # when a case is played through it
                played = subprocess.run(
                    [sys.executable, "-m", "taximeter.cli", "play", str(CASE), "--json"],
                    env={**environment, "TAXIMETER_DATA": str(tmp_path / "stack")},
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
        # then its bill is the one that is expected
        assert played.returncode == 0, played.stderr
        assert sum(invoice["total"] == "39100.00" for invoice in json.loads(played.stdout)["invoices"]) == 1

        # and who has a wrong password is told so, and nobody gets in
        wrong = Settings.model_validate({**told, "kafka_password": "wrong"})
        with pytest.raises(KafkaException):
            AdminClient(reach(broker.scram, wrong)).list_topics(timeout=3)

        # and where Kafka asks for a certificate, both kinds of client show it
        mutual = Settings(kafka_security="ssl", kafka_ca=papers.ca, kafka_certificate=papers.certificate, kafka_key=papers.key)
        asyncio.run(_send(broker.mutual, mutual))
        assert _last(broker.mutual, mutual) == b"over mutual TLS"
        with pytest.raises(KafkaException):
            AdminClient(reach(broker.mutual, Settings(kafka_security="ssl", kafka_ca=papers.ca))).list_topics(timeout=3)


async def _send(bootstrap: str, settings: Settings) -> None:
    producer = AIOKafkaProducer(**reach_async(bootstrap, settings))
    await producer.start()
    try:
        await producer.send_and_wait(USAGE_EVENTS.name, b"over mutual TLS", partition=0)
    finally:
        await producer.stop()


def _last(bootstrap: str, settings: Settings) -> bytes:
    consumer = Consumer({**reach(bootstrap, settings), "group.id": "mutual", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([USAGE_EVENTS.name])
    found: list[bytes] = []

    def look() -> bytes | None:
        found.extend(each.value() for each in consumer.consume(1000, 0.2) if each.error() is None)
        return next((value for value in found if value == b"over mutual TLS"), None)

    try:
        return until(look, "the record")
    finally:
        consumer.close()
