"""All terms of a contract, from a request's body."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from contracts.translation.fields import Fields
from contracts.translation.metronome.charges import charge_in, subscription_in
from contracts.translation.metronome.grants import commit_in, credit_in, recurring_in
from contracts.translation.metronome.known import Extras, Known
from contracts.translation.metronome.overrides import override_in
from contracts.translation.metronome.statements import billing_in, filter_in

Prices = Callable[[str, str], Sequence[tuple[str, Decimal]]]
"""Dated prices of a product and billing frequency on the rate card, oldest first."""


def terms_in(fields: Fields, known: Known, start: str, prices: Prices, *, named: bool = False) -> tuple[dict[str, Any], dict[str, Extras]]:
    """Fields of the contract, and what is kept of its terms by their ids. `named`: every term says its own id. Raises RefusedError."""
    kept: dict[str, Extras] = {}

    def each(key: str, read: Callable[[Fields, str | None], tuple[Any, Extras]]) -> list[Any]:
        found: list[Any] = []
        for inner in fields.objects(key):
            made, extras = read(inner, inner.text("id") if named else None)
            inner.done()
            parts = made if isinstance(made, list) else [made]
            kept[parts[0].id] = extras
            found += parts
        return found

    explicit = fields.word("multiplier_override_prioritization", ("LOWEST_MULTIPLIER", "EXPLICIT"), "LOWEST_MULTIPLIER") == "EXPLICIT"
    said: dict[str, Any] = {
        "commits": each("commits", lambda one, name: commit_in(one, known, name=name)),
        "credits": each("credits", lambda one, name: credit_in(one, known, name=name)),
        "recurring_commits": each("recurring_commits", lambda one, name: recurring_in(one, known, commit=True, name=name)),
        "recurring_credits": each("recurring_credits", lambda one, name: recurring_in(one, known, commit=False, name=name)),
        "overrides": each("overrides", lambda one, name: override_in(one, known, name=name)),
        "charges": each("scheduled_charges", lambda one, name: charge_in(one, known, name=name)),
        "subscriptions": each("subscriptions", lambda one, name: subscription_in(one, known, start, prices, name=name)),
        "billing": billing_in(fields.object("usage_statement_schedule") if fields.has("usage_statement_schedule") else None, start),
        "override_selection": "explicit" if explicit else "lowest_multiplier",
        "usage_filter": None,
    }
    fields.any("usage_statement_schedule")
    if fields.has("usage_filter"):
        inner = fields.object("usage_filter")
        said["usage_filter"] = filter_in(inner, start)
        inner.done()
    fields.any("usage_filter")
    return said, kept
