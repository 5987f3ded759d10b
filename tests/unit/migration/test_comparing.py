"""Invoices of an export beside ours: equal to the cent, and what is said when they are not."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contracts.case import UsageLine
from contracts.translation.comparing import Compared
from taximeter.cli import program
from taximeter.migration.systems import System, metronome, stripe
from tests.unit.migration.answers import Edit, Files, changed, files, write

ACME = "c0ffee00-aaaa-4bbb-8ccc-000000000001"


def compared(system: System, name: str, *edits: Edit, usage: Sequence[UsageLine] | None = None) -> list[Compared]:
    return system.compare(system.read(changed(name, *edits)), usage)


def lines_of(found: Files, invoice: int) -> list[dict[str, Any]]:
    row = found["invoices.json"]["data"][invoice]
    rows: list[dict[str, Any]] = row["line_items"] if "line_items" in row else row["lines"]["data"]
    return rows


def events() -> list[UsageLine]:
    """The usage of the Metronome invoices, as events: under an id and under an alias of the customer."""

    def tokens(at: str, region: str, millions: str) -> UsageLine:
        properties = {"tokens": format(Decimal(millions) * 1_000_000, "f"), "region": region, "status": "ok"}
        return UsageLine(event_type="completion", timestamp=at, customer="acme", transaction_id=f"{at}/{region}", properties=properties)

    def calls(at: str, count: int) -> list[UsageLine]:
        return [UsageLine(event_type="api_call", timestamp=at, customer=ACME, transaction_id=f"{at}/{number}") for number in range(count)]

    august, september = "2026-08-10T10:00:00Z", "2026-09-10T10:00:00Z"
    return [
        tokens(august, "eu", "120.5"), tokens(august, "us", "80"), *calls(august, 1400),
        tokens(september, "eu", "100"), tokens(september, "us", "50"), *calls(september, 1400),
    ]  # fmt: skip


@pytest.mark.parametrize("usage", (None, events()), ids=("from invoices", "from events"))
def test_a_metronome_export_comes_to_the_same(usage: list[UsageLine] | None) -> None:
    # when the contracts are rated
    rows = compared(metronome(), "metronome", usage=usage)
    # then every invoice is the same, the drawn commit included
    assert [(row.kind, row.theirs, row.ours) for row in rows] == [
        ("scheduled", Decimal("1000.00"), Decimal("1000.00")),
        ("usage", Decimal("0.00"), Decimal("0.00")),
        ("scheduled", Decimal("375.00"), Decimal("375.00")),
        ("usage", Decimal("261.72"), Decimal("261.72")),
    ]
    assert all(row.same for row in rows)


def test_a_stripe_export_comes_to_the_same() -> None:
    rows = compared(stripe(align=True), "stripe")
    assert [(row.invoice, row.theirs, row.ours) for row in rows] == [("in_1", Decimal("60.00"), Decimal("60.00")), ("in_2", Decimal("79.00"), Decimal("79.00"))]
    assert all(row.same for row in rows)


def test_stripe_usage_events() -> None:
    def used(at: str, kind: str, count: int, **properties: str) -> list[UsageLine]:
        return [UsageLine(event_type=kind, timestamp=at, customer="cus_acme", transaction_id=f"{kind}/{number}", properties=properties) for number in range(count)]

    # given events of the period, and one of the hour before its first second, which is not its own
    usage = used("2026-08-20T00:00:00Z", "tokens_used", 25, tokens="100") + used("2026-09-14T23:59:59Z", "api_call", 4200)
    rows = compared(stripe(align=True), "stripe", usage=usage)
    assert [(row.ours, row.difference) for row in rows] == [(Decimal("60.00"), Decimal(0)), (Decimal("79.00"), Decimal(0))]


def test_a_cent_is_found_in_its_line() -> None:
    def one_cent(found: Files) -> None:
        lines_of(found, 4)[1]["total"] += 1
        found["invoices.json"]["data"][4]["total"] += 1

    rows = compared(metronome(), "metronome", one_cent)
    assert [row.same for row in rows] == [True, True, True, False]
    assert rows[-1].difference == Decimal("-0.01")
    ((label, theirs, ours),) = [(line.label, line.theirs, line.ours) for line in rows[-1].lines]
    assert (label, theirs, ours) == ("Model tokens (M)", Decimal("150.01"), Decimal("150.00"))


def test_a_cent_that_moves_between_lines_is_found() -> None:
    def moved(found: Files) -> None:
        lines_of(found, 1)[0]["amount"] += 1
        lines_of(found, 1)[3]["amount"] -= 1

    (_, second) = compared(stripe(align=True), "stripe", moved)
    assert second.difference == 0
    assert not second.same
    assert sorted(line.difference for line in second.lines) == [Decimal("-0.01"), Decimal("0.01")]


def test_less_than_half_a_cent_is_no_difference() -> None:
    rows = compared(metronome(), "metronome", lambda found: lines_of(found, 4)[1].update(total=Decimal("15000.4")))
    assert all(row.same for row in rows)


def test_usage_that_differs_is_shown_as_quantity() -> None:
    rows = compared(metronome(), "metronome", usage=events()[:-100])
    (line,) = rows[-1].lines
    assert (line.label, line.their_quantity, line.our_quantity) == ("API calls", Decimal(1400), Decimal(1300))
    assert rows[-1].difference == line.difference == Decimal("-0.45")


def test_an_invoice_that_only_they_have() -> None:
    def charged(found: Files) -> None:
        found["invoices.json"]["data"].append(found["invoices.json"]["data"][3] | {"id": "extra", "issued_at": "2026-08-20T00:00:00Z"})

    rows = compared(metronome(), "metronome", charged)
    ((invoice, theirs, ours),) = [(row.invoice, row.theirs, row.ours) for row in rows if not row.same]
    assert (invoice, theirs, ours) == ("extra", Decimal("375.00"), None)


def test_an_invoice_that_only_we_have() -> None:
    def lost(found: Files) -> None:
        september = found["invoices.json"]["data"].pop(3)
        october = {"id": "october", "issued_at": "2026-10-01T00:00:00Z", "total": 12500, "line_items": [september["line_items"][1]]}
        found["invoices.json"]["data"].append(september | october)

    rows = compared(metronome(), "metronome", lost)
    alone = [row for row in rows if row.theirs is None]
    assert [(row.kind, row.ours, [line.ours for line in row.lines]) for row in alone] == [("scheduled", Decimal("375.00"), [Decimal("250.00"), Decimal("125.00")])]


def test_void_invoices_and_those_of_others_are_told() -> None:
    def others(found: Files) -> None:
        found["invoices.json"]["data"][1]["status"] = "VOID"
        found["invoices.json"]["data"].append(found["invoices.json"]["data"][2] | {"id": "foreign", "contract_id": "foreign"})

    read = metronome().read(changed("metronome", others))
    assert [(each.level, each.field) for each in read.imported.findings] == [("noted", "status"), ("noted", "contract_id")]
    assert "1a000000-0000-4000-8000-000000000003" not in "".join(bill.id for bill in read.bills)


def test_a_period_without_an_invoice_is_told() -> None:
    system = metronome()
    read = system.read(changed("metronome", lambda found: found["invoices.json"]["data"].pop(2)))
    rows = system.compare(read, None)
    assert [(each.kind, each.level) for each in read.imported.findings] == [("contract", "noted")]
    assert "1 period, the first of 2026-08-01" in read.imported.findings[0].message
    assert not rows[-1].same  # the commit was not drawn by August


def test_usage_of_strangers_is_told() -> None:
    system = metronome()
    read = system.read(changed("metronome"))
    system.compare(read, [*events(), UsageLine(event_type="api_call", timestamp="2026-08-10", customer="nobody", transaction_id="x")])
    assert [(each.kind, each.id) for each in read.imported.findings] == [("usage", "nobody")]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(program, ["import", *map(str, arguments)])


def test_the_command_writes_compares_and_says_so(tmp_path: Path) -> None:
    # given an export and usage as JSON lines
    export = write(tmp_path / "export", files("metronome"))
    usage = tmp_path / "usage.jsonl"
    usage.write_text("".join(json.dumps({name: getattr(each, name) for name in ("transaction_id", "customer", "event_type", "timestamp", "properties")}) + "\n" for each in events()))
    # when it is imported
    told = run("metronome", export, "--out", tmp_path / "out", "--compare", "--usage", usage, "--json")
    # then all is the same, and the files are there
    assert told.exit_code == 0, told.output
    found = json.loads(told.output)
    assert found["same"] is True
    assert [row["theirs"] for row in found["compared"]] == ["1000.00", "0.00", "375.00", "261.72"]
    assert sorted(each.name for each in (tmp_path / "out").rglob("*") if each.is_file()) == [f"{ACME}.yaml", "catalogue.yaml", "report.json"]
    # and a second import does not write over it
    again = run("metronome", export, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_the_command_ends_with_1_for_a_cent(tmp_path: Path) -> None:
    found = files("stripe")
    lines_of(found, 0)[0]["amount"] += 1
    found["invoices.json"]["data"][0]["total_excluding_tax"] += 1
    told = run("stripe", write(tmp_path / "export", found), "--out", tmp_path / "out", "--align", "--compare")
    assert told.exit_code == 1
    assert "-0.01" in told.output
    assert "3 × Seat" in told.output


def test_the_command_ends_with_2_for_what_is_refused_and_writes_the_rest(tmp_path: Path) -> None:
    found = files("metronome")
    found["contract-other.json"] = {"data": found["contract-acme.json"]["data"] | {"id": "other", "customer_id": "Other & Co", "surcharge": 1}}
    export = write(tmp_path / "export", found)
    told = run("metronome", export, "--out", tmp_path / "out")
    assert told.exit_code == 2
    assert "surcharge" in told.output
    assert (tmp_path / "out" / "contracts" / f"{ACME}.yaml").exists()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [(each["level"], each["file"], each["id"], each["field"]) for each in report["findings"]] == [("refused", "contract-other.json", "other", "surcharge")]
    # and what is left out knowingly is no refusal
    again = run("metronome", export, "--out", tmp_path / "again", "--skip", "surcharge")
    assert again.exit_code == 0
    assert "left out, as was asked" in again.output


@pytest.mark.parametrize(
    ("name", "content", "words"),
    (("a.json", "{", "no JSON"), ("a.json", '{"x": NaN}', "no JSON"), ("a.txt", "{}", "save the API's answers there")),
)
def test_files_that_are_no_answers(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / name).write_text(content)
    told = run("stripe", tmp_path / "export", "--out", tmp_path / "out")
    assert told.exit_code == 2
    assert words in told.output


def test_wrong_usage_names_its_line(tmp_path: Path) -> None:
    usage = tmp_path / "usage.jsonl"
    usage.write_text('{"transaction_id": "t"}\n')
    told = run("stripe", write(tmp_path / "export", files("stripe")), "--out", tmp_path / "out", "--align", "--compare", "--usage", usage)
    assert told.exit_code == 2
    assert "usage.jsonl:1:" in told.output
    assert run("stripe", tmp_path / "export", "--out", tmp_path / "more", "--usage", usage).exit_code == 2
