import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from taximeter.demo.month import DAY_MS, START_MS
from taximeter.demo.scenes import Bill, Flow, Heading, Measured, Scene
from taximeter.demo.screen import ALL_COLUMNS, PRICE_COLUMNS, days, drawn, picture, save
from tests.unit.demo.october import NAMES, after, before, crossing

FLOW = Flow(120_000, 90_000, 236_000, 4.0, START_MS + 15 * DAY_MS, before(), [crossing()])


def shown(scene: Scene, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    console.print(drawn(scene, NAMES))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", (30, 40, PRICE_COLUMNS, 80, ALL_COLUMNS, 100, 200))
@pytest.mark.parametrize("scene", (FLOW, Bill("the bill", after()), Heading(2, "A month of usage", "about it"), Measured([("events", "5", "how")])))
def test_no_line_is_wider_than_the_terminal(scene: Scene, width: int) -> None:
    assert all(len(line) <= width for line in shown(scene, width).splitlines())


@pytest.mark.parametrize("width", (44, 80, 100))
def test_every_amount_of_the_bill_stands_whole_at_any_width(width: int) -> None:
    text = shown(Bill("the bill", after()), width)
    amounts = re.findall(r"[\d,]+\.\d\d(?!\d)", text)
    for line in after().lines:
        assert f"{line.amount:,f}" in amounts
    assert "39,100.00 USD" in text


def test_a_wide_terminal_shows_prices_override_and_commit() -> None:
    wide, narrow = shown(Bill("the bill", after()), 100), shown(Bill("the bill", after()), 50)
    assert re.search(r"Model B tokens +15–31 Oct +680 +7\.5 +5,100\.00 +half-price +annual", wide)
    assert re.search(r"Model B tokens +15–31 Oct +5,100\.00", narrow)
    assert "half-price" not in narrow


def test_the_stream_shows_how_far_it_is_and_what_fired() -> None:
    text = shown(FLOW, 100)
    assert "120,000 of 236,000" in text
    assert "90,000 of 236,000" in text
    assert "30,000 events/s into Kafka" in text
    assert "bill of October so far 51,000.00 USD" in text
    assert "threshold big-month crossed: 25,000.03 USD with the event of 15 Oct 2025 08:00" in text


def test_before_anything_is_rated_there_is_no_bill() -> None:
    assert "nothing yet" in shown(FLOW._replace(invoice=None, alerts=[], seconds=0.0, sent=0), 80)


def test_days_of_a_line_are_inclusive() -> None:
    assert days(START_MS, START_MS + 14 * DAY_MS) == "1–14 Oct"
    assert days(START_MS, START_MS + DAY_MS) == "1 Oct"
    assert days(START_MS, START_MS + 92 * DAY_MS) == "1 Oct – 31 Dec"


def test_the_picture_has_the_figures_and_loads_nothing(tmp_path: Path) -> None:
    file = tmp_path / "images" / "demo.svg"
    save(file, picture([Heading(1, "A catalogue", ""), Bill("the bill", after())], NAMES, "taximeter demo"))
    svg = file.read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "39,100.00" in svg
    assert "url(" not in svg.replace("url(#", "")
    assert set(re.findall(r"https?://[^\"')\s]+", svg)) == {"http://www.w3.org/2000/svg"}


def test_numbers_in_the_picture_stand_at_their_right_edge() -> None:
    svg = picture([Bill("the bill", before())], NAMES, "taximeter demo")
    found = re.findall(r'x="([\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>(?:6,200|7,600|9,300|18,600)\.00<', svg)
    assert len(found) == 5
    assert len({round(float(x) + float(length), 1) for x, length in found}) == 1
    assert ">&#160;" not in svg
