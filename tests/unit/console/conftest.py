"""What tests of the console's parts share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def by_count_alone() -> Iterator[None]:
    """What refers to itself stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
