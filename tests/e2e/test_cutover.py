"""Whoever adds up all invoices through a cutover and the way back sees all of the old, then all of the new: on a stack, with many customers."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.deployment import Deployment
from pipelines.replay.control import Replays
from pipelines.testing import PATIENCE_S, Stack
from pipelines.warehouse.client import connect
from tests.e2e.shell import Shell

pytestmark = pytest.mark.long

CATALOGUE = """\
catalogue:
  currency: USD
  metrics:
    tokens: {event_types: [completion], aggregation: sum, value: {expression: "input * %s"}}
  products:
    tokens: {name: Tokens, metric: tokens}
  rate_cards:
    list: {rates: [{product: tokens, price: {per_unit: "1.00"}}]}
"""
CONTRACT = "contract: {id: %s, customer: %s, rate_card: list, starting_at: 2025-10-01, clock: sandbox, credits: [{id: promo, access: [{amount: '10', starting_at: 2025-10-01, ending_before: 2026-11-01}]}]}\n"
CUSTOMERS = [f"c{number:03}" for number in range(150)]
INPUT = 7
SUMS = {
    "invoices": "SELECT sum(total) FROM invoices",
    "invoice_lines": "SELECT sum(quantity) FROM invoice_lines",
    "balances": "SELECT sum(applied) FROM balances",
}
SEEN = {"invoices": (0, 11 * len(CUSTOMERS)), "invoice_lines": (INPUT * len(CUSTOMERS), INPUT * 3 * len(CUSTOMERS)), "balances": (7 * len(CUSTOMERS), 10 * len(CUSTOMERS))}
"""Old and new: a credit of 10 pays all of 7, and then 10 of 21."""


@pytest.fixture
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Stack(tmp_path_factory.mktemp("cutover"), only=["meter", "rate", "sink", "clock"]) as stack:
        yield Shell(stack, tmp_path_factory.mktemp("documents"))


class Readers:
    """One for each question, who asks all the time."""

    def __init__(self, stack: Stack) -> None:
        self.seen: dict[str, list[Any]] = {name: [] for name in SUMS}
        self._stack = stack
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(name,)) for name in SUMS]

    def __enter__(self) -> "Readers":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _look(self, name: str) -> None:
        client = connect(self._stack.settings)
        last = False
        while not last:
            last = self._stop.is_set()  # and once more behind the end
            value = int(client.query(SUMS[name]).result_rows[0][0])
            if self.seen[name][-1:] != [value]:
                self.seen[name].append(value)
        client.close()


def test_all_of_the_old_and_then_all_of_the_new(shell: Shell) -> None:
    # given customers who are billed, and a generation in which they are billed three times as much
    shell.run("apply", shell.write("catalogue.yaml", CATALOGUE % "1"), *(shell.write(f"{name}.yaml", CONTRACT % (name, name)) for name in CUSTOMERS))
    at = "2025-10-05T12:00:00Z"
    events = [
        {"transaction_id": name, "customer": name, "event_type": "completion", "timestamp": at, "recorded_at": at, "properties": {"input": str(INPUT)}}
        for name in CUSTOMERS
    ]
    shell.run("send", shell.write("usage.jsonl", "".join(json.dumps(each) + "\n" for each in events)))
    shell.run("clock", "sandbox", "--to", "2025-10-06T00:00:00Z", "--wait")
    shell.run("apply", shell.write("mended.yaml", CATALOGUE % "3"))
    shell.run("replay", "run")

    # when it is cut over, and taken back, and cut over while RATE is killed
    replays = Replays(Deployment(shell.stack.settings))
    with Readers(shell.stack) as readers:
        replays.step("cutover")
        replays.step("back")
        former = shell.stack.kill("rate")
        replays.step("cutover")
        shell.stack.back("rate", former, PATIENCE_S)
    replays.step("close")
    replays.close()

    # then nobody has seen anything in between
    for name, values in readers.seen.items():
        print(f"{name}: {values}")
        old, new = SEEN[name]
        assert values == [old, new, old, new], name
