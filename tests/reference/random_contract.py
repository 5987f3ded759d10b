"""Random contracts: overrides, grants, terms, billing, thresholds."""

from datetime import timedelta
from decimal import Decimal

from tests.reference.dice import START, Dice, Document, date_of
from tests.reference.random_catalogue import price_of_kind


def target(dice: Dice, catalogue: Document, chance: float = 0.5) -> Document:
    names = [name for name in catalogue["products"] if name in "abc"]
    if not dice.maybe(chance):
        return {}
    return {"products": dice.rng.sample(names, 1)} if dice.maybe(0.6) else {"tags": ["t"]}


def override_target(dice: Dice, catalogue: Document) -> Document:
    found = target(dice, catalogue, 0.7)
    if "z-share" in catalogue["products"] and not found:
        found = {"products": ["a"]}
    if dice.on("override_where") and dice.on("dimensional"):
        found = {"products": ["a"], "where": {"region": "eu"}}
    return found


def overrides(dice: Dice, catalogue: Document, commits: list[str]) -> list[Document]:
    found: list[Document] = []
    priorities = dice.rng.sample(range(1, 50), 8)
    factors = dice.rng.sample(["0.9", "0.5", "0.75", "1.1", "0.8", "0.6"], 6)
    if dice.on("multiplier") or dice.on("explicit"):
        for _ in range(dice.rng.randint(1, 3)):
            found.append({**override_target(dice, catalogue), **dice.interval(), "multiplier": factors.pop(), "priority": priorities.pop()})
    if dice.on("overwrite"):
        for _ in range(dice.rng.randint(1, 2)):
            kind = next(kind for kind in ("package", "graduated", "volume", "per_unit") if dice.on(kind) or kind == "per_unit")
            found.append({**override_target(dice, catalogue), "products": ["a"], **dice.interval(), "price": price_of_kind(dice, kind)})
            found[-1].pop("tags", None)
    if dice.on("tiered"):
        tiers = [{"size": dice.number(3, 30, 0), "multiplier": factors.pop()}]
        tiers.append({"size": dice.number(3, 30, 0), "multiplier": "0.7"} if dice.maybe(0.6) else {"multiplier": "0.7"})
        found.append({**override_target(dice, catalogue), **dice.interval(), "tiers": tiers, "priority": priorities.pop()})
    if dice.on("entitled"):
        found.append({"products": ["a"], **dice.interval(), "entitled": False})
    if dice.on("commit_override") and commits:
        effect = {"multiplier": factors.pop()} if dice.maybe(0.7) else {"price": price_of_kind(dice, "per_unit")}
        if dice.on("package") or dice.on("graduated") or dice.on("volume") or dice.on("flat"):
            effect = {"multiplier": "0.6"}
        target = override_target(dice, catalogue)
        found.append({**target, **dice.interval(), **effect, "commits": [dice.rng.choice(commits)], "target": dice.rng.choice(["list", "commit"])})
    dice.rng.shuffle(found)
    return [{"id": f"o{number}", **each} for number, each in enumerate(found)]


def access(dice: Dice) -> dict[str, str]:
    first = dice.rng.choice([0, 0, 0, 10, 31, 40])
    found = {"amount": dice.number(5, 120), "starting_at": dice.day(first, first)}
    if dice.maybe(0.8):
        found["ending_before"] = dice.day(first + dice.rng.choice([5, 21, 31, 59]), first + 90)
    return found


def grant(dice: Dice, catalogue: Document) -> Document:
    found: Document = {"access": [access(dice)]}
    if dice.on("segments"):
        edge = (START + timedelta(days=dice.rng.choice([15, 31, 45]))).date().isoformat()
        found["access"] = [
            {"amount": dice.number(5, 60), "starting_at": "2025-01-01", "ending_before": edge},
            {"amount": dice.number(5, 60), "starting_at": edge, "ending_before": "2025-06-01"},
        ]
    return found | grant_extras(dice, catalogue)


def grant_extras(dice: Dice, catalogue: Document) -> Document:
    found: Document = {}
    if dice.maybe(0.3):
        found["priority"] = dice.rng.choice([1, 50, 200])
    if dice.on("limited_grant") and dice.maybe(0.7):
        found |= target(dice, catalogue, 0.9)
    if dice.on("commit_price") and dice.maybe(0.7):
        found["rate"] = "commit"
    return found


def grants(dice: Dice, catalogue: Document) -> Document:
    found: Document = {}
    commits: list[Document] = []
    if dice.on("prepaid") or dice.on("commit_price") or dice.on("commit_override") or dice.on("rollover") or dice.on("shared"):
        for number in range(dice.rng.randint(1, 2)):
            commits.append({"id": f"pre{number}", "type": "prepaid", **grant(dice, catalogue)})
            if dice.maybe(0.5):
                amount = sum((Decimal(each["amount"]) for each in commits[-1]["access"]), Decimal(0))
                half = (amount / 2).quantize(Decimal(1))
                commits[-1]["invoice"] = [{"amount": format(half, "f"), "at": "2025-01-01"}, {"amount": format(amount - half, "f"), "at": dice.day(3, 50)}]
    if dice.on("postpaid"):
        whole = dice.number(20, 400)
        end = dice.rng.choice(["2025-02-01", "2025-03-01", "2025-02-15"])
        access = [{"amount": whole, "starting_at": "2025-01-01", "ending_before": end}]
        commits.append({"id": "post", "type": "postpaid", "access": access, **grant_extras(dice, catalogue), "invoice": [{"amount": whole, "at": end}]})
    if commits:
        found["commits"] = commits
    if dice.on("credit") or dice.on("segments") or dice.on("limited_grant") or dice.on("balance_alert"):
        found["credits"] = [{"id": f"cred{number}", **grant(dice, catalogue)} for number in range(dice.rng.randint(1, 2))]
    if dice.on("recurring") or dice.on("valid_periods"):
        found["recurring_credits"] = [{"id": "rec", **recurring(dice, catalogue)}]
    if dice.on("recurring_commit"):
        found["recurring_commits"] = [{"id": "recc", **recurring(dice, catalogue)}]
        if dice.maybe(0.6):
            found["recurring_commits"][0]["invoice_amount"] = dice.number(5, 20)
            found["recurring_commits"][0].pop("proration", None)
    return found


def recurring(dice: Dice, catalogue: Document) -> Document:
    found: Document = {"amount": dice.number(5, 50), **grant_extras(dice, catalogue)}
    found["every"] = "week" if dice.on("weekly") else "month"
    if dice.on("valid_periods"):
        found["valid_periods"] = dice.rng.randint(1, 3)
    if dice.maybe(0.5):
        found["starting_at"] = (START + timedelta(days=dice.rng.randint(0, 40))).date().isoformat()
    if dice.maybe(0.4):
        found["ending_before"] = (START + timedelta(days=dice.rng.randint(45, 80))).date().isoformat()
    if dice.maybe(0.6):
        found["proration"] = dice.rng.choice(["first", "last", "first_and_last", "none"])
    return found


def terms(dice: Dice, catalogue: Document) -> Document:
    found: Document = {}
    every = "week" if dice.on("weekly") else "quarter" if dice.on("quarterly") else "month"
    if dice.on("charge"):
        series = {
            "every": dice.rng.choice(["month", "week"]),
            "from": dice.day(0, 20),
            "until": dice.day(40, 70),
            "split": dice.rng.choice(["each", "divided", "divided_rounded"]),
        }
        once = {"at": dice.day(0, 60)}
        found["charges"] = [
            {"id": f"ch{n}", "product": "y-fee", "amount": dice.number(10, 100), **(series if dice.maybe(0.6) else once)} for n in range(dice.rng.randint(1, 2))
        ]
    if dice.on("advance") or dice.on("arrears"):
        one: Document = {"id": "sub", "product": "x-seat", "quantity": dice.rng.randint(1, 20), "price": dice.number(1, 20), "every": every}
        one["collect"] = "advance" if dice.on("advance") else "arrears"
        if dice.maybe(0.4):
            one["starting_at"] = (START + timedelta(days=dice.rng.randint(0, 30))).date().isoformat()
        if dice.maybe(0.3):
            one["ending_before"] = (START + timedelta(days=dice.rng.randint(60, 74))).date().isoformat()
        days = sorted(dice.rng.sample(range(31, 59), dice.rng.randint(0, 2)))
        quantity = one["quantity"]
        one["changes"] = []
        for day in days:
            quantity = max(0, quantity + dice.rng.randint(-3, 5))
            one["changes"].append({"at": (START + timedelta(days=day)).date().isoformat(), "quantity": quantity})
        found["subscriptions"] = [one]
    if dice.on("minimum"):
        found["minimum"] = {"amount": dice.number(20, 200)} | (target(dice, catalogue, 0.3) if dice.maybe(0.5) else {})
    if dice.on("maximum"):
        found["maximum"] = {"amount": dice.number(200 if dice.on("minimum") else 20, 300)}
    if dice.on("discount"):
        found["discounts"] = []
        for number in range(dice.rng.randint(1, 2)):
            effect = {"percent": dice.rng.choice(["10", "33.3", "7.5"])} if dice.maybe(0.6) else {"amount": dice.number(1, 40)}
            found["discounts"].append({"id": f"d{number}", **effect, **(target(dice, catalogue, 0.3))})
    return found


def billing(dice: Dice) -> Document:
    found: Document = {"timezone": dice.zone}
    if dice.on("weekly"):
        found["period"] = "weekly"
    elif dice.on("quarterly"):
        found["period"] = "quarterly"
    if dice.on("anchor"):
        found["anchor"] = dice.rng.choice(["contract_start", "2024-12-15", "2024-10-31"])
    elif dice.on("weekly"):
        found["anchor"] = "contract_start"
    if dice.on("late") or dice.on("finalize"):
        found["grace"] = "P5D" if dice.on("finalize") else dice.rng.choice(["PT24H", "PT1H", "P5D"])
    return found


def thresholds(dice: Dice) -> list[Document]:
    found: list[Document] = []
    if dice.on("balance_alert"):
        found.append({"measure": "balance", "at": dice.number(5, 60)})
        if dice.maybe(0.3):
            found.append({"measure": "balance_percent", "at": dice.number(5, 90)})
    if dice.on("spend_alert") or dice.on("repeat_alert"):
        found.append({"measure": "spend", "at": dice.number(5, 60)})
    if dice.on("usage_alert"):
        found.append({"measure": "usage", "metric": "m-a", "at": dice.number(5, 60)})
    if dice.on("total_alert"):
        found.append({"measure": "invoice_total", "at": dice.number(5, 60)})
    if dice.on("repeat_alert"):
        found[-1]["repeat"] = dice.number(10, 40)
    return [{"id": f"t{number}", **each} for number, each in enumerate(found)]


def contract(dice: Dice, catalogue: Document, name: str, customer: str) -> Document:
    start = date_of(dice.rng.randint(1, 25) if dice.on("partial") else 0)
    made: Document = {"id": name, "customer": customer, "rate_card": "list", "starting_at": start, "billing": billing(dice)}
    if dice.on("ends"):
        made["ending_before"] = date_of(dice.rng.randint(40, 70))
    elif dice.maybe(0.5):
        made["ending_before"] = "2026-01-01"
    if dice.on("reopen") or dice.on("drop"):
        made["late_usage"] = "reopen" if dice.on("reopen") else "drop"
    if dice.on("explicit"):
        made["override_selection"] = "explicit"
    given = grants(dice, catalogue)
    special = overrides(dice, catalogue, [each["id"] for key in given for each in given[key]])
    watched = thresholds(dice)
    made |= given | terms(dice, catalogue)
    return made | ({"overrides": special} if special else {}) | ({"thresholds": watched} if watched else {})
