from decimal import Decimal

from contracts.result import Balance
from taximeter.demo.month import DAY_MS, START_MS
from taximeter.demo.plain import told
from taximeter.demo.scenes import Bill, Flow, Grant, Scene
from taximeter.demo.tellers import Log
from tests.unit.demo.october import NAMES, after, before, crossing

FLOW = Flow(236_000, 236_000, 236_000, 4.0, START_MS + 30 * DAY_MS, before(), [crossing()])


def test_a_bill_is_its_total_and_a_line_for_each_line() -> None:
    lines = told(Bill("the bill", after()), NAMES)
    assert lines[0] == "   the bill: 39,100.00 USD (draft)"
    assert "     API calls, 15–31 Oct: 1,700.00 (1,700,000 × 0.001, override half-price, commit annual)" in lines
    assert len(lines) == 10


def test_the_last_look_at_the_stream_names_lines_and_crossing() -> None:
    assert len(told(FLOW, NAMES)) == 1
    lines = told(FLOW._replace(over=True), NAMES)
    assert len(lines) == 7
    assert lines[-1] == "   threshold big-month crossed: 25,000.03 USD with the event of 15 Oct 2025 08:00"


def test_a_balance_in_one_line() -> None:
    row = Balance("annual", "acme", "acme-2025", "postpaid", Decimal("100000.00"), Decimal("39100.00"), Decimal("0.00"), Decimal("60900.00"))
    assert told(Grant(row, "USD"), NAMES) == ["   postpaid commit annual: granted 100,000.00 USD, applied 39,100.00 USD, remaining 60,900.00 USD"]


def test_a_log_does_not_repeat_the_stream_at_every_look_but_always_tells_the_end() -> None:
    lines: list[str] = []
    log = Log(lines.append, NAMES)
    scenes: list[Scene] = [FLOW] * 50
    for scene in scenes:
        log(scene)
    assert 1 <= len(lines) <= 2
    log(FLOW._replace(over=True))
    assert lines[-1].startswith("   threshold big-month")
