"""The ClickHouse HTTP interface over the embedded engine (aiohttp)."""

import asyncio
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from aiohttp import BodyPartReader, web
from multidict import CIMultiDict

from pipelines.local.warehouse_access import User
from pipelines.local.warehouse_engine import Engine
from pipelines.local.warehouse_errors import WarehouseError, described
from pipelines.local.warehouse_framing import ENCODERS, MAX_BODY, blocks_decoded, blocks_encoded, chosen_encoding, decoded
from pipelines.local.warehouse_request import Request, parsed
from pipelines.local.warehouse_run import Answer, Runner

COMPRESS_FROM_BYTES = 1024
WAITING_MOST = 64
"""Requests of one kind of user that may wait; one more is refused, so memory stays bounded."""

CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "TSVWithNames": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
}


class Lane:
    """Threads for one kind of work, with a bounded queue: readers can not take the writers' threads."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"warehouse-{name}")
        self._most = threads + WAITING_MOST
        self._inside = 0
        self._name = name

    async def run(self, work: Callable[[], Answer]) -> Answer:
        if self._inside >= self._most:
            raise WarehouseError(
                "TOO_MANY_SIMULTANEOUS_QUERIES", f"Too many simultaneous queries of {self._name}. Maximum: {self._most}. Try again in a moment"
            )
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._inside -= 1


class Warehouse:
    """The HTTP application. `hosts` are the names under which a browser may reach it (a page of another site must not, by DNS tricks)."""

    def __init__(self, engine: Engine, runner: Runner) -> None:
        self._engine = engine
        self._runner = runner
        self._lanes = {False: Lane("default", 6), True: Lane("analyst", 2)}
        self.queries = 0

    def application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_get("/ping", self.ping)
        application.router.add_get("/replicas_status", self.ping)
        application.router.add_route("OPTIONS", "/", self.options)
        application.router.add_get("/", self.query)
        application.router.add_post("/", self.query)
        application.router.add_get("/query", self.query)
        application.router.add_post("/query", self.query)
        return application

    async def ping(self, _request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n", content_type="text/html", charset="UTF-8")

    async def options(self, _request: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def query(self, http: web.Request) -> web.Response:
        """One statement. Whatever goes wrong comes back as a DB::Exception with its code."""
        self.queries += 1
        query_id = http.query.get("query_id") or str(uuid.uuid4())
        headers: CIMultiDict[str] = CIMultiDict(
            {"X-ClickHouse-Query-Id": query_id, "X-ClickHouse-Server-Display-Name": "taximeter", "X-ClickHouse-Timezone": self._engine.timezone}
        )
        try:
            _refuse_other_sites(http)
            if http.method == "GET" and not http.query and not http.headers.get("Authorization") and not http.can_read_body:
                return await self.ping(http)
            request = await _read(http)
            user = self._runner.user_of(request)
            answer = await self._lanes[user.reads_only].run(lambda: self._runner.run(request, user))
            return await self._respond(http, request, user, answer, headers)
        except (WarehouseError, RuntimeError) as error:
            status, code, text = described(error, self._engine.version)
            headers["X-ClickHouse-Exception-Code"] = str(code)
            if status == HTTPStatus.UNAUTHORIZED:
                headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
            return web.Response(status=status, text=text, headers=headers)

    async def _respond(self, http: web.Request, request: Request, user: User, answer: Answer, headers: CIMultiDict[str]) -> web.Response:
        output = answer.output
        headers["X-ClickHouse-Format"] = answer.format
        headers["X-ClickHouse-User"] = user.name
        headers["X-ClickHouse-Summary"] = json.dumps(
            {
                "read_rows": str(output.read_rows),
                "read_bytes": str(output.read_bytes),
                "written_rows": str(output.written_rows),
                "written_bytes": str(output.written_bytes),
                "total_rows_to_read": str(output.read_rows),
                "result_rows": str(output.written_rows),
                "result_bytes": str(len(output.body)),
                "elapsed_ns": str(output.elapsed_ns),
            }
        )
        headers["Content-Type"] = CONTENT_TYPES.get(answer.format, "text/plain; charset=UTF-8")
        body = output.body
        if request.framed_output:
            headers["Content-Type"] = "application/octet-stream"
            body = await asyncio.to_thread(blocks_encoded, body)
        elif len(body) >= COMPRESS_FROM_BYTES and request.settings.get("enable_http_compression") == "1":
            encoding = chosen_encoding(http.headers.get("Accept-Encoding", ""))
            if encoding is not None:
                headers["Content-Encoding"] = encoding
                body = await asyncio.to_thread(ENCODERS[encoding], body)
        return web.Response(body=body, headers=headers)


async def _read(http: web.Request) -> Request:
    """The request with its body decoded."""
    form: dict[str, str] = {}
    body = b""
    if http.content_type == "multipart/form-data":
        async for part in await http.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            if part.filename:
                raise WarehouseError("NOT_IMPLEMENTED", "External tables (files beside the query) are not available here: insert them into a table")
            form[part.name] = (await part.read(decode=True)).decode()
    else:
        try:
            body = await http.read()
        except web.HTTPRequestEntityTooLarge:
            raise WarehouseError("TOO_LARGE_SIZE_COMPRESSED", f"The body is over {MAX_BODY} bytes: send it in parts") from None
        encoding = http.headers.get("Content-Encoding", "")
        if encoding:
            body = await asyncio.to_thread(decoded, body, encoding)
        if http.query.get("decompress") == "1":
            body = await asyncio.to_thread(blocks_decoded, body)
    return parsed(http.method, http.headers, http.query, form, body)


def _refuse_other_sites(http: web.Request) -> None:
    """A page in the user's browser must not reach a loopback port that asks for no password: neither by its own origin nor by a renamed host."""
    origin = http.headers.get("Origin")
    if origin is not None and origin.split("//")[-1] != http.host:
        raise WarehouseError("ACCESS_DENIED", f"Requests of web pages ({origin}) are refused: use a client, or a proxy of your own")
    if http.headers.get("Sec-Fetch-Site") == "cross-site":
        raise WarehouseError("ACCESS_DENIED", "Requests of web pages are refused: use a client, or a proxy of your own")
