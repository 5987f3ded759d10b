"""Every line of every invoice is explained: by its usage, or by the term and the lines that it comes from."""

from decimal import Decimal

import pytest

from contracts.account import Account
from contracts.catalogue import Catalogue, Metric, Percentage, Price, Product, Rate, RateCard, Spend
from contracts.contract import Access, Bound, Change, Charge, Commit, Contract, Credit, Discount, Instalment, Subscription
from contracts.explain import Explanation
from contracts.instants import instant_ms
from contracts.offline import Memory
from contracts.result import Invoice, Line
from contracts.usage import Delta

HOUR = 3_600_000
OCTOBER, NOVEMBER = instant_ms("2025-10-01"), instant_ms("2025-11-01")
CATALOGUE = Catalogue(
    metrics={"m": Metric(event_types=["e"], aggregation="sum", value="v")},
    products={
        "p": Product(name="P", metric="m"),
        "q": Product(name="Q", metric="m"),
        "seat": Product(name="Seat", type="subscription"),
        "desk": Product(name="Desk", type="subscription"),
        "setup": Product(name="Setup", type="fixed"),
        "support": Product(name="Support", type="composite", of=Spend(products=["p"])),
    },
    rate_cards={
        "list": RateCard(
            rates=[
                Rate(product="p", price=Price(per_unit=Decimal(2))),
                Rate(product="q", price=Price(per_unit=Decimal(1))),
                Rate(product="support", price=Price(percentage=Percentage(rate=Decimal("0.1")))),
            ]
        )
    },
)
YEAR = Access(amount=Decimal(1000), starting_at="2025-10-01", ending_before="2025-11-01")
CONTRACT = Contract(
    id="acme", customer="acme", rate_card="list", starting_at="2025-10-01",
    commits=[
        Commit(id="annual", type="postpaid", access=[YEAR], invoice=[Instalment(amount=Decimal(1000), at="2025-11-01")]),
        Commit(id="paid", type="prepaid", access=[Access(amount=Decimal(30), starting_at="2025-10-01")], invoice=[Instalment(amount=Decimal(20), at="2025-10-05")], priority=1),
    ],
    credits=[Credit(id="promo", access=[Access(amount=Decimal(5), starting_at="2025-10-01")], priority=2)],
    charges=[Charge(id="once", product="setup", amount=Decimal(100), at="2025-10-02"), Charge(id="monthly", product="setup", amount=Decimal(7), every="month", until="2026-01-01")],
    subscriptions=[
        Subscription(id="seats", product="seat", quantity=Decimal(2), price=Decimal(10), changes=[Change(at="2025-10-16", quantity=Decimal(3))]),
        Subscription(id="desks", product="desk", price=Decimal(31), collect="arrears", starting_at="2025-10-16"),
    ],
    minimum=Bound(amount=Decimal(500)), maximum=Bound(amount=Decimal(150), products=["p"]),
    discounts=[Discount(id="ten", percent=Decimal(10), products=["q"]), Discount(id="off", amount=Decimal(3), products=["p"])],
)  # fmt: skip


@pytest.fixture(scope="module")
def explained() -> list[tuple[Invoice, Line, Explanation]]:
    """An account with a line of each kind, in the last hour before its invoice is final: draft and final invoices side by side."""
    made = Account("acme", Memory())
    made.record_catalogue(CATALOGUE, OCTOBER)
    made.record_contract(CONTRACT, OCTOBER)
    made.record_usage([Delta("default", name, "acme", {}, OCTOBER, OCTOBER, OCTOBER, 1, Decimal(100)) for name in ("p", "q")])
    made.advance(NOVEMBER + 23 * HOUR)
    found = []
    for invoice in made.result().invoices:
        for line in invoice.lines:
            told = made.explain(line.id)
            assert told is not None
            found.append((invoice, line, told))
    return found


def test_a_line_of_every_kind_is_explained(explained: list[tuple[Invoice, Line, Explanation]]) -> None:
    kinds = {line.kind for _, line, _ in explained}
    assert kinds >= {"usage", "commit", "charge", "subscription", "composite", "minimum", "maximum", "discount", "true_up"}
    for _, line, told in explained:
        if line.amount:
            assert told.windows or told.grounds, (line.kind, told.text())
    # and what comes from other lines names them, down to those of usage
    known = {line.id: told for _, line, told in explained}
    for _, line, told in explained:
        if line.amount and line.kind in ("composite", "minimum", "maximum", "discount", "true_up"):
            assert told.rests_on, line.kind
            assert any(known[each.line].windows for each in told.rests_on), line.kind
        assert all(each.line in known for each in told.rests_on)


@pytest.mark.parametrize(
    ("kind", "product", "words"),
    (
        ("charge", None, "the purchase of commit paid of acme: 20"),
        ("charge", "setup", "charge once of acme: 100, once; due on 2025-10-02"),
        ("charge", "setup", "charge monthly of acme: 7 every month until 2026-01-01"),
        ("subscription", "seat", "subscription seats of acme: 2 × 10 every month, collected in advance"),
        ("subscription", "seat", "1 × 10 every month, collected in advance; what a change adds from its day on; the days from 2025-10-16"),
        ("subscription", "desk", "subscription desks of acme: 1 × 31 every month, collected in arrears; the days from 2025-10-16"),
        ("composite", "support", "a share of the spend on p"),
        ("maximum", None, "the maximum of 150 of acme for p; what counts came to 200"),
        ("minimum", None, "the minimum of 500 of acme for everything; what counts came to"),
        ("discount", "q", "discount ten of acme: 10 percent of what q comes to"),
        ("discount", "p", "discount off of acme: 3 off what p comes to"),
        ("true_up", None, "postpaid commit annual of acme: 1000 from 2025-10-01"),
    ),
)
def test_the_term_is_told(explained: list[tuple[Invoice, Line, Explanation]], kind: str, product: str | None, words: str) -> None:
    said = [ground for _, line, told in explained if (line.kind, line.product) == (kind, product) for ground in told.grounds]
    assert any(words in each for each in said), said


def test_what_a_true_up_rests_on_adds_up(explained: list[tuple[Invoice, Line, Explanation]]) -> None:
    [(line, told)] = [(line, told) for _, line, told in explained if line.kind == "true_up"]
    assert sum(each.amount for each in told.rests_on) + line.amount == Decimal("1000.00")
    assert told.json()["grounds"] == list(told.grounds)
    assert f"line {told.rests_on[0].line}" in told.text()
