"""API keys: made (shown once), listed, revoked. For administrators."""

import time
from typing import Any

from fastapi import APIRouter

from console.access.guard import Administering
from console.books import Change, Papers
from console.errors import invalid, missing
from console.requests import Held, Json, edit
from console.wire import Answer, Exact
from contracts.timeline import iso
from pipelines import keys

router = APIRouter(prefix="/api/v1", tags=["keys"], default_response_class=Answer, route_class=Exact)


@router.get("/keys", summary="All keys, the revoked ones too")
def listed(held: Held, _: Administering) -> dict[str, Any]:
    return {"keys": [shown(each) for each in keys.known(held.books.now().objects)]}


@router.post("/keys", summary="Make a key; the answer is the only place that ever shows it")
def made(held: Held, caller: Administering, body: Json) -> dict[str, Any]:
    """`{"scope": "ingest|read|write|admin", "name": "…", "customer": "…"}`; a key with a customer reads or ingests for that one only."""
    scope = body.fields.word("scope", keys.SCOPES)
    name, customer = body.fields.text("name", ""), body.fields.text_or_none("customer")
    body.fields.done()
    try:
        text, found = keys.new(scope, name, customer)
    except keys.KeyScopeError as error:
        raise invalid("scope", str(error)) from error
    # No Idempotency-Key here: the answer must not be kept anywhere.
    held.books.commit(lambda _: Change(objects=[found]), caller.name)
    return {"key": text, **shown(keys.describe(found))}


@router.delete("/keys/{id}", summary="Revoke a key")
def revoked(held: Held, caller: Administering, id: str, body: Json) -> dict[str, Any]:
    """It opens nothing from now on; other consoles hear of it within a second. Its sessions end too."""

    def make(papers: Papers) -> Change:
        found = papers.objects.get(keys.KIND, id)
        if found is None:
            raise missing("key", id)
        gone = keys.revoked(found, time.time_ns() // 1_000_000)
        return Change(shown(keys.describe(gone)), objects=[gone])

    answer: dict[str, Any] = edit(held, caller, body, make)[0]
    return answer


def shown(key: keys.Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "customer": key.customer,
        "created_at": iso(key.created_ms),
        "revoked_at": None if key.revoked_ms is None else iso(key.revoked_ms),
    }
