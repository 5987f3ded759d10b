"""The how-to page: its price imported, and its table compared, with what the program gives."""

import re
from pathlib import Path

from contracts.catalogue import Catalogue
from contracts.translation.saved import read
from contracts.translation.stripe.importing import import_export
from taximeter.commands.reading import number
from taximeter.migration.systems import stripe
from tests.pages import cases
from tests.unit.migration.answers import changed

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "migrate.md"


def test_the_price_of_the_page_is_its_catalogue() -> None:
    (price,) = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    found = import_export(read({"prices.json": price})).imported
    assert found.findings == []
    (told,) = cases(PAGE)
    expected: list[Catalogue] = [told.case.catalogue]
    assert found.catalogues == expected


def test_the_table_of_the_page_is_what_is_compared() -> None:
    system = stripe(align=True)
    read_export = system.read(changed("stripe"))
    rows = [
        f"| {read_export.names[row.customer]} | {row.invoice} | {row.status} | {number(row.theirs)} | {number(row.ours)} | {'' if row.same else row.difference}|"
        for row in system.compare(read_export, None)
    ]
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8")
