"""Random whole cases from a seed: small, but wild. Each feature can be switched on alone, or all may mix.

`python -m tests.reference.generate SEED [FEATURE…]` prints one. A case is plain data, as a JSON case file has it.
"""

import json
import random
import sys
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.reference.dice import START, Dice, Document, date_of, stamp
from tests.reference.random_catalogue import random_catalogue
from tests.reference.random_contract import contract, overrides, terms

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
    ("tiered", ("package", "flat", "volume", "tier_flats")),
    ("overwrite", ("commit_price", "flat", "package")),
    ("payer", ("rollover",)),
    ("shared", ("time_weighted",)),
)
"""Features that say nothing about each other in the rules, or whose meeting is a doubt: not in one case."""


def generate(seed: int, features: Collection[str] | None = None) -> Document:
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
    if mixed and "composite" in features and ("shared" in features or "payer" in features):
        # A composite's minimum is spent when a contract is recorded: what a threshold reads depends on which of a family is recorded first.
        features = {each for each in features if not each.endswith("_alert")}
    return case(Dice(rng, frozenset(features)), seed)


def case(dice: Dice, seed: int) -> Document:
    catalogue = random_catalogue(dice)
    main = contract(dice, catalogue, "k1", "acme")
    contracts = [main, *children(dice, main), *routed(dice, main), *renewal(dice, main)]
    made: Document = {"case": f"generated-{seed}", "about": ", ".join(sorted(dice.features)), "catalogue": catalogue, "contracts": contracts}
    made["usage"] = usage(dice, catalogue, ["acme", *(each["customer"] for each in contracts if "parent" in each)])
    record(dice, catalogue, made)
    if dice.on("finalize") or dice.on("regenerate"):
        made["actions"] = actions(dice, main)
    if dice.maybe(0.3):
        made["readings"] = sorted(({"as_of": reading_at(dice)} for _ in range(2)), key=lambda each: each["as_of"])
    else:
        made["as_of"] = reading_at(dice)
    return made


def children(dice: Dice, main: Document) -> list[Document]:
    """Contracts under the main one."""
    if not (dice.on("shared") or dice.on("payer")):
        return []
    found = []
    for number, name in enumerate(("north", "south")):
        child = {"id": f"k{number + 2}", "customer": name, "rate_card": "list", "starting_at": main["starting_at"], "billing": main["billing"], "parent": "k1"}
        child |= {key: main[key] for key in ("late_usage",) if key in main}
        if dice.on("payer"):
            child |= {key: main[key] for key in ("ending_before",) if key in main} | ({"payer": "parent"} if number == 0 else {})
        found.append(child)
    if dice.on("shared"):
        main["commits"][0]["shared"] = dice.rng.choice(["all", ["k2"]])
    return found


def routed(dice: Dice, main: Document) -> list[Document]:
    """Another contract of the same customer, for some of the usage."""
    if not dice.on("filter"):
        return []
    where = {"usage_filter": {"where": {"project": ["x"]}}}
    return [{"id": "k9", "customer": "acme", "rate_card": "list", "starting_at": main["starting_at"], "billing": main["billing"], **where}]


def renewal(dice: Dice, main: Document) -> list[Document]:
    """A contract that takes the rests of the main one over."""
    if not dice.on("rollover"):
        return []
    edge = date_of(dice.rng.choice([31, 45, 59]))
    main["ending_before"] = edge
    for each in main["commits"]:
        if each["type"] == "prepaid":
            each["rollover"] = dice.rng.choice(["0.5", "1", "0.1"])
            each["access"] = [{"amount": dice.number(20, 150), "starting_at": main["starting_at"], "ending_before": edge}]
            each.pop("invoice", None)
    kept = ("customer", "rate_card", "late_usage", "override_selection", "billing")
    made: Document = {key: main[key] for key in kept if key in main}
    made |= {"id": "k8", "starting_at": edge, "renews": "k1", "overrides": [each for each in main.get("overrides", []) if "commits" not in each]}
    if dice.maybe(0.5):
        made["credits"] = [{"id": "new", "access": [{"amount": dice.number(10, 90), "starting_at": edge, "ending_before": "2025-08-01"}]}]
    return [made]


def record(dice: Dice, catalogue: Document, made: Document) -> None:
    """What of the documents is recorded in the course of the story."""
    main, *others = made["contracts"]
    if dice.on("alias"):
        for each in made["usage"]:
            if dice.maybe(0.4):
                each["customer"] = "acme-old"
        made["edits"] = [{"at": dice.moment(5, 60), "contract": {**main, "aliases": ["acme-old"]}}]
    elif dice.on("edit"):
        made["edits"] = edits(dice, catalogue, main)
    elif dice.on("appears") and not any(each.get("parent") or each.get("renews") for each in others):
        made["contracts"] = others or [{"id": "k0", "customer": "nobody", "rate_card": "list", "starting_at": "2025-01-01"}]
        made["edits"] = [{"at": dice.moment(3, 60), "contract": main}]


def event(dice: Dice, catalogue: Document, name: str, customer: str) -> Document:
    kind = catalogue["metrics"][f"m-{name}"]["aggregation"]
    when = START + timedelta(days=dice.rng.randint(0, dice.span_days), hours=dice.rng.randint(0, 23), minutes=dice.rng.choice([0, 0, 15, 30, 45]))
    value = f"u{dice.rng.randint(1, 4)}" if kind == "unique" else dice.number(0, 30)
    if kind == "sum" and not dice.on("rejects") and not dice.on("discount") and not dice.on("tiered") and dice.maybe(0.05):
        value = "-" + value if value != "0" else value
    properties = {"v": value}
    if dice.on("expression"):
        properties["w"] = dice.number(0, 10)
    if dice.maybe(0.8):
        properties["region"] = dice.rng.choice(["eu", "us"])
    if dice.maybe(0.8):
        properties["team"] = dice.rng.choice(["red", "blue"])
    made: Document = {"event_type": f"e-{name}", "customer": customer, "timestamp": stamp(when), "properties": properties}
    if dice.late_events() and dice.maybe(0.4):
        made["recorded_at"] = stamp(when + timedelta(days=dice.rng.randint(0, 33), hours=dice.rng.randint(1, 20), minutes=7))
    elif dice.maybe(0.2):
        made["recorded_at"] = stamp(when + timedelta(minutes=dice.rng.randint(1, 60 * 20)))
    return made


def usage(dice: Dice, catalogue: Document, customers: list[str]) -> list[Document]:
    names = [name for name in catalogue["products"] if name in "abc"]
    found = [event(dice, catalogue, dice.rng.choice(names), dice.rng.choice(customers)) for _ in range(dice.rng.randint(2, 9))]
    if dice.on("filter"):
        for each in found:
            if dice.maybe(0.5):
                each["properties"]["project"] = "x"
    if dice.maybe(0.2) and not any(dice.on(each) for each in ("balance_alert", "spend_alert", "total_alert", "usage_alert", "repeat_alert")):
        found[0]["repeat"] = {"every": "P1D", "times": 5}
    if dice.on("duplicates"):
        found += duplicates(dice, found)
    if dice.on("rejects"):
        dice.rng.choice(found)["properties"]["v"] = "none"
        far = event(dice, catalogue, names[0], customers[0])
        edges = [timedelta(days=34), timedelta(days=34, seconds=1), timedelta(hours=-24), timedelta(hours=-24, seconds=-1)]
        far["recorded_at"] = stamp(moment_of(far["timestamp"]) + dice.rng.choice(edges))
        found.append(far)
    dice.rng.shuffle(found)
    return found


def duplicates(dice: Dice, events: list[Document]) -> list[Document]:
    """Some of the events again, with the same body or another."""
    found = []
    for number in range(dice.rng.randint(1, 2)):
        first = dice.rng.choice(events)
        first.setdefault("transaction_id", f"same-{number}")
        again = json.loads(json.dumps(first))
        again["recorded_at"] = stamp(moment_of(first.get("recorded_at") or first["timestamp"]) + timedelta(hours=dice.rng.choice([0, 1, 30])))
        if dice.maybe(0.5):
            again["properties"]["v"] = "u9" if again["properties"]["v"].startswith("u") else "77"
        found.append(again)
    return found


def moment_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def reading_at(dice: Dice) -> str:
    return dice.rng.choice([dice.moment(20, 80), "2025-02-01T00:00:00Z", "2025-03-20T00:00:00Z", "2025-04-02T12:00:00Z", "2025-05-10T00:00:00Z"])


def edits(dice: Dice, catalogue: Document, main: Document) -> list[Document]:
    """Later versions of the main contract with other terms, and perhaps the first version again."""
    kept = ("id", "customer", "rate_card", "starting_at", "ending_before", "billing", "late_usage", "override_selection", "commits")
    found: list[Document] = []
    for _ in range(dice.rng.randint(1, 2)):
        special = overrides(dice, catalogue, [each["id"] for each in main.get("commits", [])])
        special = special or [{"id": "only", "multiplier": "0.5", "starting_at": dice.day(0, 60), "products": ["a"]}]
        version = {key: main[key] for key in kept if key in main} | terms(dice, catalogue) | {"overrides": special}
        found.append({"at": dice.moment(2, 70), "contract": version})
    if dice.maybe(0.3):
        found.append({"at": dice.moment(60, 75), "contract": main})
    return sorted(found, key=lambda each: str(each["at"]))


def actions(dice: Dice, contract: Document) -> list[Document]:
    invoice = {"contract": "k1", "starting_at": contract["starting_at"]}
    if dice.on("regenerate"):
        first = dice.rng.randint(36, 60)
        found = [{"at": stamp(START + timedelta(days=first)), "void": invoice}]
        if dice.maybe(0.7):
            found.append({"at": stamp(START + timedelta(days=first + dice.rng.randint(0, 10), hours=1)), "regenerate": invoice})
        return found
    return [{"at": stamp(START + timedelta(days=31, hours=dice.rng.randint(0, 20), minutes=30)), "finalize": invoice}]


def main() -> None:
    seed, *features = sys.argv[1:]
    print(json.dumps(generate(int(seed), features or None), indent=1))


if __name__ == "__main__":
    main()
