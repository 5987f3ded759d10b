"""The list of Metronome's paths is that of the official client; the page in docs is what is served."""

import inspect
import re
from pathlib import Path

import metronome.resources

from console.metronome import resources
from console.metronome.endpoints import ENDPOINTS, served, table

ROOT = Path(__file__).parents[3]


def called() -> set[tuple[str, str]]:
    """Method and path of every call in the client's sources."""
    found = set()
    for file in Path(inspect.getfile(metronome.resources)).parent.rglob("*.py"):
        for body in re.split(r"\n    def ", file.read_text()):
            call = re.search(r"self\._(get|post|put|delete|get_api_list)\(\s*(?:path_template\(\s*)?\"([^\"]+)\"", body)
            if call is None:
                continue
            method = re.search(r'method="(\w+)"', body)
            word = call.group(1) if call.group(1) != "get_api_list" else method.group(1) if method else "get"
            found.add((word.upper(), call.group(2)))
    return found


def test_every_path_of_the_official_client_is_known() -> None:
    assert set(ENDPOINTS) == called()


def test_what_is_served_is_a_path_of_theirs() -> None:
    assert served(resources()) <= set(ENDPOINTS)


def test_the_page_in_docs_is_of_today() -> None:
    page = ROOT / "docs" / "reference" / "metronome-api.md"

    assert page.read_text(encoding="utf-8") == table(resources()), "run: python -m console.metronome.endpoints > docs/reference/metronome-api.md"
