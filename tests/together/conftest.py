"""One whole stack for all tests of this folder, file by file in order of name.

The first asks about all customers, the second wants its catalogue to be new; the others mind nothing. Events that a product of another test would refuse have types of their own.
"""

from collections.abc import Iterator

import pytest

from pipelines.testing import Stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("together")) as running:
        yield running
