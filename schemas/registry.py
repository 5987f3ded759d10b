"""A schema registry as far as the codec needs one: the schema of an id, and the id of a schema.

Speaks the REST interface of Confluent's registry (Karapace and Apicurio offer the same). Subjects are named after the record type, so
that a type has one history whatever topic it is on.

Errors
RegistryError                `transient`: the registry did not answer; later it may. Else it said no.
"""

import base64
import json
import urllib.error
import urllib.request
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit, urlunsplit

TIMEOUT_S: Final = 10.0
_JSON: Final = "application/vnd.schemaregistry.v1+json"


class RegistryError(Exception):
    """The registry has no answer; the message says which request, and what to look at."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class Registry:
    """Client of one registry; remembers what it was told, as ids never change their meaning."""

    def __init__(self, url: str) -> None:
        self._url, self._headers = _addressed(url)
        self._schemas: dict[int, str] = {}
        self._refused: dict[int, RegistryError] = {}

    def schema(self, schema_id: int) -> str:
        """JSON text of the schema with `schema_id`. Raises RegistryError."""
        known = self._schemas.get(schema_id)
        if known is None:
            if schema_id in self._refused:
                raise self._refused[schema_id]
            try:
                known = str(self._ask("GET", f"/schemas/ids/{schema_id}")["schema"])
            except RegistryError as error:
                if not error.transient:
                    self._refused[schema_id] = error
                raise
            self._schemas[schema_id] = known
        return known

    def register(self, type_name: str, text: str) -> int:
        """The id of `text` under subject `type_name`, registered when it is new there. Raises RegistryError."""
        return int(self._ask("POST", f"/subjects/{type_name}/versions", {"schema": text})["id"])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the operator names the registry
            self._url + path, data, self._headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return cast("dict[str, Any]", json.load(answer))
        except urllib.error.HTTPError as error:
            text = error.read(500).decode(errors="replace")
            raise RegistryError(
                f"schema registry: {method} {path} answered {error.code}: {text}", transient=error.code >= 500
            ) from error
        except OSError as error:
            raise RegistryError(f"schema registry at {self._url} does not answer ({error}); is TAXIMETER_SCHEMA_REGISTRY right?", transient=True) from error


def _addressed(url: str) -> tuple[str, dict[str, str]]:
    """The address without user and password, and the headers that show them."""
    headers = {"Content-Type": _JSON, "Accept": _JSON}
    parts = urlsplit(url.rstrip("/"))
    who, at, where = parts.netloc.rpartition("@")
    if at:
        user, _, password = who.partition(":")
        headers["Authorization"] = "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return urlunsplit(parts._replace(netloc=where)), headers
