from collections.abc import Iterable

import pytest

from tests.property.contracts.examples import PROFILE


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    if PROFILE == "long":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
