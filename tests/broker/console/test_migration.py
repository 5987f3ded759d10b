"""The way out and in again: what the console serves, saved with the script of the docs and imported, are the documents that it has."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from metronome import Metronome

from contracts.translation.metronome.importing import import_export
from contracts.writing import data_of
from taximeter.migration.files import read_export
from tests.broker.console.official import NEXT_YEAR, Priced

SCRIPT = Path(__file__).parents[3] / "docs" / "examples" / "metronome_export.py"


@pytest.fixture
def client(address: str, keys: dict[str, str]) -> Metronome:
    return Metronome(base_url=address, bearer_token=keys["admin"], max_retries=0)


def test_what_the_api_shows_is_imported_as_it_was(client: Metronome, address: str, keys: dict[str, str], api: httpx.Client, tmp_path: Path) -> None:
    # given a contract with many kinds of terms
    priced = Priced(client)
    name = priced.contract(
        client,
        name="Deal",
        ending_before=NEXT_YEAR,
        usage_statement_schedule={"frequency": "QUARTERLY", "day": "CONTRACT_START"},
        **priced.terms(),
    )
    # when the script of the docs saves everything, and the export is read
    told = {"METRONOME_URL": address, "METRONOME_BEARER_TOKEN": keys["admin"]}
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "export")], env=os.environ | told, check=True, timeout=120)
    read = import_export(read_export(tmp_path / "export", ()))
    # then the contract and its rate card are the documents of the console
    assert [each for each in read.imported.findings if name in (each.id, each.file) or priced.card in each.id] == []
    (contract,) = [each for each in read.imported.contracts if each.id == name]
    assert data_of(contract) == api.get(f"/api/v1/contracts/{name}").json()["document"]
    theirs = api.get("/api/v1/catalogues/default").json()["document"]["rate_cards"][priced.card]
    ours = next(each for each in read.imported.catalogues if each.id == "default").rate_cards[priced.card]
    assert data_of(ours) == theirs
