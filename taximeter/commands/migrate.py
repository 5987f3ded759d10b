"""`taximeter migrate`: topics and tables as this version needs them."""

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from pipelines.settings import Settings

EXAMPLE = """\b
Examples:
  taximeter migrate --dry-run       # what is missing
  taximeter migrate --wait 120      # when Kafka and ClickHouse may still be starting
  taximeter migrate --await 600     # let somebody else do it, and return when it is done
"""
LOOK_S: Final = 0.5
Answer = TypeVar("Answer")


@click.command("migrate", short_help="Topics and tables as this version needs them.", epilog=EXAMPLE)
@click.option("--dry-run", is_flag=True, help="Only tell what is missing.")
@click.option("--wait", "wait_s", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="How long servers may take to answer. [default: 0]")
@click.option("--await", "await_s", type=click.FloatRange(0), metavar="SECONDS", help="Make nothing; return when nothing is missing any more, or fail by then.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(dry_run: bool, wait_s: float, await_s: float | None, as_json: bool) -> None:
    """Make what is missing: Kafka's topics, ClickHouse's database, its tables and views (numbered migrations, each once and in order).

    Run it before the stages of a new version start; they go on while it runs. It can be repeated, and what was cut off goes on. Exit 2 when topics or
    applied migrations do not fit this version: the message says how to mend it.
    """
    from clickhouse_connect.driver.exceptions import OperationalError
    from confluent_kafka import KafkaException

    from pipelines.local.addresses import kafka_of, located
    from pipelines.local.topics import TopicsError
    from pipelines.settings import Settings
    from pipelines.warehouse.migrations import MigrationError

    settings = located(Settings())
    settings = settings.model_copy(update={"kafka": kafka_of(settings)})
    dry_run = dry_run or await_s is not None
    deadline = time.monotonic() + (wait_s if await_s is None else await_s)
    try:
        while True:
            topics = _patiently(lambda: _topics(settings, dry_run=dry_run), KafkaException, deadline)
            applied = _patiently(lambda: _tables(settings, dry_run=dry_run), OperationalError, deadline)
            if await_s is None or not (topics or applied):
                break
            if time.monotonic() > deadline:
                click.echo(f"still missing after {await_s:.0f} s: {', '.join([*topics, *applied])}; `taximeter migrate` makes them", err=True)
                sys.exit(1)
            time.sleep(LOOK_S)
    except (TopicsError, MigrationError) as error:
        click.echo(error, err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "topics": topics, "migrations": applied}))
        return
    verb = "would make" if dry_run else "made"
    for name in [*(f"topic {name}" for name in topics), *(f"migration {name}" for name in applied)]:
        click.echo(f"{verb} {name}" if name.startswith("topic") else f"{'would apply' if dry_run else 'applied'} {name}")
    if not topics and not applied:
        click.echo("nothing is missing")


def _topics(settings: "Settings", *, dry_run: bool) -> list[str]:
    from confluent_kafka.admin import AdminClient

    from pipelines.local import topics
    from pipelines.reach import reach
    from pipelines.topology import TOPICS

    if not dry_run:
        return topics.ensure(settings)
    there = AdminClient(reach(settings.kafka)).list_topics(timeout=topics.REQUEST_S).topics
    return [topic.name for topic in TOPICS if topic.name not in there]


def _tables(settings: "Settings", *, dry_run: bool) -> list[str]:
    from pipelines.warehouse.client import address, connect
    from pipelines.warehouse.migrations import migrate, migrations

    database = address(settings.clickhouse or "").database
    server = connect(settings, database="default")
    try:
        exists = server.raw_query("EXISTS DATABASE {name:Identifier}", {"name": database}).strip() == b"1"
        if not exists and dry_run:
            return [migration.name for migration in migrations()]
        if not exists:
            server.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", {"name": database})
    finally:
        server.close()
    client = connect(settings)
    try:
        return [migration.name for migration in migrate(lambda sql: client.raw_query(sql).decode(), database, dry_run=dry_run)]
    finally:
        client.close()


def _patiently(work: Callable[[], Answer], trouble: type[Exception], deadline: float) -> Answer:
    while True:
        try:
            return work()
        except trouble:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_S)
