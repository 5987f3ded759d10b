"""Webhooks: who wants to hear of crossings, and posting to them after the Standard Webhooks specification."""

import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook as Signer

from contracts.rendering import alert_json
from contracts.result import Alert
from contracts.timeline import iso
from pipelines.alerting.step import Outcome
from pipelines.objects import Object, Objects
from pipelines.secret import webhook_secret

KIND: Final = "webhook"
ANSWER_S: Final = 10.0
AGENT: Final = "taximeter-webhooks"


class Webhook(NamedTuple):
    """Where crossings are posted to: of one customer, or of all."""

    id: str
    url: str
    customer: str | None
    description: str
    generations: tuple[int, ...]
    """Of its signing key: the present one first; while an earlier one still holds, messages are signed with both."""
    created_ms: int


def described(found: Object) -> Webhook:
    body = found.body
    return Webhook(found.id, body["url"], body["customer"], body["description"], tuple(body["generations"]), body["created_ms"])


def wanted(objects: Objects, customer: str) -> list[Webhook]:
    """The webhooks that hear of a customer, in a fixed order."""
    found = (described(each) for each in objects.of(KIND))
    return sorted((each for each in found if each.customer in (None, customer)), key=lambda each: (each.created_ms, each.id))


def message_id(alert: Alert) -> str:
    """Of a crossing: the same for ever, so a receiver recognises a repeat."""
    return "/".join((alert.customer, alert.contract, alert.threshold, str(alert.crossing), alert.state))


def message_body(alert: Alert) -> str:
    """What is posted about a crossing."""
    kind = "threshold.crossed" if alert.state == "in_alarm" else "threshold.recovered"
    return json.dumps({"type": kind, "timestamp": iso(alert.at_ms), "data": alert_json(alert)}, ensure_ascii=False, separators=(",", ":"))


def signed(secret: str, webhook: Webhook, message: str, body: str, now: datetime) -> dict[str, str]:
    """The headers of a message: its id, when it is sent, and a signature for each generation of the key."""
    signatures = [Signer(webhook_secret(secret, webhook.id, each)).sign(msg_id=message, timestamp=now, data=body) for each in webhook.generations]
    return {"webhook-id": message, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": " ".join(signatures)}


def post(secret: str, webhook: Webhook, message: str, body: str) -> Outcome:
    """One attempt; never raises. Redirects are not followed: a receiver says where it is."""
    headers = signed(secret, webhook, message, body, datetime.now(UTC)) | {"content-type": "application/json", "user-agent": AGENT}
    try:
        return _request(webhook.url, body.encode(), headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(0, f"no answer: {type(error).__name__}: {error}"[:300])


def _request(url: str, body: bytes, headers: Mapping[str, Any]) -> Outcome:
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=ANSWER_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        said = answer.read(200).decode("utf-8", "replace")
        return Outcome(answer.status, f"{answer.status} {answer.reason}" + (f": {said}" if not 200 <= answer.status < 300 and said else ""))
    finally:
        connection.close()
