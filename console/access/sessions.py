"""Sessions of the console: a signed cookie that names an API key. Revoking the key ends its sessions."""

from typing import Any, Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE: Final = "taximeter_session"
EMBEDDED: Final = "taximeter_page"
"""Of a customer's own page inside another site: it reads that customer only."""
LIFE_S: Final = 12 * 3600


class Sessions:
    """Signs and reads the cookie; `secret` is shared by all consoles of a deployment."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="taximeter-console-session")
        self._tickets = URLSafeTimedSerializer(secret, salt="taximeter-console-ticket")
        self._embedded = URLSafeTimedSerializer(secret, salt="taximeter-console-page")

    def cookie(self, key_id: str) -> str:
        return str(self._serializer.dumps({"key": key_id}))

    def key_of(self, cookie: str) -> str | None:
        """Id of the key that opened the session; none: it is not ours, or too old."""
        try:
            found: Any = self._serializer.loads(cookie, max_age=LIFE_S)
        except BadSignature:
            return None
        return found.get("key") if isinstance(found, dict) else None

    def ticket(self, key_id: str, customer: str) -> str:
        """What opens a customer's page, for a short time."""
        return str(self._tickets.dumps([key_id, customer]))

    def of_ticket(self, ticket: str, life_s: int) -> tuple[str, str] | None:
        """Key and customer of a ticket; none: it is not ours, or too old."""
        return _pair(self._tickets, ticket, life_s)

    def embedded(self, key_id: str, customer: str) -> str:
        """The cookie of a customer's page."""
        return str(self._embedded.dumps([key_id, customer]))

    def embedded_in(self, cookie: str) -> tuple[str, str] | None:
        """Key and customer of such a cookie; none: it is not ours, or too old."""
        return _pair(self._embedded, cookie, LIFE_S)


def _pair(serializer: URLSafeTimedSerializer, text: str, life_s: int) -> tuple[str, str] | None:
    try:
        key, customer = serializer.loads(text, max_age=life_s)
    except (BadSignature, ValueError, TypeError):
        return None
    return str(key), str(customer)
