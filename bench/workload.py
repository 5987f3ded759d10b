"""Fixed workloads: the same options make the same events, byte for byte but for the times, which follow the clock."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from confluent_kafka import Producer

from contracts.catalogue import Catalogue, Metric, Price, Product, Quantity, Rate, RateCard
from pipelines.topology import PARTITIONER, USAGE_EVENTS
from schemas.codec import Codec

Times = Literal["live", "historic", "daily"]
LIVE_MS: Final = 60_000
DAYS: Final = 30
HISTORIC_MS: Final = DAYS * 86_400_000
RECENT: Final = 10_000
"""A duplicate repeats one of so many events before it."""


class Workload(NamedTuple):
    """Made-up usage of a few AI products."""

    events: int
    customers: int = 1_000
    products: int = 5
    """1: calls only; 5: calls, three models, images; more: more models."""
    times: Times = "live"
    """live: event times of the last minute; historic: scattered over the 30 days before arrival; daily: one customer after the other, each product on each
    of those days, so customers x products x 30 events are a month of daily use by all."""
    duplicates: float = 0.01
    """Share of events that repeat an earlier one, bytes and all."""
    seed: int = 1

    @property
    def models(self) -> int:
        return max(0, self.products - 2)


class Sent(NamedTuple):
    """What was put on usage-events."""

    events: int
    accepted: int
    """All but the duplicates."""


def catalogue(workload: Workload, name: str = "default") -> Catalogue:
    """The products of the workload, each with a rate."""
    metrics = {"calls": Metric(event_types=["api_call"], aggregation="sum", value="calls")}
    products = {"api-calls": Product(name="API calls", metric="calls")}
    if workload.products > 1:
        metrics["tokens"] = Metric(event_types=["completion"], aggregation="sum", value="tokens", group_keys=["model"])
        metrics["images"] = Metric(event_types=["image"], aggregation="sum", value="images")
        products["images"] = Product(name="Images", metric="images")
        million = Quantity(divide_by=Decimal(1_000_000))
        for model in range(workload.models):
            where: dict[str, Any] = {"model": [f"m{model}"]}
            products[f"model-{model}-tokens"] = Product(name=f"Model {model} tokens", metric="tokens", where=where, quantity=million)
    rates = [Rate(product=each, price=Price(per_unit=Decimal("0.002"))) for each in products]
    return Catalogue(id=name, metrics=metrics, products=products, rate_cards={"list": RateCard(rates=rates)})


def customer(number: int) -> str:
    return f"customer-{number:05d}"


def events(workload: Workload, first: int = 0) -> Iterator[tuple[str, str, str, Mapping[str, str], float]]:
    """(transaction id, customer, event type, properties, age as a share of the window of times), without duplicates."""
    if workload.times == "daily":
        yield from _daily(workload, first)
    dice = random.Random(workload.seed + first)
    number = first
    while True:
        kind = dice.random() if workload.products > 1 else 0.0
        name = f"{workload.seed:04x}-{number:012x}-{dice.getrandbits(48):012x}"
        if kind < 0.4:
            event_type, properties = "api_call", {"calls": str(dice.randrange(1, 200)), "region": "eu-west-1"}
        elif kind < 0.9 and workload.models:
            event_type, properties = "completion", {"tokens": str(dice.randrange(1, 20_000)), "model": f"m{dice.randrange(workload.models)}", "region": "eu-west-1"}
        else:
            event_type, properties = "image", {"images": str(dice.randrange(1, 5)), "region": "eu-west-1"}
        yield name, customer(dice.randrange(workload.customers)), event_type, properties, dice.random()
        number += 1


def _daily(workload: Workload, first: int) -> Iterator[tuple[str, str, str, Mapping[str, str], float]]:
    kinds: list[tuple[str, dict[str, str]]] = [("api_call", {"calls": "120"}), ("image", {"images": "3"})]
    kinds += [("completion", {"tokens": "14000", "model": f"m{model}"}) for model in range(workload.models)]
    number = first
    while True:
        use, day = divmod(number, DAYS)
        owner, product = divmod(use, workload.products)
        name = f"{workload.seed:04x}-{number:012x}"
        event_type, properties = kinds[product]
        yield name, customer(owner % workload.customers), event_type, properties, (day + 0.5) / DAYS
        number += 1


def send(bootstrap: str, codec: Codec, workload: Workload, first: int = 0, when_there: Callable[[], None] | None = None) -> Sent:
    """Put the events of the workload on usage-events and wait until they are there. Raises KafkaException, RuntimeError.

    With `when_there` they are sent in one transaction: nobody reads any of them until it has been called, when all are there.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": PARTITIONER,
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            **({} if when_there is None else {"transactional.id": f"bench-{first}", "transaction.timeout.ms": 600_000}),
        }
    )
    if when_there is not None:
        producer.init_transactions(60)
        producer.begin_transaction()
    dice = random.Random(workload.seed + first + 7)
    span_ms = LIVE_MS if workload.times == "live" else HISTORIC_MS
    recent: list[tuple[str, bytes]] = []
    accepted = 0
    made = events(workload, first)
    now_ms = time.time_ns() // 1_000_000
    for number in range(workload.events):
        if number % 1000 == 0:
            now_ms = time.time_ns() // 1_000_000
        if recent and dice.random() < workload.duplicates:
            name, value = dice.choice(recent)
        else:
            name, owner, event_type, properties, age = next(made)
            event = {"transaction_id": name, "customer": owner, "event_type": event_type, "timestamp": now_ms - int(age * span_ms), "properties": properties}
            value = codec.encode("usage_event", event)
            accepted += 1
            if len(recent) < RECENT:
                recent.append((name, value))
            else:
                recent[number % RECENT] = (name, value)
        while True:
            try:
                producer.produce(USAGE_EVENTS.name, value, name, timestamp=now_ms)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    if left := producer.flush(120):
        raise RuntimeError(f"{left} events did not reach Kafka in two minutes")
    if when_there is not None:
        when_there()
        producer.commit_transaction(60)
    return Sent(workload.events, accepted)
