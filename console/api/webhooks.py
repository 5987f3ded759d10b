"""Webhooks: made, listed, their signing keys, and what became of each message; dead letters can be sent again."""

import secrets
import time
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Query

from console.access.guard import Administering, Reading, Writing
from console.books import Change, Papers
from console.deliveries import kept, put, put_aside, sent_again
from console.errors import invalid, missing
from console.requests import Held, Json, edit
from console.services import Services
from console.wire import Answer, Exact
from contracts.timeline import iso
from pipelines.alerting.step import Delivery
from pipelines.alerting.webhooks import KIND, Webhook, described
from pipelines.objects import Object
from pipelines.secret import webhook_secret

router = APIRouter(prefix="/api/v1", tags=["webhooks"], default_response_class=Answer, route_class=Exact)


@router.get("/webhooks", summary="All webhooks")
def listed(held: Held, _: Reading) -> dict[str, Any]:
    return {"webhooks": [shown(described(each)) for each in held.books.now().objects.of(KIND)]}


@router.post("/webhooks", summary="Make a webhook")
def made(held: Held, caller: Administering, body: Json) -> dict[str, Any]:
    """`{"url", "customer", "description"}`: crossings of one customer, or of all, are posted there after the Standard Webhooks specification."""
    url, customer = body.fields.text("url"), body.fields.text_or_none("customer")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise invalid("url", "must be http://… or https://… without user and password; messages are signed")
    given = {"url": url, "customer": customer, "description": body.fields.text("description", "", empty=True), "generations": [1], "created_ms": _now_ms()}
    body.fields.done()
    found = Object(KIND, f"wh_{secrets.token_hex(8)}", given)
    answer: dict[str, Any] = edit(held, caller, body, lambda _: Change(shown(described(found)), objects=[found]))[0]
    return answer


@router.get("/webhooks/{id}/secret", summary="The key that a webhook's messages are signed with")
def secret(held: Held, _: Administering, id: str) -> dict[str, Any]:
    webhook = described(_webhook(held.books.now(), id))
    return {"secrets": [webhook_secret(held.secret, webhook.id, each) for each in webhook.generations]}


@router.post("/webhooks/{id}/rotate", summary="A new signing key; the last one signs too until the next rotation")
def rotated(held: Held, caller: Administering, id: str, body: Json) -> dict[str, Any]:
    def make(papers: Papers) -> Change:
        found = _webhook(papers, id)
        newest = found.body["generations"][0]
        changed = found._replace(body={**found.body, "generations": [newest + 1, newest]}, recorded_ms=0)
        return Change(shown(described(changed)), objects=[changed])

    answer: dict[str, Any] = edit(held, caller, body, make)[0]
    return answer


@router.delete("/webhooks/{id}", summary="Remove a webhook; messages that wait for it become dead letters")
def removed(held: Held, caller: Administering, id: str, body: Json) -> dict[str, Any]:
    def make(papers: Papers) -> Change:
        return Change({"id": id}, objects=[_webhook(papers, id)._replace(deleted=True, recorded_ms=0)])

    answer: dict[str, Any] = edit(held, caller, body, make)[0]
    return answer


@router.get("/deliveries", summary="Messages to webhooks, and what became of them")
def deliveries(
    held: Held,
    _: Reading,
    state: Annotated[Literal["pending", "delivered", "dead", "cleared"] | None, Query(description="Only in this state; dead: dead letters")] = None,
    webhook: str = "",
    customer: str = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> dict[str, Any]:
    """The latest change first."""
    found = [
        each for each in kept(held).values() if state in (None, each.state) and webhook in ("", each.webhook) and customer in ("", each.customer)
    ]
    found.sort(key=lambda each: (-each.changed_ms, each.sequence))
    return {"deliveries": [_delivery(each) for each in found[:limit]]}


@router.post("/deliveries/resend", summary="Deliver messages again")
def resend(held: Held, caller: Writing, body: Json) -> dict[str, Any]:  # noqa: ARG001 - the caller must be one who may
    """`{"deliveries": [{"webhook", "message"}]}`: dead letters, or delivered ones. They have 48 hours anew."""
    return _change(held, body, sent_again)


@router.post("/deliveries/clear", summary="Put dead letters aside")
def clear(held: Held, caller: Writing, body: Json) -> dict[str, Any]:  # noqa: ARG001
    """`{"deliveries": [{"webhook", "message"}]}`."""
    return _change(held, body, put_aside)


def shown(webhook: Webhook) -> dict[str, Any]:
    return {"id": webhook.id, "url": webhook.url, "customer": webhook.customer, "description": webhook.description, "created_at": iso(webhook.created_ms)}


def _change(held: Services, body: Json, make: Any) -> dict[str, Any]:
    named = [(each.text("webhook"), each.text("message"), each) for each in body.fields.objects("deliveries")]
    for _, _, fields in named:
        fields.done()
    body.fields.done()
    known = kept(held)
    changed = []
    for webhook, message, fields in named:
        found = known.get(f"{webhook}/{message}")
        if found is None:
            raise missing("delivery", f"{webhook}/{message}", fields.path)
        if found.state == "pending":
            raise invalid(fields.path, "is still being delivered")
        changed.append(make(found))
    put(held, changed)
    return {"deliveries": [_delivery(each) for each in changed]}


def _delivery(each: Delivery) -> dict[str, Any]:
    return {
        "webhook": each.webhook,
        "message": each.message,
        "customer": each.customer,
        "state": each.state,
        "attempts": each.attempts,
        "created_at": iso(each.created_ms),
        "due_at": iso(each.due_ms) if each.state == "pending" else None,
        "changed_at": iso(each.changed_ms),
        "result": each.result,
        "body": each.body,
    }


def _webhook(papers: Papers, name: str) -> Object:
    found = papers.objects.get(KIND, name)
    if found is None:
        raise missing("webhook", name)
    return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
