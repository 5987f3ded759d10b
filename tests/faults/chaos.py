"""Random faults in a row against one running stack while events flow: `python -m tests.faults.chaos --faults 200 --seed 7`.

After every few faults the events stop, the stack comes through, and what the warehouse shows is compared with what was worked out beside it from the
events that Kafka acknowledged. In every second round the month is then closed and compared once more. The same seed makes the same faults in the same
order; when they hit is up to the machine. Prints one JSON object; ends with 1 when there was a difference.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException

from pipelines.progress import StalledError
from pipelines.testing import Stack, until
from tests.faults.damage import FAULTS, Scene
from tests.faults.flow import Flow

THRESHOLD: Final = 25_000
A_ROUND: Final = 8
PAUSE_S: Final = (0.2, 4.0)
PATIENCE_S: Final = 600.0
TRIES: Final = 3
FIRST: Final = 200
"""Events that have been sent before the first fault of a round."""
NOT_BACK: Final = (StalledError, KafkaException, ClickHouseError, TimeoutError, AssertionError)


class Chaos:
    """One run."""

    def __init__(self, data: Path, seed: int, workers: int = 1, only: Sequence[str] = ()) -> None:
        """`only`: faults of which to choose; all of them when there are none."""
        self._dice = random.Random(seed)
        self._seed = seed
        self._workers = workers
        self._names = [name for name in FAULTS if not only or name in only]
        self._stack = Stack(data, workers=workers)
        self._rounds = 0
        self.done: Counter[str] = Counter()
        self.slowest_s: dict[str, float] = {}
        """By fault: seconds until every stage said again that it runs."""
        self.events = 0
        self.differences: list[dict[str, Any]] = []

    def run(self, faults: int) -> dict[str, Any]:
        """So many faults, or fewer when the stack does not come back from one."""
        began = time.monotonic()
        deck: list[str] = []
        with self._stack:
            while (left := faults - self.done.total()) and not self._lost():
                while len(deck) < left and len(deck) < A_ROUND:
                    deck += self._dice.sample(self._names, len(self._names))  # every one comes before one comes again
                count = min(left, A_ROUND)
                self._round(deck[:count])
                deck = deck[count:]
        return {
            "seed": self._seed,
            "workers": self._workers,
            "runs": self._rounds,
            "faults": self.done.total(),
            "by_fault": dict(sorted(self.done.items())),
            "events": self.events,
            "differences": self.differences,
            "slowest_back_s": dict(sorted(self.slowest_s.items())),
            "took_s": round(time.monotonic() - began),
        }

    def _round(self, names: list[str]) -> None:
        self._rounds += 1
        flow = Flow(self._stack, self._seed * 1000 + self._rounds)
        scene = Scene(self._stack, flow, self._dice, self._workers)
        happened: list[str] = []
        flow.start()
        try:
            until(lambda: len(flow.sent) >= FIRST, "events", PATIENCE_S)
            for name in names:
                self._fault(name, scene)
                happened.append(name)
            _patiently(flow.stop)
            self._compare(flow, happened, "draft")
            if self._rounds % 2 == 0:
                _patiently(flow.finish)
                self._compare(flow, happened, "final")
        except NOT_BACK as error:
            self._differs(happened, names[len(happened) : len(happened) + 1], f"{type(error).__name__}: {error}", stuck=True)
        self.events += len(flow.sent)

    def _fault(self, name: str, scene: Scene) -> None:
        say(f"{self.done.total() + 1}: {name}")
        began = time.monotonic()
        self.done[name] += 1
        FAULTS[name](scene)
        self._calm()
        took_s = round(time.monotonic() - began, 1)
        self.slowest_s[name] = max(took_s, self.slowest_s.get(name, 0.0))
        time.sleep(self._dice.uniform(*PAUSE_S))

    def _calm(self) -> None:
        """Every stage runs, by a book that was written after the fault."""
        since = time.time()

        def look() -> bool:
            book = self._stack.book()
            return book.get("state") == "up" and book["updated_at"] > since and all(row["state"] == "running" for row in book["stages"])

        try:
            until(look, "every stage runs", PATIENCE_S)
        except TimeoutError as error:
            book = self._stack.book()
            told = {row["name"]: row for row in book.get("stages", ()) if row["state"] != "running"}
            raise TimeoutError(
                f"{error}; the stack is {book.get('state')}, written {time.time() - book.get('updated_at', 0):.0f} s ago, not running: {told}"
            ) from error

    def _compare(self, flow: Flow, happened: list[str], status: str) -> None:
        expected, billed = flow.expected(), flow.billed()
        wrong = {name: f"{billed.get(name)} instead of {total}" for name, total in expected.items() if billed.get(name) != total}
        wrong |= {name: f"{total} of nothing" for name, total in billed.items() if total and name not in expected}
        if wrong:
            self._differs(happened, [], f"bills: {wrong}")
        alarms = {name: 1 for name, total in expected.items() if total >= Decimal(THRESHOLD)}
        if (found := flow.alarms()) != alarms:
            self._differs(happened, [], f"thresholds fired: {dict(found)} instead of {alarms}")
        sent = len({event.transaction_id for event in flow.sent})
        if (kept := flow.kept()) != sent:
            self._differs(happened, [], f"raw events kept: {kept} instead of {sent}")
        if (statuses := flow.statuses()) != {status}:
            self._differs(happened, [], f"invoices are {sorted(statuses)} instead of {status}")
        say(f"round {self._rounds}, {status}: {len(flow.sent)} events, {len(self.differences)} differences so far")

    def _differs(self, happened: list[str], last: list[str], what: str, *, stuck: bool = False) -> None:
        found = {"round": self._rounds, "faults": [*happened, *last], "what": what, "stuck": stuck}
        say(f"DIFFERENCE {json.dumps(found)}")
        self.differences.append(found)

    def _lost(self) -> bool:
        return any(each["stuck"] for each in self.differences)


def _patiently(what: Callable[[], None]) -> None:
    """Once more when the broker does not answer our own questions in a minute: on a machine with too much to do that is no fault of the stack."""
    for _ in range(TRIES):
        try:
            what()
        except KafkaException as error:
            say(f"once more: {error}")
        else:
            return
    what()


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description="Random faults against one running stack while events flow.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--workers", type=int, default=2, help="METER and RATE processes (default 2: one can take over from the other)")
    parser.add_argument("--only", nargs="+", choices=sorted(FAULTS), default=(), metavar="FAULT", help="just these faults")
    parser.add_argument("--data", type=Path, help="folder of the stack, which stays (default: a new one, which stays when there is a difference)")
    given = parser.parse_args()
    data = given.data or Path(tempfile.mkdtemp(prefix="taximeter-chaos-"))
    say(f"seed {given.seed}, data {data}")
    found = Chaos(data, given.seed, given.workers, given.only).run(given.faults)
    print(json.dumps(found, indent=1))
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
