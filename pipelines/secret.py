"""The secret of a deployment: it signs sessions of the console, and the keys of webhooks are made from it."""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path


def secret_of(given: str, folder: Path) -> str:
    """The deployment's secret: the given one, or one that is made once and kept where only its owner reads it."""
    if given:
        return given
    file = folder / "console-secret"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"console-secret.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        try:
            file.hardlink_to(draft)  # two that start at once agree on one
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="utf-8")


def webhook_secret(secret: str, webhook: str, generation: int) -> str:
    """The signing key of a webhook (`whsec_…`, Standard Webhooks): made anew whenever it is needed, so it is stored nowhere."""
    digest = hmac.new(secret.encode(), f"webhook/{webhook}/{generation}".encode(), hashlib.sha256).digest()
    return "whsec_" + base64.b64encode(digest).decode()
