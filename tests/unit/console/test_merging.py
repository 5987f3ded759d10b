"""Two edits of one version: what both have made of it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from console.merging import merge

BASE: dict[str, Any] = {"id": "a", "name": "A", "credits": [{"id": "one", "amount": "1"}, {"id": "two", "amount": "2"}], "aliases": ["x"]}
DOCUMENTS = st.dictionaries(
    st.sampled_from(["name", "clock", "credits"]),
    st.one_of(st.text(max_size=2), st.lists(st.fixed_dictionaries({"id": st.sampled_from("abc"), "amount": st.integers(0, 2)}), unique_by=lambda each: each["id"])),
)


def test_changes_of_different_places_are_both_kept() -> None:
    mine = BASE | {"credits": [{"id": "one", "amount": "5"}, {"id": "two", "amount": "2"}]}
    theirs = BASE | {"name": "B", "credits": [{"id": "one", "amount": "1"}, {"id": "three", "amount": "3"}]}
    found = merge(BASE, mine, theirs)
    assert found.conflicts == []
    assert found.data == {"id": "a", "name": "B", "credits": [{"id": "one", "amount": "5"}, {"id": "three", "amount": "3"}], "aliases": ["x"]}


def test_where_both_have_changed_a_place_mine_stands_and_it_is_named() -> None:
    mine = BASE | {"credits": [{"id": "one", "amount": "5"}], "aliases": ["x", "y"]}
    theirs = BASE | {"credits": [{"id": "one", "amount": "6"}, {"id": "two", "amount": "2"}], "aliases": ["z"]}
    found = merge(BASE, mine, theirs)
    assert found.conflicts == ["credits[one].amount", "aliases"]
    assert found.data == {"id": "a", "name": "A", "credits": [{"id": "one", "amount": "5"}], "aliases": ["x", "y"]}


@given(DOCUMENTS, DOCUMENTS)
def test_who_has_changed_nothing_takes_what_the_other_has(base: dict[str, Any], other: dict[str, Any]) -> None:
    assert merge(base, base, other) == (other, [])
    assert merge(base, other, base) == (other, [])
    assert merge(base, other, other) == (other, [])
