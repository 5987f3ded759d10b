"""The pages say what is so: every fenced case gives what it expects, every table is made of results, every path exists."""

import re
from pathlib import Path

import pytest

from contracts.loading import read_case
from contracts.offline import rate
from contracts.rendering import result_json
from tests.expectation import differences
from tests.pages import FENCE, ROOT, Told, cases, filled, handmade, pages

CASES = [told for page in pages() for told in cases(page)]
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
PATH = re.compile(r"`((?:contracts|pipelines|schemas|taximeter|tests|bench|console|docs|deploy)/[\w./-]+)`")


@pytest.mark.parametrize("told", CASES, ids=lambda told: told.name)
def test_a_case_gives_what_it_expects(told: Told) -> None:
    results = rate(told.case)
    expected = [reading.expect for reading in told.case.readings] or [told.case.expect]
    assert all(expected), "a case in the docs says what must come out"
    for expect, result in zip(expected, results, strict=True):
        assert differences(expect, result_json(result)) == []


def test_a_page_that_is_wrong_would_be_found() -> None:
    told = CASES[0]
    changed = read_case(re.sub(r"(?<=total: \")\d", "7", re.sub(r"(?<=value: \")\d", "7", told.text)), "changed")
    assert differences(changed.expect, result_json(rate(told.case)[0]))


def test_names_of_cases_are_unique() -> None:
    names = [told.case.case for told in CASES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_table_is_what_its_source_gives(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == filled(page), "run `python -m tests.pages`"
    if page.parent.name == "concepts" or page.parent == ROOT:
        assert handmade(page) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_amounts_in_the_text_stand_in_a_case_or_table(page: Path) -> None:
    if page.name == "tutorial.md":
        return  # what it shows is compared with what its commands print, by tests/e2e/test_tutorial.py
    text = page.read_text(encoding="utf-8")
    shown = "".join(FENCE.findall(text)) + "".join(row.replace(",", "") for row in text.splitlines() if row.startswith("|"))
    if page.name == "README.md":
        shown += (ROOT / "docs" / "images" / "demo.json").read_text(encoding="utf-8")
    prose = "\n".join(row for row in re.sub(r"Python \d\.\d+", "", FENCE.sub("", text)).splitlines() if not row.startswith("|"))
    for amount in re.findall(r"\b\d[\d,]*\.\d\d\b", prose):
        assert amount.replace(",", "") in shown


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if ":" not in link and not (page.parent / link).exists()]
    missing += [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    assert missing == []
