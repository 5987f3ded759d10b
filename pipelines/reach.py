"""How Kafka is reached: what every client of it starts from. The one place that knows TLS and SASL; the settings say which of them.

    Consumer({**reach(bootstrap), "group.id": …})          confluent_kafka
    AIOKafkaProducer(**reach_async(bootstrap), …)          aiokafka
    faust.App(…, broker_credentials=credentials())         Faust

SecurityError       the settings contradict each other; the message says which, and what to set
"""

import ssl
from typing import TYPE_CHECKING, Any

from contracts.errors import TaximeterError

if TYPE_CHECKING:
    from pipelines.settings import Settings


class SecurityError(TaximeterError):
    """Nobody can log in like that."""


def reach(bootstrap: str | None, settings: "Settings | None" = None) -> dict[str, Any]:
    """Options of librdkafka: the address, and who we are there. Raises SecurityError."""
    at = _checked(settings)
    options: dict[str, Any] = {"bootstrap.servers": bootstrap}
    if at.kafka_security == "plaintext":
        return options
    options["security.protocol"] = at.kafka_security
    if at.kafka_security.startswith("sasl"):
        options |= {"sasl.mechanism": at.kafka_mechanism, "sasl.username": at.kafka_user, "sasl.password": at.kafka_password}
    if at.kafka_security.endswith("ssl"):
        files = {"ssl.ca.location": at.kafka_ca, "ssl.certificate.location": at.kafka_certificate, "ssl.key.location": at.kafka_key}
        options |= {name: str(path) for name, path in files.items() if path is not None}
    return options


def reach_async(bootstrap: str | None, settings: "Settings | None" = None) -> dict[str, Any]:
    """The same for aiokafka. Raises SecurityError, OSError, ssl.SSLError."""
    at = _checked(settings)
    options: dict[str, Any] = {"bootstrap_servers": bootstrap}
    if at.kafka_security == "plaintext":
        return options
    options["security_protocol"] = at.kafka_security.upper()
    if at.kafka_security.startswith("sasl"):
        options |= {"sasl_mechanism": at.kafka_mechanism, "sasl_plain_username": at.kafka_user, "sasl_plain_password": at.kafka_password}
    if at.kafka_security.endswith("ssl"):
        options["ssl_context"] = _context(at)
    return options


def credentials(settings: "Settings | None" = None) -> Any:
    """The same for Faust; none where Kafka asks for none. Raises SecurityError, OSError, ssl.SSLError."""
    import faust  # noqa: PLC0415 - a slow import that RATE alone needs

    at = _checked(settings)
    if at.kafka_security == "plaintext":
        return None
    context = _context(at) if at.kafka_security.endswith("ssl") else None
    if not at.kafka_security.startswith("sasl"):
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(username=at.kafka_user, password=at.kafka_password, ssl_context=context, mechanism=at.kafka_mechanism)


def _checked(settings: "Settings | None") -> "Settings":
    from pipelines import settings as known  # noqa: PLC0415 - a slow import, and the SDK for producers is imported by whoever

    at = settings or known.Settings()
    if at.kafka_security.startswith("sasl") and not (at.kafka_user and at.kafka_password):
        raise SecurityError(
            f"TAXIMETER_KAFKA_SECURITY is {at.kafka_security}, so Kafka asks who we are: set TAXIMETER_KAFKA_USER and TAXIMETER_KAFKA_PASSWORD"
        )
    if (at.kafka_certificate is None) != (at.kafka_key is None):
        raise SecurityError("a client certificate needs its key: set both TAXIMETER_KAFKA_CERTIFICATE and TAXIMETER_KAFKA_KEY, or neither")
    return at


def _context(at: "Settings") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if at.kafka_ca is None else str(at.kafka_ca))
    if at.kafka_certificate is not None:
        context.load_cert_chain(at.kafka_certificate, at.kafka_key)
    return context
