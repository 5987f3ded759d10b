"""Generations for the API and the pages: planned, begun, looked at, compared, cut over and taken back.

Kafka is followed from the first question on. Whoever only looks shares one control; each step has its own, so that nobody waits for a cutover
to come through but the one who has asked for it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, Literal

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException

from console.errors import ApiError, ConflictError, InvalidError, UnavailableError
from contracts.errors import TaximeterError
from contracts.translation.fields import Wrong
from pipelines.deployment import Deployment
from pipelines.progress import StalledError
from pipelines.replay.control import ReplayError, Replays
from pipelines.replay.diff import affected, differences
from pipelines.replay.generations import Generation
from pipelines.replay.planning import Asked, planned, scope_of
from pipelines.replay.telling import told
from pipelines.verifying.families import Family, families

StepName = Literal["cutover", "back", "close", "abort"]
STEPS: Final[Sequence[StepName]] = ("cutover", "back", "close", "abort")


class ReplayDesk:
    """Safe for several threads; close it at the end. Raises ApiError for whatever is refused."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._looking: Replays | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            if self._looking is not None:
                self._looking.close()
                self._looking = None

    def listed(self) -> list[dict[str, Any]]:
        """Every generation there ever was, the latest first; the open one with how far METER is."""
        with self._look() as replays:
            known = replays.present().generations.by_number.values()
            begun = sorted((each for each in known if each.state is not None), key=lambda each: each.number, reverse=True)
            return [told(each, replays.progress(each) if each.metered else None) for each in begun]

    def plan(self, asked: Asked) -> dict[str, Any]:
        """What a replay would touch; nothing is begun."""
        with self._look() as replays, closing(replays.stack.warehouse()) as client:
            present = replays.present()
            with _refused_input():
                scope = scope_of(client, present, asked, replays.window_ms)
            return planned(client, present, scope, replays.ends())

    def begin(self, asked: Asked, note: str, author: str) -> dict[str, Any]:
        """Begin a generation; METER goes on with it by itself."""
        with self._act() as replays, closing(replays.stack.warehouse()) as client:
            with _refused_input():
                scope = scope_of(client, replays.present(), asked, replays.window_ms)
            replays.begin(scope, note=note, author=author)
            return told(replays.current(), None)

    def step(self, what: StepName, author: str, number: int | None = None) -> dict[str, Any]:
        """Carry it out on the open generation (`number`, when it must be that one); returns when the warehouse shows the effect."""
        with self._act() as replays:
            generation = replays.current()
            replays.step(what, author, number if number is not None else generation.number)
            return {"number": generation.number, "step": what, "seconds": round(replays.took_s, 3)}

    def compare(self, customers: Sequence[str] = ()) -> "Comparison":
        """What a cutover of the open generation would change (after one: what `back` would), family by family; of these customers or of all."""
        with self._act() as replays:
            generation = replays.current()
            replays.shown()
            mine = affected(families(replays.present(), customers), generation)
        return Comparison(self._deployment, generation, mine)

    @contextmanager
    def _look(self) -> Iterator[Replays]:
        with self._lock, _told():
            if self._looking is None:
                self._looking = Replays(self._deployment)
            yield self._looking

    @contextmanager
    def _act(self) -> Iterator[Replays]:
        with _told(), closing(Replays(self._deployment)) as replays:
            yield replays


class Comparison:
    """Families to be compared: each is folded as it is billed, and with the generation's windows."""

    def __init__(self, deployment: Deployment, generation: Generation, mine: Sequence[Family]) -> None:
        self._deployment = deployment
        self._families = mine
        self.generation = generation

    @property
    def roots(self) -> list[str]:
        return [each.root for each in self._families]

    def portion(self, start: int, end: int) -> "Comparison":
        """Only the families from place `start` until `end`."""
        return Comparison(self._deployment, self.generation, self._families[start:end])

    def changes(self, tell: Callable[[int, int], None] = lambda *_: None) -> Iterator[dict[str, Any]]:
        """Of each family that would change, in the shape of an edit's preview. `tell` hears how many of how many are compared."""
        with _told(), closing(self._deployment.warehouse()) as client:
            yield from differences(client, self.generation, self._families, self._deployment.settings.window_minutes, tell)


class Working:
    """A comparison on a thread of its own, so that a page can look in: `changes` grows until `ended`."""

    def __init__(self, prepare: Callable[[], Comparison], most: int) -> None:
        """`most`: changes that are kept; further ones are counted."""
        self._prepare = prepare
        self._most = most
        self._stopped = threading.Event()
        self.done = self.of = self.count = 0
        self.changes: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.ended = False
        threading.Thread(target=self._run, name="comparison", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        try:
            for change in self._prepare().changes(self._told):
                self.count += 1
                if len(self.changes) < self._most:
                    self.changes.append(change)
        except _StoppedError:
            pass
        except (ApiError, TaximeterError, ClickHouseError, KafkaException, OSError) as error:
            self.error = error
        finally:
            self.ended = True

    def _told(self, done: int, of: int) -> None:
        self.done, self.of = done, of
        if self._stopped.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """Nobody looks any more."""


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong below, as the API's errors."""
    try:
        yield
    except ReplayError as error:
        raise ConflictError(Wrong("", str(error))) from error
    except (StalledError, KafkaException) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) and error.args and hasattr(error.args[0], "str") else str(error)
        raise UnavailableError(Wrong("", said)) from error
    except (ClickHouseError, OSError) as error:
        raise UnavailableError(Wrong("", f"the warehouse does not answer as it should: {str(error).splitlines()[0][:200]}")) from error


@contextmanager
def _refused_input() -> Iterator[None]:
    """The scope itself is wrong."""
    try:
        yield
    except ReplayError as error:
        raise InvalidError(Wrong("", str(error))) from error
