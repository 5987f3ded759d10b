"""A customer's way through the commands on a running stack: apply, send, clock, invoice, preview, edit, balance, explain, rejects, as-of."""

import json
from typing import Any

import pytest

from pipelines.testing import Stack
from tests.e2e.shell import Shell

CATALOGUE = """\
catalogue:
  currency: USD
  metrics:
    tokens: {event_types: [prompt], aggregation: sum, value: {expression: "input + 4 * output"}, group_keys: [region]}
  products:
    tokens: {name: Tokens, metric: tokens, pricing_group_keys: [region]}
  rate_cards:
    list: {rates: [{product: tokens, price: {per_unit: "1.00"}}]}
"""
CONTRACT = """\
contract:
  id: acme-2025
  customer: acme
  rate_card: list
  starting_at: 2025-10-01
  clock: sandbox
"""
EDITED = (
    CONTRACT
    + """\
  overrides: [{id: half, starting_at: 2025-10-15, multiplier: "0.5"}]
  credits: [{id: promo, access: [{amount: "10", starting_at: 2025-10-01, ending_before: 2025-11-01}]}]
"""
)


@pytest.fixture(scope="module")
def shell(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A customer with two units a day up to the 20th of October, who counts five of them."""
    made = Shell(stack, tmp_path_factory.mktemp("documents"))
    made.write("catalogue.yaml", CATALOGUE)
    made.write("acme.yaml", CONTRACT)
    made.write("edited.yaml", EDITED)
    days = [f"2025-10-{day:02d}T12:00:00Z" for day in range(1, 21)]
    events = [
        {
            "transaction_id": f"t{at}",
            "customer": "acme",
            "event_type": "prompt",
            "timestamp": at,
            "recorded_at": at,
            "properties": {"input": 1, "output": 1, "region": "eu"},
        }
        for at in days
    ]
    events.append(events[0] | {"transaction_id": "odd", "properties": {"input": "many", "output": 1}})
    made.write("usage.jsonl", "\n".join(json.dumps(each) for each in [*events, events[0]]) + "\n{}\n")
    applied = made.json("apply", "catalogue.yaml", "acme.yaml", "--author", "ada")
    assert [(each["kind"], each["version"]) for each in applied["documents"]] == [("catalogue", 1), ("contract", 1)]
    told = made.json("send", "usage.jsonl", status=2)
    assert (told["events"], [each["line"] for each in told["bad"]]) == (22, [23])
    assert made.json("clock", "sandbox", "--to", "2025-10-20T13:00:00Z", "--wait") == {"sandbox": "2025-10-20T13:00:00Z"}
    return made


def invoice(shell: Shell, *more: str) -> dict[str, Any]:
    (found,) = shell.json("invoice", "acme", *more)["invoices"]
    return dict(found)


def test_the_way_of_a_customer(shell: Shell) -> None:
    # given usage of 20 × (1 + 4 × 1) at a price of one
    assert invoice(shell)["total"] == "100.00"
    assert [each["reason"] for each in map(json.loads, shell.run("rejects", "--json").splitlines())] == ["not_a_number"]

    # when an edit is tried, then each line is told as it is and as it would be, and nothing changes
    preview = shell.json("apply", "edited.yaml", "--dry-run")
    (changed,) = preview["invoices"]
    assert changed["total"] == {"before": "100.00", "after": "75.00"}
    after = {(each["after"]["kind"], each["after"]["amount"]) for each in changed["lines"] if each["after"]}
    assert after == {("commit", "-10.00"), ("usage", "10.00"), ("usage", "60.00"), ("usage", "15.00")}
    assert [each["after"]["remaining"] for each in preview["balances"]] == ["0.00"]
    assert "100.00 →" in shell.run("apply", "edited.yaml", "--dry-run")
    assert invoice(shell)["total"] == "100.00"

    # when it is applied, then the bill is what the preview said
    shell.run("apply", "edited.yaml")
    shell.run("clock", "sandbox", "--to", "2025-10-20T14:00:00Z", "--wait")
    edited = invoice(shell)
    assert edited["total"] == "75.00"
    assert {(line["kind"], line["amount"]) for line in edited["lines"]} == after
    assert shell.json("balance", "acme")["balances"][0]["applied"] == "10.00"

    # then a line tells where it comes from, down to the events
    (half,) = [line for line in edited["lines"] if line["override"] == "half"]
    told = shell.json("explain", half["id"], "--events", "2")
    assert told["event_count"] == 6
    assert [each["transaction_id"] for each in told["events"]] == ["t2025-10-15T12:00:00Z", "t2025-10-16T12:00:00Z"]
    assert [(each["id"], each["wins"]) for each in told["overrides"]] == [("half", True)]
    assert "half" in shell.run("explain", half["id"])

    # and the bill of an earlier time is still to be had
    assert invoice(shell, "--as-of", "2025-10-10")["total"] == "45.00"


def test_what_cannot_be_is_refused(shell: Shell) -> None:
    assert "never goes back" in shell.run("clock", "sandbox", "--to", "2025-10-01", status=2)
    assert "real time" in shell.run("clock", "wall", "--to", "2027-01-01", status=2)
    shell.write("wrong.yaml", EDITED.replace("multiplier", "multiplyer"))
    assert "did you mean 'multiplier'" in shell.run("apply", "wrong.yaml", status=2)
    shell.write("unknown.yaml", CONTRACT.replace("rate_card: list", "rate_card: lists").replace("acme", "bolt"))
    assert "did you mean 'list'" in shell.run("apply", "unknown.yaml", status=2)
    assert "there is no line" in shell.run("explain", "nowhere", status=1)
    assert "no commit and no credit" in shell.run("balance", "bolt", status=1)


def test_an_edit_that_reaches_into_a_final_period_is_refused(shell: Shell) -> None:
    # given October is final, a day after its end
    shell.run("clock", "sandbox", "--to", "2025-11-02T01:00:00Z", "--wait")
    (october,) = shell.json("invoice", "acme", "--period", "2025-10")["invoices"]
    assert october["status"] == "final"
    # when an edit would give a discount on it
    shell.write("late.yaml", EDITED + "  discounts: [{id: late, percent: 5, starting_at: 2025-10-01, ending_before: 2025-11-01}]\n")
    told = shell.run("apply", "late.yaml", status=2)
    # then nothing is published, and the message says what can be done
    assert "late.yaml:9: contract.discounts[0]" in told
    assert "final period" in told
    assert "void that invoice first" in told
