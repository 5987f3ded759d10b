"""Bodies are read strictly and exactly; pages give everything once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import ApiError, InvalidError, problems
from console.paging import page
from console.wire import Answer, parse
from contracts.translation.fields import Fields, RefusedError


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=12))
def test_numbers_keep_all_their_digits(number: Decimal) -> None:
    assert Fields(parse(bytes(Answer({"x": number}).body))).number("x") == number


def test_no_float_on_the_way() -> None:
    assert Fields(parse(b'{"x": 0.1}')).number("x") == Decimal("0.1")
    assert Answer({"x": Decimal("0.10")}).body == b'{"x":0.10}'


@pytest.mark.parametrize("body", (b"{", b'{"x": NaN}', b'{"x": Infinity}', b"[" * 100_000, b"\xff"))
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError):
        parse(body)


def test_unknown_fields_name_the_nearest() -> None:
    fields = Fields({"nmae": "x"}, "commits[2]")
    fields.text_or_none("name")

    with pytest.raises(RefusedError) as refused:
        fields.done()

    assert str(refused.value) == "commits[2].nmae: is no field here; did you mean 'name'?"


@pytest.mark.parametrize(
    ("line", "field", "message"),
    (
        ("acme.yaml:5: contract.rate_crd: unknown key", "contract.rate_crd", "line 5: unknown key"),
        ("request:1: contract.commits[0].access: must not be empty", "contract.commits[0].access", "must not be empty"),
        ("text:1: this is no YAML: bad", "", "line 1: this is no YAML: bad"),
        ("acme: there is no such thing", "acme", "there is no such thing"),
    ),
)
def test_problems_of_documents_become_fields(line: str, field: str, message: str) -> None:
    assert [tuple(each) for each in problems([line])] == [(field, message)]


@given(st.lists(st.text(min_size=1), unique=True, max_size=40), st.integers(1, 7))
def test_pages_give_every_item_once_in_order(items: list[str], limit: int) -> None:
    found: list[str] = []
    cursor = None
    while True:
        rows, cursor = page(items, str, cursor, limit)
        found += rows
        if cursor is None:
            break

    assert found == items


def test_a_cursor_that_was_not_given_here_is_refused() -> None:
    for cursor in ("%%%", "bm9wZQ=="):
        with pytest.raises(ApiError):
            page(["a", "b"], str, cursor, 1)
