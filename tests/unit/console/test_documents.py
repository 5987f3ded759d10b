"""Documents as text, and what differs between two."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from console.documents import differences
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.loading import read_documents
from contracts.writing import data_of, text_of

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(name=NAMES, customer=NAMES, alias=NAMES, amount=st.decimals(min_value=0, max_value=10**6, places=2))
def test_a_document_as_text_reads_as_the_same_document(name: str, customer: str, alias: str, amount: object) -> None:
    raw = {
        "id": name,
        "customer": customer,
        "name": alias,
        "starting_at": "2025-10-01",
        "billing": {"grace": "PT1H"},
        "overrides": [{"id": "true", "multiplier": "0.50"}, {"id": "1.0", "where": {"a": ["x", "null", "7"]}, "multiplier": str(amount)}],
        "charges": [{"id": "~", "product": "p", "amount": str(amount), "every": "month", "from": "2025-10-01T00:00:00Z", "until": "2025-12-01"}],
    }
    contract = msgspec.convert(raw, Contract, strict=False)

    (again,) = read_documents([(text_of(contract), "text")])

    assert again == contract


def test_defaults_are_left_out() -> None:
    assert text_of(Catalogue()) == "catalogue: {}\n"
    assert data_of(Contract(id="a", customer="b", starting_at="2025-10-01")) == {"id": "a", "customer": "b", "starting_at": "2025-10-01"}


def test_differences_tell_items_by_their_ids() -> None:
    before = {"commits": [{"id": "a", "priority": 1}, {"id": "b"}], "name": "x"}
    after = {"commits": [{"id": "b"}, {"id": "a", "priority": 2}, {"id": "c"}]}

    assert [tuple(each) for each in differences(before, after)] == [("commits[a].priority", 1, 2), ("commits[c]", None, {"id": "c"}), ("name", "x", None)]
