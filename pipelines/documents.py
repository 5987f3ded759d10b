"""Document files from disk: the thin edge around `contracts.loading`."""

from pathlib import Path

from contracts import loading
from contracts.case import Case
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError
from contracts.loading import Known


def load_case(path: str | Path, *, window_minutes: int = 60) -> Case:
    """The case in a file, checked. Raises DocumentError."""
    file = Path(path)

    def fetch(named: str) -> tuple[str, str]:
        beside = file.parent / named
        return text_of_file(beside), str(beside)

    return loading.read_case(text_of_file(file), str(path), fetch, window_minutes=window_minutes)


def load_documents(*paths: str | Path, known: Known | None = None, window_minutes: int = 60) -> list[Catalogue | Contract]:
    """The catalogues and contracts in some files, checked together, and with what is in force when `known` says it. Raises DocumentError."""
    return loading.read_documents(((text_of_file(Path(path)), str(path)) for path in paths), known, window_minutes=window_minutes)


def text_of_file(file: Path) -> str:
    """All of a file. Raises DocumentError when it is none that can be read, or no UTF-8 text."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentError([f"{file}:1: this is no UTF-8 text"]) from None
    except OSError as error:
        raise DocumentError([f"{file}:1: cannot be read: {error.strerror or error}"]) from None
