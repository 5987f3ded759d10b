"""A subscription of Stripe as a contract: metered items on a rate card, licensed ones as subscriptions in advance."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any, Final, NamedTuple

from contracts.contract import Billing, Contract, Subscription
from contracts.instants import from_ms
from contracts.timeline import iso
from contracts.translation.fields import invalid
from contracts.translation.saved import Finding, Saved
from contracts.translation.stripe.amounts import currency_in, instant_in, number_in
from contracts.translation.stripe.catalogues import PriceList, card_name, unknown
from contracts.translation.stripe.discounts import discounts_in
from contracts.translation.stripe.prices import Priced

READ: Final = frozenset(
    "id object application automatic_tax billing_cycle_anchor billing_cycle_anchor_config billing_mode billing_thresholds cancel_at cancel_at_period_end canceled_at"
    " cancellation_details collection_method created currency current_period_end current_period_start customer customer_account days_until_due"
    " default_payment_method default_source default_tax_rates description discount discounts ended_at invoice_settings items latest_invoice livemode metadata"
    " next_pending_invoice_item_invoice on_behalf_of pause_collection payment_settings pending_invoice_item_interval pending_setup_intent pending_update plan"
    " presentment_details quantity schedule start_date status test_clock transfer_data trial_end trial_settings trial_start".split()
)
NO_INVOICES: Final = ("incomplete", "incomplete_expired")
NOT_HERE: Final[Mapping[str, str]] = {
    "billing_thresholds": "begins a new period when an amount is reached; periods here end by the calendar",
    "pause_collection": "holds invoices back, which is not done here; end the contract and begin another",
    "pending_invoice_item_interval": "invoices at other times than the period's end",
    "application_fee_percent": "is a share of a platform",
}
HOUR_MS: Final = 3_600_000


class Begun(NamedTuple):
    """When a contract and its periods begin, and when it ends."""

    start_ms: int
    anchor_ms: int
    end_ms: int | None


class Clock(NamedTuple):
    """How instants of Stripe, which are seconds, come to the edges of metering windows."""

    align: bool

    def at(self, seconds: Any, field: str) -> int:
        """Milliseconds, on the full hour. Raises RefusedError where it is not, and nobody has asked to move it."""
        moment = instant_in(seconds, field)
        if moment % HOUR_MS and not self.align:
            raise invalid(field, f"{iso(moment)} is not on the full hour, and prices change there only; --align moves it to the hour it lies in")
        return moment - moment % HOUR_MS


def metered_of(saved: Saved, listed: PriceList) -> tuple[str, frozenset[str]]:
    """Currency and metered prices of a subscription. Raises RefusedError."""
    row = saved.data
    currency, items = currency_in(row["currency"], "currency"), _items(row, listed)
    for name, _ in items:
        if currency not in listed.prices[name].prices:
            raise invalid("items", f"price {name} has no amount in {currency}; list prices with expand[]=data.currency_options")
    return currency, frozenset(name for name, _ in items if listed.prices[name].kind == "metered")


def contract_in(saved: Saved, listed: PriceList, catalogue: str, clock: Clock, customer: Mapping[str, Any], findings: list[Finding]) -> Contract:
    """Raises RefusedError for what no contract can say."""
    row = saved.data
    for name, why in NOT_HERE.items():
        if row.get(name) not in (None, [], {}):
            raise invalid(name, why)
    currency, metered = metered_of(saved, listed)
    items = _items(row, listed)
    begun = _begun(saved, clock, findings)
    billing = _billing([listed.prices[name] for name, _ in items], begun)
    seats = [_seats(item, number, listed.prices[name], currency, findings, saved) for number, (name, item) in enumerate(items) if name not in metered]
    findings += unknown(saved, "subscription", READ)
    if row.get("schedule"):
        findings.append(saved.finding("noted", "subscription", "schedule", f"{row['schedule']}: phases that begin later are not read; import again when they have begun"))
    return Contract(
        id=saved.id,
        customer=id_of(row["customer"]),
        rate_card=card_name(metered) if metered else None,
        catalogue=catalogue,
        name=str(row["description"]) if row.get("description") else None,
        starting_at=iso(begun.start_ms),
        ending_before=None if begun.end_ms is None else iso(begun.end_ms),
        billing=billing,
        subscriptions=seats,
        discounts=discounts_in(row, customer, currency, [listed.prices[name] for name, _ in items], billing, begun.start_ms, clock.at),
    )


def id_of(value: Any) -> str:
    """An object's id, whether it was expanded or not."""
    return str(value["id"] if isinstance(value, Mapping) else value)


def _items(row: Mapping[str, Any], listed: PriceList) -> list[tuple[str, Mapping[str, Any]]]:
    items = row["items"]
    if items.get("has_more"):
        raise invalid("items.has_more", "the answer lacks some items; save /v1/subscription_items of this subscription into it")
    found = []
    for number, item in enumerate(items["data"]):
        name = id_of(item["price"])
        if name not in listed.prices:
            why = f"cannot be said: {listed.refused[name]}" if name in listed.refused else "is not in the export"
            raise invalid(f"items[{number}].price", f"price {name} {why}")
        if item.get("discounts"):
            raise invalid(f"items[{number}].discounts", "a discount of one item; discounts here are on the invoice, for products that it names")
        if item.get("billing_thresholds"):
            raise invalid(f"items[{number}].billing_thresholds", NOT_HERE["billing_thresholds"])
        found.append((name, item))
    if len({name for name, _ in found}) < len(found):
        raise invalid("items", "has the same price twice")
    return found


def _begun(saved: Saved, clock: Clock, findings: list[Finding]) -> Begun:
    row = saved.data
    start = int(row["start_date"])
    trial = row.get("trial_end")
    if trial and int(trial) > start:
        findings.append(saved.finding("noted", "subscription", "trial_end", f"the contract begins when the trial ends, {iso(int(trial) * 1000)}: nothing before it is due"))
        start = int(trial)
    end = row.get("ended_at") or row.get("cancel_at")
    if end is None and row.get("cancel_at_period_end"):
        ends = [row.get("current_period_end"), *(item.get("current_period_end") for item in row["items"]["data"])]
        end = max(int(each) for each in ends if each)
    moments = {"start_date": start, "billing_cycle_anchor": int(row["billing_cycle_anchor"]), "cancel_at": end}
    moved = [f"{name} {iso(int(each) * 1000)}" for name, each in moments.items() if each and int(each) * 1000 % HOUR_MS]
    found = Begun(clock.at(start, "start_date"), clock.at(row["billing_cycle_anchor"], "billing_cycle_anchor"), None if end is None else clock.at(end, "cancel_at"))
    if moved:
        findings.append(saved.finding("noted", "subscription", "", f"moved to the hour it lies in: {', '.join(moved)}"))
    if found.end_ms is not None and found.end_ms <= found.start_ms:
        raise invalid("ended_at", "is not after the start, so nothing was ever due; leave it out with --skip")
    return found


def _billing(prices: list[Priced], begun: Begun) -> Billing:
    metered = {each.rhythm for each in prices if each.kind == "metered" and each.rhythm}
    rhythms = metered or {each.rhythm for each in prices if each.rhythm}
    if len(rhythms) != 1:
        raise invalid("items", "have metered prices of different intervals; a contract has one billing period" if metered else "have prices of different intervals")
    ((period, _),) = rhythms
    anchor = from_ms(begun.anchor_ms)
    if begun.anchor_ms == begun.start_ms:
        return Billing(period=period, anchor="contract_start")
    if period == "monthly" and (anchor.day, anchor.hour) == (1, 0):
        return Billing(period=period)
    return Billing(period=period, anchor=iso(begun.anchor_ms))


def _seats(item: Mapping[str, Any], number: int, price: Priced, currency: str, findings: list[Finding], saved: Saved) -> Subscription:
    unit = price.prices[currency].per_unit
    if price.rhythm is None or unit is None:
        raise invalid(f"items[{number}].price", f"price {price.id} is not due in periods; it is a charge")
    quantity = number_in(item.get("quantity") or 0, f"items[{number}].quantity")
    if price.every is not None:
        packs = (quantity / price.every.divide_by).to_integral_value(ROUND_CEILING if price.every.round == "up" else ROUND_FLOOR)
        message = f"{quantity} in packs of {price.every.divide_by} are {packs}: the quantity of the contract is a number of packs"
        findings.append(saved.finding("noted", "subscription", f"items[{number}].quantity", message))
        quantity = packs
    return Subscription(id=str(item["id"]), product=price.id, quantity=quantity, price=unit, every=price.rhythm[1], collect="advance")
