"""People at open consoles, as far as a server can tell: `python -m bench.consoles ADDRESS CONSOLES SECONDS THINK_S CUSTOMERS WATCHED CONTRACT`.

Each has a page and its web socket open, and every now and then does the next thing: opens a customer, another page, or changes a number on the
edit screen and waits for the preview. Nothing is drawn: what a browser would need to draw it has arrived, with the page or by its socket. Prints
one JSON object.
"""

import asyncio
import json
import random
import re
import sys
import time
import uuid
from ast import literal_eval
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import socketio

from bench.workload import customer

ELEMENTS: Final = re.compile(r"parseElements\(String\.raw`(.*?)`\)", re.DOTALL)
ESCAPED: Final = (("&#36;", "$"), ("&#96;", "`"), ("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&"))
QUERY: Final = re.compile(r"query: (\{.*?\}),\n")
TOTAL: Final = re.compile(r"data-total[^>]*>([^<]*)<")
PATIENCE_S: Final = 60.0
CONTENT: Final = "data-total"
PREVIEWED: Final = "Previewed in"
READY: Final = "nothing changed"

Element = Mapping[str, Any]


class PageError(RuntimeError):
    """A page did not show what it should."""


class Page:
    """One open page with its socket."""

    def __init__(self, address: str, path: str) -> None:
        self._address = address
        self._path = path
        self._socket = socketio.AsyncClient(reconnection=False)
        self._socket.on("update", self._update)
        self._elements: dict[str, Element] = {}
        self._waiting: tuple[str, asyncio.Future[float]] | None = None
        self._query: dict[str, Any] = {}
        self.seen: Callable[[str], None] | None = None
        """Told every HTML that arrives."""

    async def open(self, http: httpx.AsyncClient, needle: str) -> float:
        """Load it and connect; when (`perf_counter`) `needle` had arrived. Raises PageError, httpx's and socketio's errors."""
        waited = self._wait(needle)
        answer = await http.get(self._address + self._path)
        answer.raise_for_status()
        found = QUERY.search(answer.text)
        if found is None:
            raise PageError(f"{self._path} is no page: {answer.text[:200]}")
        await self._update(elements_in(answer.text))
        self._query = literal_eval(found[1]) | {"document_id": str(uuid.uuid4()), "tab_id": str(uuid.uuid4()), "old_tab_id": ""}
        asked = "&".join(f"{key}={quote(str(value).lower() if isinstance(value, bool) else str(value))}" for key, value in self._query.items())
        await self._socket.connect(f"{self._address}?{asked}", socketio_path="/_nicegui_ws/socket.io", transports=["websocket"], wait_timeout=30)
        if not self._query.get("implicit_handshake"):
            await self._socket.emit("handshake", self._query)
        return await self._until(needle, waited)

    async def fill(self, label: str, value: str, needle: str) -> float:
        """Write into a field and wait for what the page answers: when it did."""
        waited = self._wait(needle)
        await self._emit(lambda props: props.get("label") == label, "update:", value)
        return await self._until(needle, waited)

    async def pick(self, button: str, needle: str) -> float:
        """Click a button and wait for what the page answers: when it did."""
        waited = self._wait(needle)
        await self._emit(lambda props: f'data-pick="{button}"' in str(props.get("innerHTML")), "click", button)
        return await self._until(needle, waited)

    async def close(self) -> None:
        await self._socket.disconnect()

    async def _emit(self, wanted: Callable[[Mapping[str, Any]], bool], event: str, arg: str) -> None:
        for name, element in reversed(list(self._elements.items())):
            if wanted(element.get("props", {})):
                for listener in element.get("events", ()):
                    if listener["type"].startswith(event):
                        told = {
                            "id": int(name),
                            "client_id": self._query["client_id"],
                            "listener_id": listener["listener_id"],
                            "args": [json.dumps(arg)],
                        }
                        await self._socket.emit("event", told)
                        return
        raise PageError(f"{self._path} has nothing that takes {event!r} with {arg!r}")

    def _wait(self, needle: str) -> asyncio.Future[float]:
        waited: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting = (needle, waited)
        return waited

    async def _until(self, needle: str, waited: asyncio.Future[float]) -> float:
        try:
            return await asyncio.wait_for(waited, PATIENCE_S)
        except TimeoutError:
            raise PageError(f"{self._path} did not show {needle!r} in {PATIENCE_S:.0f} s") from None

    async def _update(self, message: dict[str, Any]) -> None:
        message.pop("_id", None)
        self._elements.update({name: element for name, element in message.items() if element is not None})
        for text in _texts(message):
            if self.seen is not None:
                self.seen(text)
            if self._waiting is not None and self._waiting[0] in text:
                _, waited = self._waiting
                self._waiting = None
                if not waited.done():
                    waited.set_result(time.perf_counter())


def elements_in(page: str) -> dict[str, Any]:
    """What a page's first answer has to draw."""
    found = ELEMENTS.search(page)
    text = found[1] if found else "{}"
    for escaped, plain in ESCAPED:
        text = text.replace(escaped, plain)
    drawn: dict[str, Any] = json.loads(text)
    return drawn


def _texts(message: Mapping[str, Element | None]) -> Iterator[str]:
    for element in message.values():
        if element is not None:
            props = element.get("props", {})
            yield str(props.get("innerHTML") or props.get("label") or "")


class Person:
    """Somebody who does one thing after the other; how long each took is kept by its name."""

    def __init__(self, number: int, asked: "Asked", http: httpx.AsyncClient) -> None:
        self._dice = random.Random(number)
        self._asked = asked
        self._http = http
        self._page: Page | None = None
        self.took_ms: list[tuple[str, float]] = []
        self.failures: list[str] = []

    async def work(self, until: float) -> None:
        await self._go("customer", f"/customers/{customer(self._dice.randrange(self._asked.customers))}", CONTENT, counted=False)
        while (pause := self._dice.uniform(0.5, 1.5) * self._asked.think_s) + time.monotonic() < until:
            await asyncio.sleep(pause)
            dice = self._dice.random()
            if dice < 0.6:
                await self._go("customer", f"/customers/{customer(self._dice.randrange(self._asked.customers))}", CONTENT)
            elif dice < 0.7:
                await self._go("overview", "/", "Events in the warehouse")
            elif dice < 0.8:
                await self._go("contract", f"/contracts/{customer(self._dice.randrange(self._asked.customers))}", "List price")
            else:
                await self._preview()
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def leave(self) -> None:
        if self._page is not None:
            await self._page.close()

    async def _go(self, name: str, path: str, needle: str, *, counted: bool = True) -> bool:
        before, self._page = self._page, Page(self._asked.address, path)
        if before is not None:
            await before.close()
        page = self._page
        return await self._timed(name if counted else "", lambda: page.open(self._http, needle))

    async def _preview(self) -> None:
        name = customer(self._dice.randrange(self._asked.customers))
        if not await self._go("edit", f"/contracts/{name}/edit", READY):
            return
        page = self._page
        await asyncio.sleep(self._dice.uniform(0.5, 1.0))  # nobody finds the button sooner
        if page is not None and await self._timed("form", lambda: page.pick("Discounted price", "Multiplier")):
            await asyncio.sleep(self._dice.uniform(0.5, 1.0))
            text = f"0.{self._dice.randrange(100, 999)}"
            await self._timed("preview", lambda: page.fill("Multiplier", text, PREVIEWED))

    async def _timed(self, name: str, act: Callable[[], Awaitable[float]]) -> bool:
        began = time.perf_counter()
        try:
            seen = await act()
        except (PageError, httpx.HTTPError, socketio.exceptions.SocketIOError, OSError) as error:
            self.failures.append(f"{name}: {error}")
            return False
        if name:
            self.took_ms.append((name, (seen - began) * 1000))
        return True


class Asked:
    def __init__(self, arguments: list[str]) -> None:
        self.address, self.consoles, self.seconds, self.think_s = arguments[0], int(arguments[1]), float(arguments[2]), float(arguments[3])
        self.customers, self.watched = int(arguments[4]), arguments[5]


async def work(asked: Asked) -> dict[str, Any]:
    totals: list[tuple[float, str]] = []

    def seen(text: str) -> None:
        found = TOTAL.search(text)
        if found and (not totals or totals[-1][1] != found[1]):
            totals.append((time.time() * 1000, found[1]))

    async with httpx.AsyncClient(timeout=PATIENCE_S, limits=httpx.Limits(max_connections=None)) as http:
        watched = Page(asked.address, f"/customers/{quote(asked.watched)}")
        watched.seen = seen
        await watched.open(http, CONTENT)
        people = [Person(number, asked, http) for number in range(asked.consoles - 1)]
        until = time.monotonic() + asked.seconds
        await asyncio.gather(*(_started(person, asked, until, number) for number, person in enumerate(people)))
        await watched.close()
        await asyncio.gather(*(person.leave() for person in people), return_exceptions=True)
    took = [each for person in people for each in person.took_ms]
    return {"took_ms": took, "failures": [each for person in people for each in person.failures], "totals": totals, "cpu_s": time.process_time()}


async def _started(person: Person, asked: Asked, until: float, number: int) -> None:
    """They do not all come at once."""
    await asyncio.sleep(asked.think_s * number / max(1, asked.consoles))
    await person.work(until)


def main(arguments: list[str]) -> int:
    print(json.dumps(asyncio.run(work(Asked(arguments)))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
