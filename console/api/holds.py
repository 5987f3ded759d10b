"""Holds: a hard cap on prepaid work. Reserve before it, settle or release after it.

The same routes are under `/api/v1` (amounts as decimal text) and under `/v1`, beside Metronome's paths (amounts as numbers, US dollars in cents).
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from confluent_kafka import KafkaException
from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from console.access.guard import CustomerReading, Writing
from console.errors import ConflictError, InsufficientError, UnavailableError, invalid, missing
from console.ingest import Event, timestamp_ms
from console.metronome.usage import property_text
from console.requests import Held, Json
from console.services import Services
from console.wire import Answer, Exact
from contracts.contract import Contract
from contracts.money import exponent
from contracts.timeline import iso
from contracts.translation.fields import Fields, Wrong
from contracts.translation.metronome.coins import Coins
from pipelines.holds.desk import Book
from pipelines.holds.step import Hold, HoldError, available, release, reserve, seen, settle
from pipelines.holds.step import InsufficientError as Insufficient

TTL_S: Final = 600
LONGEST_S: Final = 24 * 3600
MOST_EVENTS: Final = 100
NAMESPACE: Final = uuid.UUID("6f1f4c0e-8f6e-4c53-9a55-0d6a6a0f7c11")


class _Units:
    """How amounts are written: decimal text, or numbers as Metronome's API has them."""

    def __init__(self, *, cents: bool) -> None:
        self._cents = cents

    def into(self, fields: Fields, name: str, currency: str) -> Decimal | None:
        given = fields.any(name)
        if given is None:
            return None
        if self._cents:
            amount = Coins(currency).into(fields.number(name))
        else:
            try:
                amount = Decimal(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else Decimal("NaN")
            except ArithmeticError:
                amount = Decimal("NaN")
            if not amount.is_finite():
                raise invalid(name, f"must be decimal text such as \"12.50\", not {given!r}")
        if amount < 0 or abs(amount.adjusted()) > 20 or amount != round(amount, exponent(currency)):
            raise invalid(name, f"must be an amount of {currency} that is not negative, with {exponent(currency)} places at most")
        return amount

    def out(self, amount: Decimal, currency: str) -> Any:
        return Coins(currency).out(amount) if self._cents else format(round(amount, exponent(currency)), "f")

    def shown(self, hold: Hold, book: Book) -> dict[str, Any]:
        return {
            "id": hold.id,
            "customer_id": hold.customer,
            "state": seen(hold, book.now_ms),
            "amount": self.out(hold.amount, hold.currency),
            "reserved": self.out(hold.reserved, hold.currency),
            "currency": hold.currency,
            "created_at": iso(hold.created_ms),
            "expires_at": iso(hold.expires_ms),
            "available": self.out(available(book.balances, book.holds.values(), hold.currency, book.now_ms), hold.currency),
        }


def routers() -> list[APIRouter]:
    """Under both prefixes."""
    return [_router("/api/v1", _Units(cents=False)), _router("/v1", _Units(cents=True))]


def _router(prefix: str, units: _Units) -> APIRouter:
    router = APIRouter(prefix=f"{prefix}/holds", tags=["holds"], default_response_class=Answer, route_class=Exact)

    @router.post("", summary="Reserve an amount of a customer's balance")
    def make(held: Held, _: Writing, body: Json) -> Any:
        """`{"customer_id", "amount", "ttl_seconds", "uniqueness_key"}`. Refused with 402 when prepaid commits and credits, as rated, less what is held back, do not have it.

        A repeated `uniqueness_key` gives the hold that it made.
        """
        fields = body.fields
        customer = fields.text("customer_id")
        contracts, root, currency = _family(held, customer)
        amount, ttl_s = units.into(fields, "amount", currency), fields.whole("ttl_seconds", TTL_S)
        key = fields.text_or_none("uniqueness_key")
        fields.done()
        if not amount:
            raise invalid("amount", "must be above zero")
        if not 0 < ttl_s <= LONGEST_S:
            raise invalid("ttl_seconds", f"must be 1 to {LONGEST_S}")
        name = str(uuid.uuid5(NAMESPACE, f"{customer}/{key}")) if key else str(uuid.uuid4())

        def decide(book: Book) -> Hold:
            new = Hold(name, customer, root, amount, amount, currency, book.now_ms, book.now_ms + ttl_s * 1000, book.now_ms)
            return reserve(new, book.balances, book.holds, book.now_ms)

        return units.shown(*_decided(held, (customer, root, name), contracts, decide, units))

    @router.get("", summary="Holds of a customer")
    def listed(held: Held, caller: CustomerReading, customer_id: str) -> Any:
        """Those that keep an amount back, and what is free."""
        caller.see(customer_id)
        contracts, root, currency = _family(held, customer_id)
        book = held.holds.look(customer_id, root, contracts)
        rows = [units.shown(each, book) for each in book.holds.values() if each.customer == customer_id and each.keeps(book.now_ms)]
        free = available(book.balances, book.holds.values(), currency, book.now_ms)
        return {"data": rows, "available": units.out(free, currency), "currency": currency}

    @router.get("/{hold_id}", summary="A hold")
    def one(held: Held, caller: CustomerReading, hold_id: str) -> Any:
        hold = _hold(held, hold_id)
        caller.see(hold.customer)
        contracts, root, _ = _family(held, hold.customer)
        return units.shown(hold, held.holds.look(hold.customer, root, contracts))

    @router.post("/{hold_id}/settle", summary="Say what was used")
    async def settled(held: Held, _: Writing, hold_id: str, body: Json) -> Any:
        """`{"amount", "events"}`: the events are ingested first (up to 100, as `/v1/ingest` takes them), or were before. The amount (what was held, if left out)
        is kept back until the rated balance has the usage."""
        fields = body.fields
        hold = await run_in_threadpool(_hold, held, hold_id)
        amount = units.into(fields, "amount", hold.currency)
        events = [_event(each, hold.customer) for each in fields.objects("events")]
        fields.done()
        if len(events) > MOST_EVENTS:
            raise invalid("events", f"must be {MOST_EVENTS} at most")
        if events:
            await held.ingest.send(events)
        return await run_in_threadpool(
            _change, held, hold, units, lambda book: settle(book.holds[hold_id], amount, book.balances, book.holds.values(), book.now_ms)
        )

    @router.post("/{hold_id}/release", summary="Give back what was not used")
    def released(held: Held, _: Writing, hold_id: str, body: Json) -> Any:
        body.fields.done()
        return _change(held, _hold(held, hold_id), units, lambda book: release(book.holds[hold_id], book.now_ms))

    return router


def _change(held: Services, hold: Hold, units: _Units, decide: Any) -> Any:
    contracts, _, _ = _family(held, hold.customer)
    return units.shown(*_decided(held, (hold.customer, hold.root, hold.id), contracts, decide, units))


def _decided(held: Services, about: tuple[str, str, str], contracts: Mapping[str, Contract], decide: Any, units: _Units) -> tuple[Hold, Book]:
    """`about`: customer, root, id of the hold."""
    try:
        return held.holds.decide(*about, contracts, decide)
    except Insufficient as error:
        free = units.out(error.available, error.currency)
        raise InsufficientError(Wrong("amount", f"is more than is free: {free}"), available=free) from error
    except HoldError as error:
        raise ConflictError(Wrong("", str(error))) from error
    except (KafkaException, TimeoutError) as error:
        raise UnavailableError(Wrong("", f"Kafka does not answer as it should: {error}")) from error


def _family(held: Services, customer: str) -> tuple[Mapping[str, Contract], str, str]:
    """Contracts in force, the customer's root, the currency of its oldest contract. Raises NotFoundError."""
    documents = held.books.now().documents
    contracts = documents.families.contracts
    mine = documents.families.contracts_of(customer)
    if not mine:
        raise missing("customer with a contract", customer, "customer_id")
    catalogue = documents.catalogues.get(min(mine, key=lambda each: each.starting_at).catalogue)
    return contracts, documents.families.root(customer), catalogue.catalogue.currency if catalogue else "USD"


def _hold(held: Services, name: str) -> Hold:
    found = held.holds.find(name)
    if found is None:
        raise missing("hold", name, "hold_id")
    return found


def _event(fields: Fields, customer: str) -> Event:
    properties = fields.any("properties") or {}
    if not isinstance(properties, dict):
        raise invalid(fields.at("properties"), "must be an object")
    made = Event(
        fields.text("transaction_id"),
        fields.text("customer_id", customer),
        fields.text("event_type"),
        timestamp_ms(fields.text("timestamp"), fields.at("timestamp")),
        {key: property_text(value) for key, value in properties.items() if value is not None},
    )
    fields.done()
    return made
