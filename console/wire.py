"""Request bodies, whose numbers are decimals and never floats; and answers, exact to the last digit."""

import functools
import inspect
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from console.errors import TooLargeError, invalid
from contracts.translation.fields import Wrong

MOST_BYTES: Final = 4 * 1024 * 1024
DEEPEST: Final = 40
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Answer(Response):
    """JSON whose decimals are numbers with all their digits."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _ENCODER.encode(content)


class Exact(APIRoute):
    """A route whose answer is rendered by `Answer` as it is: FastAPI would make text or floats of decimals on the way."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, _answering(endpoint), **more)


def _answering(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def later(*args: Any, **named: Any) -> Response:
            found = await endpoint(*args, **named)
            return found if isinstance(found, Response) else Answer(found)

        return later

    @functools.wraps(endpoint)
    def now(*args: Any, **named: Any) -> Response:
        found = endpoint(*args, **named)
        return found if isinstance(found, Response) else Answer(found)

    return now


async def raw(request: Request, most: int = MOST_BYTES) -> bytes:
    """The body. Raises TooLargeError before reading more than `most` bytes."""
    if int(request.headers.get("content-length") or 0) > most:
        raise _too_large(most)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(Wrong("", f"the body is larger than {most // 1024} KiB; send it in parts"))


def parse(data: bytes) -> Any:
    """The JSON of a body. Raises InvalidError."""
    try:
        return json.loads(data or b"{}", parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        said = f"{error.msg} (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)
        raise invalid("", f"the body is no JSON: {said}") from error


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
