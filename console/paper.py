"""An invoice on paper: a PDF set by Typst, the same bytes for the same invoice."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import typst

from contracts.money import plain
from contracts.result import Invoice, Line
from contracts.timeline import iso

TEMPLATE: Final = Path(__file__).with_name("invoice.typ")
KINDS: Final = {
    "usage": "Invoice",
    "scheduled": "Invoice",
    "true_up": "True-up invoice",
    "correction": "Correction",
}


def pdf(invoice: Invoice, customer: str, products: dict[str, str]) -> bytes:
    """The invoice as PDF. `products` has their names by id. Lines that come to nothing are left out."""
    data = {
        "title": KINDS.get(invoice.kind, "Invoice"),
        "status": invoice.status,
        "id": invoice.id,
        "customer": customer,
        "contract": invoice.contract,
        "currency": invoice.currency,
        "period": f"{_day(invoice.starting_ms)} – {_day(invoice.ending_ms)}",
        "issued": _day(invoice.issue_ms),
        "lines": [_line(line, products) for line in invoice.lines if line.amount or line.quantity],
        "total": _amount(invoice.total),
    }
    made: Any = typst.compile(
        str(TEMPLATE), format="pdf", sys_inputs={"invoice": json.dumps(data)}, timestamp=invoice.issue_ms // 1000, ignore_system_fonts=False
    )
    return bytes(made)


def _line(line: Line, products: dict[str, str]) -> dict[str, str]:
    what = products.get(line.product, line.product) if line.product else line.kind.replace("_", " ").capitalize()
    notes = [f"{key}: {value}" for key, value in sorted(line.group.items())]
    if line.kind == "commit":
        notes.append(f"from {line.commit}")
    elif line.commit:
        notes.append(f"counts to {line.commit}")
    if line.tier is not None:
        notes.append(f"tier {line.tier}")
    return {
        "what": what or "",
        "notes": ", ".join(notes),
        "period": f"{_day(line.starting_ms)} – {_day(line.ending_ms)}",
        "quantity": "" if line.quantity is None else _quantity(line.quantity),
        "price": "" if line.unit_price is None else plain(line.unit_price),
        "amount": _amount(line.amount),
    }


def _amount(amount: Decimal) -> str:
    return f"{amount:,f}"


def _quantity(quantity: Decimal) -> str:
    return f"{Decimal(plain(quantity)):,f}"


def _day(ms: int) -> str:
    text = iso(ms)
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}" if text.endswith("T00:00:00Z") else text
