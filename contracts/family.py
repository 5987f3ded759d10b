"""The contracts of an account, compiled together: who bills whom, whose grants pay whom, whose usage is whose."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.grants import Grant, rolled_over
from contracts.matching import matches
from contracts.offers import Window, offers
from contracts.terms import ContractTerms, ProductTerms
from contracts.timeline import Span
from contracts.windows import GroupKey

__all__ = ["Family", "Renewal"]

MOST_OFFERS = 50_000


class Renewal(NamedTuple):
    """A contract that takes over, at its start, what another leaves: pairs of (source, its continuation)."""

    at: int
    contract: str
    grants: tuple[tuple[Grant, Grant], ...]


class Family:
    """Compiled once for each change of a document. Contracts whose catalogue is not known yet are left out."""

    def __init__(self, contracts: Mapping[str, Contract], catalogues: Mapping[str, Catalogue], known: Mapping[str, ContractTerms] | None = None) -> None:
        """`known`: terms of before, used again where neither contract nor catalogue has changed."""
        self.terms = _compiled(contracts, catalogues, known or {})
        self.ids: dict[str, str] = {terms.customer: terms.customer for terms in self.terms.values()}
        """Every id and alias to its customer."""
        for terms in self.terms.values():
            for alias in terms.document.aliases:
                self.ids.setdefault(alias, terms.customer)
        self.by_customer: dict[str, list[ContractTerms]] = {}
        for terms in self.terms.values():
            self.by_customer.setdefault(terms.customer, []).append(terms)
        for found in self.by_customer.values():
            found.sort(key=lambda t: (t.document.usage_filter is None, t.document.rate_card is None, t.id))
        self.watched = any(terms.document.thresholds for terms in self.terms.values())
        """Some contract has thresholds."""
        self.payer = {name: self._payer(name) for name in self.terms}
        self.paid_by: dict[str, list[ContractTerms]] = {name: [] for name in self.terms}
        """The contracts whose lines stand on a contract's invoice, its own first."""
        for name, payer in self.payer.items():
            self.paid_by[payer].append(self.terms[name])
        for name, paid in self.paid_by.items():
            paid.sort(key=lambda t, name=name: (t.id != name, t.customer, t.id))  # type: ignore[misc]
        self.renewals = self._renewals()
        rolled = [target for renewal in self.renewals for _, target in renewal.grants]
        self.own = {name: [*terms.grants, *(g for g in rolled if g.contract == name)] for name, terms in self.terms.items()}
        self.grants = {name: self._reach(name) for name in self.terms}
        """All grants that may pay a contract's usage."""
        counts = Counter(id(grant) for reach in self.grants.values() for grant in reach)
        for grant in [grant for grants in self.own.values() for grant in grants]:
            grant.contracts = counts[id(grant)]
        drawing = {name for name in self.terms if any(g.contract != name for g in self.grants[name])}
        self.shared = drawing | {g.contract for name in drawing for g in self.grants[name]}
        """Contracts that draw what others draw too, and those whose grants they draw."""
        self._offers: dict[tuple[str, str, GroupKey, Span], list[Window]] = {}

    def ids_of(self, customer: str) -> list[str]:
        return sorted(each for each, owner in self.ids.items() if owner == customer)

    def owner(self, customer_id: str, group: Mapping[str, str], catalogue: str, moment: int) -> ContractTerms | None:
        """The contract that takes usage: one whose filter holds before one that has none."""
        customer = self.ids.get(customer_id)
        if customer is None:
            return None
        for terms in self.by_customer[customer]:
            document = terms.document
            taken = document.usage_filter is None or matches(document.usage_filter.where, group)
            if taken and terms.start <= moment < terms.end and document.catalogue == catalogue:
                return terms
        return None

    def offers(self, terms: ContractTerms, product: ProductTerms, key: GroupKey, span: Span) -> list[Window]:
        """`contracts.offers.offers`, once for each version."""
        name = (terms.id, product.id, key, span)
        found = self._offers.get(name)
        if found is None:
            if len(self._offers) > MOST_OFFERS:
                self._offers.clear()
            found = self._offers[name] = offers(terms, product, key, span, self.grants[terms.id])
        return found

    def drawers(self, grant: Grant) -> Iterable[ContractTerms]:
        """The contracts whose usage a grant may pay."""
        return (terms for name, terms in self.terms.items() if any(g is grant for g in self.grants[name]))

    def _payer(self, name: str) -> str:
        seen = {name}
        while True:
            document = self.terms[name].document
            above = document.parent
            if document.payer != "parent" or above is None or above not in self.terms or above in seen:
                return name
            seen.add(above)
            name = above

    def _reach(self, name: str) -> list[Grant]:
        found = list(self.own[name])
        seen = {name}
        above = self.terms[name].document.parent
        while above is not None and above in self.terms and above not in seen:
            seen.add(above)
            found += [grant for grant in self.own[above] if grant.pays_for(name)]
            above = self.terms[above].document.parent
        return found

    def _renewals(self) -> list[Renewal]:
        found = []
        for name, terms in self.terms.items():
            before = self.terms.get(terms.document.renews or "")
            if before is not None and before is not terms:
                pairs = tuple((g, rolled_over(g, name, terms.start, terms.end)) for g in before.grants if g.rollover is not None and g.type != "postpaid")
                if pairs:
                    found.append(Renewal(terms.start, name, pairs))
        found.sort(key=lambda renewal: (renewal.at, renewal.contract))
        return found


def _compiled(contracts: Mapping[str, Contract], catalogues: Mapping[str, Catalogue], known: Mapping[str, ContractTerms]) -> dict[str, ContractTerms]:
    found = {}
    for name, document in sorted(contracts.items()):
        catalogue = catalogues.get(document.catalogue)
        if catalogue is not None:
            before = known.get(name)
            same = before is not None and before.document is document and before.card.catalogue is catalogue
            found[name] = before if same and before is not None else ContractTerms(document, catalogue)
    return found
