"""What a stack consists of: the processes, in the order of the data flow, with what each is told and what it must come through."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pipelines.settings import Settings
from pipelines.topology import (
    ALERTS_GROUP,
    BALANCE_THRESHOLDS,
    BALANCES,
    CLOCK,
    CONTRACT_CHANGES,
    METER_GROUP,
    METERED_USAGE,
    RATE_GROUP,
    RATED_LINE_ITEMS,
    REJECTED_EVENTS,
    SINK_EVENTS_GROUP,
    SINK_GROUP,
    USAGE_EVENTS,
)

MEMBER: Final = "local"
YIELDING: Final = 5
"""Niceness of what shows things, beside what decides them: on a full machine it gets about a third of the time."""
STORING: Final = 12
"""Of the warehouse: it works for seconds on end, at whatever it was told in one."""
ROOT: Final = Path(__file__).parents[2]

Group = tuple[str, tuple[str, ...]]
"""A consumer group and the topics it reads."""

METER_READS: Final[Group] = (METER_GROUP, (USAGE_EVENTS.name,))
RATE_READS: Final[Group] = (RATE_GROUP, (METERED_USAGE.name, CONTRACT_CHANGES.name, CLOCK.name))
SINK_READS: Final[Group] = (
    SINK_GROUP,
    (CONTRACT_CHANGES.name, METERED_USAGE.name, REJECTED_EVENTS.name, RATED_LINE_ITEMS.name, BALANCES.name, BALANCE_THRESHOLDS.name),
)
ALERTS_READS: Final[Group] = (ALERTS_GROUP, (BALANCE_THRESHOLDS.name,))
EVENTS_READS: Final[Group] = (SINK_EVENTS_GROUP, (USAGE_EVENTS.name,))


class Stage(NamedTuple):
    """One Python process of the pipeline."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    health: str = ""
    """Name of its health file, when that is not the stage's."""
    reads: tuple[Group, ...] = ()
    niceness: int = 0

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", self.module, *self.arguments]

    @property
    def health_name(self) -> str:
        return self.health or self.name


def stages(workers: int) -> list[Stage]:
    """The stages behind Kafka and the warehouse, in the order of the flow."""
    return [
        *_workers("meter", "pipelines.metering.worker", workers, METER_READS),
        *_workers("rate", "pipelines.rating.worker", workers, RATE_READS),
        Stage("sink", "pipelines.sink.worker", ("--member", MEMBER), reads=(SINK_READS, EVENTS_READS), niceness=YIELDING),
        Stage("clock", "pipelines.clockwork"),
        Stage("alerts", "pipelines.alerting.worker", reads=(ALERTS_READS,)),
        Stage("console", "console.worker", niceness=YIELDING),
    ]


def warehouse(settings: Settings, port: int) -> Stage:
    return Stage("warehouse", "pipelines.local.warehouse", ("--data", str(settings.data), "--port", str(port)), niceness=STORING)


def environment(settings: Settings, addresses: Mapping[str, str]) -> dict[str, str]:
    """What a stage is told: every setting, the addresses, and where our modules are."""
    told = {f"TAXIMETER_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None}
    told |= {f"TAXIMETER_{name.upper()}": value for name, value in addresses.items()}
    return {**told, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _workers(name: str, module: str, count: int, reads: Group) -> list[Stage]:
    if count == 1:
        return [Stage(name, module, ("0",), reads=(reads,))]
    return [Stage(f"{name}-{number}", module, (str(number),), reads=(reads,)) for number in range(count)]
