"""Sessions of the console: a signed cookie that names an API key. Revoking the key ends its sessions."""

from typing import Any, Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE: Final = "taximeter_session"
LIFE_S: Final = 12 * 3600


class Sessions:
    """Signs and reads the cookie; `secret` is shared by all consoles of a deployment."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="taximeter-console-session")

    def cookie(self, key_id: str) -> str:
        return str(self._serializer.dumps({"key": key_id}))

    def key_of(self, cookie: str) -> str | None:
        """Id of the key that opened the session; none: it is not ours, or too old."""
        try:
            found: Any = self._serializer.loads(cookie, max_age=LIFE_S)
        except BadSignature:
            return None
        return found.get("key") if isinstance(found, dict) else None

