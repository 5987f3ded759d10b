"""Who is told the scenes, one after the other: a terminal, or a log."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.status import Status

from taximeter.demo import plain, screen
from taximeter.demo.scenes import Flow, Scene, Waiting

LINE_S: Final = 2.0
"""Between two plain lines about the stream."""


class Terminal:
    """Pictures; the stream is redrawn in place until it is over."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._live: Live | None = None
        self._status: Status | None = None

    def __call__(self, scene: Scene) -> None:
        if isinstance(scene, Waiting):
            if self._status is None:
                self._status = self._console.status(scene.text)
                self._status.start()
            self._status.update(scene.text)
            return
        picture = screen.drawn(scene, self._names)
        if isinstance(scene, Flow) and not scene.over:
            if self._live is None:
                self.close()
                self._live = Live(console=self._console, auto_refresh=False, transient=True)
                self._live.start()
            self._live.update(picture, refresh=True)
            return
        self.close()
        self._console.print(picture)

    def close(self) -> None:
        """Give the terminal back."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._live is not None:
            self._live.stop()
            self._live = None


class Log:
    """Plain lines; of the stream one every two seconds."""

    def __init__(self, write: Callable[[str], None], names: Mapping[str, str]) -> None:
        self._write = write
        self._names = names
        self._told = 0.0
        """When the stream was told last."""

    def __call__(self, scene: Scene) -> None:
        if isinstance(scene, Flow) and not scene.over:
            now = time.monotonic()
            if now - self._told < LINE_S:
                return
            self._told = now
        for line in plain.told(scene, self._names):
            self._write(line)

    def close(self) -> None:
        """Nothing is held."""
