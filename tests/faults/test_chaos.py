"""A few random faults in a row against one running stack; `make chaos` does many. Run it again with the seed that it prints."""

import os
import random
from pathlib import Path

import pytest

from tests.faults.chaos import Chaos

pytestmark = pytest.mark.timeout(900)
SEED = int(os.environ.get("TAXIMETER_TEST_SEED", random.SystemRandom().randrange(10**6)))
FAULTS = 5
QUICK = (
    "meter killed",
    "rate killed",
    "sink frozen",
    "rate frozen",
    "rate without its state",
    "meter with corrupted state",
    "rate with corrupted state",
    "rate on a full disk",
    "events repeated in disorder",
    "clock jumps",
    "transactions aborted and left open",
    "zombie producer",
)
"""Those that others of this folder do not test, and that are over soon."""


def test_random_faults_in_a_row_change_no_bill(tmp_path: Path) -> None:
    found = Chaos(tmp_path, SEED, only=QUICK).run(FAULTS)
    print(found)
    assert found["differences"] == []
    assert found["faults"] == FAULTS
    assert found["events"] > 0
