"""The deployment that the commands talk to: the running embedded stack of the data folder, or the servers that the settings name."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from contracts.contract import Contract
from contracts.instants import instant_ms
from pipelines.clock import WALL, standings
from pipelines.document_log import Documents
from pipelines.local.addresses import kafka_of, located
from pipelines.settings import Settings
from schemas.codec import Codec

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


class Deployment:
    """Addresses and what is needed to speak to them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kafka = kafka_of(settings)
        self.codec = Codec.at(settings.schema_registry)

    def warehouse(self) -> "Client":
        """A client of ClickHouse. Raises WarehouseAddressError, clickhouse-connect's errors."""
        from pipelines.warehouse.client import connect  # noqa: PLC0415 - a slow import that few need

        return connect(self.settings)

    def times(self, contracts: Iterable[Contract], present: Documents) -> dict[str, int]:
        """Now, on the wall and on every clock that the contracts name.

        A test clock that has not ticked lately stands where its last document was recorded; one that is new at the start of the
        earliest contract on it.
        """
        given = list(contracts)
        now = {WALL: time.time_ns() // 1_000_000}
        names = {contract.clock for contract in given} - {WALL}
        ticks = standings(self.kafka, self.codec) if names else {}
        for name in sorted(names):
            recorded = [known.recorded_ms for known in present.contracts.values() if known.contract.clock == name]
            starts = [instant_ms(contract.starting_at, contract.billing.timezone) for contract in given if contract.clock == name]
            known_ms = max([ticks.get(name, 0), *recorded])
            now[name] = known_ms or min(starts)
        return now


def running(settings: Settings | None = None) -> Deployment:
    """The deployment of the settings. Raises NotRunningError."""
    return Deployment(located(settings or Settings()))
