"""One whole stack for all tests of this folder. None minds what others have left in it, but for the first, which asks about all customers; events that no other test metes out have types of their own."""

from collections.abc import Iterator

import pytest

from pipelines.testing import Stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("together")) as running:
        yield running
