"""Charges of several units, from a request and back: units times price is due once."""

from decimal import Decimal
from itertools import count

from contracts.case import Case
from contracts.catalogue import Catalogue, Product
from contracts.contract import Contract
from contracts.offline import rate
from contracts.translation.fields import Fields
from contracts.translation.metronome.charges import charge_in
from contracts.translation.metronome.coins import Coins
from contracts.translation.metronome.known import Known


def test_a_charge_of_two_units_is_due_once() -> None:
    # given a charge of 2 × 125.00 on a day, and one of 3 × 10.00 a month
    catalogue = Catalogue(products={"fee": Product(name="Fee", type="fixed")})
    numbers = count(1)
    known = Known(catalogue, Coins("USD"), lambda name, _: name, {}, lambda: f"c{next(numbers)}")
    once = {"product_id": "fee", "schedule": {"schedule_items": [{"timestamp": "2026-08-01T00:00:00Z", "quantity": 2, "unit_price": 12_500}]}}
    series = {
        "amount_distribution": "EACH", "frequency": "MONTHLY", "quantity": 3, "unit_price": 1_000,
        "starting_at": "2026-09-01T00:00:00Z", "ending_before": "2026-11-01T00:00:00Z",
    }  # fmt: skip
    monthly = {"product_id": "fee", "schedule": {"recurring_schedule": series}}
    charges = [charge for body in (once, monthly) for charge in charge_in(Fields(body), known)[0]]
    # when the contract is rated
    contract = Contract(id="acme", customer="acme", starting_at="2026-08-01", charges=charges)
    (result,) = rate(Case(case="charges", catalogue=catalogue, contracts=[contract], as_of="2026-11-15"))
    # then each date has its whole amount
    assert [(each.total, each.lines[0].quantity, each.lines[0].unit_price) for each in result.invoices if each.kind == "scheduled"] == [
        (Decimal("250.00"), Decimal(2), Decimal(125)), (Decimal("30.00"), Decimal(3), Decimal(10)), (Decimal("30.00"), Decimal(3), Decimal(10)),
    ]  # fmt: skip
