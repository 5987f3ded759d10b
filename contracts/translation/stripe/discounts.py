"""Coupons that a subscription or its customer has, as discounts of a contract: those that hold for ever and reach usage only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.contract import Billing, Discount
from contracts.timeline import grid, iso
from contracts.translation.fields import invalid
from contracts.translation.stripe.amounts import amount_in, number_in
from contracts.translation.stripe.prices import Priced

BY_HAND = "write it under discounts of the contract, with the periods it holds for, and leave it out with --skip"


def discounts_in(
    row: Mapping[str, Any], customer: Mapping[str, Any], currency: str, prices: Sequence[Priced], billing: Billing, start_ms: int, at: Callable[[Any, str], int]
) -> list[Discount]:
    """Discounts of the subscription, else those of the customer. Raises RefusedError."""
    given = [*(row.get("discounts") or []), *([row["discount"]] if row.get("discount") and not row.get("discounts") else [])]
    if not given and customer.get("discount"):
        given = [customer["discount"]]
    return [_discount(each, f"discounts[{number}]", currency, prices, billing, start_ms, at) for number, each in enumerate(given)]


def _discount(
    each: Any, path: str, currency: str, prices: Sequence[Priced], billing: Billing, start_ms: int, at: Callable[[Any, str], int]
) -> Discount:
    coupon = each.get("coupon") or (each.get("source") or {}).get("coupon") if isinstance(each, Mapping) else None
    if not isinstance(coupon, Mapping):
        raise invalid(path, "is not expanded; save subscriptions with expand[]=data.discounts (and its coupon)")
    if coupon.get("duration") != "forever" or each.get("end"):
        raise invalid(path, f"coupon {coupon['id']} does not hold for ever ({coupon.get('duration')}), and an invoice takes it by the day it is made; {BY_HAND}")
    only = (coupon.get("applies_to") or {}).get("products") or []
    reached = [price for price in prices if not only or set(price.product.tags) & set(only)]
    if any(price.kind == "licensed" for price in reached):
        raise invalid(path, f"coupon {coupon['id']} reaches seats, which are invoiced in advance, and discounts here are on usage invoices; lower the price of the seats")
    periods = grid(billing.period, billing.anchor, billing.timezone, start_ms)
    begins = periods.around(at(each["start"], f"{path}.start")).start
    said: dict[str, Any] = {"id": str(each.get("id") or coupon["id"]), "tags": list(only)}
    if begins > start_ms:
        said["starting_at"] = iso(begins)
    if coupon.get("percent_off") is not None:
        return Discount(percent=number_in(coupon["percent_off"], f"{path}.coupon.percent_off"), **said)
    if str(coupon.get("currency")).upper() != currency:
        raise invalid(f"{path}.coupon.currency", f"coupon {coupon['id']} is in {coupon.get('currency')}, the subscription in {currency}")
    return Discount(amount=amount_in(coupon["amount_off"], currency, f"{path}.coupon.amount_off"), **said)
