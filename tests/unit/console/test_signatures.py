"""What NiceGUI asks of everything that hears of changes is answered as it would, and looked up once for each method."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from console.pages.parts import signatures


class Part:
    def nothing(self) -> None: ...

    def something(self, event: object) -> None: ...

    def perhaps(self, event: object = None, *more: object, **named: object) -> None: ...

    @classmethod
    def of_all(cls, event: object) -> None: ...


def plain(event: object) -> None: ...


PART = Part()


@pytest.mark.parametrize(
    ("told", "takes"),
    (
        (PART.nothing, False),
        (PART.something, True),
        (PART.perhaps, False),
        (Part.of_all, True),
        (plain, True),
        (partial(plain, 1), False),
        (lambda: None, False),
        (Part.nothing, True),  # of nobody: it takes whose it is
    ),
)
def test_it_says_what_nicegui_says(told: Callable[..., Any], takes: bool) -> None:
    assert [signatures.expects_arguments(told) for _ in range(3)] == [takes] * 3


def test_a_method_is_looked_up_once_for_all_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Callable[..., Any]] = []

    def look_up(told: Callable[..., Any]) -> bool:
        looked.append(told)
        return False

    monkeypatch.setattr(signatures, "_look_up", look_up)

    class Fresh:
        def nothing(self) -> None: ...

    for _ in range(3):
        signatures.expects_arguments(Fresh().nothing)
    assert len(looked) == 1
