"""What any ClickHouse that Taximeter runs on must do, asked through clickhouse-connect: run against the embedded one and against a container.

Fixtures of whoever runs it: `address` (url of `default`, with the migrations applied) and `client` (clickhouse-connect, on it).
"""

import datetime as dt
import ipaddress
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from pipelines.warehouse.migrations import migrate, migrations

COLUMNS = {
    "a": ("Int64", -(2**63)),
    "b": ("String", "it's\tä\n\\ \x00"),
    "c": ("Decimal(38, 6)", Decimal("-12345678901234567890.123456")),
    "d": ("DateTime64(3, 'UTC')", dt.datetime(2025, 10, 1, 12, 0, 0, 123000)),  # noqa: DTZ001 - the client gives UTC as naive
    "e": ("Array(String)", ["x", "y'", ""]),
    "f": ("Map(LowCardinality(String), String)", {"k": "v", "region": "eu"}),
    "g": ("Nullable(String)", None),
    "h": ("Bool", True),
    "i": ("UUID", uuid.UUID(int=5)),
    "j": ("LowCardinality(Nullable(String))", "low"),
    "k": ("Float64", 1.5),
    "l": ("Array(Tuple(at Int64, id String, value String))", [{"at": 1, "id": "z", "value": "2"}]),
    "m": ("Date", dt.date(2025, 1, 1)),
    "n": ("IPv4", ipaddress.IPv4Address("1.2.3.4")),
    "o": ("FixedString(4)", b"abcd"),
    "p": ("Enum8('x' = 1, 'y' = 2)", "y"),
    "q": ("Decimal(76, 20)", Decimal("1.00000000000000000001")),
    "r": ("UInt256", 2**255),
}


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    """A fresh table's name; dropped afterwards."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield name
    client.command(f"DROP TABLE IF EXISTS {name}")


def create(client: Client, name: str, columns: str = "a Int64, b String") -> None:
    client.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")


def test_every_type_comes_back_as_it_went_in(client: Client, table: str) -> None:
    create(client, table, ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items()))
    row = [value for _, value in COLUMNS.values()]

    client.insert(table, [row, row], column_names=list(COLUMNS))

    back = client.query(f"SELECT * FROM {table}")
    assert back.column_names == tuple(COLUMNS)
    assert list(back.result_rows[0]) == row
    assert len(back.result_rows) == 2


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_compressed_inserts_and_answers(address: str, client: Client, table: str, compression: str | bool) -> None:
    import clickhouse_connect

    create(client, table)
    compressing = clickhouse_connect.get_client(dsn=address, compress=compression)
    rows = [(number, f"text {number}") for number in range(50_000)]

    summary = compressing.insert(table, rows, column_names=["a", "b"])

    assert summary.written_rows == len(rows)
    assert compressing.query(f"SELECT a, b FROM {table} ORDER BY a").result_rows == rows


def test_bound_parameters_keep_their_types(client: Client) -> None:
    parameters = {"x": 5, "s": "q'\t\n\\ü", "a": ["it's", "b"], "n": None, "d": Decimal("1.500000")}
    asked = "SELECT {x:Int64} x, {s:String} s, {a:Array(String)} a, {n:Nullable(String)} n, {d:Decimal(38, 6)} d"

    assert client.query(asked, parameters=parameters).result_rows == [(5, "q'\t\n\\ü", ["it's", "b"], None, Decimal("1.500000"))]


def test_parameters_do_not_inject(client: Client) -> None:
    hostile = "x'; DROP TABLE invoice_revisions; --"

    assert client.query("SELECT {s:String}", parameters={"s": hostile}).result_rows == [(hostile,)]
    assert client.command("EXISTS TABLE invoice_revisions") == 1


@pytest.mark.parametrize(
    ("statement", "code", "name"),
    [
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("SELECT nope", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nope", 60, "UNKNOWN_TABLE"),
        ("SELECT nope(1)", 46, "UNKNOWN_FUNCTION"),
        ("SELECT 1 SETTINGS nope = 1", 115, "UNKNOWN_SETTING"),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR"),
    ],
)
def test_errors_have_clickhouses_codes(client: Client, statement: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(statement)

    assert (caught.value.code, caught.value.name) == (code, name)


def test_answers_as_frames_and_arrow(client: Client) -> None:
    asked = "SELECT number AS n, toString(number) AS s FROM numbers(3)"

    assert client.query_df(asked)["s"].tolist() == ["0", "1", "2"]
    assert client.query_arrow(asked).column("n").to_pylist() == [0, 1, 2]
    assert client.raw_query(asked, fmt="CSV") == b'0,"0"\n1,"1"\n2,"2"\n'


def test_large_answers_stream(client: Client) -> None:
    with client.query_rows_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum(row[0] for row in stream) == 299_999 * 150_000


def test_empty_answers_have_columns(client: Client) -> None:
    assert client.query("SELECT 1 AS one LIMIT 0").column_names == ("one",)
    assert client.query("SELECT 1 AS one WHERE 0").result_rows == []


def test_inserts_in_text_formats_and_from_a_query(client: Client, table: str) -> None:
    create(client, table)

    client.raw_insert(table, ["a", "b"], "1\tone\n", fmt="TSV")
    client.raw_insert(table, ["a", "b"], b'{"a": 2, "b": "two"}\n', fmt="JSONEachRow")
    client.command(f"INSERT INTO {table} VALUES (3, 'it''s; -- FORMAT'), (4, 'SELECT')")
    client.command(f"INSERT INTO {table} SELECT a + 10, b FROM {table} WHERE a = 1")

    assert client.query(f"SELECT * FROM {table} ORDER BY a").result_rows == [(1, "one"), (2, "two"), (3, "it's; -- FORMAT"), (4, "SELECT"), (11, "one")]


def test_a_broken_insert_leaves_nothing(client: Client, table: str) -> None:
    create(client, table)

    with pytest.raises(DatabaseError):
        client.raw_insert(table, ["a", "b"], "1\tone\nnot a number\ttwo\n", fmt="TSV")

    assert client.command(f"SELECT count() FROM {table}") == 0


def test_a_session_keeps_its_settings_and_only_its_own(address: str) -> None:
    import clickhouse_connect

    one, other = (clickhouse_connect.get_client(dsn=address, session_id=str(uuid.uuid4())) for _ in range(2))
    one.command("SET max_block_size = 12345")

    assert one.command("SELECT getSetting('max_block_size')") == 12345
    assert other.command("SELECT getSetting('max_block_size')") != 12345


@pytest.mark.parametrize(
    "leaves",
    ("SET max_block_size = 12345", "USE system", "CREATE TEMPORARY TABLE passing (a Int8)", "SELECT 1 SETTINGS max_block_size = 12345", "SELECT wrong"),
)
def test_what_a_request_without_a_session_leaves_is_nothing(client: Client, leaves: str) -> None:
    asked = "SELECT currentDatabase(), toString(getSetting('max_block_size')), {a:String}"
    before = client.query(asked, parameters={"a": "x"}).result_rows
    for _ in range(3):
        try:
            client.raw_query(leaves)
        except DatabaseError:
            assert leaves == "SELECT wrong"
        assert client.query(asked, parameters={"a": "x"}).result_rows == before
    with pytest.raises(DatabaseError, match=r"(?i)passing"):
        client.query("SELECT * FROM passing")
    with pytest.raises(DatabaseError, match="Substitution"):
        client.query("SELECT {a:String}")


def test_migrations_are_applied_once(client: Client) -> None:
    assert migrate(lambda sql: client.raw_query(sql).decode(), client.database or "taximeter") == []
    applied = client.query("SELECT name FROM schema_migrations ORDER BY number").result_rows
    assert [name for (name,) in applied] == [migration.name for migration in migrations()]


def test_views_show_the_highest_revision_and_hide_what_is_deleted(client: Client) -> None:
    customer = f"c-{uuid.uuid4()}"
    at = dt.datetime(2025, 10, 1, tzinfo=dt.UTC)
    names = ["customer", "contract", "id", "kind", "status", "starting_at", "ending_before", "issue_at", "currency", "total", "revision", "recorded_at", "as_of"]

    def revise(identity: str, status: str, total: str, revision: int) -> None:
        client.insert("invoice_revisions", [[customer, "c", identity, "usage", status, at, at, at, "USD", Decimal(total), revision, at, at]], column_names=names)

    revise("i1", "draft", "51000.00", 2**40 + 1)
    revise("i1", "draft", "39100.00", 2**40 + 3)
    revise("i1", "draft", "50000.00", 2**40 + 2)  # late: an owner that was replaced
    revise("i2", "draft", "1.00", 7)
    revise("i2", "deleted", "0", 8)

    rows = client.query("SELECT id, total FROM invoices WHERE customer = {c:String}", parameters={"c": customer}).result_rows
    assert rows == [("i1", Decimal("39100.000000"))]
