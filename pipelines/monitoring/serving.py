"""`/metrics` and `/healthz` of a process, on a thread of its own.

GET /metrics    Prometheus text
GET /healthz    200, or 503 with what is wrong; a JSON object either way
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

log = logging.getLogger("taximeter.monitoring")

TIMEOUT_S: Final = 5.0

Verdict = Callable[[], dict[str, Any]]
"""What `/healthz` shows; `healthy` decides about the status."""


class Endpoint:
    """Listens from the moment it is made until `close`."""

    def __init__(self, host: str, port: int, registries: Iterable[CollectorRegistry], verdict: Verdict) -> None:
        """`port` 0: a free one. Raises OSError when the port is taken."""
        served = tuple(registries)

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_S

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, b"".join(generate_latest(each) for each in served))
                elif path == "/healthz":
                    found = verdict()
                    status = HTTPStatus.OK if found["healthy"] else HTTPStatus.SERVICE_UNAVAILABLE
                    self._answer(status, "application/json", json.dumps(found).encode() + b"\n")
                else:
                    self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n")

            def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """A scrape is nothing to tell."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def endpoint(host: str, port: int, registries: Iterable[CollectorRegistry], verdict: Verdict) -> Endpoint | None:
    """An endpoint, or none when its port is taken: a stage has more important things to do than to be watched."""
    try:
        return Endpoint(host, port, registries, verdict)
    except OSError as error:
        log.warning("/metrics and /healthz can not be served on %s:%d (%s): going on without", host, port, error.strerror)
        return None
