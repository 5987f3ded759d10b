"""Who belongs together: every customer id and alias to the root customer of its family, which owns their usage and balances.

Pure. A contract's aliases belong to its customer; a contract with a `parent` belongs to the family of that contract's customer. Kept up contract by
contract: an edit costs what it concerns, and not all that there is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Self

from contracts.contract import Contract

Names = tuple[str, ...]
"""Ascending."""


class Families:
    """The families of some contracts, of each its newest version. The order in which they were put changes nothing."""

    def __init__(self, contracts: Iterable[Contract] = ()) -> None:
        self.roots: dict[str, str] = {}
        """Customer id or alias to root customer; an id that is not in it is its own root.

        A parent that is not (yet) among the contracts counts as none. Of several parents of one customer, and of several customers with one alias,
        the first by contract id holds; `conflicts` tells of them.
        """
        self._contracts: dict[str, Contract] = {}
        self._of: dict[str, Names] = {}
        """A customer's contracts."""
        self._listing: dict[str, Names] = {}
        """The contracts that have an alias."""
        self._under: dict[str, Names] = {}
        """The contracts that name one as their parent."""
        for contract in {each.id: each for each in contracts}.values():
            self._enter(contract)
        self._settle((*self._of, *self._listing))

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """By id."""
        return self._contracts

    @property
    def customers(self) -> Collection[str]:
        """Who has contracts."""
        return self._of.keys()

    def copy(self) -> Self:
        """The same, to be changed by itself."""
        same = self.__class__()
        vars(same).update({name: index.copy() for name, index in vars(self).items()})
        return same

    def edited(self, contracts: Iterable[Contract]) -> tuple[Self, set[str]]:
        """The families behind an edit, and the ids that it concerns; these stay as they are."""
        same = self.copy()
        return same, set().union(*map(same.put, contracts))

    def root(self, customer: str) -> str:
        """The root customer of an id or alias."""
        return self.roots.get(customer, customer)

    def depth(self, customer: str) -> int:
        """How many are above the customer."""
        return sum(1 for _ in self._upward(customer))

    def contracts_of(self, customer: str) -> list[Contract]:
        """The customer's own, by id; none: it is an alias, or unknown."""
        return [self._contracts[name] for name in self._of.get(customer, ())]

    def put(self, contract: Contract) -> set[str]:
        """Take a contract or a newer version of one: the ids that may belong to another family than before."""
        known = self._contracts.get(contract.id)
        if known is not None and _place(known) == _place(contract):
            self._contracts[contract.id] = contract
            return set()
        concerned = set()
        if known is not None:
            concerned = self._below(known)
            self._leave(known)
        self._enter(contract)
        concerned |= self._below(contract)
        self._settle(concerned)
        return concerned

    def conflicts(self, ids: Iterable[str]) -> list[str]:
        """What no family can hold, of those that these ids are in: two parents of one customer, a circle of parents, an id with two owners. One line each."""
        ids = sorted(ids)
        problems = []
        for customer in ids:
            by_parent = {parent: name for name in self._of.get(customer, ()) if (parent := self._parent(self._contracts[name])) is not None}
            if len(by_parent) > 1:
                said = ", ".join(f"{parent} (by contract {name})" for parent, name in sorted(by_parent.items()))
                problems.append(f"customer {customer} would have two parents: {said}; a family has one root, so name one parent")
        for key in ids:
            claims = sorted({*self._of.get(key, ()), *self._listing.get(key, ())})
            by_owner = {self._contracts[name].customer: name for name in claims}
            if len(by_owner) > 1:
                said = ", ".join(f"{owner} (by contract {name})" for owner, name in sorted(by_owner.items()))
                problems.append(f"id {key} would belong to several customers: {said}; take it off the aliases of all but one")
        for customer in ids:
            if self._circles(customer):
                problems.append(f"customer {customer} is its own parent by way of {self._above(customer)}; remove one `parent`")
        return problems

    def _enter(self, contract: Contract) -> None:
        self._contracts[contract.id] = contract
        for index, key in _keys(contract, self._of, self._listing, self._under):
            names = index.get(key)
            index[key] = (contract.id,) if names is None else tuple(sorted({*names, contract.id}))

    def _leave(self, contract: Contract) -> None:
        for index, key in _keys(contract, self._of, self._listing, self._under):
            names = tuple(each for each in index.get(key, ()) if each != contract.id)
            if names:
                index[key] = names
            else:
                index.pop(key, None)

    def _settle(self, ids: Iterable[str]) -> None:
        """Look up the roots of these ids."""
        for each in ids:
            if each in self._of:
                self.roots[each] = self._top(each)
            elif each in self._listing:
                self.roots[each] = self._top(self._contracts[self._listing[each][0]].customer)
            else:
                self.roots.pop(each, None)

    def _below(self, contract: Contract) -> set[str]:
        """The ids of the contract, of its customer, and of all that are below that."""
        customers, seen = [contract.customer], {contract.customer}
        found = {contract.customer, *contract.aliases}
        while customers:
            for name in self._of.get(customers.pop(), ()):
                found.update(self._contracts[name].aliases)
                below = {self._contracts[child].customer for child in self._under.get(name, ())} - seen
                customers += below
                seen |= below
        return found | seen

    def _parent(self, contract: Contract) -> str | None:
        """The customer above that of the contract, by this contract."""
        parent = self._contracts.get(contract.parent) if contract.parent else None
        return None if parent is None or parent.customer == contract.customer else parent.customer

    def _above(self, customer: str) -> str | None:
        for name in self._of.get(customer, ()):
            parent = self._parent(self._contracts[name])
            if parent is not None:
                return parent
        return None

    def _upward(self, customer: str) -> Iterator[str]:
        """Who is above the customer, who is above that one, and so on; a circle is gone through once."""
        seen = {customer}
        while (parent := self._above(customer)) is not None and parent not in seen:
            yield parent
            seen.add(parent)
            customer = parent

    def _top(self, customer: str) -> str:
        for above in self._upward(customer):
            customer = above
        return customer

    def _circles(self, customer: str) -> bool:
        """Whether who goes up from the customer comes back to it."""
        seen = set()
        at = self._above(customer)
        while at is not None and at != customer and at not in seen:
            seen.add(at)
            at = self._above(at)
        return at == customer


def _place(contract: Contract) -> tuple[object, ...]:
    return contract.customer, tuple(contract.aliases), contract.parent


def _keys(contract: Contract, of: dict[str, Names], listing: dict[str, Names], under: dict[str, Names]) -> Iterable[tuple[dict[str, Names], str]]:
    yield of, contract.customer
    for alias in contract.aliases:
        yield listing, alias
    if contract.parent:
        yield under, contract.parent
