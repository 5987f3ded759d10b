"""The documents and what stands beside them, as they are now; and the one way to change them.

An edit is made of what is there at that moment, checked, and put on the log in one Kafka transaction, objects included. Who comes second reads
what the first has done. A repeated `Idempotency-Key` gets the first answer again: the answer is kept in the transaction of the edit.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException

from console.errors import ConflictError, UnavailableError, of_document
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.loading import Found, Known, check_together
from contracts.sources import Source
from contracts.translation.fields import Wrong
from pipelines.deployment import Deployment
from pipelines.document_log import Documents
from pipelines.edits import Edit
from pipelines.objects import Object, ObjectLog, Objects, encode
from pipelines.publishing import Beside, Draft, EditConflictError, Published, Publisher
from pipelines.topology import OBJECTS

LOG = logging.getLogger("taximeter.console")
FRESH_S: Final = 0.2
KEPT_FRESH_S: Final = 1.0
"""So old may be what is looked at again and again: who calls, and what pages show."""
KEPT_MS: Final = 24 * 3_600_000
"""How long an answer is kept for a repeated Idempotency-Key."""
REPEAT: Final = "idempotency"
_PLAIN: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class Papers(NamedTuple):
    """What holds at a moment."""

    documents: Documents
    objects: Objects

    def known(self, final_until_ms: Mapping[str, int] | None = None) -> Known:
        """As the checks of documents want it."""
        return Known(
            {name: each.catalogue for name, each in self.documents.catalogues.items()},
            self.documents.families.contracts,
            final_until_ms or {},
        )


class Change(NamedTuple):
    """What a request makes of the papers."""

    answer: Any = None
    catalogues: Sequence[Catalogue] = ()
    contracts: Sequence[Contract] = ()
    objects: Sequence[Object] = ()
    effective_ms: int | None = None


class Repeatable(NamedTuple):
    """A request that may come twice: who sent it, its Idempotency-Key, and what it asks."""

    who: str
    key: str
    asked: bytes

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.who}\0{self.key}".encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.asked).hexdigest()


class _RepeatedError(Exception):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer


class Books:
    """Safe for several threads: one at a time reads the log or writes to it."""

    def __init__(self, deployment: Deployment, final_until_ms: Callable[[Sequence[str]], Mapping[str, int]]) -> None:
        """`final_until_ms` tells the end of the last final period of each of some contracts."""
        self._deployment = deployment
        self._final_until_ms = final_until_ms
        self._publisher = Publisher(deployment.kafka, deployment.codec)
        self._objects = ObjectLog(deployment.kafka, deployment.codec)
        self._lock = threading.RLock()
        self._read_at = float("-inf")
        self._seen = (-1, -1)
        self._papers = Papers(self._publisher.documents, self._objects.objects)
        self.now(0.0)
        self._wanted = threading.Event()
        self._closed = False
        self._keeper = threading.Thread(target=self._keep, name="books", daemon=True)
        self._keeper.start()

    @property
    def changes(self) -> int:
        """Grows with every document that is read."""
        return self._seen[0]

    def now(self, fresh_s: float = FRESH_S) -> Papers:
        """The papers as they were at most `fresh_s` ago; what this process has written is always in. Raises UnavailableError.

        Whoever is content with `KEPT_FRESH_S` or more asks again and again without waiting: they are read anew beside those who ask.
        """
        if (age_s := time.monotonic() - self._read_at) <= fresh_s:
            if fresh_s >= KEPT_FRESH_S and age_s > fresh_s / 2:
                self._wanted.set()
            return self._papers
        with self._lock:
            began = time.monotonic()
            if began - self._read_at > fresh_s:
                try:
                    self._publisher.present()
                    self._objects.catch_up()
                except KafkaException as error:
                    raise _gone(error) from error
                self._copy()
                self._read_at = began
            return self._papers

    def fresh(self, fresh_s: float) -> bool:
        """Whether `now` would answer at once."""
        return time.monotonic() - self._read_at <= fresh_s

    def _copy(self) -> None:
        """What was read becomes the papers; they are a copy, since whoever has them reads while others write."""
        seen = (self._publisher.documents.changes, self._objects.objects.changes)
        if seen != self._seen:
            documents = self._papers.documents if seen[0] == self._seen[0] else self._publisher.documents.copy()
            self._papers, self._seen = Papers(documents, self._objects.objects.copy()), seen

    def _keep(self) -> None:
        while self._wanted.wait() and not self._closed:
            self._wanted.clear()
            try:
                self.now(FRESH_S)
            except UnavailableError as error:  # whoever asks next hears it too
                LOG.warning("%s", error)

    def commit(
        self, make: Callable[[Papers], Change], author: str, *, expected: Mapping[str, int] | None = None, repeatable: Repeatable | None = None
    ) -> tuple[Any, Published | None]:
        """Publish what `make` makes of the papers of the moment: its answer, and what was published (none: it was an answer again).

        `expected`: versions by contract id, or `catalogue:` and id, on which the edit is based; another one refuses it with ConflictError.
        Raises ApiError for whatever is refused, and nothing was published then.
        """
        answer: Any = None

        def draft(documents: Documents) -> Draft:
            nonlocal answer
            papers = Papers(documents, self._objects.catch_up())
            if repeatable is not None:
                self._look_up(repeatable, papers.objects)
            _check_expected(expected or {}, documents)
            change = make(papers)
            answer = change.answer
            self._check(change, papers)
            edit = None
            if change.catalogues or change.contracts:
                times = self._deployment.times(change.contracts, documents)
                edit = Edit(change.catalogues, change.contracts, author, times, change.effective_ms)
            objects = list(change.objects) + (self._kept(repeatable, answer, papers.objects) if repeatable else [])
            return Draft(edit, lambda name: [self._beside(each._replace(author=author), name) for each in objects])

        with self._lock:
            try:
                published = self._publisher.update(draft)
                self._objects.read_to({partition: offset for (_, partition), offset in published.beside.items()})
            except _RepeatedError as again:
                return again.answer, None
            except DocumentError as error:
                raise of_document(error) from error
            except EditConflictError as error:
                raise ConflictError(Wrong("", str(error))) from error
            except KafkaException as error:
                raise _gone(error) from error
            finally:
                self._copy()
            return answer, published

    def act(self, action: str, contract: str, starting_ms: int, author: str) -> Published:
        """Void, regenerate or finalize an invoice."""
        with self._lock:
            try:
                documents = self._publisher.present()
                of = documents.contracts[contract].contract
                recorded_ms = self._deployment.times([of], documents)[of.clock]
                return self._publisher.act(action, contract, starting_ms, recorded_ms, author)
            except DocumentError as error:
                raise of_document(error) from error
            except KafkaException as error:
                raise _gone(error) from error
            finally:
                self._copy()

    def times(self, contracts: Sequence[Contract]) -> Mapping[str, int]:
        """Now on the wall and on the clocks of these contracts."""
        return self._deployment.times(contracts, self._papers.documents)

    def close(self) -> None:
        self._closed = True
        self._wanted.set()
        self._keeper.join()
        self._publisher.close()
        self._objects.close()

    def _check(self, change: Change, papers: Papers) -> None:
        given: list[Catalogue | Contract] = [*change.catalogues, *change.contracts]
        if not given:
            return
        final = self._final_until_ms([contract.id for contract in change.contracts])
        source = Source("request", None, None, [])
        found = [Found(each, source, ("catalogue",) if isinstance(each, Catalogue) else ("contract",)) for each in given]
        lines = check_together(found, papers.known(final), window_minutes=self._deployment.settings.window_minutes)
        if lines:
            raise DocumentError(list(dict.fromkeys(lines)))

    def _beside(self, found: Object, edit: str) -> Beside:
        return Beside(OBJECTS.name, found.key, encode(self._deployment.codec, found, edit))

    @staticmethod
    def _look_up(repeatable: Repeatable, objects: Objects) -> None:
        found = objects.get(REPEAT, repeatable.id)
        if found is None or found.recorded_ms < _now_ms() - KEPT_MS:
            return
        if found.body["fingerprint"] != repeatable.fingerprint:
            raise ConflictError(Wrong("Idempotency-Key", "was used for another request within a day; use a new one for each request"))
        raise _RepeatedError(msgspec.json.decode(found.body["answer"]))

    @staticmethod
    def _kept(repeatable: Repeatable, answer: Any, objects: Objects) -> list[Object]:
        """The answer, to be given again; and a few old ones to forget, so that they do not pile up."""
        body = {"fingerprint": repeatable.fingerprint, "answer": _PLAIN.encode(answer).decode()}
        old = [each for each in objects.of(REPEAT) if each.recorded_ms < _now_ms() - KEPT_MS][:10]
        return [Object(REPEAT, repeatable.id, body), *(each._replace(deleted=True, body={}, recorded_ms=0) for each in old)]


def versions(documents: Documents) -> dict[str, int]:
    """The version of every document, by contract id, or `catalogue:` and id."""
    return {name: each.version for name, each in documents.contracts.items()} | {
        f"catalogue:{name}": each.version for name, each in documents.catalogues.items()
    }


def _check_expected(expected: Mapping[str, int], documents: Documents) -> None:
    present = versions(documents)
    for name, version in expected.items():
        if present.get(name, 0) != version:
            raise ConflictError(
                Wrong(
                    "expected_versions",
                    f"{name} is at version {present.get(name, 0)} by now and this edit was made on version {version}: nothing was published;"
                    " look at the difference and apply again",
                ),
                current={name: present.get(name, 0)},
            )


def _gone(error: KafkaException) -> UnavailableError:
    said = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
    return UnavailableError(Wrong("", f"Kafka does not answer as it should ({said}); nothing was published, try again"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
