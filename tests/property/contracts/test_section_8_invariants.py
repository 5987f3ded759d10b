"""Section 8 of the rating rules: what must hold, on whole random cases of every feature."""

import json
import random
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contracts.account import Account
from contracts.case import Case
from contracts.errors import DocumentError, TaximeterError
from contracts.instants import instant_ms
from contracts.loading import read_case
from contracts.offline import Memory, rate
from contracts.rendering import digest
from contracts.result import Result
from contracts.timeline import iso
from tests.property.contracts.examples import thoroughly
from tests.property.contracts.worlds import HOUR, NOVEMBER, OCTOBER, World, account, delta, facts, kind_of, worlds
from tests.reference.generate import generate


def _loaded(seed: int) -> Case | None:
    try:
        return read_case(json.dumps(generate(seed)), f"generated-{seed}", lambda name: (name, name))
    except DocumentError:
        return None


cases = st.integers(0, 2**31).map(_loaded).filter(lambda case: case is not None)
"""Whole cases with edits, actions, families, late usage."""


def rated(case: Case, told: Callable[[Account], None] | None = None) -> list[Result]:
    """The results of a case; `told` sees every account after each input. Cases whose actions are refused are left aside."""
    try:
        if told is None:
            return rate(case)
        return rate_watched(case, told)
    except TaximeterError:
        assume(False)
        raise


def rate_watched(case: Case, told: Callable[[Account], None]) -> list[Result]:
    class Watched(Account):
        def record_usage(self, deltas: Any, *, moved: bool = False) -> None:
            super().record_usage(deltas, moved=moved)
            told(self)

        def record_contract(self, contract: Any, recorded_ms: int) -> None:
            super().record_contract(contract, recorded_ms)
            told(self)

        def advance(self, now_ms: int) -> None:
            super().advance(now_ms)
            told(self)

    with patch("contracts.offline.Account", Watched):
        return rate(case)


@thoroughly
@given(cases)
def test_lines_add_up_and_ledgers_do_and_nothing_is_negative(case: Case) -> None:
    for result in rated(case):
        assert len({invoice.id for invoice in result.invoices}) == len(result.invoices)
        for invoice in result.invoices:
            assert sum((line.amount for line in invoice.lines), 0) == invoice.total
            assert len({line.id for line in invoice.lines}) == len(invoice.lines)
        for row in result.balances:
            assert row.remaining >= 0
            assert row.expired >= 0
            assert row.type != "postpaid" or row.applied <= row.granted or _edited(case)


def _edited(case: Case) -> bool:
    """An edit may make a commit smaller than what final invoices drew of it."""
    return bool(case.edits)


@thoroughly
@given(cases)
def test_the_incremental_form_and_the_full_form_agree_after_every_input(case: Case) -> None:
    def told(made: Account) -> None:
        grown = facts(made.result())
        life = made._life  # the fold from nothing has no other door
        life.refold()
        assert facts(made.result()) == grown

    rated(case, told)


@thoroughly
@given(cases)
def test_a_draft_that_only_ever_grew_is_the_draft_that_is_folded_from_nothing(case: Case) -> None:
    def told(made: Account) -> None:
        other = Account.restore(made.root, made.snapshot(), made.store)
        assert other.result() == made.result()

    rated(case, told)


@thoroughly
@given(cases)
@example(_loaded(8248400))  # what is used before a contract begins carries into it
def test_a_restored_account_goes_on_as_if_nothing_had_happened(case: Case) -> None:
    def told(made: Account) -> None:
        life = made._life  # restored in place, so that the case goes on with it
        store = life.windows.store
        other = Account.restore(made.root, made.snapshot(), store)
        assert other.result() == made.result()
        assert other.next_due_ms() == made.next_due_ms()
        made._life = other._life

    assert rated(case, told) == rated(case)


@thoroughly
@given(cases)
def test_the_same_inputs_give_the_same_digest(case: Case) -> None:
    for one, other in zip(rated(case), rated(case), strict=True):
        assert digest(one.invoices, one.balances) == digest(other.invoices, other.balances)


@thoroughly
@given(worlds(), st.randoms(use_true_random=False))
def test_order_and_packing_of_usage_change_nothing(world: World, rng: random.Random) -> None:
    # Given all usage arrives within the period, one by one in order
    straight = account(world, at_ms=NOVEMBER)
    # When it arrives in any order, and in any packs
    kind = kind_of(world.catalogue, "p")
    deltas = [delta(e, kind, n)._replace(recorded_ms=OCTOBER) for n, e in enumerate(world.events)]
    rng.shuffle(deltas)
    made = account(world, usage=False, at_ms=OCTOBER)
    while deltas:
        pack = deltas[: rng.randint(1, 4)]
        del deltas[: len(pack)]
        made.record_usage(pack)
        made.result()
    made.advance(NOVEMBER)
    assert facts(made.result()) == facts(straight.result())


@thoroughly
@given(st.integers(0, 2**31).filter(lambda seed: _loaded(seed) is not None), st.randoms(use_true_random=False))
def test_permuting_duplicating_and_splitting_whole_cases_change_nothing(seed: int, rng: random.Random) -> None:
    # Given a case whose events have ids of their own
    data = generate(seed)
    data["usage"] = [alone for line in data["usage"] for alone in _alone(line)]
    for number, line in enumerate(data["usage"]):
        line["transaction_id"] = f"e{number}"
    one = rated(read_case(json.dumps(data), "case"))
    # When what arrives at one time comes in another order, and some of what counts twice, at once or later
    shuffled = {**data, "usage": [*data["usage"]]}
    refused = {each.transaction_id for result in one for each in result.rejected}
    counted = [line for line in data["usage"] if line["transaction_id"] not in refused]
    for line in rng.sample(counted, rng.randint(0, len(counted))):
        later = instant_ms(line.get("recorded_at", line["timestamp"])) + rng.choice((0, 1, 30 * 24)) * HOUR
        shuffled["usage"].append({**line, "recorded_at": iso(later)})
    rng.shuffle(shuffled["usage"])
    # Then the results are the same
    for a, b in zip(one, rated(read_case(json.dumps(shuffled), "case")), strict=True):
        assert digest(a.invoices, a.balances) == digest(b.invoices, b.balances)


def _alone(line: dict[str, Any]) -> list[dict[str, Any]]:
    """A run as the single events that it stands for."""
    repeat = line.pop("repeat", None)
    if repeat is None:
        return [line]
    arrived = line.get("recorded_at", line["timestamp"])
    step = 24 * HOUR
    return [
        {**line, "timestamp": iso(instant_ms(line["timestamp"]) + number * step), "recorded_at": iso(instant_ms(arrived) + number * step)}
        for number in range(repeat["times"])
    ]


@thoroughly
@given(worlds(), worlds())
def test_an_edit_and_its_removal_restore_the_same_result(world: World, other: World) -> None:
    made = account(world)
    before = facts(made.result())
    paid = {c.id for c in (*world.contract.commits, *other.contract.commits) if c.type == "prepaid" and c.invoice}
    assume(not paid)
    made.record_contract(other.contract, NOVEMBER - HOUR)
    made.result()
    made.record_contract(world.contract, NOVEMBER - HOUR)
    assert facts(made.result()) == before


@thoroughly
@given(worlds(), worlds(), st.integers(0, 30))
def test_when_an_edit_is_made_does_not_matter_to_a_draft(world: World, other: World, days: int) -> None:
    early = account(world, usage=False, at_ms=OCTOBER)
    early.record_contract(other.contract, OCTOBER)
    for number, event in enumerate(world.events):
        early.record_usage([delta(event, kind_of(world.catalogue, "p"), number)._replace(recorded_ms=OCTOBER)])
    late = account(world, at_ms=OCTOBER + days * 86_400_000)
    late.record_contract(other.contract, OCTOBER + days * 86_400_000)
    for made in (early, late):
        made.advance(NOVEMBER)
    assert facts(early.result()) == facts(late.result())


@thoroughly
@given(worlds())
def test_unchanged_invoices_are_the_same_objects(world: World) -> None:
    made = account(world)
    first = made.result().invoices
    assert all(a is b for a, b in zip(first, made.result().invoices, strict=True))


@thoroughly
@given(worlds())
def test_a_snapshot_may_leave_the_catalogue_out(world: World) -> None:
    store = Memory()
    made = Account("acme", store)
    made.record_catalogue(world.catalogue, OCTOBER)
    made.record_contract(world.contract, OCTOBER)
    made.record_usage(delta(e, kind_of(world.catalogue, "p"), n) for n, e in sorted(enumerate(world.events), key=lambda each: each[1].at_ms))
    other = Account.restore("acme", made.snapshot(catalogues=False), store, {"default": world.catalogue})
    assert other.result() == made.result()
    assert msgspec.msgpack.decode(made.snapshot())
