"""/customers/ID: the draft invoice as it grows, what is left of commits and credits, spend by day, thresholds."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

from fastapi import Request, Response
from nicegui import app, context, ui

from console.api import customers
from console.books import KEPT_FRESH_S, Papers
from console.days import Running
from console.errors import NotFoundError, UnavailableError, missing
from console.figures import Figures
from console.pages.parts.frame import at, boxed, frame, raw
from console.pages.parts.gauge import balance_gauge, gauge, share
from console.pages.parts.invoice import KINDS, STATUS, amounts, invoice_list, invoice_table
from console.pages.parts.live import sight
from console.pages.parts.pulse import Pulse, Watching
from console.pages.parts.spend import Charts, Wanted, nothing
from console.pages.parts.states import FAILURES, empty, failed, soon
from console.pages.parts.text import Html, badge, day, href, join, link, many, moment, money, number, row, table, tag
from console.pages.parts.visit import Visit, enter
from contracts.contract import Contract, Threshold
from contracts.instants import instant_ms
from contracts.money import exponent
from contracts.result import Invoice

CHART = "Spend by product and day"
HOUR_MS = 3_600_000


class Agreed(NamedTuple):
    """What a customer has agreed to."""

    contracts: Sequence[Contract]
    names: dict[str, str]
    """Names of products by id."""

    @property
    def limited(self) -> bool:
        """Whether there is a threshold."""
        return any(contract.thresholds for contract in self.contracts)


class Account(NamedTuple):
    """A customer as it is now."""

    agreed: Agreed
    figures: Figures

    @property
    def running(self) -> Running | None:
        """The invoice that the page shows, with its contract."""
        invoice = self.figures.draft
        contract = next((each for each in self.agreed.contracts if invoice and each.id == invoice.contract), None)
        return Running(contract, invoice) if invoice and contract else None


def agreed_by(papers: Papers, customer: str) -> Agreed:
    """Raises NotFoundError."""
    contracts = papers.documents.families.contracts_of(customer)
    if not contracts and papers.objects.get("customer", customer) is None:
        raise missing("customer", customer)
    names: dict[str, str] = {}
    for each in contracts:
        found = papers.documents.catalogues.get(each.catalogue)
        names |= {name: product.name for name, product in found.catalogue.products.items()} if found else {}
    return Agreed(contracts, names)


def forecast(invoice: Invoice, clock_ms: int) -> Decimal | None:
    """The total at the end of the period if usage goes on as so far; none: too early, or over."""
    passed = clock_ms - invoice.starting_ms
    if invoice.status != "draft" or not HOUR_MS <= passed < invoice.ending_ms - invoice.starting_ms:
        return None
    return (invoice.total * (invoice.ending_ms - invoice.starting_ms) / passed).quantize(Decimal(1).scaleb(-exponent(invoice.currency)))


def figures(account: Account) -> Html:
    invoice = account.figures.draft
    if invoice is None:
        return Html("")
    ahead = forecast(invoice, account.figures.clock_ms)
    shown = [
        (
            f"{KINDS[invoice.kind]} so far, {invoice.currency}" if invoice.status == "draft" else f"Total, {invoice.currency}",
            money(invoice.total, invoice.currency),
        ),
        (f"At this pace, {invoice.currency}", money(ahead, invoice.currency) if ahead is not None else "–"),
        ("Period", f"{day(invoice.starting_ms)[5:]} – {day(invoice.ending_ms)[5:]}"),
        ("Crossings", many(_crossings(account.figures))),
    ]
    return tag("div", *(tag("div", tag("span", name), tag("b", value), class_="figure") for name, value in shown), class_="figures")


def _crossings(of: Figures) -> int:
    """Crossings are numbered from 1, threshold by threshold."""
    last: dict[tuple[str, str], int] = {}
    for each in of.alerts:
        last[each.contract, each.threshold] = max(each.crossing, last.get((each.contract, each.threshold), 0))
    return sum(last.values())


def draft(account: Account, before: dict[str, Decimal] | None) -> Html:
    invoice = account.figures.draft
    if invoice is None:
        return empty("No usage yet", "The draft invoice appears with the first event that one of the contract's products counts.")
    head = tag(
        "div", tag("h2", "Draft invoice" if invoice.status == "draft" else "Invoice"), badge(invoice.status, STATUS[invoice.status]),
        tag("span", f"{invoice.contract}, {day(invoice.starting_ms)} – {day(invoice.ending_ms)}, as of ", moment(account.figures.clock_ms), class_="soft"),
        link("Print, PDF", "invoices", invoice.id, class_="right"), class_="head",
    )  # fmt: skip
    return join([head, invoice_table(invoice, account.agreed.names, before)])


def balances(account: Account, ledgers: Sequence[dict[str, Any]]) -> Html:
    if not account.figures.balances:
        return empty("No commit and no credit", "The contract's edit screen adds one.")
    entries = {(each["contract"], each["id"]): each["entries"] for each in ledgers}
    return join(
        tag(
            "div",
            balance_gauge(each, account.figures.currency),
            _ledger(entries.get((each.contract, each.id), []), account.figures.currency),
            style="margin-bottom: 1rem",
        )
        for each in account.figures.balances
    )


def _ledger(entries: Sequence[dict[str, Any]], currency: str) -> Html:
    if not entries:
        return Html("")
    rows = [
        row(
            day(instant_ms(each["at"])),
            link(each["type"].replace("_", "-"), "invoices", each["invoice"]) if each["invoice"] else each["type"].replace("_", "-"),
            money(Decimal(each["amount"]), currency),
            kinds=("", "", "num"),
        )
        for each in entries
    ]
    return tag("details", tag("summary", "Ledger"), table((("Day", ""), ("Entry", ""), (f"Amount, {currency}", "num")), rows, "Ledger"))


def thresholds(account: Account) -> Html:
    found = [(contract, each) for contract in account.agreed.contracts for each in contract.thresholds]
    if not found:
        return empty("No threshold", "Add one in the contract: who listens hears of every crossing.")
    return join(_threshold(account, contract, each) for contract, each in found)


def _threshold(account: Account, contract: Contract, limit: Threshold) -> Html:
    mine = [each for each in account.figures.alerts if (each.contract, each.threshold) == (contract.id, limit.id)]
    alarm = bool(mine) and mine[-1].state == "in_alarm"
    money_like = limit.measure in ("spend", "balance", "invoice_total")
    at = money(limit.at, account.figures.currency) if money_like else number(limit.at)
    reached = ""
    if limit.measure == "spend" and account.figures.draft is not None:
        percent = share(account.figures.draft.total, limit.at)
        reached = gauge(percent, f"{limit.id}: {percent} percent reached", low=alarm)
    rows = [
        row(
            f"#{each.crossing}",
            badge("in alarm", "bad") if each.state == "in_alarm" else badge("ok", "ok"),
            number(each.value),
            moment(each.at_ms),
            kinds=("", "", "num", ""),
        )
        for each in reversed(mine[-20:])
    ]
    crossings = (
        table((("Crossing", ""), ("State", ""), ("Value", "num"), ("At", "")), rows, f"Crossings of {limit.id}")
        if rows
        else tag("p", "Not crossed yet.", class_="soft")
    )
    head = tag("div", tag("b", limit.id), badge("in alarm" if alarm else "ok", "bad" if alarm else "ok"), class_="pair")
    return tag(
        "div",
        head,
        tag("span", f"{limit.measure.replace('_', ' ')} reaches {at}" + (f", then every {number(limit.repeat)}" if limit.repeat else ""), class_="soft"),
        reached,
        crossings,
    )


class Screen:
    """The parts of the page and what they show; each part is sent again only when it differs."""

    def __init__(self, visit: Visit, customer: str) -> None:
        self._visit = visit
        self._customer = customer
        self._pulse: Pulse = app.state.pulse
        self._charts: Charts = app.state.charts
        self._seen = sight()
        self._amounts: dict[str, Decimal] | None = None
        self._account: Account | None = None
        self._changes = -1
        self._slow_drawn: Figures | None = None
        self._owed: Any = None
        """Balances of which the ledgers tell."""
        self._ledgers: list[dict[str, Any]] = []

    async def load(self) -> Account:
        """Raises NotFoundError, UnavailableError."""
        return Account(await self._agreed(), await self._pulse.figures(self._customer))

    async def _agreed(self) -> Agreed:
        held = self._visit.held
        self._changes = held.books.changes
        if held.books.fresh(KEPT_FRESH_S):
            with suppress(NotFoundError):  # or made within this second
                return agreed_by(held.books.now(KEPT_FRESH_S), self._customer)
        return await self._visit.ask(lambda: agreed_by(held.books.now(), self._customer))

    def draw(self, account: Account) -> None:
        """The page's parts, for the first time."""
        raw(_head(self._customer, account.agreed, self._visit))
        self._figures, self._draft = raw(), raw()
        with ui.element("div").classes("grid2"):
            self._balances, self._thresholds = raw(), raw()
        self._chart = raw(boxed(CHART, Html('<div class="bone" style="height:12rem"></div>')))
        self._invoices = raw()
        self._trouble = raw()
        self._show(account)
        watching = Watching(self._customer, self._moved, self._failed, self._seen, self._slowly)
        watching.known = account.figures
        self._pulse.watch(watching)
        context.client.on_delete(lambda: self._pulse.leave(watching))

    def _show(self, account: Account) -> None:
        before, self._account = self._account, account
        now = account.figures
        self._figures.set_content(boxed("", figures(account)))
        self._draft.set_content(boxed("", draft(account, self._amounts)))
        self._amounts = amounts(now.draft) if now.draft else {}
        if before is None or before.figures.balances != now.balances:
            self._show_balances(account)
        if before is None or before.agreed is not account.agreed or account.agreed.limited:
            self._thresholds.set_content(boxed("Thresholds", thresholds(account)))
        if before is None or before.figures.invoices != now.invoices:
            none = empty("No invoice yet", "The first one appears with the first usage.")
            self._invoices.set_content(boxed("Invoices", invoice_list(now.invoices) if now.invoices else none))

    def _show_balances(self, account: Account) -> None:
        self._balances.set_content(boxed("Commits and credits", balances(account, self._ledgers)))

    async def _moved(self, found: Figures) -> None:
        same = self._account is not None and self._visit.held.books.changes == self._changes
        agreed = self._account.agreed if self._account is not None and same else await self._agreed()
        self._show(Account(agreed, found))

    def _failed(self, error: UnavailableError | None) -> None:
        self._trouble.set_content(Html("") if error is None else failed(error))

    async def _slowly(self) -> None:
        """Chart and ledgers, which read more than the invoice does."""
        account = self._account
        if account is None or account.figures is self._slow_drawn:
            return
        self._slow_drawn = account.figures
        try:
            running = account.running
            drawn = nothing() if running is None else await self._charts.ask(Wanted(running, account.agreed.names, self._changes))
            self._chart.set_content(boxed(CHART, drawn))
            if account.figures.balances and account.figures.balances != self._owed:
                told = await self._visit.ask(customers.ledgers, self._visit.held, self._visit.caller, self._customer)
                self._ledgers, self._owed = told["ledgers"], account.figures.balances
                self._show_balances(account)
        except FAILURES as error:
            self._chart.set_content(boxed(CHART, failed(error)))


def _head(customer: str, agreed: Agreed, visit: Visit) -> Html:
    contracts = agreed.contracts
    links = [link(each.id, "contracts", each.id) for each in contracts]
    edit = tag("a", "Edit contract", href=href("contracts", contracts[0].id, "edit"), class_="right") if contracts and visit.caller.may("write") else ""
    return tag("div", tag("h1", customer), tag("span", *join_with(links, ", ")), edit, class_="head")


def join_with(parts: Sequence[Html], between: str) -> list[Any]:
    return [each for part in parts for each in (part, between)][:-1]


@at("/customers/{customer}")
async def page(request: Request, customer: str) -> Response | None:
    visit = await enter(request, customer=customer)
    if not isinstance(visit, Visit):
        return visit
    with frame(visit, "Customers", customer):
        where = ui.element("div").classes("stack")
        screen = Screen(visit, customer)
        await soon(where, screen.load, screen.draw, 8)
    return None
