"""The connection to ClickHouse, embedded or not: clickhouse-connect over HTTP, one address form for all.

WarehouseAddressError        the address in the settings is not one; the message says what it should look like
"""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from contracts.errors import TaximeterError
from pipelines.settings import Settings

DATABASE = "taximeter"
CONNECT_SECONDS = 5
ANSWER_SECONDS = 60


class WarehouseAddressError(TaximeterError):
    """Where ClickHouse is, is not known or not understood."""


class Address(NamedTuple):
    host: str
    port: int
    user: str
    password: str
    database: str
    secure: bool


def address(url: str) -> Address:
    """The parts of `http://user:password@host:port/database`; user, password and database may be left out."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WarehouseAddressError(f"TAXIMETER_CLICKHOUSE is {url!r}: it must look like http://user:password@host:8123/taximeter")
    secure = parts.scheme == "https"
    return Address(
        parts.hostname,
        port or (8443 if secure else 8123),
        unquote(parts.username or "default"),
        unquote(parts.password or ""),
        parts.path.strip("/") or DATABASE,
        secure,
    )


def connect(settings: Settings, *, user: str | None = None, password: str = "", database: str | None = None) -> Client:
    """A client of the warehouse that the settings name; safe for several threads. Raise clickhouse-connect's OperationalError when it is gone."""
    if settings.clickhouse is None:
        raise WarehouseAddressError(
            "No warehouse is known: start the stack (`taximeter up`), or set TAXIMETER_CLICKHOUSE=http://user:password@host:8123/taximeter"
        )
    at = address(settings.clickhouse)
    return clickhouse_connect.get_client(
        host=at.host,
        port=at.port,
        username=user or at.user,
        password=password if user else at.password or settings.clickhouse_password,
        database=database or at.database,
        secure=at.secure,
        ca_cert=_path(settings.clickhouse_ca),
        client_cert=_path(settings.clickhouse_certificate),
        client_cert_key=_path(settings.clickhouse_key),
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=ANSWER_SECONDS,
        autogenerate_session_id=False,  # a session is for one request at a time; nothing of ours needs one
        compress=False if at.host in ("127.0.0.1", "localhost") else "lz4",
        query_retries=0,
        client_name="taximeter",
    )


def _path(given: Path | None) -> str | None:
    return None if given is None else str(given)
