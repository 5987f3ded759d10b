"""The demo in plain lines: for logs, pipes and `--json`, where a picture would be noise."""

from collections.abc import Iterator, Mapping

from contracts.result import Alert, Balance, Invoice, Line
from taximeter.demo.scenes import Bill, Flow, Grant, Heading, Measured, Places, Scene, Terms, Waiting, money, named, plain
from taximeter.demo.screen import days, instant


def told(scene: Scene, names: Mapping[str, str]) -> list[str]:
    """The scene in lines; `names` are the products' names by id."""
    match scene:
        case Waiting(text):
            return [f"   {text}"]
        case Heading(number, title, about):
            return [f"{number}. {title}" + (f": {about}" if about else "")]
        case Terms(rows) | Places(rows):
            return [f"   {name}: {value}" for name, value in rows]
        case Flow():
            return list(_flow(scene, names))
        case Bill(title, invoice):
            return [f"   {title}: {money(invoice.total, invoice.currency)} ({invoice.status})", *_lines(invoice, names)]
        case Grant(row, currency):
            return [_grant(row, currency)]
        case Measured(figures):
            return [f"   {name}: {value} ({how})" for name, value, how in figures]


def _flow(scene: Flow, names: Mapping[str, str]) -> Iterator[str]:
    invoice = scene.invoice
    bill = money(invoice.total, invoice.currency) if invoice else "nothing yet"
    yield f"   {scene.sent:,} of {scene.total:,} events sent, {scene.metered:,} metered, usage until {instant(scene.until_ms)}, bill {bill}"
    if scene.over and invoice:
        yield from _lines(invoice, names)
        for alert in scene.alerts:
            yield _alert(alert, invoice.currency)


def _alert(alert: Alert, currency: str) -> str:
    return f"   threshold {alert.threshold} crossed: {money(alert.value, currency)} with the event of {instant(alert.at_ms)}"


def _grant(row: Balance, currency: str) -> str:
    amounts = (("granted", row.granted), ("applied", row.applied), ("remaining", row.remaining))
    return f"   {row.type} commit {row.id}: " + ", ".join(f"{word} {money(amount, currency)}" for word, amount in amounts)


def _lines(invoice: Invoice, names: Mapping[str, str]) -> list[str]:
    return [_line(line, names) for line in invoice.lines if line.kind != "commit"]


def _line(line: Line, names: Mapping[str, str]) -> str:
    about = [f"{plain(line.quantity)} × {plain(line.unit_price)}"] if line.quantity is not None else []
    about += [f"{word} {value}" for word, value in (("override", line.override), ("commit", line.commit)) if value]
    return f"     {named(line, names)}, {days(line.starting_ms, line.ending_ms)}: {line.amount:,f}" + (f" ({', '.join(about)})" if about else "")
