"""A rate card that our own API has shown, imported again: the same prices, and the same bill for any usage."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from console.books import Papers
from console.metronome.metrics import metric_out
from console.metronome.products import product_out
from console.metronome.rate_cards import card_out, row_out
from console.metronome.shelf import Shelf
from console.wire import Answer
from contracts.case import Case, UsageLine
from contracts.catalogue import Aggregation, Catalogue, Metric, Package, Price, PricingUnit, Product, Quantity, Rate, RateCard, Tier
from contracts.checks import check_catalogue
from contracts.contract import Contract
from contracts.offline import rate
from contracts.rendering import digest
from contracts.translation.metronome.importing import import_export
from contracts.translation.saved import read
from pipelines.document_log import Documents, RecordedCatalogue
from pipelines.objects import Objects

amounts = st.decimals(min_value=0, max_value=1000, places=6)
sizes = st.decimals(min_value=1, max_value=100, places=2)
tiers = st.builds(
    lambda steps, each, flat: [
        *(Tier(up_to=sum(steps[: number + 1], Decimal(0)), per_unit=each[number], flat=flat) for number in range(len(steps))), Tier(per_unit=each[-1]),
    ],
    st.lists(sizes, min_size=1, max_size=3), st.lists(amounts, min_size=4, max_size=4), st.sampled_from((Decimal(0), Decimal("2.5"))),
)  # fmt: skip
prices = st.one_of(
    st.builds(lambda each: Price(per_unit=each), amounts),
    st.builds(lambda size, each: Price(package=Package(size=size, price=each)), sizes, amounts),
    st.builds(lambda rows: Price(graduated=rows), tiers),
    st.builds(lambda rows: Price(volume=rows), tiers),
    st.builds(lambda each, free: Price(per_unit=each, free=free), amounts, sizes),
)
quantities = st.one_of(st.none(), st.builds(lambda by, how: Quantity(divide_by=by, round=how), sizes, st.sampled_from(("up", "down", "half_up", None))))
AGGREGATIONS: tuple[Aggregation, ...] = ("sum", "max", "latest", "count", "unique")


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Products of all kinds of metrics; each with a rate for a region and one for the others, which may change on the tenth."""
    metrics, products, rates = {}, {}, []
    for number in range(draw(st.integers(1, 3))):
        kind, name = draw(st.sampled_from(AGGREGATIONS)), f"p{number}"
        metrics[f"m{number}"] = Metric(event_types=[f"e{number}"], aggregation=kind, value=None if kind == "count" else "n", group_keys=["region"])
        quantity = draw(quantities)
        said = None if quantity == Quantity() else quantity
        products[name] = Product(name=name, metric=f"m{number}", pricing_group_keys=["region"], quantity=said, tags=draw(st.sampled_from(([], ["ai"]))))
        unit = draw(st.sampled_from((None, "coin")))
        rates.append(Rate(product=name, price=draw(prices), where={"region": "eu"}, unit=unit, entitled=draw(st.booleans())))
        change = draw(st.booleans())
        rates.append(Rate(product=name, price=draw(prices), ending_before="2026-08-10T00:00:00Z" if change else None))
        if change:
            rates.append(Rate(product=name, price=draw(prices), starting_at="2026-08-10T00:00:00Z"))
    units = {"coin": PricingUnit(name="Coins", price=Decimal("0.25"))}
    return Catalogue(metrics=metrics, products=products, pricing_units=units, rate_cards={"card": RateCard(name="Card", rates=rates)})


usage = st.lists(
    st.builds(
        lambda product, day, n, region: UsageLine(
            event_type=f"e{product}", timestamp=f"2026-08-{day:02d}T05:00:00Z", customer="acme",
            properties={"n": format(n, "f")} | ({"region": region} if region else {}),
        ),
        st.integers(0, 2), st.integers(1, 31), sizes, st.sampled_from(("eu", "us", "")),
    ),
    max_size=12,
)  # fmt: skip


def shown(catalogue: Catalogue) -> dict[str, str]:
    """What the API answers for the catalogue, as files."""
    documents = Documents()
    documents.catalogues[catalogue.id] = RecordedCatalogue(1, catalogue)
    at = Shelf(Papers(documents, Objects()))
    lists: dict[str, list[Any]] = {
        "metrics": [metric_out(at, catalogue, name, each) for name, each in catalogue.metrics.items()],
        "products": [product_out(at, catalogue, name, each) for name, each in catalogue.products.items()],
        "cards": [card_out(at, catalogue, name, each) for name, each in catalogue.rate_cards.items()],
        "rates": [row_out(at, catalogue, each) for each in catalogue.rate_cards["card"].rates],
    }
    return {f"{name}.json": bytes(Answer({"data": rows, "next_page": None}).body).decode() for name, rows in lists.items()}


def billed(catalogue: Catalogue, events: list[UsageLine]) -> str:
    contract = Contract(id="acme", customer="acme", rate_card="card", starting_at="2026-08-01")
    named = [UsageLine(event_type=each.event_type, timestamp=each.timestamp, customer=each.customer, transaction_id=f"t{number}", properties=each.properties) for number, each in enumerate(events)]
    (result,) = rate(Case(case="round trip", catalogue=catalogue, contracts=[contract], usage=named, as_of="2026-09-03"))
    return digest(result.invoices, result.balances)


@settings(max_examples=150, deadline=None)
@given(catalogue=catalogues(), events=usage)
def test_a_rate_card_survives_the_way_through_the_api(catalogue: Catalogue, events: list[UsageLine]) -> None:
    # given a catalogue of ours
    assert check_catalogue(catalogue) == []
    # when its answers of the API are imported
    found = import_export(read(shown(catalogue))).imported
    # then nothing is lost, and any usage comes to the same bill, to the last byte
    assert found.findings == []
    (again,) = found.catalogues
    assert again.rate_cards["card"].rates == catalogue.rate_cards["card"].rates
    assert billed(again, events) == billed(catalogue, events)
