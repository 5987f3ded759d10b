"""What the warehouse says, for the API and the pages: what `pipelines.warehouse.reads` does not know yet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Any, Final, NamedTuple, TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from console.errors import UnavailableError, invalid
from contracts.errors import TaximeterError
from contracts.instants import instant_ms
from contracts.result import Invoice
from contracts.translation.fields import Wrong
from pipelines.local.stages import YIELDING
from pipelines.warehouse import reads

Found = TypeVar("Found")
Ask = Callable[..., Sequence[Sequence[Any]]]
"""A method of `Warehouse` that answers a text with parameters."""

ON_ONE_THREAD: Final = " SETTINGS max_threads = 1"
"""On several threads a question of one customer costs a third more, and each of them waits for its turn on a busy machine."""
WAITED_FOR: Final = {"max_threads": 1, "os_threads_nice_value_query": YIELDING}
"""And somebody waits for the answer, who should not wait for what the embedded warehouse has to do besides: it takes the console's.
A server that may not set niceness does without."""
SOON: Final = " SETTINGS " + ", ".join(f"{name} = {value}" for name, value in WAITED_FOR.items())

FINALS = """
SELECT contract, toUnixTimestamp64Milli(max(ending_before)) FROM invoice_revisions FINAL
WHERE contract IN {contracts:Array(String)} AND kind = 'usage' AND status = 'final' GROUP BY contract"""

INVOICE = "SELECT customer, toUnixTimestamp64Milli(starting_at) FROM invoices WHERE id = {id:String} LIMIT 1"

CUSTOMERS = "SELECT DISTINCT customer FROM invoices ORDER BY customer"

EVENTS = """
SELECT transaction_id, customer, event_type, toUnixTimestamp64Milli(timestamp), properties, toUnixTimestamp64Milli(recorded_at),
       source_partition, source_offset
FROM usage_events
WHERE ({any_id:Bool} OR transaction_id IN {ids:Array(String)}) AND ({customer:String} = '' OR customer = {customer:String})
 AND recorded_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
ORDER BY recorded_at DESC, source_partition, source_offset LIMIT {limit:UInt32}"""

HISTORY = """
SELECT version, edit, toUnixTimestamp64Milli(recorded_at), if(effective_at IS NULL, NULL, toUnixTimestamp64Milli(effective_at)), author, body
FROM documents WHERE kind = {kind:String} AND id = {id:String} ORDER BY version"""

ACTIONS = """
SELECT edit, toUnixTimestamp64Milli(recorded_at), author, body FROM documents WHERE kind = 'action' AND id = {id:String} ORDER BY recorded_at"""

AUDIT = """
SELECT kind, id, version, edit, any(document_records.author) AS who, toUnixTimestamp64Milli(min(document_records.recorded_at)) AS recorded_ms,
       toUnixTimestamp64Milli(min(document_records.written_at)) AS written_ms
FROM document_records
WHERE ({kind:String} = '' OR kind = {kind:String}) AND ({id:String} = '' OR id = {id:String}) AND ({author:String} = '' OR document_records.author = {author:String})
GROUP BY kind, id, version, edit HAVING written_ms >= {from_ms:Int64}
ORDER BY written_ms DESC, edit, kind, id LIMIT {limit:UInt32}"""

AT_ONCE: Final = 8
"""Queries that run at the same time: the client keeps so many connections, and more would only wait for each other in the warehouse."""
BESIDE: Final = 4
"""Of these, questions that others go on beside."""
NOW = "SELECT toUnixTimestamp64Milli(now64(3))"


class StoredEvent(NamedTuple):
    """A usage event as it arrived; duplicates are there as often as they came."""

    transaction_id: str
    customer: str
    event_type: str
    timestamp_ms: int
    properties: Mapping[str, str]
    recorded_ms: int
    partition: int
    offset: int


class Version(NamedTuple):
    """A version of a document."""

    version: int
    edit: str
    recorded_ms: int
    effective_ms: int | None
    author: str
    body: str


class AuditRow(NamedTuple):
    """Who has changed a document, or done something about an invoice."""

    kind: str
    id: str
    version: int
    edit: str
    author: str
    recorded_ms: int
    """In the time of the contract's clock."""
    written_ms: int
    """On the wall."""


STILL = "SELECT toString(max(at)), argMax(until, at) > now64(3) FROM reader_stills"


class Still(NamedTuple):
    """Whether readers see copies, as during a cutover; `mark` is another one each time that is said anew."""

    mark: str
    on: bool

    def tables(self, text: str) -> str:
        """A question about tables of revisions, to what readers see."""
        return text.replace("_revisions", "_stills") if self.on else text


class Warehouse:
    """The warehouse, opened when it is first asked. Its errors are UnavailableError."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._soon: Client | None = None
        self._connecting = Lock()
        self._places = BoundedSemaphore(AT_ONCE)
        self._beside = ThreadPoolExecutor(BESIDE, "warehouse-beside")
        self._still: Still | None = None

    @contextmanager
    def client(self) -> Iterator[Client]:
        with self._telling():
            with self._connecting:
                if self._client is None:
                    self._client = self._connect()
            yield self._client

    @contextmanager
    def soon(self) -> Iterator[Client]:
        """The same for those who ask more than `little`, while somebody waits."""
        with self._telling():
            with self._connecting:
                if self._soon is None:
                    client = self._connect()
                    for name, value in WAITED_FOR.items():
                        client.set_client_setting(name, value)
                    self._soon = client
            yield self._soon

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, TaximeterError, OSError) as error:
            said = str(error).splitlines()[0][:200]
            raise UnavailableError(Wrong("", f"the warehouse does not answer as it should: {said}")) from error

    def close(self) -> None:
        self._beside.shutdown()
        for each in (self._client, self._soon):
            if each is not None:
                each.close()

    def query(self, text: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        with self.client() as client, self._places:
            return client.query(text, parameters=parameters).result_rows

    def look(self, text: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        """`query`, for a look that goes on by itself: it leaves the other cores to those who wait."""
        return self.query(text + ON_ONE_THREAD, **parameters)

    def little(self, text: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        """`query`, for a question that reads little, for which somebody waits."""
        return self.query(text + SOON, **parameters)

    def beside(self, ask: Ask, text: str, **parameters: Any) -> Future[Sequence[Sequence[Any]]]:
        """Ask while whoever asks goes on: on a busy machine each question waits for its turn."""
        return self._beside.submit(ask, text, **parameters)

    def consistent(self, read: Callable[[Still], Found]) -> Found:
        """What `read` finds in the tables of revisions (the views over them say the same, but each takes the embedded warehouse milliseconds more);
        once more when a cutover has begun or ended meanwhile, so that nobody sees a part of it."""
        still = self._still or self.still()
        while True:
            found = read(still)
            now = self.still()
            if now == still:
                return found
            still = now

    def revisions(self, text: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        """`little`, about tables of revisions, `consistent`."""
        return self.consistent(lambda still: self.little(still.tables(text), **parameters))

    def still(self) -> Still:
        """As it is now."""
        self._still = Still(*self.little(STILL)[0])
        return self._still

    def final_until_ms(self, contracts: Sequence[str]) -> Mapping[str, int]:
        """End of the last final period of each contract that has one."""
        if not contracts:
            return {}
        return {row[0]: row[1] for row in self.revisions(FINALS, contracts=list(contracts))}

    def invoice(self, name: str) -> Invoice | None:
        """The invoice with that id, with its lines."""
        found = self.query(INVOICE, id=name)
        if not found:
            return None
        customer, starting_ms = found[0]
        with self.client() as client:
            of_customer = reads.invoices_of(client, customer, from_ms=starting_ms, until_ms=starting_ms + 1)
        return next((each for each in of_customer if each.id == name), None)

    def customers(self) -> list[str]:
        """Everybody who has an invoice."""
        return [row[0] for row in self.query(CUSTOMERS)]

    def events(self, *, ids: Sequence[str] = (), customer: str = "", from_ms: int = 0, limit: int = 100) -> list[StoredEvent]:
        """Events as they arrived, the newest first."""
        rows = self.query(EVENTS, any_id=not ids, ids=list(ids), customer=customer, from_ms=from_ms, limit=limit)
        return [StoredEvent(*row) for row in rows]

    def history(self, kind: str, name: str) -> list[Version]:
        """Every version of a document, the first first."""
        return [Version(*row) for row in self.little(HISTORY, kind=kind, id=name)]

    def audit(self, *, author: str = "", kind: str = "", id: str = "", from_ms: int = 0, limit: int = 100) -> list[AuditRow]:
        """Edits, the latest first."""
        return [AuditRow(*row) for row in self.query(AUDIT, author=author, kind=kind, id=id, from_ms=from_ms, limit=limit)]

    def now_ms(self) -> int:
        return int(self.little(NOW)[0][0])


def instant(text: str | None, field: str, default_ms: int) -> int:
    """A time that a request gives: RFC 3339 or a date (midnight UTC). Raises InvalidError."""
    if text is None:
        return default_ms
    try:
        return instant_ms(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise invalid(field, str(error)) from error
