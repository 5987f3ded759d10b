"""A draft that grows by each input is the draft that is folded from nothing: situations in which it was not."""

from decimal import Decimal
from pathlib import Path

import pytest

from contracts.account import Account
from contracts.catalogue import Catalogue, Metric, Price, Product, Rate, RateCard, Tier
from contracts.contract import Access, Contract, Credit, Override, OverrideTier
from contracts.instants import instant_ms
from contracts.offline import Memory, rate
from contracts.rendering import result_json
from contracts.usage import Delta, Point
from pipelines.documents import load_case
from tests.expectation import differences

HOUR = 3_600_000
OCTOBER, MIDDLE, NOVEMBER = instant_ms("2025-10-01"), instant_ms("2025-10-15"), instant_ms("2025-11-01")
FOUND = Path(__file__).parents[2] / "cases" / "found"


def catalogue(aggregation: str = "sum", currency: str = "USD", *, carry: bool = False) -> Catalogue:
    return Catalogue(
        currency=currency,
        metrics={"m": Metric(event_types=["e"], aggregation=aggregation, value="v", carry=carry)},  # type: ignore[arg-type]
        products={"p": Product(name="P", metric="m")},
        rate_cards={"list": RateCard(rates=[Rate(product="p", price=Price(per_unit=Decimal(2)), commit_price=Price(per_unit=Decimal(1)))])},
    )


def contract(name: str = "k", **terms: object) -> Contract:
    return Contract(**{"id": name, "customer": "acme", "rate_card": "list", "starting_at": "2025-10-01", **terms})  # type: ignore[arg-type]


def account(what: Catalogue, *documents: Contract) -> Account:
    made = Account("acme", Memory())
    made.record_catalogue(what, OCTOBER)
    for document in documents:
        made.record_contract(document, OCTOBER)
    return made


def again(made: Account) -> Account:
    """The same account, folded from nothing."""
    return Account.restore(made.root, made.snapshot(), made._life.windows.store)


def reading(value: int, at: int) -> Delta:
    return Delta("default", "p", "acme", {}, at, at, at, 1, points=(Point(at, str(at), Decimal(value)),))


@pytest.mark.parametrize(
    "name", ("fall-stays-one-when-usage-follows", "late-value-changes-the-draft-behind", "void-takes-back-its-own-late-usage", "late-after-an-early-finalize")
)
def test_a_case_that_was_found(name: str) -> None:
    case = load_case(FOUND / f"{name}.yaml")
    expects = [each.expect for each in case.readings] or [case.expect]
    assert [differences(expect, result_json(result)) for expect, result in zip(expects, rate(case), strict=True)] == [[] for _ in expects]


def test_draws_made_again_count_the_units_of_a_tiered_override_once() -> None:
    # given a credit that draws at the commit rate, half of it for the first 10 units, in two open periods
    tiered = Override(id="first", target="commit", tiers=[OverrideTier(size=Decimal(10), multiplier=Decimal("0.5"))])
    credit = Credit(id="c", rate="commit", access=[Access(amount=Decimal(100), starting_at="2025-10-01")])
    made = account(catalogue(), contract(overrides=[tiered], credits=[credit]))
    for at in (OCTOBER, NOVEMBER):
        made.record_usage([Delta("default", "p", "acme", {}, at, at, at, 1, Decimal(20))])
        made.result()
    # when usage of the first comes, and the second is drawn again
    made.record_usage([Delta("default", "p", "acme", {}, OCTOBER, NOVEMBER + HOUR, OCTOBER, 1, Decimal(1))])
    # then 10 units of it are still half price
    assert made.result() == again(made).result()


def test_a_value_carries_into_a_contract_that_starts_within_the_period_of_its_payer() -> None:
    # given two contracts of a child one after the other, billed by the parent
    first = contract("k1", customer="north", parent="top", payer="parent", ending_before="2025-10-15")
    second = contract("k2", customer="north", parent="top", payer="parent", starting_at="2025-10-15")
    made = account(catalogue("latest", carry=True), contract("top"), first, second)
    made.advance(MIDDLE + HOUR)
    made.result()
    # when a value comes in the time of the first
    made.record_usage([reading(4, OCTOBER + HOUR)._replace(customer="north", recorded_ms=MIDDLE + HOUR)])
    # then the second has it from its start
    assert made.result() == again(made).result()
    assert [line.quantity for invoice in made.result().invoices for line in invoice.lines if line.starting_ms >= MIDDLE] == [4]


def test_a_draft_with_the_same_lines_shows_the_currency_of_now() -> None:
    made = account(catalogue(), contract())
    assert [invoice.currency for invoice in made.result().invoices] == ["USD"]
    made.record_catalogue(catalogue(currency="EUR"), OCTOBER + HOUR)
    assert [invoice.currency for invoice in made.result().invoices] == ["EUR"]


def test_a_line_in_which_nothing_changed_is_the_same_object() -> None:
    # given usage of three groups in two halves of a month, the first lines paid by a credit
    what = Catalogue(
        metrics={"m": Metric(event_types=["e"], aggregation="sum", value="v", group_keys=["region"])},
        products={"p": Product(name="P", metric="m", pricing_group_keys=["region"])},
        rate_cards={"list": RateCard(rates=[Rate(product="p", price=Price(per_unit=Decimal(2)))])},
    )
    credit = Credit(id="c", access=[Access(amount=Decimal(50), starting_at="2025-10-01")])
    made = account(what, contract(credits=[credit], overrides=[Override(id="half", starting_at="2025-10-15", multiplier=Decimal("0.5"))]))
    at = [(region, start) for start in (OCTOBER, MIDDLE) for region in ("a", "b", "c")]
    made.record_usage(Delta("default", "p", "acme", {"region": region}, start, MIDDLE, start, 1, Decimal(10)) for region, start in at)
    before = {line.id: line for line in made.result().invoices[0].lines}
    # when one of them grows, behind the end of the credit, and draws behind it are made again
    made.record_usage([Delta("default", "p", "acme", {"region": "c"}, OCTOBER, MIDDLE, OCTOBER, 1, Decimal(1))])
    after = made.result().invoices[0].lines
    # then
    other = [line for line in after if before.get(line.id) is not line]
    assert [(line.group["region"], line.starting_ms, line.quantity) for line in other] == [("c", OCTOBER, Decimal(6))]
    assert made.result() == again(made).result()


def test_a_line_that_comes_between_others_leaves_them_the_same_objects() -> None:
    # given two groups
    what = Catalogue(
        metrics={"m": Metric(event_types=["e"], aggregation="sum", value="v", group_keys=["region"])},
        products={"p": Product(name="P", metric="m", pricing_group_keys=["region"])},
        rate_cards={"list": RateCard(rates=[Rate(product="p", price=Price(graduated=[Tier(up_to=Decimal(10), per_unit=Decimal(2)), Tier(per_unit=Decimal(1))]))])},
    )
    made = account(what, contract())
    for region in ("a", "b"):
        made.record_usage([Delta("default", "p", "acme", {"region": region}, OCTOBER, OCTOBER, OCTOBER, 1, Decimal(10))])
    before = made.result().invoices[0].lines
    assert len(before) == 2
    # when the first reaches its second tier
    made.record_usage([Delta("default", "p", "acme", {"region": "a"}, OCTOBER, OCTOBER, OCTOBER, 1, Decimal(5))])
    after = made.result().invoices[0].lines
    # then there is one line more, and the other group's is the same
    assert len(after) == 3
    assert [line for line in after if line is before[1]]
    assert made.result() == again(made).result()
