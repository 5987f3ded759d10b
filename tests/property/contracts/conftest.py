"""How many examples: 500, or what HYPOTHESIS_PROFILE says: long is 20,000 (and takes the time it takes), quick is 40."""

import os
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "usual")
CALM = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
settings.register_profile("usual", max_examples=500, deadline=None, suppress_health_check=CALM, print_blob=True)
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=CALM, print_blob=True)
settings.register_profile("quick", max_examples=40, deadline=None, suppress_health_check=CALM, print_blob=True)
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    if PROFILE == "long":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
