"""Documents of a workload: a catalogue, and a contract for each customer."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bench.workload import Workload, catalogue, customer
from contracts.contract import Contract
from pipelines.edits import Edit
from pipelines.progress import Progress
from pipelines.publishing import Publisher
from pipelines.topology import CONTRACT_CHANGES
from schemas.codec import Codec

NAME: Final = "bench"
AT_ONCE: Final = 2_000
"""Contracts of one edit."""


def publish(bootstrap: str, workload: Workload, progress: Progress | None = None) -> None:
    """Publish them, from before the oldest event on; `progress` hears of it. They are recorded now, so no event has to wait for invoices of the past. Raises KafkaException."""
    now = datetime.now(UTC)
    start = (now - timedelta(days=40)).strftime("%Y-%m-01")
    publisher = Publisher(bootstrap, Codec())
    try:
        for first in range(0, workload.customers, AT_ONCE):
            contracts = [
                Contract(id=customer(each), customer=customer(each), catalogue=NAME, rate_card="list", starting_at=start)
                for each in range(first, min(first + AT_ONCE, workload.customers))
            ]
            catalogues = [] if first else [catalogue(workload, NAME)]
            done = publisher.publish(Edit(catalogues=catalogues, contracts=contracts, recorded_ms={"wall": round(now.timestamp() * 1000)}))
            if progress is not None:
                progress.sent(CONTRACT_CHANGES.name, done.offsets)
    finally:
        publisher.close()
