"""Windows that change behind an account's back: what is read again of the products that changed comes to the same as all read again."""

import random
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from contracts.account import Account
from contracts.case import Case
from contracts.offline import Memory
from contracts.windows import DAY, IN_TIME, Aggregate, Cell, Windows
from tests.property.contracts.test_section_8_invariants import cases, rated
from tests.property.contracts.worlds import facts

HOUR: Final = 3_600_000


def changed(account: Account, dice: random.Random) -> dict[str, set[str]]:
    """Let some windows of some products be other ones, as an exchange does: of the products that come back. Final ones and late usage stay."""
    store = account.store
    assert isinstance(store, Memory)
    found: dict[str, set[str]] = {}
    windows = Windows(store)
    for customer, catalogue, product, day in list(store._cells):
        if day < 0 or dice.random() < 0.4:
            continue
        found.setdefault(catalogue, set()).add(product)
        cell: Cell = {}
        for key, slots in windows.cell((customer, catalogue, product), day).items():
            late = {window for window, tag in slots if tag != IN_TIME}
            for (window, tag), aggregate in slots.items():
                stays = window in late or account.is_fixed(customer, catalogue, dict(key), window)
                if not stays and dice.random() < 0.3:
                    continue
                cell.setdefault(key, {})[window, tag] = aggregate
                other = window + dice.choice((-1, 1, 5)) * HOUR
                if not stays and other // DAY == day and (other, IN_TIME) not in slots and other not in late and not account.is_fixed(customer, catalogue, dict(key), other):
                    cell[key][other, IN_TIME] = Aggregate(aggregate.events, aggregate.first_ms + other - window, aggregate.value, aggregate.points, aggregate.members)
        windows.replace((customer, catalogue, product), day, cell)
    windows.flush()
    return found


@given(cases, st.integers(0, 60), st.randoms(use_true_random=False), st.booleans())
def test_some_products_read_again_come_to_what_all_do(case: Case, at: int, dice: random.Random, looked: bool) -> None:
    inputs = 0

    def told(account: Account) -> None:
        nonlocal inputs
        inputs += 1
        if inputs != at + 1 or account.now_ms is None:
            return
        # given an account in the midst of whatever there is, whose result was looked at or not
        if looked:
            account.result()
        products = changed(account, dice)
        same = Memory()
        same._cells.update(account.store._cells)  # type: ignore[attr-defined]  # all cases are rated over memory
        other = Account.restore(account.root, account.snapshot(), same)

        # when one reads what has changed, and the other one all
        account.reread(account.now_ms, products)
        other.reread(account.now_ms)

        # then both say the same
        assert facts(account.result()) == facts(other.result())
        assert account.next_due_ms() == other.next_due_ms()
        assert account.snapshot() == other.snapshot()

    rated(case, told)
