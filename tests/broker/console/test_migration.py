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
from tests.broker.console.official import NEXT_YEAR, NOVEMBER, OCTOBER, Priced

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
        commits=[
            {
                "product_id": priced.fee, "type": "PREPAID", "name": "Year", "priority": 10, "rate_type": "COMMIT_RATE", "rollover_fraction": 0.5,
                "temporary_id": "year", "applicable_product_ids": [priced.product],
                "access_schedule": {"schedule_items": [{"amount": 1_000_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                "invoice_schedule": {"schedule_items": [{"timestamp": OCTOBER, "unit_price": 400_000, "quantity": 2}]},
            },
            {
                "product_id": priced.fee, "type": "POSTPAID",
                "access_schedule": {"schedule_items": [{"amount": 500_000, "starting_at": OCTOBER, "ending_before": NEXT_YEAR}]},
                "invoice_schedule": {"schedule_items": [{"timestamp": NEXT_YEAR, "amount": 500_000}]},
            },
        ],
        credits=[
            {"product_id": priced.fee, "name": "Promo", "access_schedule": {"schedule_items": [{"amount": 12_345, "starting_at": OCTOBER, "ending_before": NOVEMBER}]}},
        ],
        overrides=[
            {
                "starting_at": OCTOBER, "ending_before": NOVEMBER, "type": "MULTIPLIER", "multiplier": 0.8,
                "override_specifiers": [{"product_id": priced.product, "pricing_group_values": {"region": "eu"}}, {"product_tags": ["ai"]}],
            },
            {"starting_at": OCTOBER, "product_id": priced.product, "type": "OVERWRITE", "overwrite_rate": {"rate_type": "FLAT", "price": 12.25}},
            {"starting_at": OCTOBER, "type": "MULTIPLIER", "multiplier": 0.5, "is_commit_specific": True, "override_specifiers": [{"commit_ids": ["year"]}]},
            {"starting_at": OCTOBER, "product_id": priced.product, "type": "TIERED", "tiers": [{"size": 10, "multiplier": 0.9}, {"multiplier": 0.7}]},
        ],
        scheduled_charges=[
            {"product_id": priced.fee, "name": "Setup", "schedule": {"schedule_items": [{"timestamp": OCTOBER, "amount": 5_000}, {"timestamp": NOVEMBER, "amount": 6_000}]}},
        ],
        recurring_credits=[
            {"product_id": priced.fee, "priority": 5, "starting_at": OCTOBER, "access_amount": {"unit_price": 1_000, "quantity": 2}, "commit_duration": {"value": 2}},
        ],
        usage_filter={"group_key": "region", "group_values": ["eu", "us"]},
    )  # fmt: skip
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
