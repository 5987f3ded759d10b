"""Where the words of a ClickHouse statement are: enough to find an INSERT's data and a query's FORMAT.

This is not a parser. What a statement *means* is always asked of the engine (`EXPLAIN AST`, see `warehouse_access`); here we only need
to know which bytes are statement and which are data, and that must follow ClickHouse's own lexer: comments, strings, quoted names.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(
    r"""
    (?P<space>[\s\x00]+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ )
  | (?P<string>'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>`(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*")
  | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)
  | (?P<number>\d[\w.]*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

HEAD_BYTES = 262_144
"""ClickHouse's own max_query_size: a statement (without its data) is not longer."""


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def tokens(sql: str) -> Iterator[Token]:
    """All tokens but white space and comments."""
    for match in TOKEN.finditer(sql):
        kind = match.lastgroup or "other"
        if kind == "tag":
            kind = "heredoc"
        if kind != "space":
            yield Token(kind, match.group(), match.start(), match.end())


class Insert(NamedTuple):
    """An INSERT whose rows come with the request."""

    statement: str
    """Up to but not including `FORMAT x` or the data."""
    format: str
    data_from: int
    """Byte position of the first byte of data."""


def first_word(sql: str) -> str:
    """The statement's first keyword in capitals, or nothing; leading parentheses are skipped."""
    for token in tokens(sql):
        if token.kind == "word":
            return token.text.upper()
        if token.text != "(":
            return ""
    return ""


def split_insert(statement: bytes) -> Insert | None:
    """The statement and where its data starts; none for anything but an INSERT with rows of its own (so also for INSERT … SELECT)."""
    text = statement[:HEAD_BYTES].decode("latin-1")
    depth = 0
    previous = ""
    format_from: int | None = None
    for index, token in enumerate(tokens(text)):
        word = token.text.upper() if token.kind == "word" else token.text
        if index == 0 and word != "INSERT":
            return None
        if word in ("(", "["):
            depth += 1
        elif word in (")", "]"):
            depth -= 1
        elif depth == 0 and token.kind == "word":
            if word in ("SELECT", "WITH", "WATCH", "INFILE", "EXPLAIN") and previous not in ("INTO", "TABLE", "."):
                return None
            if previous == "FORMAT" and format_from is not None:
                data_from = _after_format(text, token.end)
                return Insert(_utf8(text[:format_from]), token.text, data_from)
            if word == "FORMAT" and previous not in ("INTO", "TABLE", "."):
                format_from = token.start
            elif word == "VALUES" and previous not in ("INTO", "TABLE", "."):
                return Insert(_utf8(text[: token.start]), "Values", token.end)
        previous = word
    return Insert(_utf8(text), "", len(statement)) if previous else None


class Formatted(NamedTuple):
    """A query and the format that it asks for itself."""

    bare: str
    """The query without its FORMAT clause."""
    format: str | None


def split_format(sql: str) -> Formatted:
    """The query without `FORMAT x`, and x; none when it names no format."""
    depth = 0
    keyword: Token | None = None
    found = Formatted(sql, None)
    for token in tokens(sql):
        word = token.text.upper() if token.kind == "word" else token.text
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if depth == 0 and keyword is not None and token.kind == "word":
            found = Formatted(sql[: keyword.start] + sql[token.end :], token.text)
        keyword = token if word == "FORMAT" else None
    return found


def _after_format(text: str, position: int) -> int:
    """ClickHouse skips blanks and one line end between the format's name and the data (and one `;`)."""
    match = re.compile(r"[ \t\f\v]*;?[ \t\f\v]*(?:\r?\n)?").match(text, position)
    return match.end() if match else position


def _utf8(latin: str) -> str:
    return latin.encode("latin-1").decode("utf-8", "replace").rstrip().rstrip(";")
