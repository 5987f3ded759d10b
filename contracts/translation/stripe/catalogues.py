"""Catalogues from prices and meters: one for each currency, with a rate card for each set of metered prices that is subscribed to together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from contracts.catalogue import Catalogue, Metric, Rate, RateCard
from contracts.translation.fields import RefusedError, Wrong
from contracts.translation.saved import UNREADABLE, Finding, Saved, wrongs
from contracts.translation.stripe.prices import READ, Priced, legacy_metric, meter_in, price_in

METER: Final = frozenset(
    "id object created customer_mapping default_aggregation display_name event_name event_time_window livemode status status_transitions updated value_settings".split()
)
ALL: Final = "list"
"""The rate card with every active metered price, also those that nobody has subscribed to yet."""


class PriceList(NamedTuple):
    prices: dict[str, Priced]
    metrics: dict[str, Metric]
    refused: dict[str, str]
    """Ids of prices and meters that cannot be said, each with why."""


def price_list(of: Mapping[str, Sequence[Saved]], findings: list[Finding]) -> PriceList:
    """Prices and meters; prices that only stand in subscriptions are read there."""
    found = PriceList({}, {}, {})
    for each in of["billing.meter"]:
        try:
            found.metrics[each.id] = meter_in(each.data)
        except UNREADABLE as error:
            _refuse(each, "meter", error, found, findings)
        else:
            findings += unknown(each, "meter", METER)
            if each.data.get("event_time_window"):
                message = f"is {each.data['event_time_window']}: events were added up before they were sent; send them so here too"
                findings.append(each.finding("noted", "meter", "event_time_window", message))
    products = {each.id: each.data for each in of["product"]}
    subscribed = {name for each in of["subscription"] for name in _names(each)}
    for each in _with_embedded(of):
        try:
            priced = price_in(each.data, products)
            legacy = legacy_metric(each.data)
            if legacy is not None and priced.metric:
                found.metrics[priced.metric] = legacy
                message = f"counts usage records, which have no event name: send events of type {priced.id!r} with a property quantity"
                findings.append(each.finding("noted", "price", "recurring.meter", message))
            elif priced.metric and priced.metric not in found.metrics:
                raise RefusedError(Wrong("recurring.meter", found.refused.get(priced.metric, f"meter {priced.metric} is not in the export; save /v1/billing/meters")))
        except UNREADABLE as error:
            _refuse(each, "price", error, found, findings)
        else:
            found.prices[each.id] = priced
            findings += unknown(each, "price", READ)
            findings += _elsewhere(each, priced, subscribed)
    return found


def _elsewhere(saved: Saved, priced: Priced, subscribed: set[str]) -> Iterable[Finding]:
    """What a price comes to when no document has its amount."""
    amounts = ", ".join(f"{price.per_unit:f} {currency}" for currency, price in priced.prices.items() if price.per_unit is not None)
    if priced.kind == "one_time":
        yield saved.finding("noted", "price", "type", f"is due once ({amounts}): a contract that has it says so under charges")
    elif priced.id not in subscribed and priced.kind == "licensed":
        yield saved.finding("noted", "price", "recurring", f"is for seats ({amounts} each) and nobody has it: a contract that has it says so under subscriptions")
    elif priced.id not in subscribed and not priced.active:
        yield saved.finding("noted", "price", "active", "is not active and nobody has it, so it is on no rate card")


def _names(subscription: Saved) -> Iterable[str]:
    for price in _prices(subscription):
        yield str(price.get("id") if isinstance(price, dict) else price)


def _prices(subscription: Saved) -> Iterable[Any]:
    """Ids or objects of its prices; what is wrong with the items is told where the contract is read."""
    items = subscription.data.get("items")
    rows = items.get("data") if isinstance(items, dict) else None
    return [row.get("price") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _with_embedded(of: Mapping[str, Sequence[Saved]]) -> Iterable[Saved]:
    there = {each.id for each in of["price"]}
    yield from of["price"]
    for each in of["subscription"]:
        for price in _prices(each):
            if isinstance(price, dict) and str(price.get("id")) not in there:
                there.add(str(price.get("id")))
                yield Saved(each.file, price)


def _refuse(saved: Saved, kind: str, error: Exception, found: PriceList, findings: list[Finding]) -> None:
    findings += saved.refusals(kind, error)
    found.refused[saved.id] = "; ".join(map(str, wrongs(error)))


def unknown(saved: Saved, kind: str, read: frozenset[str]) -> list[Finding]:
    """Fields that say something and are not known here."""
    names = [name for name in sorted(saved.data.keys() - read) if saved.data[name] not in (None, [], {}, "", False)]
    return [saved.finding("noted", kind, name, "is a field that is not known here; see whether it decides an amount") for name in names]


def card_name(prices: Iterable[str]) -> str:
    """The rate card of a set of metered prices."""
    names = sorted(prices)
    if len(names) <= 2:
        return "+".join(names)
    return f"{names[0]}+{len(names) - 1}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}"


def catalogues_of(listed: PriceList, sets: Mapping[str, set[frozenset[str]]], findings: list[Finding]) -> dict[str, Catalogue]:
    """By currency. `sets` has the metered prices of each subscription, by currency."""
    currencies = sorted({currency for each in listed.prices.values() for currency in each.prices} | sets.keys())
    home = "USD" if "USD" in currencies else next(iter(currencies), "USD")
    found = {}
    for currency in currencies or [home]:
        mine = {name: each for name, each in listed.prices.items() if currency in each.prices}
        cards = {card_name(each): _card(each, mine, currency) for each in sets.get(currency, ()) if each} | _everything(mine, currency, findings)
        metrics = {each.metric for each in mine.values()}
        found[currency] = Catalogue(
            currency=currency,
            id="default" if currency == home else currency.lower(),
            metrics={name: metric for name, metric in listed.metrics.items() if name in metrics or currency == home},
            products={name: each.product for name, each in mine.items()},
            rate_cards=dict(sorted(cards.items())),
        )
    return found


def _card(names: Iterable[str], prices: Mapping[str, Priced], currency: str) -> RateCard:
    return RateCard(rates=[Rate(product=name, price=prices[name].prices[currency]) for name in sorted(names)])


def _everything(prices: Mapping[str, Priced], currency: str, findings: list[Finding]) -> dict[str, RateCard]:
    active = [name for name, each in prices.items() if each.kind == "metered" and each.active]
    by_metric: dict[Any, list[str]] = {}
    for name in active:
        by_metric.setdefault(prices[name].metric, []).append(name)
    for metric, names in by_metric.items():
        if len(names) > 1:
            message = f"counts for {', '.join(names)}, which are all on the rate card {ALL!r} in {currency}: a contract on it would pay each; make a card for each plan"
            findings.append(Finding("noted", "", "meter", str(metric), "", message))
    return {ALL: _card(active, prices, currency)} if active else {}
