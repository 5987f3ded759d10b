"""A value of every record type, and the frozen corpus of such values as they were once encoded.

`python -m tests.unit.codec.samples` appends what is missing for the current versions; what is there is history and is never changed.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from schemas.codec import FOLDER, Codec, current

CORPUS = Path(__file__).parent / "corpus.jsonl"
NAMES = sorted(path.stem for path in FOLDER.glob("*.avsc"))

DELTA: dict[str, Any] = {
    "catalogue": "default",
    "product": "tokens",
    "customer": "acme",
    "group": {"model": "a", "region": "eu"},
    "window_ms": 1_759_276_800_000,
    "recorded_ms": 1_759_276_800_001,
    "first_ms": 1_759_276_800_002,
    "events": 3,
    "value": "12.5",
    "points": [{"timestamp_ms": 1_759_276_800_003, "transaction_id": "t", "value": "-1"}],
    "members": ["u1", "ü"],
    "sequence": 7,
}
INVOICE: dict[str, Any] = {
    "id": "i",
    "customer": "acme",
    "contract": "c",
    "kind": "usage",
    "status": "draft",
    "starting_at": 1_759_276_800_000,
    "ending_before": 1_761_955_200_000,
    "issue_at": 1_761_955_200_000,
    "currency": "USD",
    "total": Decimal("39100.000000"),
}
LINE: dict[str, Any] = {
    **{name: INVOICE[name] for name in ("customer", "contract", "kind", "starting_at", "ending_before", "currency")},
    "id": "l",
    "invoice": "i",
    "product": "api-calls",
    "group": {"region": "eu"},
    "quantity": "1400000",
    "unit_price": "0.002",
    "tier": 2,
    "amount": Decimal("-2800.000001"),
    "commit": "annual",
    "override": None,
    "deleted": False,
}
BALANCE = {name: Decimal(value) for name, value in {"granted": "100000", "applied": "39100.25", "expired": "0", "remaining": "60899.75"}.items()}
VALUES: dict[str, dict[str, Any]] = {
    "accepted_ids": {"first": 1 << 33, "end": (1 << 33) + 2, "ids": bytes(range(56))},
    "backfill": {"catalogue": "default", "version": 2, "products": [{"product": "tokens", "left_at": -1, "gaps": [{"start": 0, "end": 1 << 33}]}]},
    "balance": {"id": "annual", "customer": "acme", "contract": "c", "type": "postpaid", "currency": "USD", **BALANCE, "revision": 1 << 40, "as_of": 1, "deleted": False},
    "clock_tick": {"clock": "wall", "now": 1_759_276_800_000},
    "contract_change": {
        "kind": "contract", "id": "c", "version": 3, "customer": "acme", "root": "acme", "recorded_at": 5, "effective_at": None, "author": "a",
        "edit": "e", "body": '{"id": "c"}',
    },
    "crossing": {"customer": "acme", "contract": "c", "threshold": "low", "state": "in_alarm", "crossing": 1, "value": "49.00", "at": 5, "currency": "USD"},
    "delivery": {
        "webhook": "w", "message": "m", "customer": "acme", "sequence": 1, "state": "pending", "attempts": 2, "version": 3, "created_at": 4,
        "due_at": 5, "changed_at": 6, "result": "503", "body": '{"a": 1}',
    },
    "hold": {
        "id": "h", "customer": "acme", "root": "acme", "amount": Decimal("1.250000"), "reserved": Decimal("2.500000"), "currency": "USD", "state": "held",
        "created_at": 1, "expires_at": 2, "changed_at": 3, "version": 4,
    },
    "metered_usage": {"kind": "metered", "origin_partition": -1, "origin_offset": -1, "deltas": [DELTA, {**DELTA, "value": None, "sequence": None}]},
    "object": {"kind": "key", "id": "k1", "recorded_at": 4, "author": "a", "body": '{"a": 1}'},
    "rated_batch": {"customer": "acme", "revision": 1, "recorded_at": 2, "as_of": 3, "invoices": [INVOICE], "lines": [LINE]},
    "rejected_event": {
        "topic": "usage-events", "partition": 3, "offset": 1 << 33, "recorded_at": 9, "reason": "garbage", "detail": "d", "transaction_id": None,
        "customer": "acme", "key": b"\x00\xff", "value": None,
    },
    "usage_event": {"transaction_id": "t", "customer": "acme", "event_type": "call", "timestamp": -1, "properties": {"calls": "1", "ü": ""}},
}


class Sample(NamedTuple):
    schema: str
    fingerprint: str
    data: bytes
    value: dict[str, Any]
    """As JSON has it: decimals as text, bytes as hexadecimal."""


def plain(value: Any) -> Any:
    """As it would come back from JSON."""
    return json.loads(json.dumps(value, default=lambda each: each.hex() if isinstance(each, bytes) else str(each)))


def corpus() -> list[Sample]:
    rows = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    return [Sample(row["schema"], row["fingerprint"], bytes.fromhex(row["data"]), row["value"]) for row in rows]


def freeze() -> None:
    """Append samples of current versions that the corpus has none of."""
    known = {(each.schema, each.fingerprint) for each in corpus()} if CORPUS.exists() else set()
    codec = Codec()
    with CORPUS.open("a", encoding="utf-8") as file:
        for name in NAMES:
            fingerprint = current(name).fingerprint.hex()
            if (name, fingerprint) not in known:
                data = codec.encode(name, VALUES[name])
                row = {"schema": name, "fingerprint": fingerprint, "data": data.hex(), "value": plain(codec.decode(name, data))}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    freeze()
