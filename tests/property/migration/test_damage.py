"""An export in which anything may be anything: it is read to documents that pass our checks, or refused in words; never an error of the program."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.loading import Known, read_documents
from contracts.writing import text_of
from taximeter.migration.systems import System, metronome, stripe
from tests.unit.migration.answers import Files, export, files

JUNK: tuple[Any, ...] = (None, "", "x", 0, -1, 7, Decimal("0.5"), Decimal("1e40"), True, [], {}, [None], {"id": "x"}, "2026-08-01T00:00:00Z")
Place = tuple[Any, ...]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Every key and position of the answers."""
    if isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(each, (*path, key))


@cache
def whole(name: str) -> tuple[Files, list[Place]]:
    found = files(name)
    return found, [place for place in places(found) if len(place) > 1]


def damaged(name: str, place: Place, junk: Any, gone: bool) -> Files:
    found = copy.deepcopy(whole(name)[0])
    inner: Any = found
    for key in place[:-1]:
        inner = inner[key]
    if gone:
        inner.pop(place[-1])
    else:
        inner[place[-1]] = junk
    return found


@pytest.mark.parametrize(("name", "system"), (("metronome", metronome()), ("stripe", stripe(align=True))))
@settings(max_examples=120)
@given(data=st.data())
def test_damage_is_told(name: str, system: System, data: st.DataObject) -> None:
    # given an export with a wrong place
    place = data.draw(st.sampled_from(whole(name)[1]))
    found = damaged(name, place, data.draw(st.sampled_from(JUNK)), data.draw(st.booleans()))
    # when it is imported and compared
    read = system.read(export(found))
    documents: list[Catalogue | Contract] = [*read.imported.catalogues, *read.imported.contracts]
    rows = system.compare(read, None)
    # then what there is can be read, and the comparison is of what there is
    assert read_documents([(text_of(each), each.id) for each in documents], Known()) == documents
    assert {row.contract for row in rows} <= {each.id for each in read.imported.contracts}
    assert all(each.message for each in read.imported.findings)
