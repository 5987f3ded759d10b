"""How much of something is left, or reached."""

from decimal import Decimal

from console.pages.parts.text import Html, badge, money, tag
from contracts.result import Balance


def share(part: Decimal, whole: Decimal) -> int:
    """Percent between 0 and 100, rounded down."""
    return 0 if whole <= 0 else max(0, min(100, int(part * 100 / whole)))


def gauge(percent: int, label: str, *, low: bool = False) -> Html:
    fill = tag("i", style=f"width:{percent}%")
    return tag("div", fill, class_="gauge low" if low else "gauge", role="meter", aria_valuemin=0, aria_valuemax=100, aria_valuenow=percent, aria_label=label)


def balance_gauge(balance: Balance, currency: str) -> Html:
    """A prepaid balance empties; a postpaid commit fills up."""
    fills = balance.type == "postpaid"
    percent = share(balance.applied if fills else balance.remaining, balance.granted)
    said = f"{money(balance.applied, currency)} applied" if fills else f"{money(balance.remaining, currency)} left"
    rest = f"{money(balance.remaining, currency)} to go" if fills else f"{money(balance.applied, currency)} applied"
    expired = tag("small", f"{money(balance.expired, currency)} expired") if balance.expired else ""
    return tag(
        "div",
        tag("div", tag("b", balance.id), badge(balance.type), class_="pair"),
        gauge(percent, f"{balance.id}: {percent} percent", low=not fills and percent < 10),
        tag("div", tag("span", said), tag("span", f"{rest}, of {money(balance.granted, currency)} {currency}", class_="soft"), class_="pair"),
        expired,
        data_balance=balance.id,
    )
