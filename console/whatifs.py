"""What-if versions of a contract: texts that somebody keeps beside it, and what a period would have come to under them and under former versions.

They are objects beside the documents: nothing rates them, and no invoice changes by them.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from clickhouse_connect.driver.exceptions import ClickHouseError

from console import documents
from console.access.guard import Caller
from console.books import Change, Papers
from console.errors import UnavailableError, invalid, missing
from console.services import Services
from contracts.contract import Contract
from contracts.translation.fields import Wrong
from pipelines.objects import Object
from pipelines.replay.whatif import Branch, compared
from pipelines.verifying.families import families

KIND: Final = "whatif"
NAME: Final = re.compile(r"[\w][\w .+-]{0,39}")
FORMER: Final = "@"
"""Before the number of a former version, where versions and what-ifs are chosen."""
MOST: Final = 6
PERIODS: Final = """
SELECT DISTINCT toUnixTimestamp64Milli(starting_at) AS starting, toUnixTimestamp64Milli(ending_before) FROM invoice_revisions FINAL
WHERE customer = {customer:String} AND contract = {contract:String} AND kind = 'usage' AND status NOT IN ('void', 'deleted') ORDER BY starting DESC LIMIT 36"""


class Kept(NamedTuple):
    """A what-if that somebody has kept."""

    name: str
    text: str
    author: str
    recorded_ms: int


class Row(NamedTuple):
    """A product, or a kind of line that is about none: what it came to, and what it would have come to, by choice."""

    contract: str
    product: str
    currency: str
    before: Decimal
    after: Mapping[str, Decimal]


def kept(papers: Papers, contract: str) -> list[Kept]:
    """The what-ifs of a contract, by name."""
    found = [Kept(each.body["name"], each.body["text"], each.author, each.recorded_ms) for each in papers.objects.of(KIND) if each.body["contract"] == contract]
    return sorted(found, key=lambda each: each.name)


def keep(held: Services, caller: Caller, contract: str, name: str, text: str) -> None:
    """Keep a text under a name, in the place of one that has it. Raises InvalidError when it is not this contract, or wrong."""
    if not NAME.fullmatch(name):
        raise invalid("name", "must be 1 to 40 letters, digits, blanks and . _ + -, and begin with a letter or digit")
    read(held, contract, text)
    found = Object(KIND, f"{contract}/{name}", {"contract": contract, "name": name, "text": text})
    held.books.commit(lambda _: Change(objects=[found]), caller.name)


def drop(held: Services, caller: Caller, contract: str, name: str) -> None:
    """Raises NotFoundError."""

    def make(papers: Papers) -> Change:
        found = papers.objects.get(KIND, f"{contract}/{name}")
        if found is None:
            raise missing("what-if", name)
        return Change(objects=[found._replace(deleted=True, recorded_ms=0)])

    held.books.commit(make, caller.name)


def read(held: Services, name: str, text: str) -> Contract:
    """The contract of a text, which must be `name`. A what-if may change periods that are final. Raises InvalidError."""
    papers = held.books.now()
    _, present = documents.present(papers, "contract", name)
    catalogues, contracts = documents.read(text, papers, {}, held.deployment.settings.window_minutes)
    if catalogues or [each.id for each in contracts] != [name]:
        raise invalid("contract.id", f"the text must be contract {name!r} and nothing else")
    (found,) = contracts
    if isinstance(present, Contract) and (found.customer, found.clock) != (present.customer, present.clock):
        raise invalid("contract.customer", "a what-if is about the same customer and the same clock")
    return found


def periods(held: Services, contract: Contract) -> list[tuple[int, int]]:
    """Statement periods that have an invoice, the latest first."""
    return [(row[0], row[1]) for row in held.warehouse.revisions(PERIODS, customer=contract.customer, contract=contract.id)]


def chosen(held: Services, name: str, choices: Sequence[str]) -> dict[str, Contract]:
    """The contract of each choice: `@3` is version 3, anything else a what-if's name. Raises NotFoundError, InvalidError."""
    if len(choices) > MOST:
        raise invalid("choice", f"{len(choices)} versions; at most {MOST} are compared at once")
    texts = {each.name: each.text for each in kept(held.books.now(), name)}
    bodies = (
        {f"{FORMER}{each.version}": each.body for each in held.warehouse.history("contract", name)} if any(each.startswith(FORMER) for each in choices) else {}
    )
    found: dict[str, Contract] = {}
    for choice in choices:
        if choice in bodies:
            document = documents.decode("contract", bodies[choice])
            if isinstance(document, Contract):
                found[choice] = document
        elif choice in texts:
            found[choice] = read(held, name, texts[choice])
        else:
            raise missing("version", choice, "choice")
    return found


def compare(held: Services, name: str, choices: Sequence[str], from_ms: int, until_ms: int) -> list[Row]:
    """What invoices whose period starts in [from, until) come to, and would under each choice, as if it had held from the beginning.

    Of all contracts of the customer's family: a shared commit may move amounts between them. Raises ApiError.
    """
    papers = held.books.now()
    _, present = documents.present(papers, "contract", name)
    if not isinstance(present, Contract):
        raise TypeError(f"{name} is no contract")
    settings = held.deployment.settings
    mine = families(papers.documents, [present.customer])
    before: dict[tuple[str, str, str], Decimal] = {}
    after: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(dict)
    for choice, contract in chosen(held, name, choices).items():
        try:
            for row in compared(settings, papers.documents, mine, Branch({}, {name: contract}), (from_ms, until_ms), 1):
                key = (row.contract, row.product, row.currency)
                before[key] = row.before
                after[key][choice] = row.after
        except (ClickHouseError, OSError) as error:
            raise UnavailableError(Wrong("", f"the warehouse does not answer as it should: {str(error).splitlines()[0][:200]}")) from error
    rows = [Row(*key, amount, {choice: after[key].get(choice, Decimal(0)) for choice in choices}) for key, amount in before.items()]
    return sorted(rows, key=lambda row: (row.contract != name, row.contract, row.product))
