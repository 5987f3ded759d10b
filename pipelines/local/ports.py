"""Ports on loopback: free ones, and who holds one that is not.

PortError       a port that was asked for is taken; the message names who holds it
"""

import contextlib
import json
import random
import socket
from collections.abc import Container
from pathlib import Path
from typing import Final

import psutil

from contracts.errors import TaximeterError
from pipelines.settings import Settings

HOST: Final = "127.0.0.1"
FIRST: Final = 20_000
BEHIND: Final = 32_000
USUAL: Final = {"kafka": 9092, "clickhouse": 8123, "console": 8080, "controller": 9093}
"""The stack's ports by name, in the order in which they follow `port_base`."""
"""Free ports are taken from below the range of outgoing connections: a server that restarts finds its port as it left it."""


class PortError(TaximeterError):
    """A port can not be used."""


def usable(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections that are closing do not count
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free(preferred: int | None = None, without: Container[int] = ()) -> int:
    """The preferred port if it is free, else another one; none of `without`."""
    if preferred is not None and preferred not in without and usable(preferred):
        return preferred
    candidates = random.SystemRandom().sample(range(FIRST, BEHIND), BEHIND - FIRST)
    for port in candidates:
        if port not in without and usable(port):
            return port
    raise PortError(f"no port from {FIRST} to {BEHIND - 1} on {HOST} is free: name others with --port-base")


def required(port: int, what: str) -> int:
    """The port. Raises PortError that names who holds it."""
    if not usable(port):
        raise PortError(f"{what}: port {port} of {HOST} is taken by {holder(port)}: stop that process, or choose other ports with --port-base")
    return port


def holder(port: int) -> str:
    """Who listens on the port: `process 123 (java)`, as far as the system tells."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another user's process (the system does not tell which)"


def chosen(settings: Settings) -> dict[str, int]:
    """The stack's ports by name, of those servers that the settings do not name elsewhere: those asked for with `port_base`, or those of the last
    time, or the usual ones, or free ones. Kept in `<data>/run/ports.json`. Raises PortError, OSError."""
    elsewhere = {"kafka", "controller"} if settings.kafka else set()
    elsewhere |= {"clickhouse"} if settings.clickhouse else set()
    needed = [name for name in USUAL if name not in elsewhere]
    if settings.port_base is not None:
        return {name: required(settings.port_base + at, name) for at, name in enumerate(USUAL) if name in needed}
    kept = _kept(settings)
    try:
        last = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        last = {}
    found: dict[str, int] = {}
    for name in needed:
        found[name] = free(last.get(name, USUAL[name]), without=set(found.values()))
    kept.write_text(json.dumps(last | found), encoding="utf-8")
    return found


def forget(settings: Settings) -> None:
    """Choose anew the next time."""
    _kept(settings).unlink(missing_ok=True)


def _kept(settings: Settings) -> Path:
    return settings.data / "run" / "ports.json"
