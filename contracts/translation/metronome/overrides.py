"""Overrides of a contract."""

from typing import Any

from contracts.contract import Override, OverrideTier
from contracts.translation.fields import Fields, invalid
from contracts.translation.metronome.grants import priority_in
from contracts.translation.metronome.known import Extras, Known
from contracts.translation.metronome.rates import price_in
from contracts.translation.metronome.reach import specifier_in


def override_in(fields: Fields, known: Known, *, name: str | None = None) -> tuple[list[Override], Extras]:
    """An override with several specifiers is several of ours: `ID`, `ID.2`, …; any of them takes a line."""
    name = name or known.fresh()
    multiplier, tiers, entitled = fields.number_or_none("multiplier"), fields.objects("tiers"), fields.any("entitled")
    implied = "OVERWRITE" if fields.has("overwrite_rate") else "MULTIPLIER" if multiplier is not None else "TIERED" if tiers else ""
    kind = fields.word("type", ("OVERWRITE", "MULTIPLIER", "TIERED"), implied or "OVERWRITE")
    price = None
    if fields.has("overwrite_rate"):
        rate = fields.object("overwrite_rate")
        known.coins.check(rate)
        rate.refuse("belongs to subscription rates, which overrides do not change here", "is_prorated", "quantity")
        price = price_in(rate, known.coins)
        rate.done()
    if not implied and entitled is None:
        raise invalid(fields.path, "needs one of multiplier, overwrite_rate, tiers, entitled")
    if kind != implied and implied:
        raise invalid(fields.at("type"), f"is {kind}, but what is given is of type {implied}")
    said: dict[str, Any] = {
        "starting_at": fields.instant("starting_at"),
        "ending_before": fields.instant_or_none("ending_before"),
        "multiplier": multiplier,
        "price": price,
        "tiers": [_override_tier(each) for each in tiers] or None,
        "entitled": fields.flag("entitled") if entitled is not None else None,
        "target": "commit" if fields.word("target", ("COMMIT_RATE", "LIST_RATE"), "LIST_RATE") == "COMMIT_RATE" else "list",
        "priority": priority_in(fields),
    }
    specific = fields.flag("is_commit_specific", False)
    legacy = {"products": [], "tags": fields.texts("applicable_product_tags")}
    if fields.has("product_id"):
        legacy["products"] = [known.product(fields.text("product_id"), fields.at("product_id"))]
    targets = fields.each("override_specifiers", lambda each: specifier_in(each, known)) or [legacy]
    if specific and not any(each.get("commits") for each in targets):
        raise invalid(fields.at("override_specifiers"), "a commit-specific override names commit_ids, recurring_commit_ids or any_commit_or_credit_ids")
    fields.any("product_id")
    made = [Override(id=name if number == 0 else f"{name}.{number + 1}", **said, **target) for number, target in enumerate(targets)]
    return made, {"parts": len(made), "is_commit_specific": specific}


def _override_tier(fields: Fields) -> OverrideTier:
    made = OverrideTier(size=fields.number_or_none("size"), multiplier=fields.number("multiplier"))
    fields.done()
    return made
