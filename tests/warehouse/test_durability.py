"""What the embedded warehouse has answered with 200 is there after SIGKILL; one owner a folder."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from pipelines.local.warehouse_child import WarehouseChild
from pipelines.settings import Settings
from pipelines.warehouse.client import connect


def test_every_answered_insert_survives_sigkill_amid_inserts(tmp_path: Path) -> None:
    warehouse = WarehouseChild(tmp_path).start()
    client = connect(Settings(data=tmp_path, clickhouse=warehouse.url))
    client.command("CREATE TABLE kept (writer UInt8, n UInt64, text String) ENGINE = MergeTree ORDER BY (writer, n)")
    answered = [0, 0, 0]
    enough = threading.Event()

    def write(writer: int) -> None:
        own = connect(Settings(data=tmp_path, clickhouse=warehouse.url))
        try:
            for batch in range(10_000):
                rows = [(writer, batch * 100 + n, "x" * 50) for n in range(100)]
                own.insert("kept", rows, column_names=["writer", "n", "text"])
                answered[writer] += 100
                if sum(answered) > 6_000:
                    enough.set()
        except ClickHouseError:
            pass  # killed

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in writers:
        thread.start()
    assert enough.wait(60)
    warehouse.kill()
    for thread in writers:
        thread.join(60)

    with WarehouseChild(tmp_path) as again:
        client = connect(Settings(data=tmp_path, clickhouse=again.url))
        found: dict[int, int] = {row[0]: row[1] for row in client.query("SELECT writer, countIf(n < 18446744073709551615) FROM kept GROUP BY writer").result_rows}
        for writer, count in enumerate(answered):
            first = client.command("SELECT uniqExact(n) FROM kept WHERE writer = {w:UInt8} AND n < {c:UInt64}", parameters={"w": writer, "c": count})
            assert first == count
            assert found[writer] - count in (0, 100)  # the one that was under way is whole or not there
        assert client.query("SELECT count() FROM schema_migrations").result_rows[0][0] > 0


def test_a_second_owner_is_refused_with_the_pid(tmp_path: Path) -> None:
    with WarehouseChild(tmp_path) as first:
        second = subprocess.run(
            [sys.executable, "-m", "pipelines.local.warehouse", "--data", str(tmp_path), "--port", "0"], capture_output=True, text=True, timeout=30, check=False
        )

        assert second.returncode == 2
        assert f"held by process {first.pid}" in second.stderr
        assert "taximeter down" in second.stderr


def test_a_taken_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    with WarehouseChild(tmp_path / "one") as first:
        port = first.url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "pipelines.local.warehouse", "--data", str(tmp_path / "two"), "--port", port],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert second.returncode == 2
        assert f"port {port}" in second.stderr


@pytest.mark.parametrize("signal_of_end", ["stop", "kill"])
def test_it_starts_again_on_the_same_folder(tmp_path: Path, signal_of_end: str) -> None:
    for _ in range(3):
        warehouse = WarehouseChild(tmp_path).start()
        getattr(warehouse, signal_of_end)()
