"""A replay on a running stack: a metric was wrong, the past is metered again, compared, billed, taken back and billed for good."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.testing import Stack
from tests.e2e.shell import Shell

CATALOGUE = """\
catalogue:
  currency: USD
  metrics:
    tokens: {event_types: [completion], aggregation: sum, value: {expression: "input + %s * output"}}
    users: {event_types: [completion], aggregation: unique, value: user}
    peak: {event_types: [completion], aggregation: max, value: input}
  products:
    tokens: {name: Tokens, metric: tokens}
    users: {name: Users, metric: users}
    peak: {name: Peak, metric: peak}
  rate_cards:
    list:
      rates:
        - {product: tokens, price: {per_unit: "1.00"}}
        - {product: users, price: {per_unit: "5"}}
        - {product: peak, price: {per_unit: "2"}}
"""
CONTRACT = """\
contract:
  id: {name}-2025
  customer: {name}
  aliases: [{name}-old]
  rate_card: list
  starting_at: 2025-09-01
  clock: sandbox
  thresholds: [{{id: big, measure: spend, at: "60"}}]
"""
NAMES = ("acme", "bolt")


def usage(customer: str, month: str, days: range) -> Iterator[dict[str, Any]]:
    for day in days:
        at = f"2025-{month}-{day:02d}T12:30:00Z"
        who = customer if day % 3 else f"{customer}-old"
        properties = {"input": str(day), "output": "1", "user": f"u{day % 5}"}
        yield {"transaction_id": f"{customer}-{month}-{day}", "customer": who, "event_type": "completion", "timestamp": at, "recorded_at": at, "properties": properties}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Stack(tmp_path_factory.mktemp("replay"), only=["meter", "rate", "sink", "clock"]) as stack:
        yield Shell(stack, tmp_path_factory.mktemp("documents"))


def send(shell: Shell, *events: dict[str, Any], to: str) -> None:
    shell.run("send", shell.write("usage.jsonl", "".join(json.dumps(each) + "\n" for each in events)))
    shell.run("clock", "sandbox", "--to", to, "--wait")


def totals(shell: Shell, customer: str) -> dict[str, str]:
    return {each["starting_at"][:7]: each["total"] for each in shell.json("invoice", customer)["invoices"] if each["kind"] == "usage"}


def test_from_a_wrong_metric_to_the_right_bill_and_back(shell: Shell) -> None:
    # given a final September, an October that is open, and outputs that count twice what they should
    shell.run("apply", shell.write("catalogue.yaml", CATALOGUE % "4"), *(shell.write(f"{name}.yaml", CONTRACT.format(name=name)) for name in NAMES))
    send(shell, *(each for name in NAMES for each in usage(name, "09", range(1, 4))), to="2025-10-04T13:00:00Z")
    send(shell, *(each for name in NAMES for each in usage(name, "10", range(1, 5))), to="2025-10-05T00:00:00Z")
    wrong = {"2025-09": "39.00", "2025-10": "54.00"}
    assert totals(shell, "acme") == wrong
    shell.run("apply", shell.write("mended.yaml", CATALOGUE % "2"))
    assert totals(shell, "acme") == wrong

    # when the past is metered again for the product
    plan = shell.json("replay", "plan", "--product", "tokens")
    assert (plan["events"]["in_scope"], plan["customers"]["families"]) == (14, 2)
    assert {each["starting_at"] for each in plan["final_invoices_that_stay"]} == {"2025-09-01T00:00:00Z"}
    found = shell.json("replay", "run", "--product", "tokens", "--note", "outputs count half")
    assert (found["number"], found["state"], found["complete"], found["missing"]) == (1, "open", True, 0)

    # then what is billed is as before, and the difference is told line by line
    assert totals(shell, "acme") == wrong
    told = [json.loads(line) for line in shell.run("replay", "diff", "--json").splitlines()]
    assert {each["customer"] for each in told} == set(NAMES)
    ((invoice,),) = {tuple(json.dumps(one["total"]) for one in each["invoices"]) for each in told}
    assert json.loads(invoice) == {"before": "54.00", "after": "46.00"}

    # when usage goes on beside it, and then it is cut over
    send(shell, *usage("acme", "10", range(6, 7)), to="2025-10-07T00:00:00Z")
    assert totals(shell, "acme") == {"2025-09": "39.00", "2025-10": "66.00"}
    alarms = shell.run("alerts")
    shell.run("replay", "cutover")

    # then open periods are billed anew, final ones stay, and no threshold has fired again
    assert totals(shell, "acme") == {"2025-09": "39.00", "2025-10": "58.00"}
    assert totals(shell, "bolt") == {"2025-09": "39.00", "2025-10": "46.00"}
    assert shell.run("alerts") == alarms
    send(shell, *usage("acme", "10", range(8, 9)), to="2025-10-09T00:00:00Z")
    assert totals(shell, "acme")["2025-10"] == "72.00"
    (status,) = shell.json("replay", "status")["generations"]
    assert (status["state"], [step["step"] for step in status["steps"]]) == ("live", ["begin", "cutover"])
    assert shell.json("verify", "--all", "--period", "2025-10")["agrees"]

    # and back again, and once more for good
    shell.run("replay", "back")
    assert totals(shell, "acme") == {"2025-09": "39.00", "2025-10": "80.00"}
    assert totals(shell, "bolt") == {"2025-09": "39.00", "2025-10": "54.00"}
    shell.run("replay", "cutover")
    shell.run("replay", "close")
    send(shell, *usage("bolt", "10", range(8, 9)), to="2025-10-10T00:00:00Z")
    assert totals(shell, "acme")["2025-10"] == "72.00"
    assert totals(shell, "bolt")["2025-10"] == "64.00"
    assert shell.json("verify", "--all", "--period", "2025-10")["agrees"]
    explained = shell.json("invoice", "acme", "--as-of", "2025-10-10T00:00:00Z", "--period", "2025-10")["invoices"][0]["total"]
    assert explained == "72.00"
