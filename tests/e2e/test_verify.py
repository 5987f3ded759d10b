"""`verify` on a running stack: all ways agree; one flipped byte of a raw event is found, with its line, window and event."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.usage import Delta
from pipelines.testing import Stack
from pipelines.warehouse.client import connect
from pipelines.warehouse.many import merged_inputs_of
from pipelines.warehouse.rebuild import merged_inputs
from tests.e2e.shell import Shell

CATALOGUE = """\
catalogue:
  currency: USD
  metrics:
    tokens: {event_types: [completion], aggregation: sum, value: {expression: "input + 4 * output"}, group_keys: [region]}
    users: {event_types: [login], aggregation: unique, value: user}
    seats: {event_types: [seats], aggregation: max, value: seats}
    disk: {event_types: [disk], aggregation: time_weighted, value: gb}
    level: {event_types: [disk], aggregation: latest, value: gb}
    calls: {event_types: [completion], aggregation: count}
  products:
    tokens: {name: Tokens, metric: tokens, pricing_group_keys: [region]}
    users: {name: Users, metric: users}
    seats: {name: Seats, metric: seats}
    disk: {name: Disk, metric: disk, quantity: {divide_by: "3600000", round: half_up, decimals: 3}}
    level: {name: Level, metric: level}
    calls: {name: Calls, metric: calls}
  rate_cards:
    list:
      rates:
        - {product: tokens, price: {graduated: [{up_to: "40", per_unit: "1.00"}, {per_unit: "0.50"}]}}
        - {product: users, price: {per_unit: "5"}}
        - {product: seats, price: {per_unit: "7"}}
        - {product: disk, price: {per_unit: "0.01"}}
        - {product: level, price: {per_unit: "0.10"}}
        - {product: calls, price: {package: {size: "10", price: "3"}}}
"""
CONTRACT = """\
contract:
  id: {name}-2025
  customer: {name}
  aliases: [{name}-old]
  rate_card: list
  starting_at: 2025-10-01
  clock: sandbox
  credits: [{{id: promo, access: [{{amount: "10", starting_at: 2025-10-01, ending_before: 2025-11-01}}]}}]
  thresholds: [{{id: big, measure: spend, at: "50"}}]
"""


def usage(customer: str) -> Iterator[dict[str, Any]]:
    for day in range(1, 21):
        at = f"2025-10-{day:02d}T12:30:00Z"
        kinds = {
            "completion": {"input": str(day), "output": "1", "region": "eu" if day % 2 else "us"},
            "login": {"user": f"u{day % 7}"},
            "seats": {"seats": str(day % 5)},
            "disk": {"gb": str(day * 1.5)},
        }
        for kind, properties in kinds.items():
            who = customer if day % 3 else f"{customer}-old"
            yield {"transaction_id": f"{customer}-{kind}-{day}", "customer": who, "event_type": kind, "timestamp": at, "recorded_at": at, "properties": properties}
    late = f"{customer}-late"
    yield {"transaction_id": late, "customer": customer, "event_type": "completion", "timestamp": "2025-10-02T09:00:00Z", "recorded_at": "2025-10-19T09:00:00Z", "properties": {"input": "3", "output": "2"}}
    odd = {"input": "many", "output": "1"}
    yield {"transaction_id": f"{customer}-odd", "customer": customer, "event_type": "completion", "timestamp": "2025-10-05T12:30:00Z", "recorded_at": "2025-10-05T12:30:00Z", "properties": odd}
    yield {"transaction_id": late, "customer": customer, "event_type": "completion", "timestamp": "2025-10-02T09:00:00Z", "recorded_at": "2025-10-19T10:00:00Z", "properties": {"input": "4", "output": "2"}}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder: Path = tmp_path_factory.mktemp("documents")
    with Stack(tmp_path_factory.mktemp("verify"), only=["meter", "rate", "sink", "clock"]) as stack:
        made = Shell(stack, folder)
        made.write("catalogue.yaml", CATALOGUE)
        names = ["acme", "bolt"]
        made.run("apply", made.write("catalogue.yaml", CATALOGUE), *(made.write(f"{name}.yaml", CONTRACT.format(name=name)) for name in names))
        events = [json.dumps(each) for name in names for each in usage(name)]
        made.run("send", made.write("usage.jsonl", "\n".join(events) + "\n"))
        made.run("clock", "sandbox", "--to", "2025-10-20T13:00:00Z", "--wait")
        yield made


def place(delta: Delta) -> tuple[object, ...]:
    """Those of one instant come in any order."""
    return delta.recorded_ms, delta.customer, delta.product, sorted(delta.group.items()), delta.window_ms


def test_all_ways_agree_and_a_flipped_byte_is_found(shell: Shell) -> None:
    # given usage of every aggregation, under aliases, late, repeated with another body, and not a number
    found = shell.json("verify", "--all")
    assert found["agrees"], json.dumps(found, indent=1)
    assert (found["customers"], found["busy"]) == (2, [])
    assert shell.json("verify", "acme", "--period", "2025-10")["agrees"]

    # and what is asked for many families at once is what is asked for each
    client = connect(shell.stack.settings)
    minutes = shell.stack.settings.window_minutes
    many = merged_inputs_of(client, ["acme", "bolt", "nobody"], minutes)
    for name, inputs in many.items():
        alone = merged_inputs(client, name, minutes)
        assert inputs.documents == alone.documents
        assert sorted(inputs.deltas, key=place) == sorted(alone.deltas, key=place)

    # when one byte of one raw event in ClickHouse is another
    asked = "FROM usage_event_records FINAL WHERE transaction_id = 'acme-completion-7'"
    flip = "SELECT * REPLACE (mapUpdate(properties, map('input', '8')) AS properties)"
    client.command("CREATE TABLE flipped AS usage_event_records ENGINE = Memory")
    client.command(f"INSERT INTO flipped {flip} {asked}")
    client.command("INSERT INTO usage_event_records SELECT * FROM flipped")
    client.command("OPTIMIZE TABLE usage_event_records FINAL")
    client.close()

    # then the line, the window and the event are named
    (told,) = shell.json("verify", "--all", status=1)["different"]
    assert told["customer"] == "acme"
    assert told["digests"]["shown"] == told["digests"]["kafka"] != told["digests"]["clickhouse"]
    assert {line["product"] for line in told["lines"]} == {"tokens"}
    (window,) = told["windows"]
    assert (window["window"], window["shown"], window["clickhouse"]) == ("2025-10-07T12:00:00Z", {"events": 1, "value": "11"}, {"events": 1, "value": "12"})
    (event,) = told["events"]
    assert (event["transaction_id"], event["differs"]) == ("acme-completion-7", ["properties"])
    text = shell.run("verify", "acme", status=1)
    assert "acme-completion-7" in text
    assert "1 of 1" not in text
