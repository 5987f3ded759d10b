"""Bills of the story as the warehouse would give them, for tests of what is shown."""

from decimal import Decimal

from contracts.result import Alert, Invoice, Line
from taximeter.demo.month import DAY_MS, DAYS, START_MS

NAMES = {
    "api-calls": "API calls",
    "model-a-tokens": "Model A tokens",
    "model-b-tokens": "Model B tokens",
    "model-c-tokens": "Model C tokens",
    "images": "Images",
}
MIDDLE_MS = START_MS + 14 * DAY_MS
END_MS = START_MS + DAYS * DAY_MS
BEFORE = (
    ("api-calls", "3100000", "0.002", "6200.00"),
    ("images", "190000", "0.04", "7600.00"),
    ("model-a-tokens", "3100", "3.00", "9300.00"),
    ("model-b-tokens", "1240", "15.00", "18600.00"),
    ("model-c-tokens", "15500", "0.60", "9300.00"),
)
AFTER = (
    ("api-calls", 1, "1400000", "0.002", "2800.00"),
    ("api-calls", 2, "1700000", "0.0010", "1700.00"),
    ("images", 1, "190000", "0.04", "7600.00"),
    ("model-a-tokens", 1, "1400", "3.00", "4200.00"),
    ("model-a-tokens", 2, "1700", "1.500", "2550.00"),
    ("model-b-tokens", 1, "560", "15.00", "8400.00"),
    ("model-b-tokens", 2, "680", "7.500", "5100.00"),
    ("model-c-tokens", 1, "7000", "0.60", "4200.00"),
    ("model-c-tokens", 2, "8500", "0.300", "2550.00"),
)


def line(product: str, quantity: str, price: str, amount: str, half: int = 0) -> Line:
    start, end = ((START_MS, END_MS), (START_MS, MIDDLE_MS), (MIDDLE_MS, END_MS))[half]
    override, commit = ("half-price" if half == 2 else None), ("annual" if half else None)
    return Line(f"{product}-{half}", "usage", product, {}, start, end, Decimal(quantity), Decimal(price), None, Decimal(amount), commit, override)


def invoice(lines: tuple[Line, ...], kind: str = "usage") -> Invoice:
    total = sum((each.amount for each in lines), Decimal("0.00"))
    return Invoice(kind, "acme", "acme-2025", kind, "draft", START_MS, END_MS, END_MS, "USD", lines, total)  # type: ignore[arg-type]


def before() -> Invoice:
    return invoice(tuple(line(*row) for row in BEFORE))


def after() -> Invoice:
    return invoice(tuple(line(product, quantity, price, amount, half) for product, half, quantity, price, amount in AFTER))


def crossing() -> Alert:
    return Alert("acme", "acme-2025", "big-month", "in_alarm", Decimal("25000.03"), 1, MIDDLE_MS + 8 * 3_600_000)
