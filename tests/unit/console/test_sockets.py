"""A page's socket that was closed is gone at once, without the collector of garbage."""

import asyncio
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import socketio

from console.pages.parts.sockets import Socket, end_quietly


class Browser:
    """What the server's side of a connection is asked for: it opens a socket and closes it."""

    def __init__(self) -> None:
        self.says: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
        self.heard: list[str] = []

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        return self.says.pop(0)

    async def send(self, message: Any) -> None:
        self.heard.append(message["type"])


SCOPE = {
    "type": "websocket",
    "path": "/socket.io/",
    "query_string": b"EIO=4&transport=websocket",
    "headers": [(b"upgrade", b"websocket"), (b"connection", b"upgrade")],
}


@pytest.mark.usefixtures("by_count_alone")
def test_nothing_of_a_closed_socket_stays() -> None:
    async def visit() -> weakref.ref[Browser]:
        server = socketio.AsyncServer(async_mode="asgi")
        end_quietly(server)
        browser = Browser()
        await socketio.ASGIApp(server)(dict(SCOPE), browser.receive, browser.send)
        assert browser.heard[:2] == ["websocket.accept", "websocket.send"]
        assert not browser.says
        return weakref.ref(browser)

    async def look() -> object:
        left = await visit()
        for _ in range(5):
            await asyncio.sleep(0)  # what had to be done when it ended
        return left()

    assert asyncio.run(look()) is None


@pytest.mark.parametrize(("upgrading", "ends"), ((False, None), (True, OSError)))
def test_a_change_from_polling_still_hears_of_the_end_as_an_error(upgrading: bool, ends: type[OSError] | None) -> None:
    of = SimpleNamespace(upgrading=upgrading)
    socket = Socket(SimpleNamespace(__self__=of), None)
    socket.asgi_receive = Browser().receive
    socket.asgi_receive.__self__.says.pop(0)

    async def wait() -> Any:
        return await socket.wait()

    if ends is None:
        assert asyncio.run(wait()) is None
    else:
        with pytest.raises(ends):
            asyncio.run(wait())


def test_what_comes_is_given_on() -> None:
    async def ask() -> Any:
        socket = Socket(SimpleNamespace(__self__=SimpleNamespace(upgrading=False)), None)
        browser = Browser()
        browser.says = [{"type": "websocket.receive", "text": "2"}, {"type": "websocket.receive", "bytes": b"3"}]
        socket.asgi_receive = browser.receive
        return [await socket.wait(), await socket.wait()]

    assert asyncio.run(ask()) == ["2", b"3"]
