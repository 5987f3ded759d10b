"""Lists of an export come page by page, and each page must be there."""

import json
from typing import Any

import pytest

from contracts.translation.saved import read, unfinished


def page(names: list[str], behind: str | None, asked: dict[str, Any] | None) -> str:
    answer = {"data": [{"id": name} for name in names], "next_page": behind}
    return json.dumps(answer if asked is None else {"request": asked, "response": answer})


def missing(pages: list[str]) -> list[str]:
    """Files whose following page is not there."""
    found = read({f"{number}.json": text for number, text in enumerate(pages)})
    return [each.file for each in unfinished(found.pages, lambda _: "customers")]


FIRST, SECOND, LAST = (["a"], "t1", {"url": "/v1/customers"}), (["b"], "t2", {"url": "/v1/customers?next_page=t1"}), (["c"], None, {"query": {"next_page": "t2"}})


def test_a_list_that_is_whole_lacks_nothing() -> None:
    assert missing([page(*each) for each in (FIRST, SECOND, LAST)]) == []


def test_a_page_that_lacks_in_the_middle_is_named_by_the_one_before_it() -> None:
    assert missing([page(*each) for each in (FIRST, LAST)]) == ["0.json"]


def test_a_list_without_its_end_is_refused_with_and_without_questions() -> None:
    assert missing([page(*each) for each in (FIRST, SECOND)]) == ["1.json"]
    assert missing([page(names, behind, None) for names, behind, _ in (FIRST, SECOND)]) == ["1.json"]


def test_pages_of_the_other_kind_follow_the_last_object() -> None:
    # given a list whose pages are asked for by the last object of the page before
    def listed(name: str, more: bool, url: str) -> str:
        return json.dumps({"request": {"url": url}, "response": {"object": "list", "url": "/v1/prices", "data": [{"id": name}], "has_more": more}})

    first, second, last = listed("p1", True, "/v1/prices"), listed("p2", True, "/v1/prices?starting_after=p1"), listed("p3", False, "/v1/prices?starting_after=p2")

    assert missing([first, second, last]) == []
    assert missing([first, last]) == ["0.json"]


@pytest.mark.parametrize("lists", (1, 2))
def test_lists_of_one_kind_do_not_stand_for_each_other(lists: int) -> None:
    # given two lists, one of which has its end and one has not
    whole = [page(*each) for each in (FIRST, SECOND, LAST)]
    other = [page(["x"], "u1", {"url": "/v1/customers/x"})]

    assert missing([*whole, *other][: 3 + lists - 1]) == ([] if lists == 1 else ["3.json"])
