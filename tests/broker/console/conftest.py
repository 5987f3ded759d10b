"""The console over a real Kafka and warehouse, with METER, SINK and the alerts' delivery running: what is asked here needs no rating."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from metronome import Metronome

from console.app import create
from console.books import Change
from console.services import Services, start
from pipelines.deployment import Deployment
from pipelines.keys import new
from pipelines.settings import Settings
from pipelines.testing import Stack, until
from tests.broker.console.official import Priced


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), only=["meter", "sink", "alerts"]) as running:
        yield running


@pytest.fixture(scope="package")
def services(stack: Stack) -> Iterator[Services]:
    settings = Settings(data=stack.data, kafka=stack.settings.kafka, clickhouse=stack.settings.clickhouse, requests_per_second=100_000)
    made = start(Deployment(settings))
    yield made
    made.close()


@pytest.fixture(scope="package")
def address(services: Services) -> Iterator[str]:
    """A server on a free port of loopback."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create(services), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    until(lambda: server.started, "the server starts")
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="package")
def keys(services: Services) -> dict[str, str]:
    """A key of each scope, and `acme`: one that reads one customer's data only."""
    made = {scope: new(scope, f"{scope} of the tests") for scope in ("ingest", "read", "write", "admin")}
    made["acme"] = new("read", "acme's own page", "acme")
    services.books.commit(lambda _: Change(objects=[found for _, found in made.values()]), "tests")
    return {name: text for name, (text, _) in made.items()}


@pytest.fixture
def api(address: str, keys: dict[str, str]) -> Iterator[httpx.Client]:
    """A client that may write."""
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {keys['write']}"}, timeout=60) as client:
        yield client


@pytest.fixture
def client(address: str, keys: dict[str, str]) -> Iterator[Metronome]:
    with Metronome(base_url=address, bearer_token=keys["admin"], _strict_response_validation=True, max_retries=0) as made:
        yield made


@pytest.fixture
def priced(client: Metronome) -> Priced:
    return Priced(client)
