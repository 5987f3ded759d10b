"""Settings of every process, from arguments and `TAXIMETER_…` environment variables; nothing else reads the environment."""

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are and how they are tuned. Durations in seconds, sizes in what the name says."""

    model_config = SettingsConfigDict(env_prefix="TAXIMETER_", frozen=True)

    data: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("taximeter")))
    """Folder of the embedded stack: logs, Kafka's and the warehouse's files, local state, `run/` with pids and addresses."""
    cache: Path = Field(default_factory=lambda: Path(platformdirs.user_cache_dir("taximeter")))
    """Folder of what is fetched once and can be fetched again: Kafka's jars."""
    kafka: str | None = None
    """Bootstrap servers (`host:port,…`) of a Kafka that runs elsewhere; none: the embedded one."""
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How that Kafka is spoken to: in the clear, encrypted (`ssl`), with a user and a password (`sasl_…`). The embedded one listens on loopback, in the clear."""
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How user and password are shown to Kafka, with `sasl_…`."""
    kafka_user: str = ""
    """Who we are to Kafka, with `sasl_…`."""
    kafka_password: str = ""
    """The password of that user."""
    kafka_ca: Path | None = None
    """PEM file of the authorities that vouch for Kafka; none: those of the system."""
    kafka_certificate: Path | None = None
    """PEM file of our own certificate, where Kafka asks for one."""
    kafka_key: Path | None = None
    """PEM file of its key."""
    clickhouse: str | None = None
    """`http://user:password@host:port/database` of a ClickHouse that runs elsewhere; none: the embedded one. `https` encrypts."""
    clickhouse_password: str = ""
    """Password of the address's user where the address names none, and of `default` in the embedded warehouse, which listens on loopback only."""
    keep_free_mb: int = 256
    """The embedded warehouse inserts and merges nothing while less is free on its disk."""
    clickhouse_ca: Path | None = None
    """PEM file of the authorities that vouch for ClickHouse; none: those of the system."""
    clickhouse_certificate: Path | None = None
    """PEM file of our own certificate, where ClickHouse asks for one."""
    clickhouse_key: Path | None = None
    """PEM file of its key."""
    analyst_password: str = ""
    """Password of the read-only `analyst` in the embedded warehouse."""
    schema_registry: str | None = None
    """`https://user:password@host:port` of a schema registry (user and password where it asks for them): values are then in the Confluent wire format; none: single-object encoding."""
    port_base: int | None = None
    """First of the embedded stack's ports; none: free ones are found."""
    partitions: int = 12
    """Partitions of every topic, fixed for life."""
    window_minutes: int = 60
    """The metering window: 60, 30 or 15."""
    workers: int = 1
    hung_s: float = 120.0
    """The supervisor starts a process again that has not said for so long how it does."""
    stuck_s: float = 60.0
    """`/healthz` calls unhealthy who has records to do and has committed nothing for so long, or nothing in one of the partitions where they wait."""
    metrics_host: str = "127.0.0.1"
    """Address on which every process serves `/metrics` and `/healthz`."""
    metrics_port: int = 0
    """Their port; 0: a free one, which the health file names. In a supervised stack it is the supervisor's, and the stages take free ones."""
    logs: Literal["text", "json"] = "text"
    """Form of what the processes log."""
    dedup_days: int = 34
    late_days: int = 34
    """Accepted event times reach back this many days from arrival."""
    ahead_hours: int = 24
    """Accepted event times reach ahead this many hours of arrival."""
    rate_memory_mb: int = 320
    """Memory that a RATE worker may use for accounts (10 to 70 KB each, with their open invoices); one that is not there is read from its state, which costs as much as rating it."""
    batch_events: int = 50_000
    linger_ms: int = 35
    console_host: str = "127.0.0.1"
    """Address the console and the HTTP API listen on. Anything but loopback needs an API key for every request."""
    console_port: int | None = None
    """Their port; none: a free one is found."""
    console_secret: str = ""
    """Signs the console's sessions; empty: made once and kept in the data folder. Several consoles behind one address share it."""
    console_sites: str = ""
    """Origins, separated by blanks, that may show the console's pages inside theirs, such as `https://portal.example`; empty: none but the console itself."""
    requests_per_second: int = 500
    """What one API key may ask for; more is answered with 429."""
