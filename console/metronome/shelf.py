"""Finding what a request names among the papers; and keeping what is not in documents.

Ids are those of our documents: what the API makes gets UUIDs there, what people wrote keeps its own id. Outside of the catalogue `default` an id
has the catalogue before it (`eu/api-calls`).
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from console.books import Papers
from console.errors import ConflictError, invalid, missing
from contracts.catalogue import Catalogue, Metric, Product, RateCard
from contracts.contract import Contract
from contracts.instants import instant_ms
from contracts.timeline import iso
from contracts.translation.fields import Wrong
from pipelines.objects import Object

HOME: Final = "default"
"""The catalogue in which the API makes things."""


def new_id() -> str:
    return str(uuid.uuid4())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Shelf:
    """The papers of a moment, by the names of the API."""

    def __init__(self, papers: Papers) -> None:
        self.papers = papers
        self.objects = papers.objects

    def catalogue(self, name: str = HOME) -> Catalogue:
        """A catalogue in force; the one of the API is there from the first thing in it."""
        found = self.papers.documents.catalogues.get(name)
        if found is None and name == HOME:
            return Catalogue()
        if found is None:
            raise missing("catalogue", name)
        return found.catalogue

    def catalogues(self) -> list[Catalogue]:
        return [each.catalogue for _, each in sorted(self.papers.documents.catalogues.items())]

    def metric(self, name: str, field: str) -> tuple[Catalogue, str, Metric]:
        catalogue, inner = self._split(name)
        if catalogue is None or inner not in catalogue.metrics:
            raise missing("billable metric", name, field)
        return catalogue, inner, catalogue.metrics[inner]

    def product(self, name: str, field: str) -> tuple[Catalogue, str, Product]:
        catalogue, inner = self._split(name)
        if catalogue is None or inner not in catalogue.products:
            raise missing("product", name, field)
        return catalogue, inner, catalogue.products[inner]

    def product_in(self, catalogue: Catalogue, name: str, field: str) -> str:
        """The product's id inside the catalogue. Raises InvalidError when it is of another one."""
        of, inner, _ = self.product(name, field)
        if of.id != catalogue.id:
            raise invalid(field, f"product {name!r} is not in the catalogue {catalogue.id!r} of this rate card")
        return inner

    def card(self, name: str, field: str) -> tuple[Catalogue, str, RateCard]:
        catalogue, inner = self._split(name)
        if catalogue is None or inner not in catalogue.rate_cards:
            raise missing("rate card", name, field)
        return catalogue, inner, catalogue.rate_cards[inner]

    def card_named(self, alias: str, at_ms: int, field: str) -> str:
        """Id of the rate card that has this alias at that time."""
        return self._named("rate_card", alias, at_ms, field)

    def package_named(self, alias: str, at_ms: int, field: str) -> str:
        return self._named("package", alias, at_ms, field)

    def customer(self, name: str, field: str = "customer_id") -> dict[str, Any]:
        """What is kept of a customer; one whom documents alone name has the defaults. Raises NotFoundError."""
        kept = self.objects.get("customer", name)
        contracts = self.contracts_of(name)
        if kept is None and not contracts:
            raise missing("customer", name, field)
        started = min((self.papers.documents.contracts[each.id].recorded_ms for each in contracts), default=0)
        body: dict[str, Any] = {"name": name, "ingest_aliases": [], "custom_fields": {}, "created_ms": started, "updated_ms": started}
        body |= kept.body if kept else {}
        if contracts:
            body["ingest_aliases"] = list(dict.fromkeys(alias for each in contracts for alias in each.aliases))
        return body

    def customers(self) -> list[str]:
        named = {each.contract.customer for each in self.papers.documents.contracts.values()}
        return sorted(named | {each.id for each in self.objects.of("customer")})

    def contracts_of(self, customer: str) -> list[Contract]:
        found = [each.contract for each in self.papers.documents.contracts.values() if each.contract.customer == customer]
        return sorted(found, key=lambda each: (instant_ms(each.starting_at, each.billing.timezone), each.id))

    def contract(self, customer: str, name: str) -> Contract:
        found = self.papers.documents.contracts.get(name)
        if found is None or found.contract.customer != customer:
            raise missing(f"contract of customer {customer!r}", name, "contract_id")
        return found.contract

    def kept(self, kind: str, name: str) -> dict[str, Any]:
        return self.objects.body(kind, name)

    def extras(self, contract: str) -> dict[str, Any]:
        """What is kept of a contract: fields of the contract itself, and under `terms` those of its terms by id."""
        body = self.objects.body("contract", contract)
        body["terms"] = {name: dict(each) for name, each in body.get("terms", {}).items()}
        return body

    def once(self, endpoint: str, key: str | None, made: str) -> list[Object]:
        """A uniqueness key is used once. Raises ConflictError; else what to keep of it."""
        if key is None:
            return []
        if not 0 < len(key) <= 128:
            raise invalid("uniqueness_key", "must be 1 to 128 characters")
        name = f"{endpoint}:{key}"
        found = self.objects.get("uniqueness", name)
        if found is not None:
            raise ConflictError(Wrong("uniqueness_key", f"{key!r} was used already, for {found.body['id']}; nothing was made"), id=found.body["id"])
        return [Object("uniqueness", name, {"id": made})]

    def _split(self, name: str) -> tuple[Catalogue | None, str]:
        before, slash, inner = name.partition("/")
        if slash and before in self.papers.documents.catalogues:
            return self.papers.documents.catalogues[before].catalogue, inner
        found = self.papers.documents.catalogues.get(HOME)
        return (found.catalogue if found else None), name

    def _named(self, kind: str, alias: str, at_ms: int, field: str) -> str:
        for each in self.objects.of(kind):
            for row in each.body.get("aliases", []):
                start, end = row.get("starting_at"), row.get("ending_before")
                if row["name"] == alias and (not start or instant_ms(start) <= at_ms) and (not end or at_ms < instant_ms(end)):
                    return each.id
        raise missing(kind.replace("_", " ") + " with the alias", alias, field)


def ref(catalogue: Catalogue, name: str) -> str:
    """The API's id of something in a catalogue."""
    return name if catalogue.id == HOME else f"{catalogue.id}/{name}"


def at_text(ms: Any) -> str:
    return iso(int(ms or 0))


def given(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not there."""
    return {key: value for key, value in mapping.items() if value is not None}
