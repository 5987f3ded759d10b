"""One shape for every refusal: which field, and why.

    {"message": "usage[3].timestamp: must be RFC 3339 with an offset, not 'today'",
     "errors": [{"field": "usage[3].timestamp", "message": "must be RFC 3339 with an offset, not 'today'"}]}

ApiError                       a refusal with its status
 ├─ InvalidError        400     the request cannot be carried out as it is
 ├─ UnauthorizedError   401     no key, or one that opens nothing
 ├─ InsufficientError   402     the balance does not have it
 ├─ ForbiddenError      403     the key may not
 ├─ NotFoundError       404
 ├─ ConflictError       409     somebody was quicker, or it is there already; carries what is there now
 ├─ TooLargeError       413
 ├─ TooManyError        429
 ├─ NotServedError      501     a path of another system's API that is not served here
 └─ UnavailableError    503     Kafka or the warehouse does not answer; try again, nothing was done
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from contracts.errors import DocumentError
from contracts.translation.fields import RefusedError, Wrong

_LINE: Final = re.compile(r"(?:(?P<file>[^:]*):(?P<line>\d+): )?(?:(?P<path>[\w\-.\[\]@/]+): )?(?P<why>.*)", re.DOTALL)


class ApiError(RefusedError):
    """Base of all refusals."""

    status: ClassVar[int] = 400

    def __init__(self, *wrong: Wrong, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(*wrong)
        self.headers = dict(headers or {})
        self.more = more
        """Further keys of the answer, e.g. `current`: the version that is there now."""

    def body(self) -> dict[str, Any]:
        return {"message": str(self), "errors": [each._asdict() for each in self.wrong], **self.more}


class InvalidError(ApiError):
    pass


class UnauthorizedError(ApiError):
    status = 401


class InsufficientError(ApiError):
    status = 402


class ForbiddenError(ApiError):
    status = 403


class NotFoundError(ApiError):
    status = 404


class ConflictError(ApiError):
    status = 409

    def __init__(self, *wrong: Wrong, **more: Any) -> None:
        # The official clients repeat a 409 unless they are told not to; the same request would only be refused again.
        super().__init__(*wrong, headers={"x-should-retry": "false"}, **more)


class TooLargeError(ApiError):
    status = 413


class TooManyError(ApiError):
    status = 429


class NotServedError(ApiError):
    status = 501

    def __init__(self, *wrong: Wrong) -> None:
        super().__init__(*wrong, headers={"x-should-retry": "false"})


class UnavailableError(ApiError):
    status = 503


def invalid(field: str, message: str) -> InvalidError:
    return InvalidError(Wrong(field, message))


def missing(what: str, name: str, field: str = "") -> NotFoundError:
    """`what` (a kind of thing) called `name` is not there."""
    return NotFoundError(Wrong(field, f"there is no {what} {name!r}"))


def answer_of(error: RefusedError) -> ApiError:
    """A refusal with its status; what the readers of fields refuse is 400."""
    return error if isinstance(error, ApiError) else InvalidError(*error.wrong)


def of_document(error: DocumentError) -> InvalidError:
    """The problems of a document as fields: the key path, and the line where there is a text."""
    return InvalidError(*problems(error.problems))


def problems(lines: Iterable[str]) -> list[Wrong]:
    found = []
    for line in lines:
        read = _LINE.fullmatch(line)
        if read is None:
            found.append(Wrong("", line))
            continue
        file, at, path, why = read.group("file", "line", "path", "why")
        found.append(Wrong(path or "", f"line {at}: {why}" if at and file != "request" else why))
    return found
