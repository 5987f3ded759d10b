"""The console as a process: `python -m console.worker`.

Waits for Kafka, then listens; `<data>/run/health-console.json` says where. Ends cleanly on SIGTERM and SIGINT.
"""

import asyncio
import logging
import socket
import sys
import threading
import time
from typing import Final

import uvicorn
from confluent_kafka import KafkaException

from console.app import create
from console.collecting import Collector
from console.observed import Observed
from console.pages import attach
from console.services import Services, start
from contracts.errors import TaximeterError
from pipelines.deployment import Deployment
from pipelines.health import Health
from pipelines.local.addresses import located
from pipelines.monitoring.logs import log_to_stderr
from pipelines.settings import Settings

LOG = logging.getLogger("taximeter.console")
REPORT_S: Final = 1.0
START_LOOK_S: Final = 0.05
PATIENCE_S: Final = 60.0
SWITCH_S: Final = 0.0005
"""Whoever waits for an answer gets his turn so soon, while a thread reads figures for open pages."""


def listen(host: str, port: int | None) -> socket.socket:
    """A bound socket. Raises OSError when the port is held by somebody else."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((host, port or 0))
    return found


def serve(services: Services, bound: socket.socket, health: Health) -> None:
    """Answer requests until a signal comes."""
    host, port = bound.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    config = uvicorn.Config(
        Observed(attach(create(services), services)),
        log_config=None,
        access_log=False,
        log_level="warning",  # it tells of every socket
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=65_536,
        server_header=False,
    )
    server = uvicorn.Server(config)
    collector = Collector()
    sys.setswitchinterval(SWITCH_S)
    ended = threading.Event()

    def report() -> None:
        while not server.started and not ended.wait(START_LOOK_S):
            pass  # whoever is told "running" is answered: until then connections are refused
        while not ended.is_set():
            health.report("running" if server.started else "starting", address=address)
            collector.look()
            ended.wait(REPORT_S)

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve([bound]))
    finally:
        ended.set()
        reporter.join()


def main() -> int:
    settings = located(Settings())
    log_to_stderr(settings, "console")
    with Health(settings, "console") as health:
        health.report("starting")
        try:
            deployment = Deployment(settings)
            bound = listen(settings.console_host, settings.console_port)
            services = _patiently(deployment)
        except (TaximeterError, OSError, KafkaException) as error:
            LOG.error("%s", error)  # noqa: TRY400 - the message says it; the traceback would not help
            return 1
        try:
            serve(services, bound, health)
        finally:
            services.close()
    return 0


def _patiently(deployment: Deployment) -> Services:
    """The services, once Kafka answers."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return start(deployment)
        except (KafkaException, KeyError) as error:  # KeyError: the topics are not there yet
            if time.monotonic() > deadline:
                raise
            LOG.info("waiting for Kafka: %s", error)
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
