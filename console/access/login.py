"""Logging in to the console with an API key, and out again."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.access.sessions import COOKIE, LIFE_S
from console.errors import TooManyError

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Log in · Taximeter</title>
<style>:root{{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}}body{{display:grid;place-items:center;min-height:90vh;margin:0}}
form{{width:min(24rem,90vw);display:grid;gap:.75rem}}input,button{{font:inherit;padding:.6rem;border-radius:.4rem;border:1px solid #8888}}
button{{background:#1f5fd0;color:#fff;border:0;cursor:pointer}}[role=alert]{{color:#c62828}}</style>
<form method="post" action="/login"><h1>Taximeter</h1>{error}
<label for="key">API key</label><input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<input type="hidden" name="next" value="{next}"><button>Log in</button>
<small>Make one with <code>taximeter key new --scope write</code>.</small></form></html>"""


@router.get("/login")
def form(next: str = "/") -> HTMLResponse:
    return _page("", next)


@router.post("/login")
def login(request: Request, key: Annotated[str, Form()], next: Annotated[str, Form()] = "/") -> Response:
    guard = request.app.state.guard
    address = request.client.host if request.client else ""
    try:
        guard.limits.guess(address)
    except TooManyError as error:
        return _page(str(error), next, 429)
    found = guard.key(key.strip())
    if found is None or not found.may("read"):
        guard.limits.wrong(address)
        return _page("This is no API key that may read, or it was revoked.", next, 401)
    answer = RedirectResponse(_own(next), 303)
    answer.set_cookie(COOKIE, guard.sessions.cookie(found.id), LIFE_S, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.post("/logout")
def logout() -> Response:
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def _own(path: str) -> str:
    """A path of ours; whatever else was asked for is the start page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _page(error: str, next_path: str, status: int = 200) -> HTMLResponse:
    said = f'<p role="alert">{escape(error)}</p>' if error else ""
    return HTMLResponse(_PAGE.format(error=said, next=escape(_own(next_path))), status)
