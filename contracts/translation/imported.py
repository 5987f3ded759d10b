"""What an import comes to: documents that pass every check of ours, and what of the export is not in them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from contracts.catalogue import Catalogue
from contracts.checks import check_catalogue, check_contract
from contracts.contract import Contract
from contracts.sources import Problem, show
from contracts.translation.bills import Bill
from contracts.translation.saved import Finding, Saved

PARTS: Final = {"metrics": "metric", "products": "product", "rate_cards": "rate card", "pricing_units": "pricing unit"}


class Imported(NamedTuple):
    catalogues: list[Catalogue]
    contracts: list[Contract]
    findings: list[Finding]

    @property
    def refused(self) -> list[Finding]:
        return [each for each in self.findings if each.level == "refused"]


class Read(NamedTuple):
    """An export as it was read."""

    imported: Imported
    bills: list[Bill]
    names: Mapping[str, str]
    """Names of customers, by id."""


def checked(catalogues: Sequence[Catalogue], contracts: Sequence[tuple[Contract, Saved]], findings: list[Finding], window_minutes: int) -> Imported:
    """The documents without those that our rules refuse, and without those that would then lack something."""
    sound = [_sound(each, findings, window_minutes) for each in catalogues]
    known = {each.id: each for each in sound}
    left = list(contracts)
    while True:
        wrong = [(contract, saved, _problems(contract, known, left, window_minutes)) for contract, saved in left]
        for _, saved, problems in wrong:
            findings += [saved.finding("refused", "contract", show(each.path), each.message) for each in problems]
        kept = [(contract, saved) for contract, saved, problems in wrong if not problems]
        if len(kept) == len(left):
            return Imported(sound, [contract for contract, _ in kept], findings)
        left = kept


def _problems(contract: Contract, known: dict[str, Catalogue], there: Sequence[tuple[Contract, Saved]], window_minutes: int) -> list[Problem]:
    others = [other for other, _ in there]
    return check_contract(contract, known[contract.catalogue], others, window_minutes=window_minutes)


def _sound(catalogue: Catalogue, findings: list[Finding], window_minutes: int) -> Catalogue:
    """The catalogue without its parts that are wrong; what hangs on one goes with it."""
    while True:
        wrong: dict[tuple[str, str], list[str]] = {}
        for each in check_catalogue(catalogue, window_minutes=window_minutes):
            if len(each.path) < 2 or each.path[0] not in PARTS:
                raise AssertionError(f"an import has made a catalogue that cannot be: {show(each.path)}: {each.message}")
            wrong.setdefault((str(each.path[0]), str(each.path[1])), []).append(f"{show(each.path[2:])}: {each.message}" if each.path[2:] else each.message)
        if not wrong:
            return catalogue
        for (key, name), messages in wrong.items():
            findings += [Finding("refused", "", PARTS[key], name, "", message) for message in messages]
            parts = {each: part for each, part in getattr(catalogue, key).items() if each != name}
            catalogue = msgspec.structs.replace(catalogue, **{key: parts})
