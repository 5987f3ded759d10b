"""Every case file, offline: what it expects comes out, by the same code that the stream drives."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from contracts.account import Account
from contracts.errors import DocumentError
from contracts.offline import rate
from contracts.rendering import result_json
from pipelines.documents import load_case
from tests.expectation import differences

FILES = Path(__file__).parent / "files"
FOUND = Path(__file__).parent / "found"
"""What comparisons with the reference, and of the fold's forms, have brought up."""
CASES = [*sorted(FILES.glob("*.yaml")), *sorted(FOUND.glob("*.yaml"))]


@dataclasses.dataclass
class Told:
    """What a case expects at each reading."""

    expects: list[Any]
    results: list[dict[str, Any]]


def told(path: Path) -> Told:
    case = load_case(path)
    expects = [reading.expect for reading in case.readings] or [case.expect]
    return Told(expects, [result_json(result) for result in rate(case)])


def test_there_are_cases() -> None:
    assert len(CASES) >= 35


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_case_gives_what_it_expects(path: Path) -> None:
    refusal = refusal_of(path)
    if refusal is not None:
        with pytest.raises(DocumentError) as refused:
            load_case(path)
        assert refusal.lower() in str(refused.value).lower()
        return
    found = told(path)
    for expect, result in zip(found.expects, found.results, strict=True):
        assert differences(expect, result) == []


@pytest.mark.parametrize("path", [path for path in CASES if "refused" not in path.stem], ids=lambda path: path.stem)
def test_a_result_is_the_same_bytes_every_time(path: Path) -> None:
    assert json.dumps(told(path).results) == json.dumps(told(path).results)


@pytest.mark.parametrize("path", [path for path in CASES if "refused" not in path.stem], ids=lambda path: path.stem)
def test_looking_in_between_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given results are read after every input, as the stream does, so that what is open grows bit by bit
    def looking(method: Any) -> Any:
        def told(account: Account, *inputs: Any) -> None:
            method(account, *inputs)
            account.result()

        return told

    at_once = told(path)
    for name in ("record_catalogue", "record_contract", "record_usage", "record_action"):
        monkeypatch.setattr(Account, name, looking(getattr(Account, name)))
    # then the last result is the one that is worked out at once
    assert told(path).results == at_once.results


def refusal_of(path: Path) -> str | None:
    """The words with which a case must be refused; none: it must not."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip().startswith("error:"):
            return line.split(":", 1)[1].strip().strip('"')
    return None
