"""The documents of the story, under names that are new on the deployment where it is played."""

from collections.abc import Container
from importlib import resources
from typing import NamedTuple

import msgspec

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.loading import read_documents


class Papers(NamedTuple):
    catalogue: Catalogue
    contract: Contract
    edited: Contract
    """The same contract after the edit."""


def papers(known: Container[str] = ()) -> Papers:
    """Catalogue, contract and edit of the package; a contract id among `known` gets a number, and so does all that goes with it."""
    catalogue, contract, edited = _read()
    number = 1
    while f"{contract.id}{_mark(number)}" in known:
        number += 1
    mark = _mark(number)
    named = {"id": contract.id + mark, "customer": contract.customer + mark, "catalogue": catalogue.id + mark, "clock": contract.clock + mark}
    return Papers(
        msgspec.structs.replace(catalogue, id=catalogue.id + mark),
        msgspec.structs.replace(contract, **named),
        msgspec.structs.replace(edited, **named),
    )


def unit(catalogue: Catalogue, product: str) -> str:
    """What one unit price is for: `each`, or `for 1,000,000`."""
    quantity = catalogue.products[product].quantity
    return f"for {quantity.divide_by:,f}" if quantity else "each"


def _read() -> tuple[Catalogue, Contract, Contract]:
    folder = resources.files("taximeter.demo")
    found = []
    for file in ("october.yaml", "contract.yaml", "edit.yaml"):
        found += read_documents([((folder / file).read_text(encoding="utf-8"), file)])
    catalogue, contract, edited = found
    if not isinstance(catalogue, Catalogue) or not isinstance(contract, Contract) or not isinstance(edited, Contract):
        raise TypeError("the story is a catalogue, a contract and the contract after the edit")
    return catalogue, contract, edited


def _mark(number: int) -> str:
    return "" if number == 1 else f"-{number}"
