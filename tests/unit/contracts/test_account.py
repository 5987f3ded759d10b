"""The account as a machine: actions that are refused, usage that waits for its catalogue, families, explanations."""

from decimal import Decimal

import pytest

from contracts.account import Account
from contracts.catalogue import Catalogue, Metric, Price, Product, Rate, RateCard
from contracts.contract import Access, Commit, Contract, Discount, Override
from contracts.errors import ActionError
from contracts.instants import instant_ms
from contracts.offline import Memory
from contracts.usage import Delta, Point
from contracts.windows import Aggregate, merge

HOUR = 3_600_000
OCTOBER, NOVEMBER = instant_ms("2025-10-01"), instant_ms("2025-11-01")
CATALOGUE = Catalogue(
    metrics={"m": Metric(event_types=["e"], aggregation="sum", value="v")},
    products={"p": Product(name="P", metric="m")},
    rate_cards={"list": RateCard(rates=[Rate(product="p", price=Price(per_unit=Decimal(2)))])},
)


def contract(customer: str = "acme", **terms: object) -> Contract:
    return Contract(**{"id": customer, "customer": customer, "rate_card": "list", "starting_at": "2025-10-01", **terms})  # type: ignore[arg-type]


def usage(quantity: int, at: int = OCTOBER, customer: str = "acme") -> Delta:
    return Delta("default", "p", customer, {}, at - at % HOUR, at, at, 1, Decimal(quantity))


def account(*documents: Contract) -> Account:
    made = Account("acme", Memory())
    made.record_catalogue(CATALOGUE, OCTOBER)
    for document in documents:
        made.record_contract(document, OCTOBER)
    return made


@pytest.mark.parametrize(
    ("action", "at", "said"),
    (
        ("void", NOVEMBER, "it is not final"),
        ("regenerate", NOVEMBER, "a draft changes by itself"),
        ("finalize", NOVEMBER + 25 * HOUR, "there is no such draft"),
        ("erase", NOVEMBER, "use void, regenerate or finalize"),
    ),
)
def test_an_action_that_cannot_be_is_refused_and_changes_nothing(action: str, at: int, said: str) -> None:
    made = account(contract())
    made.advance(at)
    before = made.result()
    with pytest.raises(ActionError, match=said):
        made.record_action(action, "acme", OCTOBER, at)
    assert made.result() == before


def test_usage_waits_for_the_catalogue_that_says_how_to_add_it_up() -> None:
    made = Account("acme", Memory())
    made.record_contract(contract(), OCTOBER)
    made.record_usage([usage(3)])
    made = Account.restore("acme", made.snapshot(), Memory())
    made.record_catalogue(CATALOGUE, OCTOBER)
    assert [i.total for i in made.result().invoices] == [Decimal("6.00")]


def test_a_parent_pays_under_the_terms_of_the_child() -> None:
    child = contract("north", parent="acme", payer="parent", overrides=[Override(id="half", multiplier=Decimal("0.5"))])
    made = account(contract(discounts=[Discount(id="d", percent=Decimal(10))]), child)
    made.record_usage([usage(10), usage(10, customer="north")])
    [invoice] = made.result().invoices
    assert (invoice.customer, invoice.contract, invoice.total) == ("acme", "acme", Decimal("27.00"))
    assert sorted(line.amount for line in invoice.lines if line.kind == "usage") == [Decimal("10.00"), Decimal("20.00")]


def test_a_listed_child_draws_the_pool_and_another_does_not() -> None:
    pool = Commit(id="pool", type="prepaid", shared=["north"], access=[Access(amount=Decimal(15), starting_at="2025-10-01")])
    made = account(contract(commits=[pool]), contract("north", parent="acme"), contract("south", parent="acme"))
    made.record_usage([usage(10, OCTOBER, "north"), usage(10, OCTOBER, "south")])
    assert {i.customer: i.total for i in made.result().invoices} == {"acme": 0, "north": Decimal("5.00"), "south": Decimal("20.00")}


def test_the_next_due_instant_is_when_something_happens() -> None:
    made = account(contract())
    dues = []
    while (due := made.next_due_ms()) is not None and due < instant_ms("2025-12-02"):
        dues.append(due)
        made.advance(due)
    assert dues == [NOVEMBER, NOVEMBER + 24 * HOUR, instant_ms("2025-12-01")]


def test_an_explanation_says_why_a_line_costs_what_it_does() -> None:
    credit = Commit(id="c", type="prepaid", access=[Access(amount=Decimal(5), starting_at="2025-10-01")])
    made = account(contract(overrides=[Override(id="low", multiplier=Decimal("0.5")), Override(id="high", multiplier=Decimal("0.9"))], commits=[credit]))
    made.record_usage([usage(10)])
    invoice = made.result().invoices[0]
    line = next(line for line in invoice.lines if line.commit is None)
    found = made.explain(line.id)
    assert found is not None
    assert found.quantity is not None
    assert (found.quantity.before, found.quantity.after) == (Decimal(0), Decimal(10))
    assert [(o.id, o.wins) for o in found.overrides] == [("low", True), ("high", False)]
    assert [(s.quantity, s.unit_price, s.amount) for s in found.steps] == [(Decimal(10), Decimal(1), Decimal("10.00"))]
    assert [(d.grant, d.amount) for d in found.draws] == [("c", Decimal("5.00"))]
    assert "the multiplier of low is lower" in found.text()
    assert found.json()["draws"] == [{"contract": "acme", "grant": "c", "segment": "2025-10-01T00:00:00Z", "amount": "5.00", "unit_price": "1", "override": "low"}]
    assert made.explain("no such line") is None


def test_a_final_line_is_explained_and_says_when_terms_have_changed() -> None:
    made = account(contract())
    made.record_usage([usage(10)])
    made.advance(NOVEMBER + 24 * HOUR)
    line = next(i for i in made.result().invoices if i.status == "final").lines[0]
    before = made.explain(line.id)
    made.record_contract(contract(overrides=[Override(id="half", multiplier=Decimal("0.5"))]), NOVEMBER + 25 * HOUR)
    after = made.explain(line.id)
    assert before is not None
    assert after is not None
    assert (before.changed, after.changed) == (False, True)
    assert after.line == line


def test_windows_of_a_metric_that_has_become_latest_are_put_together() -> None:
    """Of the time before they have sums, and no reading."""
    before, reading = Aggregate(1, 5, 7), Aggregate(1, 6, None, (Point(6, "t", Decimal(3)),))
    assert merge("latest", before, before).points == ()
    assert merge("latest", before, reading).points == merge("latest", reading, before).points == reading.points
