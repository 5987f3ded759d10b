"""API keys: made, kept hashed on the topic `objects`, looked up.

A key is `tm_<id>_<secret>`; the secret has 256 random bits, so one SHA-256 of it hides it as well as a slow hash would, and an ingest call does
not wait for one. Whoever reads the topic learns no key.
"""

import hashlib
import hmac
import secrets
import time
from typing import Any, Final, Literal, NamedTuple

from contracts.errors import TaximeterError
from pipelines.objects import Object, Objects

Scope = Literal["ingest", "read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("ingest", "read", "write", "admin")
IMPLIED: Final[dict[Scope, frozenset[Scope]]] = {
    "ingest": frozenset({"ingest"}),
    "read": frozenset({"read"}),
    "write": frozenset({"read", "write"}),
    "admin": frozenset(SCOPES),
}
KIND: Final = "key"


class KeyScopeError(TaximeterError):
    """A key cannot be made like that."""


class Key(NamedTuple):
    """What is known of a key; never the key."""

    id: str
    name: str
    scope: Scope
    customer: str | None
    """Only this customer's data; none: everybody's."""
    created_ms: int
    revoked_ms: int | None

    def may(self, scope: Scope) -> bool:
        return scope in IMPLIED[self.scope]


def new(scope: str, name: str, customer: str | None = None) -> tuple[str, Object]:
    """A key, to be shown once, and the object to keep of it. Raises KeyScopeError."""
    if scope not in SCOPES:
        raise KeyScopeError(f"there is no scope {scope!r}: {', '.join(SCOPES)}")
    if customer is not None and scope not in ("read", "ingest"):
        raise KeyScopeError(f"a key of one customer reads or ingests; it cannot {scope} (edits concern rate cards that all share)")
    name_of_key, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    body = {
        "name": name or f"{scope} key {name_of_key}",
        "scope": scope,
        "customer": customer,
        "hash": _hash(secret),
        "created_ms": time.time_ns() // 1_000_000,
        "revoked_ms": None,
    }
    return f"tm_{name_of_key}_{secret}", Object(KIND, name_of_key, body)


def revoked(found: Object, now_ms: int) -> Object:
    """The object of a key from when on it opens nothing."""
    return found._replace(body={**found.body, "revoked_ms": found.body["revoked_ms"] or now_ms}, recorded_ms=now_ms)


def describe(found: Object) -> Key:
    body: Any = found.body
    return Key(found.id, body["name"], body["scope"], body["customer"], body["created_ms"], body["revoked_ms"])


def known(objects: Objects) -> list[Key]:
    """All keys, the revoked ones too, oldest first."""
    return sorted((describe(each) for each in objects.of(KIND)), key=lambda key: (key.created_ms, key.id))


def opened_by(objects: Objects, text: str) -> Key | None:
    """The key that `text` is, unless it was revoked; none: it is no key."""
    prefix, _, rest = text.partition("_")
    name, _, secret = rest.partition("_")
    found = objects.get(KIND, name) if prefix == "tm" else None
    wanted = found.body["hash"] if found else _hash("")
    if not hmac.compare_digest(wanted, _hash(secret)) or found is None or found.body["revoked_ms"] is not None:
        return None
    return describe(found)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
