"""The analyst reads the warehouse and reaches nothing else: by kind of statement, function, table function, path, system table, setting."""

from pathlib import Path

import clickhouse_connect
import psutil
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from pipelines.local.warehouse_child import WarehouseChild

SECRET = "the secret of this machine"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text(SECRET)
    return path


@pytest.fixture
def analyst(warehouse: WarehouseChild) -> Client:
    host, port = warehouse.url.removeprefix("http://").split(":")
    return clickhouse_connect.get_client(host=host, port=int(port), username="analyst")


@pytest.fixture(params=["analyst", "default"])
def anybody(request: pytest.FixtureRequest, warehouse: WarehouseChild) -> Client:
    host, port = warehouse.url.removeprefix("http://").split(":")
    return clickhouse_connect.get_client(host=host, port=int(port), username=request.param, database="taximeter")


READING_THE_DISK = [
    "SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT file('{path}')",
    "select FiLe('{path}')",
    "SELECT `file`('{path}')",
    'SELECT "file"(\'{path}\')',
    "SELECT file/**/('{path}')",
    "SELECT file -- x\n ('{path}')",
    "SELECT /* ' */ file('{path}') /* ' */",
    "SELECT * APPLY(file) FROM (SELECT '{path}' AS a)",
    "SELECT * APPLY file FROM (SELECT '{path}' AS a)",
    "SELECT COLUMNS('.*') APPLY(x -> file(x)) FROM (SELECT '{path}' AS a)",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT arrayMap(`file`, ['{path}'])",
    "SELECT arrayMap(x -> file(x), ['{path}'])",
    "WITH file AS f SELECT arrayMap(f, ['{path}'])",
    "WITH (x -> file(x)) AS f SELECT f('{path}')",
    "WITH x AS (SELECT * FROM file('{path}', 'LineAsString')) SELECT * FROM x",
    "SELECT * FROM (SELECT * FROM (SELECT * FROM file('{path}', 'LineAsString')))",
    "SELECT (SELECT * FROM file('{path}', 'LineAsString'))",
    "SELECT 1 IN (SELECT * FROM file('{path}', 'LineAsString'))",
    "SELECT 1 UNION ALL SELECT file('{path}')",
    "(SELECT file('{path}'))",
    "SELECT 1 EXCEPT SELECT file('{path}')",
    "SELECT * FROM view(SELECT file('{path}'))",
    "SELECT * FROM '{path}'",
    "SELECT * FROM `{path}`",
    'SELECT * FROM "{path}"',
    "SELECT * FROM default.`{path}`",
    "SELECT * FROM `default`.\"{path}\"",
    "SELECT 1 WHERE 'a' IN default.`{path}`",
    "DESCRIBE TABLE file('{path}')",
    "DESCRIBE file('{path}')",
    "EXPLAIN SELECT file('{path}')",
    "EXPLAIN PLAN SELECT * FROM file('{path}', 'LineAsString')",
    "EXPLAIN TABLE OVERRIDE file('{path}') COLUMNS (a String)",
    "SELECT * FROM fileCluster('default', '{path}', 'LineAsString')",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM sqlite('{path}', 't')",
    "SELECT * FROM icebergLocal('{path}')",
    "SELECT * FROM deltaLakeLocal('{path}')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM mergeTreeIndex('taximeter', file('{path}'))",
    "SELECT sumIf(1, file('{path}') != '')",
    "SELECT count() FROM invoices WHERE customer = file('{path}')",
    "SELECT 1 ORDER BY file('{path}')",
    "SELECT 1 LIMIT length(file('{path}'))",
    "SELECT 1 HAVING file('{path}') != ''",
    "SELECT sum(1) OVER (PARTITION BY file('{path}'))",
    "SELECT 1 FROM numbers(1) ARRAY JOIN [file('{path}')] AS x",
    "SELECT 1 FROM numbers(1) AS a JOIN file('{path}', 'LineAsString') AS b ON 1 = 1",
    "SELECT CASE WHEN file('{path}') = '' THEN 1 END",
    "SELECT catboostEvaluate('{path}', 1)",
    "SELECT file($$ {path} $$)",
    "SELECT\u00a0file('{path}')",
    "SELECT file\u2003('{path}')",
    "\ufeffSELECT file('{path}')",
    "SELECT \u2018x\u2019, file('{path}')",
    "SELECT 'a' AS `b\nFunction plus`, file('{path}')",
]

LEAVING = [
    "SELECT * FROM url('http://127.0.0.1:1/x', CSV, 'a String')",
    "SELECT * FROM urlCluster('default', 'http://127.0.0.1:1/x', CSV, 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/x.csv')",
    "SELECT * FROM gcs('http://127.0.0.1:1/x.csv')",
    "SELECT * FROM s3Cluster('default', 'http://127.0.0.1:1/x.csv')",
    "SELECT * FROM azureBlobStorage('x', 'y', 'z')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a Int8')",
    "SELECT * FROM iceberg('http://127.0.0.1:1/x')",
    "SELECT * FROM deltaLake('http://127.0.0.1:1/x')",
    "SELECT * FROM hudi('http://127.0.0.1:1/x')",
    "SELECT * FROM remote('127.0.0.1:1', 'system.one')",
    "SELECT * FROM remoteSecure('127.0.0.1:1', 'system.one')",
    "SELECT * FROM cluster('default', 'system.one')",
    "SELECT * FROM clusterAllReplicas('default', 'system.one')",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'd', 'c', 'u', 'p', 'a Int8')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
    "SELECT * FROM odbc('DSN=x', 'a', 'b')",
    "SELECT * FROM jdbc('x', 'y')",
    "SELECT * FROM ytsaurus('http://127.0.0.1:1', '/x', 'y', 'a Int8')",
    "SELECT * FROM arrowFlight('127.0.0.1:1', 'x')",
    "SELECT * FROM executable('id', TSV, 'a String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM Python('x')",
    "SELECT aiGenerate('x')",
    "SELECT * FROM dictionary('x')",
    "CREATE TABLE x (a String) ENGINE = File(CSV, '/tmp/x.csv')",
    "CREATE TABLE x (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)",
    "CREATE TABLE x (a String) ENGINE = Executable('id', TSV)",
    "CREATE TABLE x (a String) ENGINE = MySQL('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "CREATE TABLE x (a String) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'CSV')",
    "CREATE TABLE x (a String) ENGINE = EmbeddedRocksDB(0, '/tmp/x') PRIMARY KEY a",
    "CREATE TABLE x (a String) ENGINE = Distributed('default', 'system', 'one')",
    "CREATE TABLE x (a String DEFAULT file('/etc/passwd')) ENGINE = Memory",
    "CREATE TABLE x (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'local', path = '/tmp/x/')",
    "CREATE DATABASE x ENGINE = Filesystem('/')",
    "CREATE DATABASE x ENGINE = MySQL('127.0.0.1:1', 'd', 'u', 'p')",
    "CREATE VIEW x AS SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "CREATE FUNCTION f AS x -> file(x)",
    "CREATE DICTIONARY d (a Int64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'TSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE NAMED COLLECTION n AS url = 'http://127.0.0.1:1'",
    "ATTACH TABLE x FROM '/etc' (a Int8) ENGINE = File(TSV)",
    "INSERT INTO FUNCTION file('/tmp/taximeter-leak.csv') SELECT 1",
    "INSERT INTO FUNCTION url('http://127.0.0.1:1/') SELECT 1",
    "INSERT INTO invoices FROM INFILE '/etc/passwd' FORMAT TSV",
    "SELECT 1 INTO OUTFILE '/tmp/taximeter-leak.csv'",
    "SELECT 1 INTO OUTFILE '/tmp/taximeter-leak.csv' TRUNCATE FORMAT CSV",
    "EXPLAIN SELECT 1 INTO OUTFILE '/tmp/taximeter-leak.csv'",
    "SHOW TABLES INTO OUTFILE '/tmp/taximeter-leak.csv'",
    "BACKUP TABLE invoices TO File('/tmp/taximeter-leak')",
    "RESTORE TABLE x FROM File('/tmp/taximeter-leak')",
    "SYSTEM SHUTDOWN",
    "SYSTEM RELOAD CONFIG",
    "SYSTEM FLUSH LOGS",
    "SELECT 1; SELECT file('/etc/passwd')",
]

CHANGING = [
    "INSERT INTO invoice_revisions (customer) VALUES ('x')",
    "INSERT INTO invoice_revisions (customer) SELECT 'x'",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "CREATE VIEW x AS SELECT 1",
    "CREATE OR REPLACE VIEW invoices AS SELECT 1",
    "DROP TABLE invoice_revisions",
    "DROP VIEW invoices",
    "TRUNCATE TABLE invoice_revisions",
    "ALTER TABLE invoice_revisions DELETE WHERE 1",
    "ALTER TABLE invoice_revisions DROP COLUMN total",
    "DELETE FROM invoice_revisions WHERE 1",
    "OPTIMIZE TABLE invoice_revisions FINAL",
    "RENAME TABLE invoice_revisions TO gone",
    "DETACH TABLE invoice_revisions",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_memory_usage = 0",
    "USE system",
    "GRANT ALL ON *.* TO analyst",
    "CREATE USER x",
    "EXECUTE AS default SELECT 1",
    "BEGIN TRANSACTION",
    "/* SELECT */ DROP TABLE invoice_revisions",
    "WITH 1 AS x INSERT INTO invoice_revisions (customer) SELECT toString(x)",
    "EXPLAIN ANALYZE DROP TABLE invoice_revisions",
]

TELLING = [
    "SELECT * FROM system.disks",
    "SELECT * FROM `system`.`disks`",
    "SELECT * FROM system.processes",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.parts",
    "SELECT * FROM system.user_processes",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.named_collections",
    "SELECT * FROM system.macros",
    "SELECT * FROM system.clusters",
    "SELECT * FROM system.asynchronous_metrics",
    "SELECT * FROM system.stack_trace",
    "SELECT * FROM system.environment",
    "SELECT * FROM system.users",
    "SELECT 1 WHERE 'a' IN system.disks",
    "SELECT * FROM {t:Identifier}.disks",
    "SELECT data_paths FROM system.tables",
    "SELECT metadata_path FROM system.tables",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW CREATE USER default",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT sleep(3)",
    "SELECT getServerPort('http_port')",
    "SELECT arrayMap(sleep, [1])",
]


@pytest.mark.parametrize("statement", READING_THE_DISK)
def test_nobody_reads_the_disk(anybody: Client, secret: Path, statement: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        print(anybody.raw_query(statement.replace("{path}", str(secret))))

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("statement", LEAVING)
def test_nobody_leaves_the_database(anybody: Client, statement: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        anybody.raw_query(statement)

    assert caught.value.code in (497, 62, 46, 60, 164, 48)
    assert not list(Path("/tmp").glob("taximeter-leak*"))


@pytest.mark.parametrize("statement", CHANGING)
def test_an_analyst_changes_nothing(analyst: Client, client: Client, statement: str) -> None:
    with pytest.raises(DatabaseError):
        analyst.raw_query(statement)

    assert client.command("SELECT count() FROM invoices") is not None
    assert client.command("SELECT count() FROM invoice_revisions WHERE customer = 'x'") == 0


@pytest.mark.parametrize("statement", TELLING)
def test_an_analyst_learns_nothing_of_the_machine(analyst: Client, statement: str) -> None:
    with pytest.raises(DatabaseError):
        analyst.raw_query(statement, parameters={"t": "system"})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count() FROM invoices",
        "SELECT count() FROM taximeter.invoice_lines WHERE customer = 'file(x)'",
        "WITH l AS (SELECT * FROM invoice_lines) SELECT product, sum(amount) FROM l GROUP BY product WITH TOTALS",
        "SELECT sumIf(amount, kind = 'usage'), quantileExactIf(0.5)(amount, 1), argMax(id, amount), groupArrayMap(map('a', 1)) FROM invoice_lines",
        "SELECT arrayMap(x -> x + 1, [1, 2]), toStartOfMonth(now()), JSONExtractString('{}', 'a'), dateDiff('day', now(), now())",
        "SELECT row_number() OVER (PARTITION BY customer ORDER BY total) FROM invoices",
        "SELECT i.id FROM invoices AS i LEFT JOIN invoice_lines AS l ON l.invoice = i.id",
        "SELECT name FROM system.tables WHERE database = 'taximeter'",
        "SELECT name, comment FROM system.columns WHERE table = 'invoices'",
        "SELECT table_name FROM information_schema.tables",
        "SELECT count() FROM numbers(10)",
        "SHOW TABLES",
        "SHOW DATABASES",
        "SHOW CREATE TABLE invoices",
        "SHOW COLUMNS FROM invoices",
        "DESCRIBE TABLE invoices",
        "EXISTS TABLE invoices",
        "EXPLAIN SELECT * FROM invoices",
        "SELECT 1 FORMAT JSON",
        "SELECT group['region'] FROM invoice_lines",
        "SELECT now(), version(), currentDatabase(), hostName()",
    ],
)
def test_an_analyst_asks_what_analysts_ask(analyst: Client, statement: str) -> None:
    analyst.raw_query(statement)


@pytest.mark.long
def test_a_long_question_is_ended_and_inserts_go_on(analyst: Client, client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        analyst.query("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1")

    assert caught.value.code in (159, 160)


def test_a_huge_answer_is_refused(analyst: Client, warehouse: WarehouseChild) -> None:
    before = psutil.Process(warehouse.pid).memory_info().rss
    for form in ("Native", "JSON", "TSV", "RowBinary", "CSV"):
        with pytest.raises(DatabaseError) as caught:
            analyst.raw_query("SELECT repeat('x', 10000) FROM numbers(100000000)", fmt=form)

        assert caught.value.code in (396, 241)
    assert psutil.Process(warehouse.pid).memory_info().rss - before < 2.5e9


def test_analysts_answers_are_the_owners_answers(analyst: Client, client: Client) -> None:
    asked = """SELECT 1 AS a, toLowCardinality('x') AS b, toNullable(3) AS c, null AS d, map('a', 1) AS m, tuple(1, 'z')::Tuple(x Int8, y String) AS t,
        [1, 2] AS ar, toDateTime64('2025-10-01 00:00:00.123', 3, 'UTC') AS dt, toDecimal128('1.5', 6) AS de, toFixedString('abc', 4) AS fs,
        true AS bo, 'a'::Enum8('a' = 1) AS en, toDecimal256('1.00000000000000000001', 20) AS dd, 1 AS `a b"c` FROM numbers(1000)"""

    assert analyst.raw_query(asked, fmt="Native") == client.raw_query(asked, fmt="Native")
    assert analyst.query(f"{asked} WHERE number < 0").result_rows == []


def test_a_wrong_password_is_refused(warehouse: WarehouseChild) -> None:
    host, port = warehouse.url.removeprefix("http://").split(":")
    for user, password in [("analyst", "wrong"), ("default", "wrong"), ("nobody", "")]:
        with pytest.raises(DatabaseError) as caught:
            clickhouse_connect.get_client(host=host, port=int(port), username=user, password=password)
        assert caught.value.code == 516
