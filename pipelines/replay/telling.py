"""A generation as JSON, and the parts of a scope that people write as text."""

from typing import Any

from contracts.timeline import iso
from pipelines.replay.coverage import Metered
from pipelines.replay.generations import Generation


def told(generation: Generation, metered: Metered | None) -> dict[str, Any]:
    """`metered`: how far METER is with it; none: it meters it no more."""
    scope = generation.scope
    return {
        "number": generation.number,
        "state": generation.state,
        "note": generation.note,
        "rate": generation.rate or None,
        "author": generation.author,
        "correction": generation.correction,
        "products": {name: sorted(products) for name, products in scope.products.items()},
        "customers": scope.customers,
        "period": {"from": None if scope.from_ms is None else iso(scope.from_ms), "until": None if scope.until_ms is None else iso(scope.until_ms)},
        "complete": None if metered is None else metered.complete,
        "missing": None if metered is None else metered.missing,
        "steps": [{"step": step, "at": iso(at_ms)} for step, at_ms in generation.steps],
    }


def stretch_of(text: str) -> tuple[int, int, int]:
    """Partition, first offset and end of `3:1000-2000`. Raises ValueError."""
    partition, _, stretch = text.partition(":")
    start, _, end = stretch.partition("-")
    try:
        return int(partition), int(start), int(end)
    except ValueError:
        raise ValueError(f"{text!r} is no stretch: write PARTITION:FROM-TO, such as 3:1000-2000") from None
