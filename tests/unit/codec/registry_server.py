"""A schema registry for tests: as much of Confluent's REST interface as a client needs, over real HTTP on loopback."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RegistryServer:
    """`url` is what TAXIMETER_SCHEMA_REGISTRY takes. `requests` counts what was asked; `down` makes it answer 503."""

    def __init__(self) -> None:
        self.schemas: list[str] = []
        self.subjects: dict[str, list[int]] = {}
        self.requests: list[str] = []
        self.down = False
        self.user: str | None = None
        """`user:password` that it asks for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, subject: str, text: str) -> int:
        """The id of a schema, the same for the same text."""
        if text not in self.schemas:
            self.schemas.append(text)
        number = self.schemas.index(text) + 1
        self.subjects.setdefault(subject, [])
        if number not in self.subjects[subject]:
            self.subjects[subject].append(number)
        return number

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append(f"{method} {path}")
        parts = path.strip("/").split("/")
        if self.down:
            return 503, {"error_code": 50301, "message": "down for a test"}
        if method == "GET" and parts[:2] == ["schemas", "ids"]:
            number = int(parts[2])
            if not 0 < number <= len(self.schemas):
                return 404, {"error_code": 40403, "message": "Schema not found"}
            return 200, {"schema": self.schemas[number - 1]}
        if method == "POST" and parts[0] == "subjects" and parts[2] == "versions":
            return 200, {"id": self.add(parts[1], body["schema"])}
        return 404, {"error_code": 404, "message": "no such path"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                expected = registry.user and f"Basic {base64.b64encode(registry.user.encode()).decode()}"
                allowed = not expected or self.headers.get("Authorization") == expected
                status, found = registry.answer(self.command, self.path, body) if allowed else (401, {"error_code": 401, "message": "Unauthorized"})
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _do  # noqa: N815 - the base class looks them up by these names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
                """Say nothing."""

        return Handler

    def __enter__(self) -> "RegistryServer":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
