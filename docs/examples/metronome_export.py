"""Saves what `taximeter import metronome` reads: the answers of Metronome's API, each list page by page, as they come.

    METRONOME_BEARER_TOKEN=… python docs/examples/metronome_export.py export/
"""

import json
import os
import sys
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

URL = os.environ.get("METRONOME_URL", "https://api.metronome.com")


def ask(path: str, body: dict[str, object] | None) -> bytes:
    """The answer to a GET, or with a body to a POST. Raises urllib.error.HTTPError."""
    headers = {"Authorization": f"Bearer {os.environ['METRONOME_BEARER_TOKEN']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data=data, headers=headers), timeout=60) as answer:  # noqa: S310 - an address of ours
        found: bytes = answer.read()
        return found


def save(folder: Path, name: str, path: str, body: dict[str, object] | None = None, **query: str) -> list[str]:
    """Every page of a list, a file each; the ids of what is in them."""
    ids: list[str] = []
    cursor, number = "", 1
    while True:
        asked = {**query, **({"next_page": cursor} if cursor else {})}
        answer = ask(f"{path}?{urlencode(asked)}" if asked else path, body)
        (folder / f"{name}.{number}.json").write_bytes(answer)
        found = json.loads(answer)
        ids += [row["id"] for row in found["data"] if "id" in row]
        cursor, number = found.get("next_page") or "", number + 1
        if not cursor:
            return ids


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    save(folder, "metrics", "/v1/billable-metrics", include_archived="true")
    save(folder, "products", "/v1/contract-pricing/products/list", {"archive_filter": "ALL"})
    for card in save(folder, "rate-cards", "/v1/contract-pricing/rate-cards/list", {}):
        body: dict[str, object] = {"rate_card_id": card, "starting_at": "2015-01-01T00:00:00Z"}
        save(folder, f"rates-{quote(card, safe='')}", "/v1/contract-pricing/rate-cards/getRateSchedule", body)
    for customer in save(folder, "customers", "/v1/customers"):
        name = quote(customer, safe="")
        save(folder, f"contracts-{name}", "/v2/contracts/list", {"customer_id": customer, "include_ledgers": True})
        save(folder, f"invoices-{name}", f"/v1/customers/{name}/invoices")
        print(customer)


if __name__ == "__main__":
    main()
