"""Random whole cases from a seed: small, but wild. Each feature can be switched on alone, or all may mix.

`python -m tests.reference.generate SEED [FEATURE…]` prints one. A case is plain data, as a JSON case file has it.
"""

import json
import random
import sys
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

FEATURES: Final = (
    "package", "graduated", "tier_flats", "volume", "free", "flat", "composite", "several_products",
    "dimensional", "presentation", "price_change", "commit_price", "unit",
    "overwrite", "multiplier", "tiered", "entitled", "explicit", "commit_override", "override_where",
    "count", "max", "min", "latest", "unique", "time_weighted", "carry", "expression", "divide", "rounding",
    "prepaid", "credit", "segments", "limited_grant", "recurring", "valid_periods", "recurring_commit", "postpaid", "rollover", "shared", "payer",
    "charge", "advance", "arrears", "minimum", "maximum", "discount",
    "weekly", "quarterly", "zone", "anchor", "partial", "ends",
    "late", "reopen", "drop", "duplicates", "rejects", "edit", "alias", "filter", "appears", "finalize", "regenerate",
    "balance_alert", "spend_alert", "usage_alert", "total_alert", "repeat_alert", "yen",
)  # fmt: skip
AGGREGATIONS: Final = ("count", "max", "min", "latest", "unique", "time_weighted")
APART: Final = (
    ("tiered", ("package", "flat", "volume", "tier_flats", "dimensional")),
    ("finalize", ("postpaid",)),
    ("regenerate", ("drop", "ends", "rollover")),
    ("payer", ("composite",)),
    ("alias", ("balance_alert", "spend_alert", "usage_alert", "total_alert", "repeat_alert")),
    ("shared", ("arrears", "composite", "minimum", "time_weighted")),
    ("rollover", ("carry",)),
    ("usage_alert", ("carry",)),
)
"""Features that say nothing about each other in the rules, or whose meeting is a doubt: not in one case."""
START: Final = datetime(2025, 1, 1, tzinfo=UTC)


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def generate(seed: int, features: Collection[str] | None = None) -> dict[str, Any]:
    """One case. `features` None: a random handful."""
    rng = random.Random(f"case-{seed}")
    mixed = features is None
    if features is None:
        features = set(rng.sample(FEATURES, rng.randint(1, 7)))
    if "time_weighted" in features and rng.random() < 0.95:
        features = {each for each in features if not each.endswith("_alert")} | {"time_weighted"}
    for one, others in APART if mixed else ():
        if one in features:
            features = set(features) - set(others)
    return Maker(rng, frozenset(features)).case(seed)


class Maker:
    def __init__(self, rng: random.Random, features: frozenset[str]) -> None:
        self.rng = rng
        self.on = features.__contains__
        self.features = features
        self.zone = rng.choice(["Europe/Berlin", "America/New_York"]) if self.on("zone") else "UTC"
        self.metrics: dict[str, Any] = {}
        self.products: dict[str, Any] = {}
        self.rates: list[dict[str, Any]] = []
        self.started = START
        self.span_days = 75

    # values

    def number(self, low: int, high: int, places: int = 2) -> str:
        places = 0 if self.on("yen") else places
        value = Decimal(self.rng.randint(low * 10**places, high * 10**places)) / 10**places
        if self.rng.random() < 0.5:
            value = Decimal(int(value)) if value >= 1 else value
        return format(value, "f")

    def price(self) -> str:
        return self.rng.choice(["0.07", "1.00", "0.333", "2.50", "3", "0.125", "1.5"])

    def day(self, low: int = 0, high: int | None = None) -> str:
        """A date of the story; a boundary."""
        when = START + timedelta(days=self.rng.randint(low, self.span_days if high is None else high))
        return when.date().isoformat() if self.rng.random() < 0.8 else stamp(when + timedelta(hours=self.rng.randint(0, 23)))

    def interval(self) -> dict[str, str]:
        """Open at neither, one or both ends."""
        if self.rng.random() < 0.25:
            return {}
        first = self.rng.randint(0, 50)
        found = {}
        if self.rng.random() < 0.8:
            found["starting_at"] = self.day(first, first)
        if self.rng.random() < 0.6 or not found:
            found["ending_before"] = self.day(first + 1 + self.rng.randint(1, 35), first + 37)
        return found

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    # catalogue

    def price_of(self, product: str) -> dict[str, Any]:
        kinds = [kind for kind in ("package", "graduated", "volume", "flat") if self.on(kind)]
        kind = self.rng.choice(kinds) if kinds and (product == "a" or self.maybe(0.5)) else "per_unit"
        return self.price_of_kind(kind)

    def price_of_kind(self, kind: str) -> dict[str, Any]:
        if kind == "flat":
            return {"flat": self.number(5, 60)}
        made: dict[str, Any] = {"per_unit": self.price()}
        if kind == "package":
            made = {"package": {"size": self.rng.choice(["10", "7", "2.5"]), "price": self.price()}}
        elif kind in {"graduated", "volume"}:
            ends = sorted(self.rng.sample(range(2, 60), self.rng.randint(1, 2)))
            tiers: list[dict[str, str]] = [{"up_to": str(end), "per_unit": self.price()} for end in ends] + [{"per_unit": self.price()}]
            if self.on("tier_flats"):
                for tier in tiers:
                    if self.maybe(0.7):
                        tier["flat"] = self.number(1, 9)
            made = {kind: tiers}
        if self.on("free") and self.maybe(0.7):
            made["free"] = self.number(1, 30)
        return made

    def scaled(self, price: Any, factor: Decimal) -> Any:
        """The same shape at other prices, so that a rate may follow another."""
        if isinstance(price, dict):
            return {key: value if key in {"up_to", "size", "free"} else self.scaled(value, factor) for key, value in price.items()}
        if isinstance(price, list):
            return [self.scaled(each, factor) for each in price]
        return format(Decimal(price) * factor, "f")

    def catalogue(self) -> dict[str, Any]:
        names = ["a", "b", "c"][: self.rng.randint(2, 3)] if self.on("several_products") else ["a"]
        kinds = [kind for kind in AGGREGATIONS if self.on(kind)]
        for name in names:
            kind = self.rng.choice(kinds) if kinds and (name == "a" or self.maybe(0.4)) else "sum"
            self.product(name, kind)
        if self.on("composite"):
            of = {"products": names[: self.rng.randint(1, len(names))]} if self.maybe(0.6) else {"tags": ["t"]}
            self.products["z-share"] = {"name": "z-share", "type": "composite", "of": of}
            self.rates.append({"product": "z-share", "price": {"percentage": {"rate": "0.10", "minimum": self.rng.choice(["0", "12.5", "40"])}}})
        if self.on("charge"):
            self.products["y-fee"] = {"name": "y-fee", "type": "fixed"}
        if self.on("advance") or self.on("arrears"):
            self.products["x-seat"] = {"name": "x-seat", "type": "subscription"}
        made = {
            "currency": "JPY" if self.on("yen") else "USD",
            "metrics": self.metrics,
            "products": dict(sorted(self.products.items())),
            "rate_cards": {"list": {"rates": self.rates}},
        }
        if self.on("unit"):
            made["pricing_units"] = {"token": {"price": "0.25"}}
        return made

    def product(self, name: str, kind: str) -> None:
        metric: dict[str, Any] = {"event_types": [f"e-{name}"], "aggregation": kind, "group_keys": ["region", "team"]}
        if kind != "count":
            metric["value"] = "v"
        if self.on("expression") and kind not in {"count", "unique"}:
            metric["value"] = {"expression": self.rng.choice(["v + 2 * w", "least(v * 0.5, 11)", "greatest(v, w)", "(v + w) / 4"])}
        if self.on("carry") and kind in {"latest", "unique", "time_weighted"}:
            metric["carry"] = True
        self.metrics[f"m-{name}"] = metric
        product: dict[str, Any] = {"name": name, "metric": f"m-{name}", "tags": ["t"] if self.maybe(0.7) or name == "a" else ["u"]}
        if self.on("dimensional") and (name == "a" or self.maybe(0.5)):
            product["pricing_group_keys"] = ["region"]
        if self.on("presentation") and (name == "a" or self.maybe(0.5)):
            product["presentation_group_keys"] = ["team"]
        if self.on("divide") or self.on("rounding"):
            quantity: dict[str, Any] = {}
            if self.on("divide"):
                quantity["divide_by"] = self.rng.choice(["10", "4", "1000", "1.6"])
            if self.on("rounding"):
                quantity |= {"round": self.rng.choice(["up", "down", "half_up"]), "decimals": self.rng.choice([0, 0, 1, 2])}
            product["quantity"] = quantity
        self.products[name] = product
        price = self.price_of(name)
        if self.on("price_change"):
            cut = self.day(2, 60)
            later = self.scaled(price, Decimal(self.rng.choice(["0.5", "1.2", "2"])))
            self.rates += [{"product": name, "price": price, "ending_before": cut}, {"product": name, "price": later, "starting_at": cut}]
        else:
            self.rates.append({"product": name, "price": price})
        if self.on("dimensional") and "pricing_group_keys" in product:
            self.rates.append({"product": name, "where": {"region": "eu"}, "price": self.price_of(name)})
        for rate in self.rates:
            if rate["product"] == name and self.on("commit_price") and self.maybe(0.9):
                rate["commit_price"] = self.scaled(rate["price"], Decimal("0.8"))
            if rate["product"] == name and self.on("unit") and self.maybe(0.7):
                rate["unit"] = "token"

    # contract

    def target(self, chance: float = 0.5) -> dict[str, Any]:
        names = [name for name in self.products if name in "abc"]
        if not self.maybe(chance):
            return {}
        return {"products": self.rng.sample(names, 1)} if self.maybe(0.6) else {"tags": ["t"]}

    def override_target(self) -> dict[str, Any]:
        found = self.target(0.7)
        if "z-share" in self.products and not found:
            found = {"products": ["a"]}
        if self.on("override_where") and self.on("dimensional"):
            found = {"products": ["a"], "where": {"region": "eu"}}
        return found

    def overrides(self, commits: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        priorities = self.rng.sample(range(1, 50), 8)
        factors = self.rng.sample(["0.9", "0.5", "0.75", "1.1", "0.8", "0.6"], 6)
        if self.on("multiplier") or self.on("explicit"):
            for _ in range(self.rng.randint(1, 3)):
                found.append({**self.override_target(), **self.interval(), "multiplier": factors.pop(), "priority": priorities.pop()})
        if self.on("overwrite"):
            for _ in range(self.rng.randint(1, 2)):
                kind = next(kind for kind in ("package", "graduated", "volume", "per_unit") if self.on(kind) or kind == "per_unit")
                found.append({**self.override_target(), "products": ["a"], **self.interval(), "price": self.price_of_kind(kind)})
                found[-1].pop("tags", None)
        if self.on("tiered"):
            tiers = [{"size": self.number(3, 30, 0), "multiplier": factors.pop()}]
            tiers.append({"size": self.number(3, 30, 0), "multiplier": "0.7"} if self.maybe(0.6) else {"multiplier": "0.7"})
            found.append({**self.override_target(), **self.interval(), "tiers": tiers, "priority": priorities.pop()})
        if self.on("entitled"):
            found.append({"products": ["a"], **self.interval(), "entitled": False})
        if self.on("commit_override") and commits:
            effect = {"multiplier": factors.pop()} if self.maybe(0.7) else {"price": self.price_of_kind("per_unit")}
            if self.on("package") or self.on("graduated") or self.on("volume") or self.on("flat"):
                effect = {"multiplier": "0.6"}
            target = self.override_target()
            found.append({**target, **self.interval(), **effect, "commits": [self.rng.choice(commits)], "target": self.rng.choice(["list", "commit"])})
        self.rng.shuffle(found)
        return [{"id": f"o{number}", **each} for number, each in enumerate(found)]

    def access(self) -> dict[str, str]:
        first = self.rng.choice([0, 0, 0, 10, 31, 40])
        found = {"amount": self.number(5, 120), "starting_at": self.day(first, first)}
        if self.maybe(0.8):
            found["ending_before"] = self.day(first + self.rng.choice([5, 21, 31, 59]), first + 90)
        return found

    def grant(self) -> dict[str, Any]:
        found: dict[str, Any] = {"access": [self.access()]}
        if self.on("segments"):
            edge = (START + timedelta(days=self.rng.choice([15, 31, 45]))).date().isoformat()
            found["access"] = [
                {"amount": self.number(5, 60), "starting_at": "2025-01-01", "ending_before": edge},
                {"amount": self.number(5, 60), "starting_at": edge, "ending_before": "2025-06-01"},
            ]
        return found | self.grant_extras()

    def grant_extras(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.maybe(0.3):
            found["priority"] = self.rng.choice([1, 50, 200])
        if self.on("limited_grant") and self.maybe(0.7):
            found |= self.target(0.9)
        if self.on("commit_price") and self.maybe(0.7):
            found["rate"] = "commit"
        return found

    def grants(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        commits: list[dict[str, Any]] = []
        if self.on("prepaid") or self.on("commit_price") or self.on("commit_override") or self.on("rollover") or self.on("shared"):
            for number in range(self.rng.randint(1, 2)):
                commits.append({"id": f"pre{number}", "type": "prepaid", **self.grant()})
                if self.maybe(0.5):
                    amount = sum((Decimal(each["amount"]) for each in commits[-1]["access"]), Decimal(0))
                    half = (amount / 2).quantize(Decimal(1))
                    commits[-1]["invoice"] = [{"amount": format(half, "f"), "at": "2025-01-01"}, {"amount": format(amount - half, "f"), "at": self.day(3, 50)}]
        if self.on("postpaid"):
            whole = self.number(20, 400)
            end = self.rng.choice(["2025-02-01", "2025-03-01", "2025-02-15"])
            grant = {"access": [{"amount": whole, "starting_at": "2025-01-01", "ending_before": end}], **self.grant_extras()}
            commits.append({"id": "post", "type": "postpaid", **grant, "invoice": [{"amount": whole, "at": end}]})
        if commits:
            found["commits"] = commits
        if self.on("credit") or self.on("segments") or self.on("limited_grant") or self.on("balance_alert"):
            found["credits"] = [{"id": f"cred{number}", **self.grant()} for number in range(self.rng.randint(1, 2))]
        if self.on("recurring") or self.on("valid_periods"):
            found["recurring_credits"] = [{"id": "rec", **self.recurring()}]
        if self.on("recurring_commit"):
            found["recurring_commits"] = [{"id": "recc", **self.recurring()}]
            if self.maybe(0.6):
                found["recurring_commits"][0]["invoice_amount"] = self.number(5, 20)
                found["recurring_commits"][0].pop("proration", None)
        return found

    def recurring(self) -> dict[str, Any]:
        found: dict[str, Any] = {"amount": self.number(5, 50), **self.grant_extras()}
        found["every"] = "week" if self.on("weekly") else "month"
        if self.on("valid_periods"):
            found["valid_periods"] = self.rng.randint(1, 3)
        if self.maybe(0.5):
            found["starting_at"] = (START + timedelta(days=self.rng.randint(0, 40))).date().isoformat()
        if self.maybe(0.4):
            found["ending_before"] = (START + timedelta(days=self.rng.randint(45, 80))).date().isoformat()
        if self.maybe(0.6):
            found["proration"] = self.rng.choice(["first", "last", "first_and_last", "none"])
        return found

    def terms(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        every = "week" if self.on("weekly") else "quarter" if self.on("quarterly") else "month"
        if self.on("charge"):
            series = {
                "every": self.rng.choice(["month", "week"]),
                "from": self.day(0, 20),
                "until": self.day(40, 70),
                "split": self.rng.choice(["each", "divided", "divided_rounded"]),
            }
            once = {"at": self.day(0, 60)}
            found["charges"] = [
                {"id": f"ch{n}", "product": "y-fee", "amount": self.number(10, 100), **(series if self.maybe(0.6) else once)}
                for n in range(self.rng.randint(1, 2))
            ]
        if self.on("advance") or self.on("arrears"):
            one: dict[str, Any] = {"id": "sub", "product": "x-seat", "quantity": self.rng.randint(1, 20), "price": self.number(1, 20), "every": every}
            one["collect"] = "advance" if self.on("advance") else "arrears"
            if self.maybe(0.4):
                one["starting_at"] = (START + timedelta(days=self.rng.randint(0, 30))).date().isoformat()
            if self.maybe(0.3):
                one["ending_before"] = (START + timedelta(days=self.rng.randint(60, 74))).date().isoformat()
            days = sorted(self.rng.sample(range(31, 59), self.rng.randint(0, 2)))
            quantity = one["quantity"]
            one["changes"] = []
            for day in days:
                quantity = max(0, quantity + self.rng.randint(-3, 5))
                one["changes"].append({"at": (START + timedelta(days=day)).date().isoformat(), "quantity": quantity})
            found["subscriptions"] = [one]
        if self.on("minimum"):
            found["minimum"] = {"amount": self.number(20, 200)} | (self.target(0.3) if self.maybe(0.5) else {})
        if self.on("maximum"):
            found["maximum"] = {"amount": self.number(200 if self.on("minimum") else 20, 300)}
        if self.on("discount"):
            found["discounts"] = []
            for number in range(self.rng.randint(1, 2)):
                effect = {"percent": self.rng.choice(["10", "33.3", "7.5"])} if self.maybe(0.6) else {"amount": self.number(1, 40)}
                found["discounts"].append({"id": f"d{number}", **effect, **(self.target(0.3))})
        return found

    def billing(self) -> dict[str, Any]:
        found: dict[str, Any] = {"timezone": self.zone}
        if self.on("weekly"):
            found["period"] = "weekly"
        elif self.on("quarterly"):
            found["period"] = "quarterly"
        if self.on("anchor"):
            found["anchor"] = self.rng.choice(["contract_start", "2024-12-15", "2024-10-31"])
        elif self.on("weekly"):
            found["anchor"] = "contract_start"
        if self.on("late") or self.on("finalize"):
            found["grace"] = "P5D" if self.on("finalize") else self.rng.choice(["PT24H", "PT1H", "P5D"])
        return found

    def thresholds(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if self.on("balance_alert"):
            found.append({"measure": "balance", "at": self.number(5, 60)})
            if self.maybe(0.3):
                found.append({"measure": "balance_percent", "at": self.number(5, 90)})
        if self.on("spend_alert") or self.on("repeat_alert"):
            found.append({"measure": "spend", "at": self.number(5, 60)})
        if self.on("usage_alert"):
            found.append({"measure": "usage", "metric": "m-a", "at": self.number(5, 60)})
        if self.on("total_alert"):
            found.append({"measure": "invoice_total", "at": self.number(5, 60)})
        if self.on("repeat_alert"):
            found[-1]["repeat"] = self.number(10, 40)
        return [{"id": f"t{number}", **each} for number, each in enumerate(found)]

    def contract(self, name: str, customer: str) -> dict[str, Any]:
        if self.on("partial"):
            self.started = START + timedelta(days=self.rng.randint(1, 25))
        made: dict[str, Any] = {
            "id": name,
            "customer": customer,
            "rate_card": "list",
            "starting_at": self.started.date().isoformat(),
            "billing": self.billing(),
        }
        if self.on("ends"):
            made["ending_before"] = (START + timedelta(days=self.rng.randint(40, 70))).date().isoformat()
        elif self.maybe(0.5):
            made["ending_before"] = "2026-01-01"
        if self.on("reopen") or self.on("drop"):
            made["late_usage"] = "reopen" if self.on("reopen") else "drop"
        grants = self.grants()
        made |= grants
        ids = [each["id"] for key in grants for each in grants[key]]
        overrides = self.overrides(ids)
        if overrides:
            made["overrides"] = overrides
        if self.on("explicit"):
            made["override_selection"] = "explicit"
        made |= self.terms()
        thresholds = self.thresholds()
        if thresholds:
            made["thresholds"] = thresholds
        return made

    # the story

    def event(self, name: str, customer: str) -> dict[str, Any]:
        kind = self.metrics[f"m-{name}"]["aggregation"]
        when = START + timedelta(days=self.rng.randint(0, self.span_days), hours=self.rng.randint(0, 23), minutes=self.rng.choice([0, 0, 15, 30, 45]))
        value = f"u{self.rng.randint(1, 4)}" if kind == "unique" else self.number(0, 30)
        if kind == "sum" and not self.on("rejects") and not self.on("discount") and self.maybe(0.05):
            value = "-" + value if value != "0" else value
        properties = {"v": value}
        if self.on("expression"):
            properties["w"] = self.number(0, 10)
        if self.maybe(0.8):
            properties["region"] = self.rng.choice(["eu", "us"])
        if self.maybe(0.8):
            properties["team"] = self.rng.choice(["red", "blue"])
        made: dict[str, Any] = {"event_type": f"e-{name}", "customer": customer, "timestamp": stamp(when), "properties": properties}
        if self.late_events() and self.maybe(0.4):
            made["recorded_at"] = stamp(when + timedelta(days=self.rng.randint(0, 33), hours=self.rng.randint(1, 20), minutes=7))
        elif self.maybe(0.2):
            made["recorded_at"] = stamp(when + timedelta(minutes=self.rng.randint(1, 60 * 20)))
        return made

    def late_events(self) -> bool:
        return any(self.on(each) for each in ("late", "reopen", "drop", "regenerate", "finalize"))

    def usage(self, customers: list[str]) -> list[dict[str, Any]]:
        names = [name for name in self.products if name in "abc"]
        found = [self.event(self.rng.choice(names), self.rng.choice(customers)) for _ in range(self.rng.randint(2, 9))]
        if self.on("filter"):
            for each in found:
                if self.maybe(0.5):
                    each["properties"]["project"] = "x"
        if self.maybe(0.2) and not any(self.on(each) for each in ("balance_alert", "spend_alert", "total_alert", "usage_alert", "repeat_alert")):
            found[0]["repeat"] = {"every": "P1D", "times": 5}
        if self.on("duplicates"):
            for number in range(self.rng.randint(1, 2)):
                first = self.rng.choice(found)
                first.setdefault("transaction_id", f"same-{number}")
                again = json.loads(json.dumps(first))
                when = datetime.strptime(first.get("recorded_at", first["timestamp"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
                again["recorded_at"] = stamp(when + timedelta(hours=self.rng.choice([0, 1, 30])))
                if self.maybe(0.5):
                    again["properties"]["v"] = "u9" if again["properties"]["v"].startswith("u") else "77"
                found.append(again)
        if self.on("rejects"):
            bad = self.rng.choice(found)
            bad["properties"]["v"] = "none"
            far = self.event(names[0], customers[0])
            when = datetime.strptime(far["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            far["recorded_at"] = stamp(
                when + self.rng.choice([timedelta(days=34), timedelta(days=34, seconds=1), timedelta(hours=-24), timedelta(hours=-24, seconds=-1)])
            )
            found.append(far)
        self.rng.shuffle(found)
        return found

    def case(self, seed: int) -> dict[str, Any]:
        catalogue = self.catalogue()
        contract = self.contract("k1", "acme")
        contracts = [contract]
        customers = ["acme"]
        if self.on("shared") or self.on("payer"):
            for number, name in enumerate(("north", "south")):
                child = {
                    "id": f"k{number + 2}",
                    "customer": name,
                    "rate_card": "list",
                    "starting_at": contract["starting_at"],
                    "billing": contract["billing"],
                    "parent": "k1",
                }
                if self.on("payer") and "ending_before" in contract:
                    child["ending_before"] = contract["ending_before"]
                if "late_usage" in contract:
                    child["late_usage"] = contract["late_usage"]
                if self.on("payer") and number == 0:
                    child["payer"] = "parent"
                contracts.append(child)
                customers.append(name)
            if self.on("shared"):
                contract["commits"][0]["shared"] = self.rng.choice(["all", ["k2"]])
        if self.on("filter"):
            other = {
                "id": "k9",
                "customer": "acme",
                "rate_card": "list",
                "starting_at": contract["starting_at"],
                "billing": contract["billing"],
                "usage_filter": {"where": {"project": ["x"]}},
            }
            contracts.append(other)
        if self.on("rollover"):
            edge = (START + timedelta(days=self.rng.choice([31, 45, 59]))).date().isoformat()
            contract["ending_before"] = edge
            for each in contract["commits"]:
                if each["type"] == "prepaid":
                    each["rollover"] = self.rng.choice(["0.5", "1", "0.1"])
                    each["access"] = [{"amount": self.number(20, 150), "starting_at": contract["starting_at"], "ending_before": edge}]
                    each.pop("invoice", None)
            renewal = {
                key: value
                for key, value in contract.items()
                if key in {"customer", "rate_card", "late_usage", "overrides", "override_selection"} and key != "commits"
            }
            renewal["overrides"] = [each for each in renewal.get("overrides", []) if "commits" not in each]
            billing = dict(contract["billing"])
            contracts.append({"id": "k8", **renewal, "starting_at": edge, "billing": billing, "renews": "k1"})
            if self.maybe(0.5):
                contracts[-1]["credits"] = [{"id": "new", "access": [{"amount": self.number(10, 90), "starting_at": edge, "ending_before": "2025-08-01"}]}]
        made: dict[str, Any] = {"case": f"generated-{seed}", "about": ", ".join(sorted(self.features)), "catalogue": catalogue, "contracts": contracts}
        usage = self.usage(customers)
        if self.on("alias"):
            for each in usage:
                if self.maybe(0.4):
                    each["customer"] = "acme-old"
            edited = {**contract, "aliases": ["acme-old"]}
            made["edits"] = [{"at": self.moment(5, 60), "contract": edited}]
        elif self.on("edit"):
            made["edits"] = self.edits(contract)
        elif self.on("appears"):
            made["contracts"] = contracts[1:] or [{"id": "k0", "customer": "nobody", "rate_card": "list", "starting_at": "2025-01-01"}]
            if not any(each.get("parent") or each.get("renews") for each in made["contracts"]):
                made["edits"] = [{"at": self.moment(3, 60), "contract": contract}]
            else:
                made["contracts"] = contracts
        if self.on("finalize") or self.on("regenerate"):
            made["actions"] = self.actions(contract)
        made["usage"] = usage
        if self.maybe(0.3):
            made["readings"] = [{"as_of": self.reading_at()} for _ in range(2)]
            made["readings"].sort(key=lambda each: each["as_of"])
        else:
            made["as_of"] = self.reading_at()
        return made

    def moment(self, low: int, high: int) -> str:
        return stamp(START + timedelta(days=self.rng.randint(low, high), hours=self.rng.randint(0, 23), minutes=13))

    def reading_at(self) -> str:
        return self.rng.choice([self.moment(20, 80), "2025-02-01T00:00:00Z", "2025-03-20T00:00:00Z", "2025-04-02T12:00:00Z", "2025-05-10T00:00:00Z"])

    def edits(self, contract: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        others: Callable[[], dict[str, Any]] = lambda: {  # noqa: E731 - a name for what each edit takes anew
            **{
                key: value
                for key, value in contract.items()
                if key in {"id", "customer", "rate_card", "starting_at", "ending_before", "billing", "late_usage", "override_selection", "commits"}
            },
            **self.terms(),
            "overrides": self.overrides([each["id"] for each in contract.get("commits", [])])
            or [{"id": "only", "multiplier": "0.5", "starting_at": self.day(0, 60), "products": ["a"]}],
        }
        for _ in range(self.rng.randint(1, 2)):
            found.append({"at": self.moment(2, 70), "contract": others()})
        if self.maybe(0.3):
            found.append({"at": self.moment(60, 75), "contract": contract})
        return sorted(found, key=lambda each: str(each["at"]))

    def actions(self, contract: dict[str, Any]) -> list[dict[str, Any]]:
        invoice = {"contract": "k1", "starting_at": contract["starting_at"]}
        if self.on("regenerate"):
            first = self.rng.randint(36, 60)
            found = [{"at": stamp(START + timedelta(days=first)), "void": invoice}]
            if self.maybe(0.7):
                found.append({"at": stamp(START + timedelta(days=first + self.rng.randint(0, 10), hours=1)), "regenerate": invoice})
            return found
        return [{"at": stamp(START + timedelta(days=31, hours=self.rng.randint(0, 20), minutes=30)), "finalize": invoice}]


def main() -> None:
    seed, *features = sys.argv[1:]
    print(json.dumps(generate(int(seed), features or None), indent=1))


if __name__ == "__main__":
    main()
