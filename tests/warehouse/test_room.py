"""A disk that is nearly full: the embedded warehouse takes no rows and merges nothing, reads go on, and SINK knows that it has to wait."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from pipelines.local.warehouse_child import WarehouseChild
from pipelines.settings import Settings
from pipelines.sink.store import OF_THE_WAREHOUSE
from pipelines.warehouse.client import connect

MORE_THAN_THERE_IS = str(10**9)
SPACE = 243


def test_nothing_is_inserted_while_the_disk_has_no_room(tmp_path: Path) -> None:
    # given a warehouse with a row in it
    with WarehouseChild(tmp_path) as child:
        client = connect(Settings(data=tmp_path, clickhouse=f"{child.url}/taximeter"))
        client.command("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.insert("kept", [[1]], column_names=["n"])

    # when less is free than it has to keep free
    with WarehouseChild(tmp_path, TAXIMETER_KEEP_FREE_MB=MORE_THAN_THERE_IS) as child:
        client = connect(Settings(data=tmp_path, clickhouse=f"{child.url}/taximeter"))
        # then rows are refused, by a code for which SINK waits
        with pytest.raises(DatabaseError, match="kept free") as refused:
            client.insert("kept", [[2]], column_names=["n"])
        assert refused.value.code == SPACE
        assert SPACE in OF_THE_WAREHOUSE
        # and what is there is read
        assert client.query("SELECT n FROM kept").result_rows == [(1,)]

    # when there is room again, it takes rows
    with WarehouseChild(tmp_path) as child:
        client = connect(Settings(data=tmp_path, clickhouse=f"{child.url}/taximeter"))
        client.insert("kept", [[2]], column_names=["n"])
        assert client.query("SELECT n FROM kept ORDER BY n").result_rows == [(1,), (2,)]
