"""RATE's process on real Kafka: what must come out, whoever is killed and whatever is lost."""

import random
import shutil
import signal
import time
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

import pytest

from pipelines.partitioning import partition_of
from pipelines.testing import until
from pipelines.topology import BALANCE_THRESHOLDS, RATED_LINE_ITEMS
from tests.broker.rating.rig import CATALOGUE, HOUR_MS, OCTOBER_MS, PRICES, Rig, contract, delta

CUSTOMERS = [f"customer-{number}" for number in range(12)]
SPEND = "  thresholds: [{id: spent, measure: spend, at: \"5.00\", repeat: \"5.00\"}]\n"
CENT = Decimal("0.01")

Sums = dict[tuple[str, str], Decimal]


class Traffic:
    """Random usage, and its sums in a dictionary."""

    def __init__(self, rig: Rig, seed: int) -> None:
        print(f"seed {seed}")
        self.random = random.Random(seed)
        self.rig = rig
        self.sums: Sums = defaultdict(Decimal)
        self.sequence = 0

    def send(self, records: int, size: int = 20) -> None:
        for _ in range(records):
            deltas = []
            for _ in range(size):
                customer, product = self.random.choice(CUSTOMERS), self.random.choice(list(PRICES))
                value = self.random.randint(1, 100)
                self.sequence += 1
                self.sums[customer, product] += value
                deltas.append(delta(customer, product, str(value), hour=self.random.randrange(480), sequence=self.sequence))
            self.rig.meter(deltas)
            self.rig.flush()


def numbered_once(rig: Rig) -> dict[str, int]:
    """Crossings by customer; each number has one content, and none is missing."""
    found: dict[tuple[str, int], Decimal] = {}
    for crossing in rig.read(BALANCE_THRESHOLDS.name):
        assert crossing["state"] == "in_alarm"
        key = (crossing["customer"], crossing["crossing"])
        assert found.setdefault(key, Decimal(crossing["value"])) == Decimal(crossing["value"]), crossing
    counts: dict[str, int] = defaultdict(int)
    for customer, _ in found:
        counts[customer] += 1
    for customer, count in counts.items():
        assert {number for name, number in found if name == customer} == set(range(1, count + 1))
    return dict(counts)


def spent(sums: Sums) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for (customer, product), quantity in sums.items():
        found[customer] += (quantity * PRICES[product]).quantize(CENT, ROUND_HALF_UP)
    return found


@pytest.mark.timeout(600)
@pytest.mark.long  # the next one kills too, and so does tests/faults
def test_killed_at_random_points_with_and_without_local_state_the_sums_are_exact(rig: Rig) -> None:
    # given: customers with thresholds, and usage that flows
    rig.publish(CATALOGUE, *(contract(customer, extra=SPEND) for customer in CUSTOMERS))
    traffic = Traffic(rig, random.SystemRandom().randrange(2**32))
    rig.start()
    for round_ in range(5):
        # when: the worker is killed while it works, and every other time its disk is lost
        until(lambda: rig.alive() and rig.health().get("state") == "running", "RATE runs")
        traffic.send(traffic.random.randint(5, 40))
        rig.kill()
        if round_ % 2:
            shutil.rmtree(rig.data / "rate", ignore_errors=True)
        traffic.send(3)
        rig.start()
    rig.done()

    # then: the sums, the money, and every crossing once
    assert rig.quantities() == traffic.sums
    for line in rig.lines().values():
        assert line["amount"] == (Decimal(line["quantity"]) * PRICES[line["product"]]).quantize(CENT, ROUND_HALF_UP)
    assert numbered_once(rig) == {customer: int(total // 5) for customer, total in spent(traffic.sums).items() if total >= 5}
    assert rig.stop() == 0


@pytest.mark.timeout(600)
def test_workers_that_join_leave_are_killed_or_stopped_for_long_lose_and_double_nothing(rig: Rig) -> None:
    # given: two workers
    rig.publish(CATALOGUE, *(contract(customer, extra=SPEND) for customer in CUSTOMERS))
    traffic = Traffic(rig, random.SystemRandom().randrange(2**32))
    rig.start(0, workers=2)
    traffic.send(10)
    rig.start(1, workers=2)

    def share() -> bool:
        held = [rig.health(f"rate-{number}").get("partitions", []) for number in (0, 1)]
        return all(held) and sorted(number for each in held for number in each) == list(range(rig.partitions))

    until(lambda: rig.alive() and share(), "both have partitions", 180)
    traffic.send(20)

    # when: one is stopped beyond its session, and goes on as if nothing had been
    rig.workers[0].send_signal(signal.SIGSTOP)
    until(lambda: sorted(rig.health("rate-1").get("partitions", [])) == list(range(rig.partitions)), "the other owns all", 180)
    traffic.send(20)
    rig.workers[0].send_signal(signal.SIGCONT)
    traffic.send(20)
    until(lambda: rig.workers[0].poll() is not None or share(), "the stopped one is back or has given up", 180)
    if rig.workers[0].poll() is not None:
        rig.workers.pop(0)
        rig.start(0, workers=2)

    # and: one is killed
    traffic.send(10)
    rig.kill(1)
    traffic.send(10)
    rig.done(90)

    # then
    assert rig.quantities() == traffic.sums
    assert numbered_once(rig) == {customer: int(total // 5) for customer, total in spent(traffic.sums).items() if total >= 5}


@pytest.mark.long  # the kills above are at random, and properties of the step keep records out
@pytest.mark.timeout(600)
def test_usage_that_is_kept_out_until_its_documents_come_survives_workers_that_come_and_go(rig: Rig) -> None:
    # given: of each partition more usage than a worker lets in, which waits for an edit after the next
    rig.publish(CATALOGUE, *(contract(customer) for customer in CUSTOMERS))
    traffic = Traffic(rig, random.SystemRandom().randrange(2**32))
    owners = {partition_of(customer, rig.partitions): customer for customer in CUSTOMERS}
    rig.start(0, workers=2)
    for number in range(400 * len(owners)):
        customer = owners[sorted(owners)[number % len(owners)]]
        deltas = [delta(customer, "calls", str(traffic.random.randint(1, 100)), hour=hour) for hour in range(30)]
        traffic.sums[customer, "calls"] += sum(Decimal(each["value"]) for each in deltas)
        rig.meter(deltas, ahead=3)
    rig.flush()

    def shared(*numbers: int) -> bool:
        held = [rig.health(f"rate-{number}").get("partitions", []) for number in numbers]
        return rig.alive() and all(held) and sorted(number for each in held for number in each) == list(range(rig.partitions))

    until(lambda: shared(0), "the first has all partitions", 180)

    # when: edits come one by one, and between them a worker that joins, and is killed
    for edit in range(3):
        for customer in owners.values():
            rig.publish(contract(customer, extra=f"  name: edit {edit}\n"))
        if edit == 0:
            rig.start(1, workers=2)
            until(lambda: shared(0, 1), "both have partitions", 180)
        elif edit == 1:
            rig.kill(1)
            until(lambda: shared(0), "the first has all partitions again", 180)
    rig.done()

    # then
    assert rig.quantities() == traffic.sums


@pytest.mark.long  # tests/faults/test_kills.py kills the broker, too
@pytest.mark.timeout(600)
def test_a_broker_that_is_gone_for_a_while_is_waited_for(rig: Rig) -> None:
    # given
    rig.publish(CATALOGUE, *(contract(customer) for customer in CUSTOMERS))
    traffic = Traffic(rig, 1)
    rig.start()
    traffic.send(20)

    # when: it is killed, stays away longer than a session, and comes back
    rig.kafka.kill()
    time.sleep(12)
    rig.kafka.start()
    traffic.send(20)
    rig.done(120)

    # then: the same process or its successor has gone on
    assert rig.quantities() == traffic.sums
    assert rig.stop() == 0


@pytest.mark.timeout(600)
def test_an_edit_that_was_published_before_usage_was_metered_holds_for_it(rig: Rig) -> None:
    # given: a worker that is busy
    rig.publish(CATALOGUE, *(contract(customer) for customer in CUSTOMERS))
    rig.start()
    traffic = Traffic(rig, 2)
    traffic.send(30)

    # when: a contract gets a threshold, and usage that is metered with its knowledge crosses it
    rig.publish(contract("customer-1", extra="  thresholds: [{id: big, measure: usage, metric: calls, at: \"1000000\"}]\n"))
    rig.meter([delta("customer-1", "calls", "1000000", sequence=1)])
    rig.done()

    # then
    assert [crossing["threshold"] for crossing in rig.read(BALANCE_THRESHOLDS.name)] == ["big"]


@pytest.mark.timeout(600)
def test_time_passes_by_ticks_and_usage_that_stands_before_a_tick_is_in_time(rig: Rig) -> None:
    # given: usage and, right behind it, the tick that makes October final
    rig.publish(CATALOGUE, *(contract(customer) for customer in CUSTOMERS))
    traffic = Traffic(rig, 3)
    traffic.send(10)
    rig.tick("october", OCTOBER_MS + 32 * 24 * HOUR_MS)
    rig.flush()

    # when
    rig.start()
    rig.done()

    # then: all of it is on the final invoices
    october = [each for each in rig.invoices().values() if each["starting_at"] == OCTOBER_MS]
    assert {each["status"] for each in october} == {"final"}
    assert {line["kind"] for line in rig.lines().values()} == {"usage"}
    assert rig.quantities() == traffic.sums


@pytest.mark.timeout(600)
def test_a_catalogue_re_rates_every_account(rig: Rig) -> None:
    # given
    rig.publish(CATALOGUE, *(contract(customer) for customer in CUSTOMERS))
    traffic = Traffic(rig, 4)
    traffic.send(10)
    rig.start()
    rig.done()

    # when
    rig.publish(CATALOGUE.replace('"0.01"', '"0.03"'))
    rig.done()

    # then
    assert {line["unit_price"] for line in rig.lines().values() if line["product"] == "calls"} == {"0.03"}
    for line in rig.lines().values():
        price = Decimal("0.03") if line["product"] == "calls" else PRICES[line["product"]]
        assert line["amount"] == (Decimal(line["quantity"]) * price).quantize(CENT, ROUND_HALF_UP)


@pytest.mark.timeout(600)
def test_an_alias_takes_its_usage_along_to_another_partition(rig: Rig) -> None:
    # given: usage under an id that nobody knows, on another partition than the customer's
    old = next(name for name in (f"old-{number}" for number in range(100)) if partition_of(name, 4) != partition_of("customer-1", 4))
    rig.publish(CATALOGUE, contract("customer-1"))
    rig.start()
    rig.meter([delta(old, "calls", "70", hour=hour) for hour in range(5)])
    rig.done()
    assert rig.quantities() == {}

    # when: it becomes an alias; METER sends a last record to where it was
    rig.publish(contract("customer-1", extra=f"  aliases: [{old}]\n"))
    rig.meter([delta(old, "calls", "7", hour=30)], partition_of(old, 4))
    rig.done()

    # then
    until(lambda: rig.alive() and sum(rig.quantities().values()) >= 357, "all usage is the customer's", 120)
    assert rig.quantities() == {("customer-1", "calls"): Decimal(357)}


@pytest.mark.timeout(600)
def test_a_stop_is_quick_and_a_start_too(rig: Rig) -> None:
    rig.publish(CATALOGUE, *(contract(customer) for customer in CUSTOMERS))
    started = time.monotonic()
    rig.start()
    until(lambda: rig.alive() and rig.health().get("state") == "running", "RATE runs")
    assert time.monotonic() - started < 30
    Traffic(rig, 5).send(20)
    stopping = time.monotonic()
    assert rig.stop() == 0
    assert time.monotonic() - stopping < 10
    assert rig.health() == {}
    rig.start()
    rig.done()
    assert rig.read(RATED_LINE_ITEMS.name)
