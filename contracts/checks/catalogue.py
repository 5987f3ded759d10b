"""The rules of a catalogue document."""

from itertools import combinations
from typing import Final

from contracts.catalogue import Catalogue, Expression, Metric, Product, Rate
from contracts.checks.findings import Findings, cycle, overlap, quiet_ms, reached, same_usage
from contracts.checks.prices import check_price
from contracts.shapes import nearest
from contracts.sources import Path, Problem

CURRENCIES: Final = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY"
    " COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD"
    " IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR"
    " MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC"
    " SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR"
    " XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG ZWL".split()
)
"""ISO 4217."""
CARRIED: Final = ("latest", "unique", "time_weighted")


def check_catalogue(catalogue: Catalogue, previous: Catalogue | None = None, *, window_minutes: int = 60) -> list[Problem]:
    """Everything that is wrong with a catalogue. `previous` is its version so far, when it is an edit."""
    findings = Findings(catalogue.timezone, window_minutes)
    if catalogue.currency not in CURRENCIES:
        findings.add(("currency",), f"{catalogue.currency!r} is no currency of ISO 4217; {nearest(catalogue.currency.upper(), CURRENCIES)}")
    if previous is not None and previous.currency != catalogue.currency:
        message = f"the currency cannot change from {previous.currency} to {catalogue.currency}: amounts of running contracts would change"
        findings.add(("currency",), f"{message}; make a catalogue with another id")
    if not catalogue.id:
        findings.add(("id",), "an id must not be empty")
    if not findings.zone(("timezone",), catalogue.timezone):
        findings.timezone = "UTC"
    for name, metric in catalogue.metrics.items():
        _metric(findings, ("metrics", name), metric)
    for name, product in catalogue.products.items():
        _product(findings, ("products", name), name, product, catalogue)
    for name, unit in catalogue.pricing_units.items():
        findings.positive(("pricing_units", name, "price"), unit.price)
    for name, card in catalogue.rate_cards.items():
        path: Path = ("rate_cards", name, "rates")
        for number, rate in enumerate(card.rates):
            _rate(findings, (*path, number), rate, catalogue)
        _overlaps(findings, path, card.rates)
    return findings.problems


def _metric(findings: Findings, path: Path, metric: Metric) -> None:
    if not metric.event_types:
        findings.add((*path, "event_types"), "a metric counts at least one event type")
    findings.where((*path, "where"), metric.where)
    if metric.aggregation == "count" and metric.value is not None:
        findings.add((*path, "value"), "count counts events and takes no value; leave it out, or use sum")
    if metric.aggregation != "count" and metric.value is None:
        findings.add(path, f'{metric.aggregation} needs a value: a property name, or {{expression: "..."}}')
    if metric.carry and metric.aggregation not in CARRIED:
        findings.add((*path, "carry"), f"only {', '.join(CARRIED)} can carry a value into the next period, not {metric.aggregation}")
    if isinstance(metric.value, Expression):
        _expression(findings, (*path, "value", "expression"), metric.value.expression)
    elif metric.value == "":
        findings.add((*path, "value"), "the name of a property must not be empty")


def _expression(findings: Findings, path: Path, text: str) -> None:
    from contracts import expressions  # noqa: PLC0415 - imported late: most catalogues have no expression

    try:
        expressions.parse(text)
    except ValueError as error:
        findings.add(path, str(error))


def _product(findings: Findings, path: Path, name: str, product: Product, catalogue: Catalogue) -> None:
    findings.where((*path, "where"), product.where)
    metric = None
    if product.metric is not None:
        if product.type != "usage":
            findings.add((*path, "metric"), f"a {product.type} product is not metered; leave metric out, or make it type: usage")
        elif findings.known((*path, "metric"), "metric", product.metric, catalogue.metrics):
            metric = catalogue.metrics[product.metric]
    elif product.type == "usage":
        findings.add(path, f"a usage product needs a metric; {nearest('', catalogue.metrics)}. Or give its type: fixed, subscription or composite")
    for key in ("pricing_group_keys", "presentation_group_keys"):
        for number, group in enumerate(getattr(product, key)):
            if metric is not None and group not in metric.group_keys:
                hint = f"add it to group_keys of metric {product.metric!r}; {nearest(group, metric.group_keys)}"
                findings.add((*path, key, number), f"{group!r} is no group key of the metric; {hint}")
    if product.quantity is not None:
        findings.positive((*path, "quantity", "divide_by"), product.quantity.divide_by)
        if not 0 <= product.quantity.decimals <= 12:
            findings.add((*path, "quantity", "decimals"), f"{product.quantity.decimals} decimals; 0 to 12 are allowed")
    if product.type == "composite":
        _composite(findings, path, name, product, catalogue)
    elif product.of is not None:
        findings.add((*path, "of"), f"only a composite product is a share of others; this one is {product.type}. Give it type: composite")


def _composite(findings: Findings, path: Path, name: str, product: Product, catalogue: Catalogue) -> None:
    if product.of is None or not (product.of.products or product.of.tags):
        findings.add(path, "a composite product needs `of: {products: [...]}` or `of: {tags: [...]}`: what it is a share of")
        return
    findings.targets((*path, "of"), product.of, catalogue)

    def parts(of: str) -> list[str]:
        spend = catalogue.products[of].of
        return sorted(reached(spend, catalogue)) if spend is not None and (spend.products or spend.tags) else []

    way = cycle(name, parts)
    if way is not None:
        findings.add((*path, "of"), f"the product is a share of itself: {' → '.join(way)}; take one of them out (a cycle has no price)")


def _rate(findings: Findings, path: Path, rate: Rate, catalogue: Catalogue) -> None:
    findings.interval(path, rate.starting_at, rate.ending_before)
    findings.where((*path, "where"), rate.where)
    product = None
    if findings.known((*path, "product"), "product", rate.product, catalogue.products):
        product = catalogue.products[rate.product]
        for key in rate.where:
            keys = {*product.pricing_group_keys, *product.presentation_group_keys, *product.where}
            if key not in keys:
                hint = f"add it to pricing_group_keys of product {rate.product!r}; {nearest(key, keys)}"
                findings.add((*path, "where", key), f"{key!r} does not split this product, so no usage could have this rate; {hint}")
    composite = None if product is None else product.type == "composite"
    check_price(findings, (*path, "price"), rate.price, composite=composite)
    if rate.commit_price is not None:
        check_price(findings, (*path, "commit_price"), rate.commit_price, composite=composite)
    if rate.unit is not None:
        findings.known((*path, "unit"), "pricing unit", rate.unit, catalogue.pricing_units)


def _overlaps(findings: Findings, path: Path, rates: list[Rate]) -> None:
    by_product: dict[str, list[tuple[int, Rate, tuple[int | None, int | None]]]] = {}
    for number, rate in enumerate(rates):
        span = (quiet_ms(rate.starting_at, findings.timezone), quiet_ms(rate.ending_before, findings.timezone))
        by_product.setdefault(rate.product, []).append((number, rate, span))
    for product, group in by_product.items():
        for (first, one, span), (second, other, later) in combinations(group, 2):
            if same_usage(one.where, other.where) and overlap(span, later):
                for_what = f" where {', '.join(one.where)} is the same" if one.where else ""
                findings.add(
                    (*path, second),
                    f"overlapping rates: rate {second + 1} and rate {first + 1} both price product {product!r}{for_what} at the same time;"
                    " end the earlier one (ending_before) where the later one starts (starting_at)",
                )
