"""Deciding about holds: pure. What is free of a balance is what was rated as left, less all that is held back.

A hold is held until it is settled, released, or expires. Settling says that the usage was reported: the amount is kept back until the rated
balance has that usage in it, so it is never counted as free in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple

State = Literal["held", "settling", "settled", "released", "expired"]
KEEPING: Final = ("held", "settling")
ZERO: Final = Decimal(0)


class Hold(NamedTuple):
    """An amount that is reserved for a customer."""

    id: str
    customer: str
    root: str
    amount: Decimal
    reserved: Decimal
    currency: str
    created_ms: int
    expires_ms: int
    changed_ms: int
    state: State = "held"
    version: int = 1

    def keeps(self, now_ms: int) -> bool:
        """Whether the amount is kept back."""
        return self.state == "settling" or (self.state == "held" and now_ms < self.expires_ms)


class Balance(NamedTuple):
    """What is left of a prepaid commit or credit, as it was rated last."""

    contract: str
    grant: str
    currency: str
    remaining: Decimal


class HoldError(Exception):
    """Base of refusals."""


class InsufficientError(HoldError):
    """The balance does not have it; nothing was reserved."""

    def __init__(self, available: Decimal, currency: str) -> None:
        super().__init__(f"{format(available, 'f')} {currency} are free")
        self.available = available
        self.currency = currency


class StateError(HoldError):
    """The hold is not in a state for that."""


def available(balances: Iterable[Balance], holds: Iterable[Hold], currency: str, now_ms: int, besides: str = "") -> Decimal:
    """What is free: balances that the customer may draw, less what all of its family hold back (but for the hold `besides`)."""
    left = sum((each.remaining for each in balances if each.currency == currency), ZERO)
    kept = sum((each.amount for each in holds if each.currency == currency and each.id != besides and each.keeps(now_ms)), ZERO)
    return left - kept


def reserve(new: Hold, balances: Sequence[Balance], holds: Mapping[str, Hold], now_ms: int) -> Hold:
    """The hold, when it fits; the one that is there under its id, when it asks for the same. Raises InsufficientError, StateError."""
    there = holds.get(new.id)
    if there is not None:
        if (there.customer, there.reserved) != (new.customer, new.reserved):
            raise StateError(f"the key was used for another hold ({there.reserved} for {there.customer})")
        return there
    free = available(balances, holds.values(), new.currency, now_ms)
    if new.amount > free:
        raise InsufficientError(max(free, ZERO), new.currency)
    return new


def settle(hold: Hold, amount: Decimal | None, balances: Sequence[Balance], holds: Iterable[Hold], now_ms: int) -> Hold:
    """The usage was reported and comes to `amount` (none: to what was held). More than what was held must be free. Raises HoldError."""
    if hold.state in ("settling", "settled"):
        return hold
    if hold.state != "held" or now_ms >= hold.expires_ms:
        raise StateError(f"the hold is {'expired' if hold.state == 'held' else hold.state}")
    kept = hold.amount if amount is None else amount
    if kept > hold.amount:
        free = available(balances, holds, hold.currency, now_ms, hold.id)
        if kept > free:
            raise InsufficientError(max(free, ZERO), hold.currency)
    return hold._replace(state="settling", amount=kept, changed_ms=now_ms, version=hold.version + 1)


def release(hold: Hold, now_ms: int) -> Hold:
    """Nothing was used. Raises StateError."""
    if hold.state == "released":
        return hold
    if hold.state != "held":
        raise StateError(f"the hold is {hold.state}")
    return hold._replace(state="released", changed_ms=now_ms, version=hold.version + 1)


def seen(hold: Hold, now_ms: int) -> State:
    """The state as people see it."""
    return "expired" if hold.state == "held" and now_ms >= hold.expires_ms else hold.state
