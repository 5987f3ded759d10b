"""Random catalogues: metrics of every aggregation, products with groups and quantities, rates of every price."""

from decimal import Decimal
from typing import Any, Final

from tests.reference.dice import Dice, Document

AGGREGATIONS: Final = ("count", "max", "min", "latest", "unique", "time_weighted")


def random_catalogue(dice: Dice) -> Document:
    """Usage products a, b, c; after them in the alphabet what is not usage."""
    made: Document = {"currency": "JPY" if dice.on("yen") else "USD", "metrics": {}, "products": {}, "rate_cards": {"list": {"rates": []}}}
    rates = made["rate_cards"]["list"]["rates"]
    names = ["a", "b", "c"][: dice.rng.randint(2, 3)] if dice.on("several_products") else ["a"]
    kinds = [kind for kind in AGGREGATIONS if dice.on(kind)]
    for name in names:
        kind = dice.rng.choice(kinds) if kinds and (name == "a" or dice.maybe(0.4)) else "sum"
        made["metrics"][f"m-{name}"] = metric(dice, name, kind)
        made["products"][name] = product(dice, name)
        rates += rates_of(dice, name, made["products"][name])
    if dice.on("advance") or dice.on("arrears"):
        made["products"]["x-seat"] = {"name": "x-seat", "type": "subscription"}
    if dice.on("charge"):
        made["products"]["y-fee"] = {"name": "y-fee", "type": "fixed"}
    if dice.on("composite"):
        of = {"products": names[: dice.rng.randint(1, len(names))]} if dice.maybe(0.6) else {"tags": ["t"]}
        made["products"]["z-share"] = {"name": "z-share", "type": "composite", "of": of}
        rates.append({"product": "z-share", "price": {"percentage": {"rate": "0.10", "minimum": dice.rng.choice(["0", "12.5", "40"])}}})
    if dice.on("unit"):
        made["pricing_units"] = {"token": {"price": "0.25"}}
    return made


def metric(dice: Dice, name: str, kind: str) -> Document:
    made: Document = {"event_types": [f"e-{name}"], "aggregation": kind, "group_keys": ["region", "team"]}
    if kind != "count":
        made["value"] = "v"
    if dice.on("expression") and kind not in {"count", "unique"}:
        made["value"] = {"expression": dice.rng.choice(["v + 2 * w", "least(v * 0.5, 11)", "greatest(v, w)", "(v + w) / 4"])}
    if dice.on("carry") and kind in {"latest", "unique", "time_weighted"}:
        made["carry"] = True
    return made


def product(dice: Dice, name: str) -> Document:
    made: Document = {"name": name, "metric": f"m-{name}", "tags": ["t"] if dice.maybe(0.7) or name == "a" else ["u"]}
    if dice.on("dimensional") and (name == "a" or dice.maybe(0.5)):
        made["pricing_group_keys"] = ["region"]
    if dice.on("presentation") and (name == "a" or dice.maybe(0.5)):
        made["presentation_group_keys"] = ["team"]
    quantity: Document = {}
    if dice.on("divide"):
        quantity["divide_by"] = dice.rng.choice(["10", "4", "1000", "1.6"])
    if dice.on("rounding"):
        quantity |= {"round": dice.rng.choice(["up", "down", "half_up"]), "decimals": dice.rng.choice([0, 0, 1, 2])}
    return made | ({"quantity": quantity} if quantity else {})


def rates_of(dice: Dice, name: str, made: Document) -> list[Document]:
    price = price_of(dice, name)
    found: list[Document] = [{"product": name, "price": price}]
    if dice.on("price_change"):
        cut = dice.day(2, 60)
        later = scaled(price, Decimal(dice.rng.choice(["0.5", "1.2", "2"])))
        found = [{"product": name, "price": price, "ending_before": cut}, {"product": name, "price": later, "starting_at": cut}]
    if "pricing_group_keys" in made:
        found.append({"product": name, "where": {"region": "eu"}, "price": price_of(dice, name)})
    for rate in found:
        if dice.on("commit_price") and dice.maybe(0.9):
            rate["commit_price"] = scaled(rate["price"], Decimal("0.8"))
        if dice.on("unit") and dice.maybe(0.7):
            rate["unit"] = "token"
    return found


def price_of(dice: Dice, product: str) -> Document:
    kinds = [kind for kind in ("package", "graduated", "volume", "flat") if dice.on(kind)]
    kind = dice.rng.choice(kinds) if kinds and (product == "a" or dice.maybe(0.5)) else "per_unit"
    return price_of_kind(dice, kind)


def price_of_kind(dice: Dice, kind: str) -> Document:
    if kind == "flat":
        return {"flat": dice.number(5, 60)}
    made: Document = {"per_unit": dice.price()}
    if kind == "package":
        made = {"package": {"size": dice.rng.choice(["10", "7", "2.5"]), "price": dice.price()}}
    elif kind in {"graduated", "volume"}:
        ends = sorted(dice.rng.sample(range(2, 60), dice.rng.randint(1, 2)))
        tiers: list[dict[str, str]] = [{"up_to": str(end), "per_unit": dice.price()} for end in ends] + [{"per_unit": dice.price()}]
        if dice.on("tier_flats"):
            for tier in tiers:
                if dice.maybe(0.7):
                    tier["flat"] = dice.number(1, 9)
        made = {kind: tiers}
    if dice.on("free") and dice.maybe(0.7):
        made["free"] = dice.number(1, 30)
    return made


def scaled(price: Any, factor: Decimal) -> Any:
    """The same shape at other prices, so that a rate may follow another."""
    if isinstance(price, dict):
        return {key: value if key in {"up_to", "size", "free"} else scaled(value, factor) for key, value in price.items()}
    if isinstance(price, list):
        return [scaled(each, factor) for each in price]
    return format(Decimal(price) * factor, "f")
