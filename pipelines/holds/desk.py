"""Where holds are decided: one at a time, each on what was decided before it, on the log before anybody hears of it.

All desks share one transactional id, so Kafka lets only the newest one commit: whoever was overtaken reads what the other has decided, and decides
again. So no two of them can give away the same money. Requests that wait are decided together and committed in one transaction.
"""

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from contracts.contract import Contract
from pipelines.holds.ledger import BalanceLog, HoldLog, encode
from pipelines.holds.passage import Ends, Passage
from pipelines.holds.step import Balance, Hold, HoldError, StateError
from pipelines.monitoring import metrics
from pipelines.publishing import overtaken, overtaking
from pipelines.topology import HOLDS
from schemas.codec import Codec

TRANSACTIONAL_ID: Final = "taximeter-holds"
TIMEOUT_S: Final = 30.0
ATTEMPTS: Final = 50
AT_ONCE: Final = 200
LOOK_S: Final = 0.2
KEPT_MS: Final = 7 * 24 * 3_600_000
"""How long a hold that is over can be looked up."""
FORGOTTEN: Final = 20
"""So many old ones are forgotten with each transaction at most."""

LOG: Final = logging.getLogger("taximeter.holds")


class Book(NamedTuple):
    """What a decision is made on."""

    holds: Mapping[str, Hold]
    """Those of the family that keep an amount back, and the one that the decision is about, if there is one."""
    balances: Sequence[Balance]
    """Which the customer may draw."""
    now_ms: int


class _Request(NamedTuple):
    customer: str
    root: str
    name: str
    """Id of the hold that it is about."""
    decide: Callable[[Book], Hold]
    contracts: Mapping[str, Contract]
    done: "Future[tuple[Hold, Book]]"
    fresh: bool = False
    """The balances must be read to their end first."""


_Told = tuple[_Request, HoldError | tuple[Hold, Book]]


class Desk:
    """Decides in a thread of its own. Safe for several threads."""

    def __init__(self, bootstrap: str, codec: Codec, partitions: int) -> None:
        self._bootstrap = bootstrap
        self._codec = codec
        self._holds = HoldLog(bootstrap, codec)
        self._balances = BalanceLog(bootstrap, codec)
        self._ends = Ends(bootstrap, partitions)
        self._producer: Producer | None = None
        self._closed = threading.Event()
        self._waiting: queue.Queue[_Request | None] = queue.Queue()
        self._holds.catch_up()
        self._balances.catch_up()
        self._threads = [threading.Thread(target=target, name="holds", daemon=True) for target in (self._run, self._watch)]
        for each in self._threads:
            each.start()

    def decide(
        self, customer: str, root: str, name: str, contracts: Mapping[str, Contract], decide: Callable[[Book], Hold]
    ) -> tuple[Hold, Book]:
        """What `decide` makes of the hold `name` and the customer's book, on the log. It is called again when another desk was quicker, and may raise HoldError.

        Raises HoldError, KafkaException; then nothing was changed.
        """
        done: Future[tuple[Hold, Book]] = Future()
        self._waiting.put(_Request(customer, root, name, decide, contracts, done))
        return done.result(2 * TIMEOUT_S)

    def look(self, customer: str, root: str, contracts: Mapping[str, Contract]) -> Book:
        """The book of a customer as this desk knows it, without a decision."""
        now_ms = _now_ms()
        return Book(self._holds.keeping(root, now_ms), self._balances.of(customer, contracts), now_ms)

    def find(self, name: str) -> Hold | None:
        """The hold of that id, also when another desk has just made it. Raises KafkaException."""

        def ask(_: Book) -> Hold:
            found = self._holds.holds.get(name)
            if found is None:
                raise StateError(f"there is no hold {name!r}")
            return found

        found = self._holds.holds.get(name)
        if found is None:
            with contextlib.suppress(HoldError):
                found = self.decide("", "", name, {}, ask)[0]
        return found

    def close(self) -> None:
        self._closed.set()
        self._waiting.put(None)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        for each in (self._holds, self._balances, self._ends):
            each.close()

    def _run(self) -> None:
        while True:
            turn = [self._waiting.get()]
            while len(turn) < AT_ONCE and not self._waiting.empty():
                turn.append(self._waiting.get_nowait())
            self._turn([each for each in turn if each is not None])
            if None in turn:
                return

    @metrics.HOLD.time()
    def _turn(self, turn: Sequence[_Request]) -> None:
        try:
            if any(each.fresh for each in turn):
                self._balances.catch_up()
            else:
                self._balances.look()
            told = self._settled_on(turn)
        except Exception as error:  # noqa: BLE001 - whoever waits hears of whatever went wrong
            for request in turn:
                request.done.set_exception(error)
            return
        for request, answer in told:
            metrics.HOLDS.labels("refused" if isinstance(answer, HoldError) else "granted").inc()
            if isinstance(answer, HoldError):
                request.done.set_exception(answer)
            else:
                request.done.set_result(answer)

    def _settled_on(self, turn: Sequence[_Request]) -> "list[_Told]":
        """What is on the log for these requests. Raises KafkaException."""
        for attempt in range(ATTEMPTS):
            read = self._producer is None
            producer = self._producer or self._begin()
            made, told = self._decided(turn)
            if not read and any(isinstance(answer, HoldError) for _, answer in told):
                # Nobody is refused for what another desk has released meanwhile.
                self._holds.catch_up()
                made, told = self._decided(turn)
            try:
                self._commit(producer, made)
            except KafkaException as error:
                self._producer = None
                if not overtaken(error.args[0]):
                    raise
                time.sleep(random.uniform(0.0, 0.01) * (attempt + 1))  # noqa: S311 - so that two that collide do not collide again
                continue
            for hold in made:
                self._holds.record(hold)
            return told
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the client has no other name for it

    def _decided(self, turn: Sequence[_Request]) -> "tuple[list[Hold], list[_Told]]":
        """One decision after the other, each on those before it: what has changed, and what to tell whom."""
        now_ms = _now_ms()
        made: dict[str, Hold] = {}
        books: dict[str, dict[str, Hold]] = {}
        told: list[_Told] = []
        for request in turn:
            if request.root not in books:
                books[request.root] = self._holds.keeping(request.root, now_ms)
            holds = books[request.root]
            known = holds.get(request.name) or made.get(request.name) or self._holds.holds.get(request.name)
            book = Book(holds | ({request.name: known} if known else {}), self._balances.of(request.customer, request.contracts), now_ms)
            try:
                hold = request.decide(book)
            except HoldError as refused:
                told.append((request, refused))
                continue
            if hold != known:
                holds[hold.id] = made[hold.id] = hold
            told.append((request, (hold, book._replace(holds={**book.holds, hold.id: hold}))))
        return list(made.values()), told

    def _begin(self) -> Producer:
        """A producer that has ended whatever another desk had under way; everything that was decided is read."""
        producer = overtaking(self._bootstrap, TRANSACTIONAL_ID)
        self._holds.catch_up()
        self._producer = producer
        return producer

    def _commit(self, producer: Producer, made: Sequence[Hold]) -> None:
        if not made:
            return
        producer.begin_transaction()
        for hold in made:
            producer.produce(HOLDS.name, encode(self._codec, hold), hold.id)
        over = self._holds.over(_now_ms() - KEPT_MS, FORGOTTEN)
        for hold in over:
            producer.produce(HOLDS.name, None, hold.id)
        producer.commit_transaction(TIMEOUT_S)
        for hold in over:
            self._holds.forget(hold.id)

    def _watch(self) -> None:
        """Ends settling holds whose usage has come through to the balances."""
        under_way: list[tuple[Passage, list[Hold]]] = []
        while not self._closed.wait(LOOK_S):
            try:
                known = {hold.id for _, holds in under_way for hold in holds}
                new = [each for each in list(self._holds.holds.values()) if each.state == "settling" and each.id not in known]
                if new:
                    under_way.append((Passage(self._ends), new))
                through = [holds for passage, holds in under_way if passage.through()]
                under_way = [(passage, holds) for passage, holds in under_way if holds not in through]
            except KafkaException as error:
                LOG.warning("settling holds wait for Kafka: %s", error)
                continue
            for holds in through:
                for hold in holds:
                    self._waiting.put(_Request(hold.customer, hold.root, hold.id, _settled(hold.id), {}, Future(), fresh=True))


def _settled(name: str) -> Callable[[Book], Hold]:
    def decide(book: Book) -> Hold:
        hold = book.holds[name]
        return hold._replace(state="settled", changed_ms=book.now_ms, version=hold.version + 1) if hold.state == "settling" else hold

    return decide


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
