"""The embedded warehouse: one process that owns a chdb folder and serves the ClickHouse HTTP interface on loopback.

    python -m pipelines.local.warehouse [--port N]

The folder is `<data>/warehouse`; a second process on it is refused with the pid that holds it. Migrations are applied before the port
opens. What an insert has answered with 200 survives SIGKILL. SIGTERM finishes the running requests and stops.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from aiohttp import web

from contracts.errors import TaximeterError
from pipelines.health import Health
from pipelines.local.ownership import owned
from pipelines.local.warehouse_access import PUBLIC_TABLES, User, Users
from pipelines.local.warehouse_engine import Engine
from pipelines.local.warehouse_http import Warehouse
from pipelines.local.warehouse_room import Room
from pipelines.local.warehouse_run import Runner
from pipelines.monitoring import metrics
from pipelines.settings import Settings
from pipelines.warehouse.migrations import MigrationError, migrate

DATABASE = "taximeter"
PORT = 8123
STOP_SECONDS = 10.0


def prepare(engine: Engine) -> None:
    """Database, migrations and the analyst's view of `system.tables`."""
    connection = engine.connect()
    try:
        connection.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        connection.query(f"CREATE DATABASE IF NOT EXISTS {PUBLIC_TABLES} ENGINE = Atomic")
        connection.query(
            f"CREATE OR REPLACE VIEW {PUBLIC_TABLES}.tables AS "
            f"SELECT * EXCEPT (data_paths, metadata_path) FROM system.tables WHERE database IN ('{DATABASE}', 'system', 'information_schema')"
        )
        migrate(lambda sql: connection.query(sql, "TabSeparatedRaw").body.decode(), DATABASE)
    finally:
        connection.close()


async def serve(settings: Settings, port: int, host: str = "127.0.0.1") -> None:
    """Serve until SIGTERM or SIGINT."""
    folder = settings.data / "warehouse"
    with owned(folder, "warehouse"):
        engine = Engine(folder / "chdb")
        prepare(engine)
        users = Users([User("default", settings.clickhouse_password, False), User("analyst", settings.analyst_password, True)])
        room = Room(engine, folder, settings.keep_free_mb)
        room.look()
        requests = Runner(engine, users, DATABASE, room)
        warehouse = Warehouse(engine, requests)
        runner = web.AppRunner(warehouse.application(), access_log=None, auto_decompress=False, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise TaximeterError(f"warehouse: port {port} of {host} can not be used ({error.strerror}): name a free one with --port") from error
        address = f"http://{host}:{runner.addresses[0][1]}"
        print(f"warehouse: {address}, ClickHouse {engine.version} embedded, data in {folder}", flush=True)  # noqa: T201
        with Health(settings, "warehouse", address=address) as health:
            while not stop.is_set():
                metrics.QUERIES.set(warehouse.queries)
                await asyncio.to_thread(room.look)
                health.report("running", queries=warehouse.queries)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), timeout=1.0)
            health.report("stopping", queries=warehouse.queries)
            await runner.cleanup()
        requests.close()
        engine.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.local.warehouse", description="The embedded ClickHouse of Taximeter.")
    parser.add_argument("--port", type=int, default=None, help="port on loopback; 0: a free one (default: 8123, or port_base + 1)")
    parser.add_argument("--data", type=Path, default=None, help="folder of the embedded stack (default: TAXIMETER_DATA)")
    options = parser.parse_args(arguments)
    settings = Settings() if options.data is None else Settings(data=options.data)
    port = options.port if options.port is not None else PORT
    try:
        asyncio.run(serve(settings, port))
    except (TaximeterError, MigrationError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
