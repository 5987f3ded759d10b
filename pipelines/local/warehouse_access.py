"""Who may ask what.

Two users, as on a server: `default`, who owns the tables, and `analyst`, who reads. The engine that is embedded here has no CREATE USER, so
fences stand one behind the other; the first is for everybody, because nobody needs to leave the database through it:

1. The statement's tree, by the engine's own parser (`EXPLAIN AST`): no function, table function, table engine or path that reaches
   out of the database (file, url, executable, remote, …). For the analyst only functions, tables and kinds of statement that are listed.
   The tree is judged and not the text, so comments, quoting, nesting and odd spaces make no difference.
2. The class of the statement, by the same parser: one statement; for the analyst one that only reads, without INTO OUTFILE.
3. The analyst's connection: limits of time and memory, then `readonly = 1`, which the engine lets nobody take back.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from pipelines.local.warehouse_engine import Connection
from pipelines.local.warehouse_errors import WarehouseError
from pipelines.local.warehouse_sql import tokens


class User(NamedTuple):
    name: str
    password: str
    reads_only: bool


LIMITS = {
    "max_execution_time": "30",
    "timeout_overflow_mode": "throw",
    "max_memory_usage": "1500000000",
    "max_threads": "1",
    "max_bytes_before_external_group_by": "500000000",
    "max_bytes_before_external_sort": "500000000",
}
"""A question of an analyst must not hold up the inserts: 30 s, 1.5 GB, one core, 256 MB of answer."""

TABLE_FUNCTIONS = frozenset({"numbers", "numbers_mt", "generate_series", "generateseries", "values", "view", "null"})

FORBIDDEN_FUNCTIONS = frozenset({"file", "catboostevaluate", "evalmlmethod", "structuretocapnprotoschema", "structuretoprotobufschema"})
"""Functions that reach the disk; refused to everybody, also as a name that is handed to another function (`arrayMap(file, …)`)."""

HIDDEN_FUNCTIONS = frozenset(
    """getserversetting getserverport getmergetreesetting getmacro addresstoline addresstolinewithinlines addresstosymbol demangle logtrace tid
    mergetreepartinfo showcertificate sleep sleepeachrow connectionid tcpport filesystemavailable filesystemcapacity filesystemunreserved
    getoskernelversion buildid serveruuid zookeepersessionuptime joinget joingetornull currenthandler getclienthttpheader""".split()
)
"""Refused to the analyst: they tell of the machine, or hold a thread."""

HIDDEN_CATEGORIES = ("AI", "Dictionary", "Embedded Dictionary", "Introspection", "Machine Learning")

SYNTAX_FUNCTIONS = frozenset({"lambda", "cast", "_cast", "exists", "untuple", "grouping", "interval"})
"""What the tree calls a function although it is syntax."""

FUNCTIONS = """
SELECT lower(f.name), f.is_aggregate, if(f.alias_to = '', f.categories, t.categories)
FROM system.functions AS f LEFT JOIN (SELECT lower(name) AS name, any(categories) AS categories FROM system.functions GROUP BY 1) AS t
ON lower(f.alias_to) = t.name WHERE f.origin = 'System'"""

ENGINES = re.compile(
    r"(?:(?:Replacing|Summing|Aggregating|Collapsing|VersionedCollapsing|Coalescing)?MergeTree|Memory|Null|Set|Join|Log|TinyLog|StripeLog|Atomic)\Z"
)
REFUSED_STATEMENTS = ("BackupQuery", "AttachQuery", "SYSTEM query", "CreateNamedCollection", "AlterNamedCollection", "ExecuteAs", "CreateResource")
REFUSED_NODES = re.compile(r"^ *(FunctionWithKeyValueArguments|Dictionary definition|ColumnsApplyTransformer)", re.MULTILINE)
READING_STATEMENTS = (
    "SelectWithUnionQuery",
    "SelectIntersectExceptQuery",
    "Explain",
    "DescribeQuery",
    "DescribeCacheQuery",
    "ShowTables",
    "ShowColumns",
    "ShowIndexes",
    "ShowFunctions",
    "ShowSettings",
    "ShowCreate",
    "Exists",
)
SYSTEM_TABLES = frozenset(
    """one numbers numbers_mt columns databases functions settings data_type_families formats table_functions table_engines keywords
    completions collations time_zones aggregate_function_combinators contributors licenses""".split()
)
PUBLIC_TABLES = "taximeter_public"
"""Database of what an analyst gets in place of tables of `system` that tell too much (paths on the disk)."""

REMEMBERED = 500
REMEMBERED_LENGTH = 20_000
"""Statements that were judged, and how long one may be to be kept."""

NODE = re.compile(r"^ *(Function|TableIdentifier|Identifier) ([^ \n]+)", re.MULTILINE)
STORAGE = re.compile(r"^ *Storage definition[^\n]*\n *(Function )?([^ \n]+)", re.MULTILINE)
INFILE = re.compile(r"\AInsertQuery[^\n]*\n Literal ")


class Users:
    """The users and their passwords."""

    def __init__(self, users: Iterable[User]) -> None:
        self._users = {user.name: user for user in users}

    def authenticated(self, name: str, password: str) -> User:
        """Raise AUTHENTICATION_FAILED for a wrong name or password, which are not told apart."""
        user = self._users.get(name)
        if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
            raise WarehouseError(
                "AUTHENTICATION_FAILED",
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name. "
                f"Users here are {' and '.join(sorted(self._users))}",
            )
        return user


class Guard:
    """Judges statements before they run."""

    def __init__(self, connection: Connection, database: str) -> None:
        self._database = database
        self._judged: dict[tuple[bool, str], str] = {}
        known = connection.query("SELECT lower(name) FROM system.table_functions").body.decode().split()
        rows = connection.query(FUNCTIONS).body.decode()
        functions = [row.split("\t") for row in rows.splitlines()]
        remote = {name for name, _, category in functions if category == "AI"}
        hidden = {name for name, _, category in functions if category in HIDDEN_CATEGORIES}
        self._leaving = (set(known) - TABLE_FUNCTIONS - {"format"}) | FORBIDDEN_FUNCTIONS | remote
        self._functions = frozenset({name for name, _, _ in functions} - self._leaving - HIDDEN_FUNCTIONS - hidden | SYNTAX_FUNCTIONS)
        self._aggregates = frozenset(name for name, aggregate, _ in functions if aggregate == "1")
        combinators = connection.query("SELECT lower(name) FROM system.aggregate_function_combinators").body.decode().split()
        self._combinators = tuple(combinators)

    def check(self, connection: Connection, user: User, sql: str, parameters: Mapping[str, str]) -> str:
        """Its class by the engine's own parser. Raise ACCESS_DENIED with the reason, or the engine's own error when the statement is not one.

        Programs send the same statements again and again, with other parameters: a judged one is not taken apart again. (A parameter that is an
        identifier says what the statement reaches, so those are judged each time.)
        """
        same = (user.reads_only, sql)
        known = self._judged.get(same)
        if known is not None:
            return known
        kind = self._judge(connection, user, sql, parameters)
        if len(sql) <= REMEMBERED_LENGTH and "identifier" not in sql.lower():
            if len(self._judged) >= REMEMBERED:
                self._judged.clear()
            self._judged[same] = kind
        return kind

    def _judge(self, connection: Connection, user: User, sql: str, parameters: Mapping[str, str]) -> str:
        kind, statements = connection.kind(sql)
        if statements > 1:
            raise WarehouseError("SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed): send one statement in a request")
        first = next((token.text.upper() for token in tokens(sql)), "")
        if first in ("SET", "USE") and not user.reads_only:
            return kind
        if user.reads_only and kind != "READ_ONLY":
            raise _denied(user, f"this statement is not one that only reads ({first or 'empty'})")
        tree = connection.query(f"EXPLAIN AST {sql}", "TSVRaw", parameters).body.decode("utf-8", "replace")
        self._check_reach(user, sql, tree)
        if user.reads_only:
            self._check_reading(user, tree)
        return kind

    def _check_reach(self, user: User, sql: str, tree: str) -> None:
        """What nobody may do."""
        if tree.startswith(REFUSED_STATEMENTS) or INFILE.match(tree):
            raise _denied(user, "this kind of statement is not available here")
        refused = REFUSED_NODES.search(tree)
        if refused:
            raise _denied(user, f"{refused.group(1)} is not available here")
        for engine in STORAGE.finditer(tree):
            if engine.group(1) and not ENGINES.match(engine.group(2)):
                raise _denied(user, f"the engine {engine.group(2)} reaches out of the database")
        for kind, name in NODE.findall(tree):
            if kind == "Function" and name.lower() in self._leaving and not ENGINES.match(name):
                raise _denied(user, f"the function {name} reaches out of the database")
            if kind != "Function" and ("/" in name or name.lower() in FORBIDDEN_FUNCTIONS):
                raise _denied(user, f"{name} reaches out of the database")
        words = list(tokens(sql))
        for word, after in pairwise(words):
            if word.kind in ("word", "quoted") and word.text.strip('`"').lower() in ("disk", "infile", "outfile") and after.text in ("(", "="):
                raise _denied(user, f"{word.text} reaches out of the database")
            if word.text.upper() == "OUTFILE" and after.kind == "string":
                raise _denied(user, "INTO OUTFILE reaches out of the database")

    def _check_reading(self, user: User, tree: str) -> None:
        """What an analyst may do: listed statements, functions and tables."""
        if not tree.startswith(READING_STATEMENTS):
            raise _denied(user, f"the statement {tree.split(maxsplit=1)[0]} is not one that only reads")
        for kind, name in NODE.findall(tree):
            if kind == "Function" and not self._is_allowed(name.lower()):
                raise _denied(user, f"the function {name} is not on the list for those who only read")
            if kind == "Identifier" and name.lower() in HIDDEN_FUNCTIONS:
                raise _denied(user, f"{name} is not on the list for those who only read")
            if "." in name and kind != "Function":
                self._check_table(user, kind, name)

    def _check_table(self, user: User, kind: str, name: str) -> None:
        database, _, table = name.partition(".")
        if database.lower() == "system" and table.partition(".")[0] not in SYSTEM_TABLES:
            raise _denied(user, f"the table {name} is not on the list for those who only read")
        known = (self._database, "system", PUBLIC_TABLES)
        if kind == "TableIdentifier" and database not in known and database.lower() != "information_schema":
            raise _denied(user, f"there is nothing to read in the database {database}")

    def _is_allowed(self, name: str) -> bool:
        if name in self._functions or name in TABLE_FUNCTIONS:
            return True
        while True:
            ending = next((c for c in self._combinators if name.endswith(c) and len(name) > len(c)), None)
            if ending is None:
                return False
            name = name[: -len(ending)]
            if name in self._aggregates:
                return True


def public_statement(sql: str) -> str:
    """`system.tables` is replaced by the view without paths, so that tools which list tables work for the analyst."""
    found = list(tokens(sql))
    out = []
    position = 0
    for first, dot, second in zip(found, found[1:], found[2:], strict=False):
        names = (first.text.strip('`"').lower(), dot.text, second.text.strip('`"').lower())
        if names == ("system", ".", "tables"):
            out.append(sql[position : first.start] + f"{PUBLIC_TABLES}.tables")
            position = second.end
    return "".join(out) + sql[position:]


def _denied(user: User, reason: str) -> WarehouseError:
    return WarehouseError("ACCESS_DENIED", f"{user.name}: Not enough privileges: {reason}")
