"""Errors of the warehouse, as a ClickHouse server tells them.

WarehouseError          code and text of a DB::Exception; the HTTP status follows from the code
"""

import re

CODES = {
    "BAD_ARGUMENTS": 36,
    "NOT_IMPLEMENTED": 48,
    "SYNTAX_ERROR": 62,
    "UNKNOWN_FORMAT": 73,
    "READONLY": 164,
    "TOO_MANY_SIMULTANEOUS_QUERIES": 202,
    "SESSION_NOT_FOUND": 372,
    "SESSION_IS_LOCKED": 373,
    "MEMORY_LIMIT_EXCEEDED": 241,
    "NOT_ENOUGH_SPACE": 243,
    "TOO_MANY_ROWS_OR_BYTES": 396,
    "INVALID_SESSION_TIMEOUT": 374,
    "REQUIRED_PASSWORD": 194,
    "ACCESS_DENIED": 497,
    "AUTHENTICATION_FAILED": 516,
    "CANNOT_DECOMPRESS": 271,
    "CHECKSUM_DOESNT_MATCH": 40,
    "TOO_LARGE_SIZE_COMPRESSED": 288,
    "UNKNOWN_USER": 192,
    "UNKNOWN_COMPRESSION_METHOD": 89,
}

STATUS = {
    194: 401,
    **dict.fromkeys((192, 193, 516, 512), 403),
    **dict.fromkeys((26, 27, 38, 41, 6, 72, 53, 62, 69, 70, 117, 131, 691, 457, 36, 43, 42), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 99, 115, 139, 172, 336), 404),
    **dict.fromkeys((159, 209), 408),
    411: 411,
    229: 413,
    202: 429,
    **dict.fromkeys((48, 344), 501),
    **dict.fromkeys((76, 439), 503),
}
"""HTTP status by error code (the server's own table, src/Server/HTTPHandler); everything else is 500."""

CODE = re.compile(r"Code: (\d+)(?:\. DB::Exception:|, type:)")


class WarehouseError(Exception):
    """A DB::Exception: its number, its name and the message with what to do about it."""

    def __init__(self, name: str, message: str) -> None:
        self.code = CODES[name]
        self.text = f"Code: {self.code}. DB::Exception: {message} ({name})"
        super().__init__(self.text)


def described(error: Exception, version: str) -> tuple[int, int, str]:
    """HTTP status, error code and body text of whatever went wrong."""
    text = error.text if isinstance(error, WarehouseError) else str(error)
    found = CODE.search(text)
    code = int(found.group(1)) if found else 1002
    if not found:
        text = f"Code: 1002. DB::Exception: {text} (UNKNOWN_EXCEPTION)"
    if "(version " not in text:
        text = f"{text} (version {version} (official build))"
    return STATUS.get(code, 500), code, text + "\n"
