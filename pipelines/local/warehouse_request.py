"""A request of the ClickHouse HTTP interface, taken apart; pure.

The statement is the `query` parameter followed by the body; a form (`multipart/form-data` or urlencoded) may carry both the statement and its
`param_…` values. What is left in the query string after the names below are settings.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple

from pipelines.local.warehouse_errors import WarehouseError

RESERVED = frozenset(
    """query database default_format query_id user password session_id session_timeout session_check compress decompress wait_end_of_query
    buffer_size quota_key client_protocol_version role stacktrace no_headers allow_experimental_analyzer output_format_native_use_flattened
    http_write_exception_in_output_format framing add_http_cors_header close_session""".split()
)
EXTERNAL = re.compile(r"(.+)_(format|types|structure)\Z")


class Credentials(NamedTuple):
    user: str
    password: str


class Request(NamedTuple):
    """What is asked, before anybody looked at the statement."""

    statement: bytes
    credentials: Credentials
    parameters: dict[str, str]
    settings: dict[str, str]
    database: str | None
    default_format: str | None
    query_id: str | None
    session_id: str | None
    session_timeout_s: int
    session_must_exist: bool
    framed_output: bool
    read_only_method: bool


def credentials_of(headers: Mapping[str, str], query: Mapping[str, str]) -> Credentials:
    """Basic authentication, X-ClickHouse-User and -Key, or user and password in the query string; none of these: `default`."""
    basic = headers.get("Authorization", "")
    if basic[:6].lower() == "basic ":
        try:
            user, _, password = base64.b64decode(basic[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise WarehouseError("AUTHENTICATION_FAILED", "The Authorization header is not valid Basic authentication") from error
        return Credentials(user or "default", password)
    if basic:
        raise WarehouseError("AUTHENTICATION_FAILED", "Only Basic authentication and X-ClickHouse-User/-Key are known here")
    if "X-ClickHouse-User" in headers:
        return Credentials(headers["X-ClickHouse-User"] or "default", headers.get("X-ClickHouse-Key", ""))
    return Credentials(query.get("user") or "default", query.get("password", ""))


def parsed(method: str, headers: Mapping[str, str], query: Mapping[str, str], form: Mapping[str, str], body: bytes) -> Request:
    """The request; `body` is already without content encoding and ClickHouse's framing. Raise WarehouseError for what is malformed."""
    fields = {**query, **form}
    statement = fields.get("query", "").encode()
    if body:
        statement = statement + b"\n" + body if statement else body
    settings = {
        name: value for name, value in fields.items() if name not in RESERVED and not name.startswith("param_") and not EXTERNAL.match(name)
    }
    try:
        session_timeout = int(fields.get("session_timeout", "60"))
    except ValueError:
        raise WarehouseError("INVALID_SESSION_TIMEOUT", "session_timeout is a number of seconds") from None
    return Request(
        statement=statement,
        credentials=credentials_of(headers, query),
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        settings=settings,
        database=fields.get("database") or headers.get("X-ClickHouse-Database") or None,
        default_format=fields.get("default_format") or headers.get("X-ClickHouse-Format") or None,
        query_id=fields.get("query_id") or None,
        session_id=fields.get("session_id") or None,
        session_timeout_s=min(max(session_timeout, 1), 3600),
        session_must_exist=fields.get("session_check") == "1",
        framed_output=fields.get("compress") == "1",
        read_only_method=method in ("GET", "HEAD"),
    )
