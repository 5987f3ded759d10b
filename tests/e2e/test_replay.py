"""A replay on a running stack: a metric was wrong, the past is metered again, compared, billed, taken back and billed for good."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.testing import Stack
from tests.e2e.shell import Shell

pytestmark = pytest.mark.long

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
  thresholds: [{{id: big, measure: spend, at: "55"}}]
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
    assert (plan["events"]["in_scope"], plan["customers"]["families"], plan["seconds_at_least"]) == (14, 2, None)
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


def test_events_are_corrected_and_the_correction_is_undone(shell: Shell) -> None:
    # given a bill, and what is wrong with it
    tokens = {each["product"]: each for each in shell.json("invoice", "bolt", "--period", "2025-10")["invoices"][0]["lines"]}
    assert (tokens["tokens"]["quantity"], totals(shell, "bolt")["2025-10"]) == ("28", "64.00")

    # when an event is amended, then first nothing but the difference is shown
    dry = shell.json("correct", "amend", "bolt-10-4", "--property", "input=14", "--dry-run")
    assert [each["invoices"][0]["total"] for each in dry["changes"]] == [{"before": "64.00", "after": "86.00"}]
    assert totals(shell, "bolt")["2025-10"] == "64.00"

    # and then the bill is another one
    number = shell.json("correct", "amend", "bolt-10-4", "--property", "input=14", "--note", "typed wrong", "--author", "ada")["number"]
    assert totals(shell, "bolt")["2025-10"] == "86.00"
    assert shell.json("verify", "--all", "--period", "2025-10")["agrees"]
    (told,) = [each for each in shell.json("correct", "list")["corrections"] if each["in_force"]]
    assert (told["number"], told["author"], told["note"]) == (number, "ada", "typed wrong")
    assert [each["properties"]["input"] for each in (*told["left_out"], *told["brought"])] == ["4", "14"]
    line = next(each for each in shell.json("invoice", "bolt", "--period", "2025-10")["invoices"][0]["lines"] if each["product"] == "tokens")
    events = {each["transaction_id"]: each for each in shell.json("explain", line["id"])["events"]}
    assert (events["bolt-10-4"]["properties"]["input"], events["bolt-10-4"]["correction"]) == ("14", number)

    # when another one is removed, and a range is replaced
    shell.run("correct", "remove", "bolt-10-8")
    assert totals(shell, "bolt")["2025-10"] == "76.00"
    instead = [{**each, "transaction_id": f"{each['transaction_id']}-{half}"} for each in usage("bolt", "10", range(1, 3)) for half in ("a", "b")]
    file = shell.write("instead.jsonl", "".join(json.dumps(each) + "\n" for each in instead))
    shell.run("correct", "replace", file, "--customer", "bolt", "--customer", "bolt-old", "--from", "2025-10-01", "--until", "2025-10-03")
    assert totals(shell, "bolt")["2025-10"] == "83.00"
    assert shell.json("verify", "--all", "--period", "2025-10")["agrees"]

    # then the first can be undone below them
    shell.run("correct", "undo", str(number))
    assert totals(shell, "bolt")["2025-10"] == "53.00"
    assert shell.json("verify", "--all", "--period", "2025-10")["agrees"]
    assert "there is no accepted event" in shell.run("correct", "remove", "bolt-10-8", status=1)


def test_what_if_the_month_had_been_sold_otherwise(shell: Shell) -> None:
    from pyarrow import parquet

    # given another price and, in the other branch, outputs that count three times
    cheaper = shell.write("cheaper.yaml", (CATALOGUE % "2").replace('per_unit: "5"', 'per_unit: "4"'))
    found = shell.json("whatif", cheaper, "--period", "2025-10", "--out", "revenue.parquet")
    assert found["totals"] == {"USD": {"before": "125.00", "after": "117.00", "difference": "-8.00"}}
    rows = parquet.read_table(shell.folder / "revenue.parquet").to_pylist()
    assert {(row["customer"], str(row["difference"])) for row in rows if row["product"] == "users"} == {("acme", "-4.000000"), ("bolt", "-4.000000")}

    # then other metrics are counted from the raw events, with what was corrected
    other = {(row["customer"], row["product"]): row for row in shell.json("whatif", shell.write("other.yaml", CATALOGUE % "3"), "--period", "2025-10")["rows"]}
    assert (other["bolt", "tokens"]["before"], other["bolt", "tokens"]["after"]) == ("25.00", "31.00")
    assert "by customer" in shell.run("whatif", cheaper, "--period", "2025-10", "--customer", "acme")

    # then another contract under a catalogue that there is not can take over, and a contract of nobody is refused
    dear = (CATALOGUE % "2").replace("  currency", "  id: premium\n  currency").replace('per_unit: "5"', 'per_unit: "7"')
    ended = CONTRACT.format(name="acme") + "  ending_before: 2025-10-01\n"
    fresh = CONTRACT.format(name="acme").replace("acme-2025", "acme-premium").replace("2025-09-01", "2025-10-01") + "  catalogue: premium\n"
    files = [shell.write(f"{name}.yaml", text) for name, text in {"premium": dear, "ended": ended, "fresh": fresh}.items()]
    premium = shell.json("whatif", *files, "--period", "2025-10")
    assert premium["totals"] == {"USD": {"before": "125.00", "after": "133.00", "difference": "8.00"}}
    users = {row["contract"]: (row["before"], row["after"]) for row in premium["rows"] if (row["customer"], row["product"]) == ("acme", "users")}
    assert users == {"acme-2025": ("20.00", "0"), "acme-premium": ("0", "28.00")}
    nobody = shell.write("nobody.yaml", CONTRACT.format(name="nobody"))
    assert "nobody, who has no contract" in shell.run("whatif", nobody, "--period", "2025-10", status=1)
