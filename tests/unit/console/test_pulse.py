"""Open pages while something is wrong."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any, cast

from console.errors import UnavailableError
from console.figures import Figures
from console.pages.parts import pulse
from console.pages.parts.pulse import Pulse, Watching
from console.reading import Warehouse
from contracts.translation.fields import Wrong
from tests.waiting import until


class Looked(Pulse):
    """Looks at what the test says."""

    def __init__(self) -> None:
        super().__init__(cast("Warehouse", None))
        self.down = True
        self.looks = 0
        self.held = threading.Event()
        self.found: Mapping[str, Figures] = {}

    def _look(self, customers: Any, nudged: Any) -> dict[str, Figures]:  # noqa: ARG002 - as it is called
        self.looks += 1
        if self.down:
            self.held.wait(60)
            raise UnavailableError(Wrong("", "the warehouse is gone"))
        return {name: self.found[name] for name in customers}


async def nothing() -> None: ...


def page(customer: str, told: list[str], troubles: list[bool], *, breaks: bool = False) -> Watching:
    async def hear(_: Figures) -> None:
        told.append(customer)

    def failed(error: UnavailableError | None) -> None:
        troubles.append(error is not None)
        if breaks and error is None:
            raise RuntimeError("the page is no more")

    return Watching(customer, hear, failed, lambda: True, nothing)


def test_what_is_wrong_is_shown_until_a_look_succeeds_and_one_page_does_not_keep_others_from_theirs(monkeypatch: Any) -> None:
    monkeypatch.setattr(pulse, "SLOWEST_S", 0.02)
    monkeypatch.setattr(pulse, "BEAT_S", 0.02)

    async def look() -> None:
        looked, told = Looked(), list[str]()
        troubles: dict[str, list[bool]] = {"a": [], "b": []}
        looked.watch(page("a", told, troubles["a"], breaks=True))
        looked.watch(page("b", told, troubles["b"]))
        # given a warehouse that is gone, then while looks fail and others hang nobody is told that it is there
        looked.held.set()
        await until(lambda: looked.looks >= 3)
        looked.held.clear()
        hanging = looked.looks
        await until(lambda: looked.looks > hanging)
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert all(troubles["a"])
            assert all(troubles["b"])
        assert troubles["a"]
        # when it is back, then pages are told, also behind one that can not be
        looked.found = {"a": Figures(clock_ms=1), "b": Figures(clock_ms=1)}
        looked.down = False
        looked.held.set()
        await until(lambda: told == ["b"] and not troubles["b"][-1])
        # and the next time, too
        looked.found = {"a": Figures(clock_ms=2), "b": Figures(clock_ms=2)}
        await until(lambda: told == ["b", "b"])
        for each in list(looked._watching):
            looked.leave(each)

    asyncio.run(look())
