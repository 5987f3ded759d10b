"""Garbage is looked for in a calm moment, and after a while in any."""

import gc
from collections.abc import Iterator

import pytest

from console import collecting
from console.collecting import YOUNG, Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    before = gc.get_threshold()
    yield Collector()
    gc.unfreeze()
    gc.set_threshold(*before)


class Knot:
    """Refers to itself."""

    left = 0

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Knot.left -= 1


@pytest.mark.parametrize(
    ("seldom_s", "latest_s", "calm", "looks"),
    ((0.0, 1e9, 2.0, True), (1e9, 1e9, 2.0, False), (0.0, 1e9, -1.0, False), (1e9, 0.0, -1.0, True)),
    ids=("calm", "calm, but too soon", "busy", "busy for too long"),
)
def test_it_looks_when_nobody_waits_or_at_last(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, seldom_s: float, latest_s: float, calm: float, looks: bool
) -> None:
    monkeypatch.setattr(collecting, "SELDOM_S", seldom_s)
    monkeypatch.setattr(collecting, "LATEST_S", latest_s)
    monkeypatch.setattr(collecting, "CALM", calm)
    assert collector.look() is looks


def test_what_was_there_at_first_is_left_aside_and_the_rest_is_found(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold() == YOUNG
    monkeypatch.setattr(collecting, "SELDOM_S", 0.0)
    monkeypatch.setattr(collecting, "CALM", 2.0)
    gc.disable()
    try:
        Knot.left = 1
        Knot()
        assert Knot.left == 1
        assert collector.look()
        assert Knot.left == 0
    finally:
        gc.enable()
