"""What an edit becomes on the log: the records of contract-changes, given the documents as they are. Pure.

Errors (contracts.errors)
DocumentError     the edit cannot be
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.families import Families
from pipelines.document_log import Documents
from pipelines.partitioning import partition_of


class Edit(NamedTuple):
    """Documents that take effect together."""

    catalogues: Sequence[Catalogue] = ()
    contracts: Sequence[Contract] = ()
    author: str = ""
    recorded_ms: Mapping[str, int] = {}
    """Time of each clock that the contracts name (`wall` too): when the edit is recorded."""
    effective_ms: int | None = None
    """From when it holds; none: at once."""


class Control(NamedTuple):
    """A step of a generation (`pipelines.replay.generations`)."""

    id: str
    version: int
    body: str
    recorded_ms: int
    author: str = ""
    everywhere: bool = True
    """On every partition; else on the first alone."""


class Change(NamedTuple):
    """A record of contract-changes: its value (before encoding) and where it goes."""

    partition: int
    key: str
    value: dict[str, Any]


def plan(edit: Edit, present: Documents, partitions: int, name: str) -> list[Change]:
    """The records of `edit`, whose id is `name`. Raises DocumentError."""
    before = present.families
    after, ids = before.edited(edit.contracts)
    concerned = sorted(ids)
    problems = (
        after.conflicts(concerned)
        + _unknown(edit, after.contracts, present)
        + _uprooted(concerned, before, after)
        + _taken_ahead(edit, concerned, before, after)
    )
    if problems:
        raise DocumentError(problems)
    common = {"author": edit.author, "edit": name, "effective_at": edit.effective_ms, "customer": None, "root": None}
    changes = []
    for catalogue in edit.catalogues:
        known = present.catalogues.get(catalogue.id)
        value = common | {
            "kind": "catalogue",
            "id": catalogue.id,
            "version": known.version + 1 if known else 1,
            "recorded_at": edit.recorded_ms["wall"],
            "body": _body(catalogue),
        }
        changes += [Change(partition, catalogue.id, value) for partition in range(partitions)]
    for contract in _in_order(edit.contracts, before, after):
        earlier = present.contracts.get(contract.id)
        root = after.root(contract.customer)
        value = common | {
            "kind": "contract",
            "id": contract.id,
            "version": earlier.version + 1 if earlier else 1,
            "customer": contract.customer,
            "root": root,
            "recorded_at": edit.recorded_ms[contract.clock],
            "body": _body(contract),
        }
        changes.append(Change(partition_of(root, partitions), root, value))
    for customer in concerned:
        left, joined = before.root(customer), after.root(customer)
        if left != joined:
            recorded_ms = _time_of_move(edit, left, joined, after)
            value = common | {"kind": "move", "id": customer, "version": 1, "root": joined, "recorded_at": recorded_ms, "body": "{}"}
            # The old owner sends on what it has and what still comes; the new one keeps it, also when it had sent it away before.
            owners = {partition_of(root, partitions): root for root in (joined, left)}
            changes += [Change(partition, root, value) for partition, root in owners.items()]
    return changes


def _in_order(contracts: Sequence[Contract], before: Families, after: Families) -> list[Contract]:
    """In their order, but a family that takes an id comes behind the others (an account that is read in between counts the id's usage once), and in a
    family who pays for others comes before them, or periods that have passed would become final on each one's own."""
    takers = {
        after.root(contract.customer)
        for contract in contracts
        if any(before.root(each) not in (each, after.root(each)) for each in (contract.customer, *contract.aliases))
    }
    return sorted(contracts, key=lambda contract: (after.root(contract.customer) in takers, after.depth(contract.customer)))


def steps(control: Control, partitions: int, name: str) -> list[Change]:
    """The records of a step of a generation, in the edit `name`."""
    value = {
        "kind": "replay",
        "id": control.id,
        "version": control.version,
        "customer": None,
        "root": None,
        "recorded_at": control.recorded_ms,
        "effective_at": None,
        "author": control.author,
        "edit": name,
        "body": control.body,
    }
    return [Change(partition, control.id, value) for partition in range(partitions if control.everywhere else 1)]


def _body(document: Catalogue | Contract) -> str:
    return msgspec.json.encode(document, order="deterministic").decode()


def _unknown(edit: Edit, after: Mapping[str, Contract], present: Documents) -> list[str]:
    catalogues = present.catalogues.keys() | {catalogue.id for catalogue in edit.catalogues}
    problems = []
    for contract in edit.contracts:
        if contract.catalogue not in catalogues:
            problems.append(
                f"contract {contract.id}: catalogue: there is no catalogue {contract.catalogue!r} yet"
                f" (known: {', '.join(sorted(catalogues)) or 'none'}); apply the catalogue first, or both files together"
            )
        for key, target in (("parent", contract.parent), ("renews", contract.renews)):
            if target is not None and target not in after:
                problems.append(f"contract {contract.id}: {key}: there is no contract {target!r} yet; apply it first, or both files together")
    return problems


def _uprooted(concerned: Iterable[str], before: Families, after: Families) -> list[str]:
    """A customer with contracts stays with its family: final invoices and balances are facts of the account that made them."""
    return [
        f"customer {customer} would move from the family of {before.root(customer)} to that of {after.root(customer)}, but has contracts and"
        " balances there; name the parent in the customer's first contract, or give the new contract another customer id"
        for customer in concerned
        if before.contracts_of(customer) and before.root(customer) != after.root(customer)
    ]


def _taken_ahead(edit: Edit, concerned: Iterable[str], before: Families, after: Families) -> list[str]:
    """An id changes hands when the edit is published: its former owner would bill it until the edit holds, without its usage."""
    if edit.effective_ms is None:
        return []
    return [
        f"id {customer} would leave customer {before.root(customer)} when the edit begins to hold, but an id changes hands when an edit is published;"
        " keep it among the aliases, and take it off in an edit that holds at once"
        for customer in concerned
        if before.root(customer) not in {customer, after.root(customer)} and not before.contracts_of(customer)
    ]


def _time_of_move(edit: Edit, left: str, joined: str, after: Families) -> int:
    """By the clock of who gets the usage, where the edit names it: the account's clock goes on to that time."""
    for family in (joined, left):
        for contract in edit.contracts:
            if after.root(contract.customer) == family:
                return edit.recorded_ms[contract.clock]
    return max(edit.recorded_ms[contract.clock] for contract in edit.contracts)
