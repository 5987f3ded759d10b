"""Spend by product and day: stacked bars, drawn as SVG, with the same figures as a table for those who do not see them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from console.pages.parts.text import Html, day, join, many, money, row, table, tag

DAY_MS: Final = 86_400_000
WIDTH: Final = 760
HEIGHT: Final = 220
LEFT: Final = 64
BOTTOM: Final = 20
MOST_DAYS: Final = 400

Spend = Mapping[int, Mapping[str, Decimal]]
"""Amounts by start of the day and product."""


def chart(spend: Spend, start_ms: int, end_ms: int, names: Mapping[str, str], currency: str) -> Html:
    days = list(range(start_ms - start_ms % DAY_MS, end_ms, DAY_MS))[:MOST_DAYS]
    products = sorted({product for each in spend.values() for product in each})
    top = _top(max((sum((amount for amount in each.values() if amount > 0), Decimal(0)) for each in spend.values()), default=Decimal(0)))
    step = Decimal(WIDTH - LEFT) / max(1, len(days))
    parts = [_line(part, top) for part in (Decimal(0), top / 2, top)]
    for at, start in enumerate(days):
        parts.append(_bar(LEFT + at * step, step, spend.get(start, {}), products, top, f"{day(start)}", names, currency))
        if at % max(1, len(days) // 8) == 0 and LEFT + at * step < WIDTH - 30:
            parts.append(tag("text", day(start)[5:], x=_px(LEFT + at * step), y=HEIGHT - 4))
    drawing = tag("svg", *parts, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"Spend by product and day, {currency}")
    key = tag("div", *(tag("span", tag("i", class_=f"c{at % 8}"), names.get(each, each)) for at, each in enumerate(products)), class_="key")
    return join([drawing, key, _figures(spend, products, names, currency)])


def _bar(
    x: Decimal, width: Decimal, amounts: Mapping[str, Decimal], products: Sequence[str], top: Decimal, label: str, names: Mapping[str, str], currency: str
) -> Html:
    scale = Decimal(HEIGHT - BOTTOM - 10) / top
    y = Decimal(HEIGHT - BOTTOM)
    found = []
    for at, product in enumerate(products):
        amount = amounts.get(product, Decimal(0))
        if amount <= 0:
            continue
        height = amount * scale
        y -= height
        said = tag("title", f"{label} · {names.get(product, product)}: {money(amount, currency)} {currency}")
        found.append(tag("rect", said, x=_px(x + 1), y=_px(y), width=_px(max(Decimal(1), width - 2)), height=_px(height), class_=f"c{at % 8}"))
    return join(found)


def _line(amount: Decimal, top: Decimal) -> Html:
    y = HEIGHT - BOTTOM - amount * (HEIGHT - BOTTOM - 10) / top
    return join([tag("line", x1=LEFT, x2=WIDTH, y1=_px(y), y2=_px(y)), tag("text", many(amount), x=LEFT - 6, y=_px(y + 4), text_anchor="end")])


def _figures(spend: Spend, products: Sequence[str], names: Mapping[str, str], currency: str) -> Html:
    rows = [
        row(day(start), *(money(each.get(product), currency) for product in products), kinds=("", *["num"] * len(products)))
        for start, each in sorted(spend.items())
    ]
    head = (("Day", ""), *((names.get(product, product), "num") for product in products))
    return tag("details", tag("summary", "The figures"), table(head, rows, f"Spend by day, {currency}"))


def _top(highest: Decimal) -> Decimal:
    """The next round number above."""
    if highest <= 0:
        return Decimal(1)
    power = Decimal(10) ** highest.adjusted()
    return next(power * each for each in (1, 2, 3, 4, 5, 6, 8, 10) if power * each >= highest)


def _px(value: Decimal) -> str:
    return f"{value:.1f}"
