"""A contract in time: what holds from when until when, as bars and as a list."""

from decimal import Decimal

from console.pages.parts.locales import ENGLISH
from console.pages.parts.timeline import bars, moments, spans, timeline
from contracts.catalogue import Catalogue, Metric, Price, Product, Rate, RateCard
from contracts.contract import Access, Commit, Contract, Override
from contracts.instants import instant_ms

CATALOGUE = Catalogue(
    id="c",
    metrics={"calls": Metric(event_types=["call"], aggregation="count")},
    products={"calls": Product(name="API calls", metric="calls")},
    rate_cards={
        "list": RateCard(
            rates=[
                Rate(product="calls", price=Price(per_unit=Decimal("0.002")), ending_before="2026-01-01"),
                Rate(product="calls", price=Price(per_unit=Decimal("1500.5")), starting_at="2026-01-01"),
            ]
        )
    },
)
PLAIN = Contract(id="k", customer="acme", catalogue="c", starting_at="2025-10-01", ending_before="2026-10-01")
AGREED = Contract(
    id="k",
    customer="acme",
    catalogue="c",
    rate_card="list",
    starting_at="2025-10-01",
    ending_before="2026-10-01",
    overrides=[Override(id="half", multiplier=Decimal("0.5"), starting_at="2026-04-01")],
    commits=[
        Commit(
            id="steps",
            type="prepaid",
            access=[
                Access(amount=Decimal(10000), starting_at="2025-10-01", ending_before="2026-04-01"),
                Access(amount=Decimal(20000), starting_at="2026-04-01", ending_before="2026-10-01"),
            ],
        )
    ],
)
APRIL = instant_ms("2026-04-01")


def test_rates_overrides_and_segments_hold_from_when_until_when() -> None:
    found = [(each.kind, each.name, each.start_ms == APRIL, each.end_ms) for each in spans(AGREED, CATALOGUE)]

    assert found == [
        ("Rate", "calls", False, instant_ms("2026-01-01")),
        ("Rate", "calls", False, None),
        ("Override", "half", True, None),
        ("Commit", "steps", False, APRIL),
        ("Commit", "steps", True, instant_ms("2026-10-01")),
    ]


def test_bars_stand_where_they_hold_with_a_line_for_now() -> None:
    drawn = ENGLISH.put(bars(AGREED, CATALOGUE, APRIL))

    assert drawn.count('class="track"') == 3  # what has one name is one row
    assert drawn.count('class="now" style="left:49.9%"') == 3
    assert 'style="left:49.9%;width:50.1%" title="every product × 0.5, from 2026-04-01 until the end of the contract"' in drawn
    assert 'title="20,000, from 2026-04-01 until 2026-10-01"' in drawn
    # no line once the contract is over, and no bars without anything that holds
    assert 'class="now"' not in bars(AGREED, CATALOGUE, instant_ms("2027-01-01"))
    assert bars(PLAIN, None, APRIL) == ""


def test_the_list_has_the_rates_too_in_the_order_of_time() -> None:
    said = [ENGLISH.put(text) for _, text in moments(AGREED, CATALOGUE)]

    assert said[0] == "List price of API calls: 0.002 each"
    assert said.index("List price of API calls: 1,500.5 each") < said.index("Override half: every product × 0.5")
    assert said[-1] == "The contract ends"
    assert "The contract begins" in timeline(PLAIN, None, APRIL)
