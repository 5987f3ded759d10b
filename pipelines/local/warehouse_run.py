"""Running requests: sessions, current database, settings, guard, then insert or query. Blocking; called on worker threads."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from pipelines.local.warehouse_access import LIMITS, Guard, User, Users, public_statement
from pipelines.local.warehouse_engine import Connection, Engine, Output
from pipelines.local.warehouse_errors import WarehouseError
from pipelines.local.warehouse_ready import Ready
from pipelines.local.warehouse_request import Request
from pipelines.local.warehouse_room import Room
from pipelines.local.warehouse_sql import split_format, split_insert

MAX_SESSIONS = 200
MAX_READY = 8
"""Connections that wait for the next request like their last."""
READING = "READ_ONLY"
"""What the engine calls a statement that changes nothing, its connection included."""
UNCOUNTED = frozenset({"Native", "Buffers"})
COUNTED = "RowBinaryWithNamesAndTypes"
MOST_ANSWER_BYTES = 268_435_456
"""Of an analyst's answer."""
IGNORED_SETTINGS = frozenset({"enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "async_insert"})
"""Settings of the HTTP layer itself, and async_insert: an insert here is always on disk when it is answered."""


class Answer(NamedTuple):
    output: Output
    format: str


class _Leased:
    """A connection for one request."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.clean = False
        """Whether it is as it was before the request."""


class _Session:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.expires = 0.0


class Runner:
    """Runs requests on the engine as the user they come from."""

    def __init__(self, engine: Engine, users: Users, database: str, room: Room) -> None:
        self._engine = engine
        self._users = users
        self._room = room
        self._database = database
        with_own = engine.connect()
        self._guard = Guard(with_own, database)
        with_own.close()
        self._ready = Ready(MAX_READY)
        self._sessions: OrderedDict[tuple[str, str], _Session] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """No request runs any more."""
        self._ready.close()
        for session in self._sessions.values():
            session.connection.close()
        self._sessions.clear()

    def user_of(self, request: Request) -> User:
        return self._users.authenticated(*request.credentials)

    def run(self, request: Request, user: User) -> Answer:
        """Run the request's statement. Raise WarehouseError, or RuntimeError with the engine's text."""
        with self._leased(request, user) as leased:
            connection = leased.connection
            insert = None if user.reads_only else split_insert(request.statement)
            if insert is not None:
                self._room.check()
            if insert is not None and insert.data_from < len(request.statement):
                if request.read_only_method:
                    raise WarehouseError("READONLY", "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly")
                input_format = insert.format or request.default_format or "TabSeparated"
                self._guard.check(connection, user, f"{insert.statement} FORMAT {input_format}", request.parameters)
                data = request.statement[insert.data_from :]
                output = connection.insert(insert.statement, input_format, data)
                leased.clean = True
                return Answer(output, input_format)
            sql = request.statement.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode().strip().rstrip(";").rstrip()
            if not sql:
                raise WarehouseError("SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query): Empty query")
            if insert is not None and insert.format:
                return Answer(Output(b""), insert.format)  # an INSERT without a row is none
            if user.reads_only:
                sql = public_statement(sql)
            kind = self._guard.check(connection, user, sql, request.parameters)
            bare, own_format = split_format(sql)
            answered = own_format or request.default_format or "TabSeparated"
            if user.reads_only:
                return Answer(self._bounded(connection, bare, answered, request.parameters), answered)
            output = connection.query(sql, answered, request.parameters)
            leased.clean = kind == READING
            return Answer(output, answered)

    def _bounded(self, connection: Connection, bare: str, answered: str, parameters: Mapping[str, str]) -> Output:
        """A query whose answer stays within the limits: the engine counts the memory of every format but those of UNCOUNTED (a constant
        column of a few bytes becomes gigabytes there), so those are made from a counted one."""
        if answered not in UNCOUNTED:
            output = connection.query(bare, answered, parameters)
        else:
            output = connection.query(bare, COUNTED, parameters)
            if len(output.body) <= MOST_ANSWER_BYTES:
                output = output._replace(body=self._engine.converted(output.body, COUNTED, answered))
        if len(output.body) > MOST_ANSWER_BYTES:
            raise WarehouseError("TOO_MANY_ROWS_OR_BYTES", f"Limit for result exceeded, max bytes: {MOST_ANSWER_BYTES}: ask for less, or in parts")
        return output

    @contextmanager
    def _leased(self, request: Request, user: User) -> Iterator[_Leased]:
        if request.session_id is None or user.reads_only:  # what an analyst sets must not stay, so there is neither a session to keep nor a connection
            prepared = (request.database, request.read_only_method, tuple(sorted(request.settings.items())))
            ready = None if user.reads_only else self._ready.take(prepared)
            leased = _Leased(ready or self._engine.connect())
            try:
                if ready is None:
                    self._prepare(leased.connection, request, user)
                yield leased
            finally:
                if leased.clean and not user.reads_only:
                    self._ready.give(prepared, leased.connection)
                else:
                    leased.connection.close()
            return
        session, fresh = self._session((user.name, request.session_id), request)
        if not session.lock.acquire(blocking=False):
            raise WarehouseError("SESSION_IS_LOCKED", f"Session {request.session_id} is locked by a concurrent client")
        try:
            self._prepare(session.connection, request, user, use_default=fresh)
            yield _Leased(session.connection)
        finally:
            session.expires = time.monotonic() + request.session_timeout_s
            session.lock.release()

    def _prepare(self, connection: Connection, request: Request, user: User, *, use_default: bool = True) -> None:
        database = request.database
        if user.reads_only and database in ("default", "__default__"):
            database = None
        if database is not None or use_default:
            connection.use(database or self._database)
        if user.reads_only and database not in (None, self._database):
            raise WarehouseError("ACCESS_DENIED", f"{user.name}: Not enough privileges: there is nothing to read in the database {database}")
        settings = {name: value for name, value in request.settings.items() if name not in IGNORED_SETTINGS}
        if user.reads_only:
            refused = sorted(name for name in settings if not name.startswith(("output_format_", "format_csv_", "format_tsv_")))
            if refused and set(refused) - HARMLESS_SETTINGS:
                raise WarehouseError("READONLY", f"Cannot modify '{refused[0]}' setting in readonly mode")
            connection.set({name: value for name, value in settings.items() if name not in refused})
            connection.set(LIMITS)
            connection.set({"readonly": "1"})
            return
        connection.set(settings)
        if request.read_only_method and request.session_id is None:
            connection.set({"readonly": "2"})

    def _session(self, key: tuple[str, str], request: Request) -> tuple[_Session, bool]:
        now = time.monotonic()
        with self._lock:
            for old in [k for k, s in self._sessions.items() if s.expires < now and s.expires and not s.lock.locked()]:
                self._sessions.pop(old).connection.close()
            session = self._sessions.get(key)
            if session is not None:
                self._sessions.move_to_end(key)
                return session, False
            if request.session_must_exist:
                raise WarehouseError("SESSION_NOT_FOUND", f"Session {request.session_id} not found")
            while len(self._sessions) >= MAX_SESSIONS:
                idle = next((k for k, s in self._sessions.items() if not s.lock.locked()), None)
                if idle is None:
                    raise WarehouseError("TOO_MANY_SIMULTANEOUS_QUERIES", f"All {MAX_SESSIONS} sessions are busy: try again later")
                self._sessions.pop(idle).connection.close()
            session = self._sessions[key] = _Session(self._engine.connect())
            return session, True


HARMLESS_SETTINGS = frozenset(
    """max_result_rows max_block_size max_execution_time max_threads result_overflow_mode extremes log_queries
    cancel_http_readonly_queries_on_client_close date_time_output_format date_time_input_format join_use_nulls
    session_timezone readonly use_query_cache format_binary_max_string_size max_query_size""".split()
)
"""Settings that tools send without being asked; for the analyst they are taken and change nothing."""
