"""What requests work with: made once for a process, closed in order."""

from typing import NamedTuple

from console.access.guard import Guard
from console.access.limits import Limits
from console.access.sessions import Sessions
from console.books import Books
from console.ingest import Ingest
from console.reading import Warehouse
from console.replays import ReplayDesk
from pipelines.alerting.deliveries import DeliveryLog
from pipelines.deployment import Deployment
from pipelines.holds.desk import Desk
from pipelines.secret import secret_of


class Services(NamedTuple):
    deployment: Deployment
    books: Books
    warehouse: Warehouse
    ingest: Ingest
    guard: Guard
    deliveries: DeliveryLog
    holds: Desk
    replays: ReplayDesk
    secret: str

    def close(self) -> None:
        self.ingest.close()
        self.replays.close()
        self.holds.close()
        self.deliveries.close()
        self.books.close()
        self.warehouse.close()


def start(deployment: Deployment) -> Services:
    """The services of a deployment. Raises KafkaException when Kafka cannot be reached."""
    settings = deployment.settings
    warehouse = Warehouse(deployment.warehouse)
    books = Books(deployment, warehouse.final_until_ms)
    secret = secret_of(settings.console_secret, settings.data)
    guard = Guard(books, Sessions(secret), Limits(settings.requests_per_second), settings.console_host)
    return Services(
        deployment,
        books,
        warehouse,
        Ingest(deployment.kafka, settings.schema_registry),
        guard,
        DeliveryLog(deployment.kafka, deployment.codec),
        Desk(deployment.kafka, deployment.codec, settings.partitions),
        ReplayDesk(deployment),
        secret,
    )
