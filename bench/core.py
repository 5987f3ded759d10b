"""`taximeter bench core`: how fast the pure core rates, on one core, beside the same arithmetic written naively with Decimal in the same run.

Times are of the process, not of the wall, so that a busy machine does not blur them.

- `…_lines_per_s`: a price model rates the quantity of a line: its pieces and their rounded amounts.
- `rerates_full_per_s`: the draft of a customer (5 products, 10 lines, 2 commits) from its usage series: every line, every draw.
- `rerates_incremental_per_s`: one more delta in one line, and the draws behind it.
- `invoices_per_s`: a year of monthly invoices for many customers after a change of a rate: everything is compiled and rated again.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from time import process_time
from typing import Any, Final

import msgspec

from bench.report import Figure, report
from contracts.account import Account
from contracts.catalogue import Catalogue, Metric, Package, Price, Product, Rate, RateCard, Tier
from contracts.contract import Access, Commit, Contract, Instalment, Override
from contracts.instants import instant_ms
from contracts.offline import Memory
from contracts.prices import compile_price
from contracts.scales import RAW, scale
from contracts.usage import Delta

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
CENT: Final = Decimal("0.01")
TIERS: Final = (
    Tier(up_to=Decimal(1_000), per_unit=Decimal("1.00")),
    Tier(up_to=Decimal(10_000), per_unit=Decimal("0.80")),
    Tier(per_unit=Decimal("0.50")),
)
PRICES: Final = {
    "per_unit": Price(per_unit=Decimal("0.0023")),
    "graduated": Price(graduated=list(TIERS)),
    "volume": Price(volume=list(TIERS)),
    "package": Price(package=Package(size=Decimal(10), price=Decimal("0.80"))),
}


def run(seconds: float = 1.0, customers: int = 10_000) -> dict[str, Any]:
    """Measure each figure for about `seconds` of the processor's time; `customers` have a year of invoices."""
    figures = [Figure(f"{name}_lines_per_s", _rating(price, seconds), "lines/s") for name, price in PRICES.items()]
    full, incremental = _rerates(seconds)
    figures += [Figure("rerates_full_per_s", full, "customers/s"), Figure("rerates_incremental_per_s", incremental, "deltas/s")]
    invoices = _year(customers)
    figures += [Figure("invoices_per_s", invoices, "invoices/s"), Figure("year_of_invoices_s", customers * 12 / invoices, "s")]
    naive = Figure("graduated_lines_per_s, naively with Decimal", _speed(_naive, seconds), "lines/s")
    graduated = next(f.value for f in figures if f.name == "graduated_lines_per_s")
    workload = {"products": 5, "lines": 10, "commits": 2, "tiers": 3, "customers": customers, "months": 12}
    return report("core", workload, figures, naive, graduated / naive.value)


def _speed(work: Callable[[], int], seconds: float) -> float:
    """How many things a second `work` does; it says how many it did."""
    work()
    done, start = 0, process_time()
    while (taken := process_time() - start) < seconds:
        done += work()
    return done / taken


QUANTITIES: Final = range(1, 30_000, 7)


def _rating(price: Price, seconds: float) -> float:
    model = compile_price(price, Fraction(1), scale(1, None, 0), 2)
    positions = [quantity * RAW for quantity in QUANTITIES]

    def work() -> int:
        for position in positions:
            end = model.align(position)
            for atoms, unit in model.pieces(0, end, end):
                unit.amount(atoms)
        return len(positions)

    return _speed(work, seconds)


def _naive() -> int:
    """A graduated price as one writes it down."""
    for number in QUANTITIES:
        rest, below = Decimal(number), Decimal(0)
        for tier in TIERS:
            units = rest if tier.up_to is None else min(rest, tier.up_to - below)
            (units * tier.per_unit + tier.flat).quantize(CENT, ROUND_HALF_UP)
            rest -= units
            below = tier.up_to or below
            if not rest:
                break
    return len(QUANTITIES)


def _catalogue(price: str = "0.0023") -> Catalogue:
    products = {f"p{number}": Product(name=f"Product {number}", metric="m") for number in range(5)}
    rates = [Rate(product=name, price=Price(per_unit=Decimal(price))) for name in products]
    return Catalogue(metrics={"m": Metric(event_types=["e"], aggregation="sum", value="v")}, products=products, rate_cards={"list": RateCard(rates=rates)})


def _contract(customer: str, *, starting_at: str = "2025-10-01", until: str = "2026-10-01", cut: str | None = "2025-10-15") -> Contract:
    total = Decimal(100_000)
    return Contract(
        id=customer, customer=customer, rate_card="list", starting_at=starting_at, ending_before=until,
        overrides=[Override(id="half", starting_at=cut, multiplier=Decimal("0.5"))] if cut else [],
        commits=[
            Commit(id="credit", type="prepaid", access=[Access(amount=Decimal(50), starting_at=starting_at, ending_before=until)]),
            Commit(
                id="annual", type="postpaid", access=[Access(amount=total, starting_at=starting_at, ending_before=until)],
                invoice=[Instalment(amount=total, at=until)],
            ),
        ],
    )  # fmt: skip


def _delta(customer: str, product: int, at: int, value: int, recorded: int | None = None) -> Delta:
    return Delta("default", f"p{product}", customer, {}, at, at if recorded is None else recorded, at, 1, Decimal(value))


def _rerates(seconds: float) -> tuple[float, float]:
    """Full and incremental re-rates of one customer with a month of usage every six hours."""
    start = instant_ms("2025-10-01")
    account = Account("acme", Memory())
    account.record_catalogue(_catalogue(), start)
    account.record_contract(_contract("acme"), start)
    account.record_usage(_delta("acme", product, start + hour * HOUR, 1_000 + hour) for hour in range(0, 31 * 24, 6) for product in range(5))
    if max(len(invoice.lines) for invoice in account.result().invoices) < 10:
        raise AssertionError("the workload has less than ten lines")

    def full() -> int:
        for _ in range(100):
            account.refold()
        return 100

    late = [_delta("acme", 1, start + hour * HOUR, 3, start + 31 * DAY - HOUR) for hour in range(0, 31 * 24, 8)]

    def incremental() -> int:
        for delta in late:
            account.record_usage([delta])
            account.refold(whole=False)
        return len(late)

    return _speed(full, seconds), _speed(incremental, seconds)


def _year(customers: int) -> float:
    """Invoices a second when a rate changes for customers with a year of open months. Customers are measured in a sample of at most 500."""
    start, end = instant_ms("2025-01-01"), instant_ms("2025-12-31")
    accounts: list[Account] = []
    months: Sequence[int] = [instant_ms(f"2025-{month:02d}-10") for month in range(1, 13)]
    for number in range(min(customers, 500)):
        name = f"c{number}"
        account = Account(name, Memory())
        account.record_catalogue(_BEFORE, start)
        made = _contract(name, starting_at="2025-01-01", until="2026-01-01", cut=None)
        account.record_contract(_open(made), start)
        account.record_usage(_delta(name, product, at, 500 + number, start) for at in months for product in range(5))
        account.advance(end)
        account.refold(whole=False)
        accounts.append(account)
    after = _catalogue("0.0031")
    begun = process_time()
    for account in accounts:
        account.record_catalogue(after, end)
        account.refold(whole=False)
    return len(accounts) * 12 / (process_time() - begun)


_BEFORE: Final = _catalogue()


def _open(contract: Contract) -> Contract:
    """All months stay drafts, so that the change reaches them."""
    return msgspec.structs.replace(contract, billing=msgspec.structs.replace(contract.billing, grace="P400D"))
