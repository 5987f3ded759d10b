"""Section 4 of the rating rules: commits and credits."""

from collections import defaultdict
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.account import Account
from contracts.catalogue import Price, Rate
from contracts.contract import Access, Commit, Contract, Credit, Instalment, RecurringGrant
from contracts.offline import Memory
from contracts.result import Result
from contracts.timeline import instant_ms
from tests.property.contracts.worlds import (
    DAY,
    HOUR,
    NOVEMBER,
    OCTOBER,
    Event,
    World,
    account,
    amounts,
    catalogue,
    contract,
    day,
    delta,
    events,
    of_kind,
    segments,
    usage_invoice,
    worlds,
)  # fmt: skip

ONE = catalogue("sum", [Rate(product="p", price=Price(per_unit=Decimal(1)))])


def covered(result: Result) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for invoice in result.invoices:
        for line in invoice.lines:
            if line.commit is not None and line.kind not in {"commit", "true_up", "charge"}:
                found[line.commit] += line.amount
    return found


@given(worlds())
def test_ledgers_add_up_and_no_balance_is_negative(world: World) -> None:
    result = account(world, at_ms=NOVEMBER).result()
    paid = covered(result)
    for row in result.balances:
        assert row.granted == row.applied + row.expired + row.remaining
        assert row.remaining >= 0
        assert row.applied == paid[row.id]


@given(worlds())
def test_each_covered_line_has_its_application(world: World) -> None:
    result = account(world).result()
    postpaid = {row.id for row in result.balances if row.type == "postpaid"}
    lines = usage_invoice(result).lines
    applied: dict[object, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.commit is not None and line.commit not in postpaid:
            applied[line.commit, line.starting_ms] += line.amount
    assert all(amount == 0 for amount in applied.values())
    assert not any(line.commit in postpaid for line in of_kind(lines, "commit"))


@given(worlds())
def test_covered_and_rest_are_the_quantity(world: World) -> None:
    import msgspec

    # Given the same world without grants, drawn at the same prices (what tiered overrides count depends on where lines are cut)
    bare = msgspec.structs.replace(world.contract, overrides=[o for o in world.contract.overrides if not o.commits and not o.tiers])
    rates = [msgspec.structs.replace(r, commit_price=None) for r in world.catalogue.rate_cards["list"].rates]
    plain = world.catalogue.rate_cards["list"]
    # A tier that a falling quantity leaves again is entered where a line ends in it, so its flat depends on the cuts
    assume(not any(tier.flat for r in rates for tier in (*(r.price.graduated or ()), *(r.price.volume or ()))))
    same = msgspec.structs.replace(world.catalogue, rate_cards={"list": msgspec.structs.replace(plain, rates=rates)})
    drawn = usage_invoice(account(World(same, bare, world.events)).result())
    alone = usage_invoice(account(World(same, msgspec.structs.replace(bare, commits=[], credits=[]), world.events)).result())
    covered_and_rest, quantity = (sum((line.quantity or Decimal(0) for line in of_kind(each.lines, "usage")), Decimal(0)) for each in (drawn, alone))
    # A quotient that does not end is printed to twelve places, line by line
    assert abs(covered_and_rest - quantity) <= Decimal("1e-12") * (len(drawn.lines) + len(alone.lines))
    gross = sum((line.amount for line in of_kind(drawn.lines, "usage")), Decimal(0))
    # Then cutting lines at grants moves no more than the rounding of a line each
    assert abs(gross - alone.total) <= Decimal("0.01") * (len(drawn.lines) + len(alone.lines))


@given(worlds(kinds=("latest", "sum"), negative=True))
def test_credits_never_create_money(world: World) -> None:
    invoice = usage_invoice(account(world).result())
    gross = sum((line.amount for line in of_kind(invoice.lines, "usage")), Decimal(0))
    assert invoice.total >= min(gross, Decimal(0))


@given(st.data())
def test_grants_are_drawn_in_their_order(data: st.DataObject) -> None:
    # Given credits and commits that all hold, and one charge
    made: list[tuple[tuple[object, ...], str, Decimal, str]] = []
    commits, credits_ = [], []
    for number in range(data.draw(st.integers(1, 4))):
        kind, priority, amount = data.draw(st.sampled_from(("credit", "prepaid", "paid", "postpaid"))), data.draw(st.integers(1, 2)), data.draw(amounts)
        limited, end = data.draw(st.booleans()), data.draw(st.sampled_from(("2025-12-01", "2026-01-01")))
        access, name, only = [Access(amount=amount, starting_at="2025-10-01", ending_before=end)], f"g{number}", ["p"] if limited else []
        if kind == "credit":
            credits_.append(Credit(id=name, access=access, priority=priority, products=only))
        else:
            bill = [] if kind == "prepaid" else [Instalment(amount=amount, at="2025-10-01")]
            commits.append(Commit(id=name, type="postpaid" if kind == "postpaid" else "prepaid", access=access, invoice=bill, priority=priority, products=only))
        order = (kind == "postpaid", priority, kind in {"paid", "postpaid"}, not limited, end, name)
        made.append((order, name, amount, kind))
    spend = data.draw(amounts)
    result = account(World(ONE, contract(commits=commits, credits=credits_), (Event("p", OCTOBER, spend),))).result()
    # Then they pay one after the other
    applied = {row.id: row.applied for row in result.balances}
    rest = spend
    for _, name, amount, _ in sorted(made):
        assert applied[name] == min(rest, amount)
        rest -= applied[name]


@given(st.data())
def test_a_segment_covers_usage_of_its_own_time_to_the_instant(data: st.DataObject) -> None:
    access = data.draw(segments())
    found = data.draw(events("sum"))
    result = account(World(ONE, contract(credits=[Credit(id="c", access=access)]), found), at_ms=NOVEMBER).result()
    applied = expired = remaining = Decimal(0)
    for segment in access:
        start, end = instant_ms(segment.starting_at), instant_ms(segment.ending_before or "")
        used = min(segment.amount, sum((e.value for e in found if start <= e.at_ms < end), Decimal(0)))
        used = used.quantize(Decimal("0.01"), "ROUND_HALF_UP")
        applied += used
        if end <= NOVEMBER:
            expired += segment.amount - used
        else:
            remaining += segment.amount - used
    [row] = result.balances
    assert (row.applied, row.expired, row.remaining) == (applied, expired, remaining)


@given(st.data(), amounts)
def test_a_postpaid_commit_is_never_overdrawn_and_its_true_up_is_the_rest(data: st.DataObject, amount: Decimal) -> None:
    commit = Commit(id="c", type="postpaid", access=[Access(amount=amount, starting_at="2025-10-01", ending_before="2025-11-01")], invoice=[Instalment(amount=amount, at="2025-11-01")])
    found = data.draw(events("sum"))
    world = World(ONE, contract(commits=[commit]), found)
    for at, status in ((NOVEMBER - HOUR, "draft"), (NOVEMBER + DAY, "final")):
        result = account(world, at_ms=at).result()
        [row] = result.balances
        true_ups = [i for i in result.invoices if i.kind == "true_up"]
        assert row.applied <= amount
        assert sum((i.total for i in true_ups), Decimal(0)) == amount - row.applied
        assert all(i.status == status for i in true_ups)
        assert row.remaining == (amount - row.applied if status == "draft" else 0)


@given(st.data())
def test_shared_commits_pay_children_in_the_order_of_their_events(data: st.DataObject) -> None:
    # Given a pool of a parent and two children, and whole amounts, each event in an hour of its own
    amount = Decimal(data.draw(st.integers(1, 300)))
    pool = Commit(id="pool", type="prepaid", shared="all", access=[Access(amount=amount, starting_at="2025-10-01", ending_before="2026-01-01")])
    made = Account("group", Memory())
    made.record_catalogue(ONE, OCTOBER)
    made.record_contract(Contract(id="g", customer="group", rate_card="list", starting_at="2025-10-01", commits=[pool]), OCTOBER)
    for name in ("north", "south"):
        made.record_contract(Contract(id=name, customer=name, rate_card="list", starting_at="2025-10-01", parent="g"), OCTOBER)
    hours = data.draw(st.lists(st.integers(0, 24 * 30), unique=True, max_size=8))
    found = [Event("p", OCTOBER + h * HOUR, Decimal(data.draw(st.integers(1, 90))), (), data.draw(st.sampled_from(("north", "south", "group")))) for h in hours]
    # When they arrive in any order
    for number, event in enumerate(found):
        made.record_usage([delta(event._replace(recorded_ms=OCTOBER), "sum", number)])
    made.advance(NOVEMBER - HOUR)
    # Then the pool pays them in the order in which they happened
    left, due = amount, {"north": Decimal(0), "south": Decimal(0), "group": Decimal(0)}
    for event in sorted(found, key=lambda e: e.at_ms):
        paid = min(left, event.value)
        left -= paid
        due[event.customer] += event.value - paid
    assert {i.customer: i.total for i in made.result().invoices} == due


@given(st.integers(1, 3), st.integers(1, 31), amounts, st.sampled_from(("none", "first", "last", "first_and_last")))
def test_a_recurring_grant_is_one_a_period_and_in_proportion(valid: int, start: int, amount: Decimal, proration: str) -> None:
    grant = RecurringGrant(id="r", amount=amount, starting_at=day(start), ending_before="2026-01-01", valid_periods=valid, proration=proration)  # type: ignore[arg-type]
    whole = account(World(ONE, contract(recurring_credits=[grant]), ()), at_ms=instant_ms("2026-01-15")).result()
    first = (amount * (32 - start) / 31).quantize(Decimal("0.01"), "ROUND_HALF_UP") if proration in {"first", "first_and_last"} else amount
    [row] = whole.balances
    # Three grants, of which those still hold that began less than `valid` periods ago
    alive = [a for a, age in ((first, 4), (amount, 3), (amount, 2)) if age <= valid]
    assert row.granted == first + 2 * amount
    assert row.remaining == sum(alive, Decimal(0))
    assert row.expired == row.granted - row.remaining
