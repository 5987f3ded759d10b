"""Objects of another system's API, read strictly: every field that is wrong is named with what it must be, and so is every field that nobody reads.

Numbers are decimals, never floats: 0.1 is 0.1.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from contracts.errors import TaximeterError
from contracts.instants import instant_ms
from contracts.timeline import iso

Item = TypeVar("Item")


class Wrong(NamedTuple):
    """What is wrong with one field; an empty field is the object as a whole."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class RefusedError(TaximeterError):
    """An object cannot be read, or cannot be carried out as it is."""

    def __init__(self, *wrong: Wrong) -> None:
        super().__init__("; ".join(map(str, wrong)))
        self.wrong = wrong


def invalid(field: str, message: str) -> RefusedError:
    return RefusedError(Wrong(field, message))


class Fields:
    """The fields of an object in a body. Each is asked for once, by its kind; `done` refuses those that nobody asked for."""

    def __init__(self, data: Any, path: str = "") -> None:
        if not isinstance(data, dict):
            raise invalid(path, f"must be an object, not {kind(data)}")
        self.data: dict[str, Any] = data
        self.path = path
        self._asked: set[str] = set()

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return self.data.get(name) is not None

    def any(self, name: str) -> Any:
        """Whatever is there; None where nothing is."""
        self._asked.add(name)
        return self.data.get(name)

    def need(self, name: str) -> Any:
        found = self.any(name)
        if found is None:
            raise invalid(self.at(name), "is missing")
        return found

    def text(self, name: str, default: str | None = None, *, empty: bool = False) -> str:
        found = self.any(name)
        if found is None and default is not None:
            return default
        if not isinstance(found, str) or not (found or empty):
            raise invalid(self.at(name), "is missing" if found is None else f"must be text{'' if empty else ' that is not empty'}, not {kind(found)}")
        return found

    def text_or_none(self, name: str) -> str | None:
        return self.text(name, empty=True) if self.has(name) else self.any(name)

    def word(self, name: str, allowed: Collection[str], default: str | None = None) -> str:
        found = self.any(name)
        if found is None and default is not None:
            return default
        if found not in allowed:
            raise invalid(self.at(name), f"must be one of {', '.join(allowed)}, not {kind(found)}")
        return str(found)

    def flag(self, name: str, default: bool | None = None) -> bool:
        found = self.any(name)
        if found is None and default is not None:
            return default
        if not isinstance(found, bool):
            raise invalid(self.at(name), f"must be true or false, not {kind(found)}")
        return found

    def number(self, name: str, default: Decimal | None = None) -> Decimal:
        found = self.any(name)
        if found is None and default is not None:
            return default
        if isinstance(found, bool) or not isinstance(found, (int, Decimal)):
            raise invalid(self.at(name), "is missing" if found is None else f"must be a number, not {kind(found)}")
        if abs(Decimal(found).adjusted()) > 30:
            raise invalid(self.at(name), f"{found} is out of range")
        return Decimal(found)

    def number_or_none(self, name: str) -> Decimal | None:
        return self.number(name) if self.has(name) else self.any(name)

    def whole(self, name: str, default: int | None = None) -> int:
        found = self.number(name, None if default is None else Decimal(default))
        if found != found.to_integral_value():
            raise invalid(self.at(name), f"must be a whole number, not {found}")
        return int(found)

    def instant(self, name: str) -> str:
        """As documents write it."""
        return iso(self.instant_ms(name))

    def instant_ms(self, name: str) -> int:
        found = self.need(name)
        try:
            return instant_ms(found)
        except (ValueError, TypeError, OverflowError):
            raise invalid(self.at(name), f"must be RFC 3339 with an offset, such as 2025-10-15T00:00:00Z, not {kind(found)}") from None

    def instant_or_none(self, name: str) -> str | None:
        return self.instant(name) if self.has(name) else self.any(name)

    def texts(self, name: str) -> list[str]:
        found = self.any(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise invalid(self.at(name), f"must be a list of text, not {kind(found)}")
        return list(found)

    def mapping(self, name: str) -> dict[str, str]:
        found = self.any(name)
        if found is None:
            return {}
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise invalid(self.at(name), f"must be an object of text to text, not {kind(found)}")
        return dict(found)

    def object(self, name: str) -> "Fields":
        return Fields(self.need(name), self.at(name))

    def objects(self, name: str) -> "list[Fields]":
        found = self.any(name)
        if found is None:
            return []
        if not isinstance(found, list):
            raise invalid(self.at(name), f"must be a list, not {kind(found)}")
        return [Fields(each, f"{self.at(name)}[{number}]") for number, each in enumerate(found)]

    def each(self, name: str, read: Callable[["Fields"], Item]) -> list[Item]:
        return [read(fields) for fields in self.objects(name)]

    def kept(self, *names: str) -> dict[str, Any]:
        """Fields that decide no amount: kept as they are, and given back. Numbers become text."""
        found = {name: self.any(name) for name in names}
        return {name: plain(value) for name, value in found.items() if value is not None}

    def refuse(self, why: str, *names: str) -> None:
        """These are known, and cannot be carried out. Raises RefusedError."""
        wrong = [Wrong(self.at(name), why) for name in names if self.any(name) not in (None, [], {})]
        if wrong:
            raise RefusedError(*wrong)

    def done(self) -> None:
        """Raises RefusedError for fields that nobody has asked for."""
        unknown = sorted(self.data.keys() - self._asked)
        if unknown:
            raise RefusedError(*(Wrong(self.at(name), f"is no field here{_near(name, self._asked)}") for name in unknown))


def plain(value: Any) -> Any:
    """The value with decimals as text, as it can be kept."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def kind(value: Any) -> str:
    """The value, for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)[:80] if isinstance(value, str) else f"{str(value).lower() if isinstance(value, bool) else value}"


def _near(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"
