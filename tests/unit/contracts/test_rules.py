"""The rules of rating in small numbers: a row is a rule, what is given, and what must come out of October."""

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest

from contracts.account import Account
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.instants import instant_ms
from contracts.offline import Memory
from contracts.result import Invoice, Result
from contracts.usage import Delta

HOUR = 3_600_000
METRICS = {"m": {"event_types": ["e"], "aggregation": "sum", "value": "v", "group_keys": ["region"]}}
P = {"p": {"name": "P", "metric": "m"}}


class Rule(NamedTuple):
    name: str
    rates: list[dict[str, Any]]
    terms: dict[str, Any]
    usage: list[tuple[str, str]]
    """(time, quantity)."""
    lines: list[tuple[str, ...]]
    """(kind, quantity, unit price, tier, amount, commit, override), a dash for none; lines of zero left out."""
    products: dict[str, Any] = P


def per_unit(price: str, **more: Any) -> dict[str, Any]:
    return {"product": "p", "price": {"per_unit": price}, **more}


def access(amount: str, start: str = "2025-10-01", end: str = "2026-01-01") -> list[dict[str, str]]:
    return [{"amount": amount, "starting_at": start, "ending_before": end}]


RULES = [
    Rule("half a cent goes up", [per_unit("0.005")], {}, [("2025-10-02", "1")], [("usage", "1", "0.005", "-", "0.01", "-", "-")]),
    Rule("and below zero away from zero", [per_unit("0.005")], {}, [("2025-10-02", "-1")], [("usage", "-1", "0.005", "-", "-0.01", "-", "-")]),
    Rule(
        "up_to is inclusive",
        [{"product": "p", "price": {"graduated": [{"up_to": "5", "per_unit": "1"}, {"per_unit": "2"}]}}],
        {},
        [("2025-10-02", "5")],
        [("usage", "5", "1", "1", "5.00", "-", "-")],
    ),
    Rule(
        "a flat is due once its tier is entered, the first also without usage",
        [{"product": "p", "price": {"graduated": [{"up_to": "5", "per_unit": "1", "flat": "10"}, {"per_unit": "2", "flat": "20"}]}}],
        {},
        [("2025-10-02", "6")],
        [
            ("usage", "1", "10", "1", "10.00", "-", "-"), ("usage", "1", "2", "2", "2.00", "-", "-"), ("usage", "1", "20", "2", "20.00", "-", "-"),
            ("usage", "5", "1", "1", "5.00", "-", "-"),
        ],
    ),
    Rule(
        "tiers go on over a price change",
        [
            {"product": "p", "price": {"graduated": [{"up_to": "10", "per_unit": "1"}, {"per_unit": "2"}]}, "ending_before": "2025-10-10"},
            {"product": "p", "price": {"graduated": [{"up_to": "10", "per_unit": "3"}, {"per_unit": "4"}]}, "starting_at": "2025-10-10"},
        ],
        {},
        [("2025-10-02", "8"), ("2025-10-12", "4")],
        [("usage", "2", "3", "1", "6.00", "-", "-"), ("usage", "2", "4", "2", "8.00", "-", "-"), ("usage", "8", "1", "1", "8.00", "-", "-")],
    ),
    Rule(
        "packages over split lines",
        [{"product": "p", "price": {"package": {"size": "10", "price": "1"}}}],
        {"overrides": [{"id": "o", "starting_at": "2025-10-10", "multiplier": "0.5"}]},
        [("2025-10-02", "11"), ("2025-10-12", "10")],
        [("usage", "1", "0.5", "-", "0.50", "-", "o"), ("usage", "2", "1", "-", "2.00", "-", "-")],
    ),
    Rule(
        "free units come first",
        [{"product": "p", "price": {"package": {"size": "10", "price": "1"}, "free": "5"}}],
        {},
        [("2025-10-02", "16")],
        [("usage", "2", "1", "-", "2.00", "-", "-")],
    ),
    Rule("a flat is once a period with usage", [{"product": "p", "price": {"flat": "9"}}], {}, [("2025-10-02", "3"), ("2025-10-12", "4")], [("usage", "1", "9", "-", "9.00", "-", "-")]),
    Rule(
        "an overwrite prices what the card does not",
        [],
        {"overrides": [{"id": "o", "products": ["p"], "price": {"per_unit": "7"}}]},
        [("2025-10-02", "2")],
        [("usage", "2", "7", "-", "14.00", "-", "o")],
    ),
    Rule(
        "a prepaid commit before a postpaid one, whatever their priority",
        [per_unit("1")],
        {
            "commits": [
                {"id": "post", "type": "postpaid", "priority": 1, "access": access("100"), "invoice": [{"amount": "100", "at": "2026-01-01"}]},
                {"id": "pre", "type": "prepaid", "priority": 9, "access": access("3")},
            ]
        },
        [("2025-10-02", "5")],
        [("commit", "-", "-", "-", "-3.00", "pre", "-"), ("usage", "2", "1", "-", "2.00", "post", "-"), ("usage", "3", "1", "-", "3.00", "pre", "-")],
    ),
    Rule(
        "what does not end is printed to twelve places, the rest is the difference",
        [per_unit("3")],
        {"credits": [{"id": "c", "access": access("10")}]},
        [("2025-10-02", "5")],
        [
            ("commit", "-", "-", "-", "-10.00", "c", "-"), ("usage", "1.666666666667", "3", "-", "5.00", "-", "-"),
            ("usage", "3.333333333333", "3", "-", "10.00", "c", "-"),
        ],
    ),
    Rule(
        "a maximum, then a discount, then a credit",
        [per_unit("1")],
        {"maximum": {"amount": "80"}, "discounts": [{"id": "d", "percent": "10"}], "credits": [{"id": "c", "access": access("50")}]},
        [("2025-10-02", "100")],
        [
            ("commit", "-", "-", "-", "-50.00", "c", "-"), ("discount", "-", "-", "-", "-8.00", "-", "-"), ("maximum", "-", "-", "-", "-20.00", "-", "-"),
            ("usage", "50", "1", "-", "50.00", "-", "-"), ("usage", "50", "1", "-", "50.00", "c", "-"),
        ],
    ),
    Rule(
        "a grant leaves what a discount takes",
        [per_unit("1")],
        {"discounts": [{"id": "d", "amount": "30"}], "credits": [{"id": "c", "access": access("500")}]},
        [("2025-10-02", "100")],
        [
            ("commit", "-", "-", "-", "-70.00", "c", "-"), ("discount", "-", "-", "-", "-30.00", "-", "-"), ("usage", "30", "1", "-", "30.00", "-", "-"),
            ("usage", "70", "1", "-", "70.00", "c", "-"),
        ],
    ),
    Rule(
        "a custom pricing unit has its price in the currency",
        [per_unit("3", unit="credit")],
        {},
        [("2025-10-02", "2")],
        [("usage", "2", "1.5", "-", "3.00", "-", "-")],
    ),
    Rule(
        "a subscription in arrears stands on the usage invoice",
        [],
        {"subscriptions": [{"id": "s", "product": "seat", "quantity": 2, "price": "31", "collect": "arrears", "changes": [{"at": "2025-10-22", "quantity": 3}]}]},
        [],
        [("subscription", "1", "31", "-", "10.00", "-", "-"), ("subscription", "2", "31", "-", "62.00", "-", "-")],
        {**P, "seat": {"name": "Seat", "type": "subscription"}},
    ),
]  # fmt: skip


def rated(rule: Rule, until: str = "2025-10-31T23:00:00Z") -> Result:
    document = {
        "metrics": METRICS, "products": rule.products, "rate_cards": {"list": {"rates": rule.rates}}, "pricing_units": {"credit": {"price": "0.5"}},
    }  # fmt: skip
    catalogue = msgspec.convert(document, Catalogue, strict=False)
    contract = msgspec.convert(
        {"id": "k", "customer": "acme", "rate_card": "list", "starting_at": "2025-10-01", "ending_before": "2026-10-01", **rule.terms}, Contract, strict=False
    )
    account = Account("acme", Memory())
    start = instant_ms("2025-10-01")
    account.record_catalogue(catalogue, start)
    account.record_contract(contract, start)
    for time, quantity in rule.usage:
        at = instant_ms(time)
        account.record_usage([Delta("default", "p", "acme", {}, at - at % HOUR, at, at, 1, Decimal(quantity))])
    account.advance(instant_ms(until))
    return account.result()


def shown(invoice: Invoice) -> list[tuple[str, ...]]:
    found = []
    for line in invoice.lines:
        if line.amount:
            values = (line.kind, line.quantity, line.unit_price, line.tier, line.amount, line.commit, line.override)
            found.append(tuple("-" if value is None else format(value, "f") if isinstance(value, Decimal) else str(value) for value in values))
    return sorted(found)


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_rule(rule: Rule) -> None:
    invoice = next(i for i in rated(rule).invoices if i.kind == "usage")
    assert shown(invoice) == sorted(rule.lines)
    assert invoice.total == sum((Decimal(line[4]) for line in rule.lines), Decimal(0))


SCHEDULED = [
    ("a commit's purchase", {"commits": [{"id": "c", "type": "prepaid", "access": access("9"), "invoice": [{"amount": "5", "at": "2025-10-05"}]}]}, {"2025-10-05": "5.00"}),
    ("items of one date on one invoice", {
        "charges": [{"id": "a", "product": "fee", "amount": "1", "at": "2025-10-05"}, {"id": "b", "product": "fee", "amount": "2", "at": "2025-10-05"}]
    }, {"2025-10-05": "3.00"}),
    ("a recurring commit is invoiced when a grant starts", {
        "recurring_commits": [{"id": "r", "amount": "8", "invoice_amount": "6", "starting_at": "2025-10-01", "ending_before": "2025-11-15", "proration": "last"}]
    }, {"2025-10-01": "6.00", "2025-11-01": "2.80"}),
    ("a fall counts from the next period", {
        "subscriptions": [{"id": "s", "product": "fee", "quantity": 4, "price": "10", "changes": [{"at": "2025-10-10", "quantity": 1}], "ending_before": "2025-12-01"}]
    }, {"2025-10-01": "40.00", "2025-11-01": "10.00"}),
    ("a dearer price pays its days", {
        "subscriptions": [{"id": "s", "product": "fee", "quantity": 1, "price": "31", "changes": [{"at": "2025-10-22", "price": "62"}], "ending_before": "2025-11-01"}]
    }, {"2025-10-01": "31.00", "2025-10-22": "10.00"}),
    ("without proration a part of a period is paid in full", {
        "subscriptions": [{"id": "s", "product": "fee", "price": "31", "starting_at": "2025-10-30", "prorate": False, "ending_before": "2025-11-01"}]
    }, {"2025-10-30": "31.00"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "terms", "wanted"), SCHEDULED, ids=[row[0] for row in SCHEDULED])
def test_scheduled(name: str, terms: dict[str, Any], wanted: dict[str, str]) -> None:
    rule = Rule(name, [], terms, [], [], {**P, "fee": {"name": "Fee", "type": "fixed"}})
    found = {i.issue_ms: i for i in rated(rule, "2025-12-15").invoices if i.kind == "scheduled"}
    assert {at: format(i.total, "f") for at, i in found.items()} == {instant_ms(day): total for day, total in wanted.items()}
    assert all(i.status == "final" for i in found.values())
