"""A warehouse for this folder's tests: the embedded one, once for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from pipelines.local.warehouse_child import WarehouseChild
from pipelines.settings import Settings
from pipelines.warehouse.client import connect


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseChild]:
    with WarehouseChild(tmp_path_factory.mktemp("warehouse")) as child:
        yield child


@pytest.fixture(scope="package")
def address(warehouse: WarehouseChild) -> str:
    return f"{warehouse.url}/taximeter"


@pytest.fixture
def client(address: str, tmp_path: Path) -> Client:
    return connect(Settings(data=tmp_path, clickhouse=address))
