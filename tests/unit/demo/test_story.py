from decimal import Decimal

import pytest

from taximeter.demo.papers import papers, unit
from taximeter.demo.story import AFTER, BEFORE, LINES_AFTER, LINES_BEFORE, StoryError, check_prices, checked
from tests.unit.demo.october import after, before, invoice, line


def test_the_bills_of_the_story_pass() -> None:
    assert checked("the bill", before(), BEFORE, LINES_BEFORE) == before()
    assert checked("the bill", after(), AFTER, LINES_AFTER) == after()
    check_prices(after())


def test_a_missing_bill_fails() -> None:
    with pytest.raises(StoryError, match=r"the bill is missing, expected 51000\.00"):
        checked("the bill", None, BEFORE, LINES_BEFORE)


def test_a_wrong_total_fails_and_says_both() -> None:
    wrong = before()._replace(total=Decimal("50999.99"))
    with pytest.raises(StoryError, match=r"the bill is 50999\.99 with lines of 51000\.00, expected 51000\.00"):
        checked("the bill", wrong, BEFORE, LINES_BEFORE)


def test_lines_that_do_not_add_up_fail() -> None:
    short = after()._replace(lines=after().lines[:-1])
    with pytest.raises(StoryError, match=r"with lines of 36550\.00"):
        checked("the bill", short, AFTER, LINES_AFTER)


def test_another_number_of_lines_fails() -> None:
    one = invoice((line("api-calls", "1", "51000", "51000.00"),))
    with pytest.raises(StoryError, match="has 1 lines, expected 5"):
        checked("the bill", one, BEFORE, LINES_BEFORE)


def test_prices_that_did_not_change_fail() -> None:
    with pytest.raises(StoryError, match="0 products have two unit prices, expected 4"):
        check_prices(before())


def test_names_are_new_where_the_story_was_played_before() -> None:
    found = papers({"acme-2025", "acme-2025-2"})
    assert (found.contract.id, found.contract.customer, found.contract.clock) == ("acme-2025-3", "acme-3", "october-2025-3")
    assert found.contract.catalogue == found.catalogue.id == "october-demo-3"
    assert found.edited.id == found.contract.id
    assert papers().contract.id == "acme-2025"


def test_a_price_says_what_it_is_for() -> None:
    catalogue = papers().catalogue
    assert unit(catalogue, "api-calls") == "each"
    assert unit(catalogue, "model-a-tokens") == "for 1,000,000"
