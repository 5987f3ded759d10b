"""The fold and the independent reference agree on whole generated cases: totals, lines, balances, rejects, alerts.

HYPOTHESIS_PROFILE says how many: 500 usually, 20,000 for long, 40 for quick. A failure prints the seed and the features; the case is what
`python -m tests.reference.generate SEED` prints, and `tests.reference.shrink` makes it small.
"""

import json
import os
from typing import Any, Final

import pytest

from contracts import loading, offline
from contracts.errors import ActionError, DocumentError
from contracts.rendering import result_json
from tests.reference.compare import differences
from tests.reference.generate import FEATURES, generate
from tests.reference.invoices import RefusedError
from tests.reference.result import evaluate

CASES: Final = {"quick": 40, "long": 20_000}.get(os.environ.get("HYPOTHESIS_PROFILE", "usual"), 500)
FIRST: Final = int(os.environ.get("TAXIMETER_TEST_SEED", "0"))
BLOCK: Final = 20 if CASES <= 500 else 250


def test_features_alone() -> None:
    # given each feature of the pricing language by itself
    # when both evaluate a case of it
    # then they agree
    assert [each for number, feature in enumerate(FEATURES) for each in disagreements(FIRST + number % 7, {feature})] == []


@pytest.mark.parametrize("block", range(FIRST, FIRST + CASES - len(FEATURES), BLOCK) if len(FEATURES) < CASES else [FIRST])
def test_features_mixed(block: int) -> None:
    # given random mixtures of features
    # when both evaluate them
    # then they agree
    assert [each for seed in range(block, block + BLOCK) for each in disagreements(seed, None)] == []


def disagreements(seed: int, features: set[str] | None) -> list[str]:
    """What differs for a seed, with the seed."""
    data, case = _case(seed, features)
    ours, theirs = _reference(case), _fold(case)
    if ours is None or theirs is None:
        found = [] if ours is theirs else [f"refused by {'the reference' if ours is None else 'the fold'} only"]
    else:
        found = differences(data, ours, theirs)[:3]
    return [f"{data['case']} ({data['about']}): {each}" for each in found]


def _case(seed: int, features: set[str] | None) -> tuple[Any, Any]:
    """A valid case: where the checks refuse one, as they do an edit of what is final, the next of a series far away."""
    for attempt in range(seed, seed + 50_000_000, 1_000_000):
        data = generate(attempt, features)
        try:
            return data, loading.read_case(json.dumps(data), data["case"])
        except DocumentError:
            continue
    raise AssertionError(f"no valid case from seed {seed}")


def _reference(case: Any) -> Any:
    try:
        return evaluate(case)
    except RefusedError:
        return None


def _fold(case: Any) -> Any:
    try:
        results = [result_json(each) for each in offline.rate(case)]
    except ActionError:
        return None
    return {"readings": results} if case.readings else results[0]
