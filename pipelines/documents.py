"""Document files from disk: the thin edge around `contracts.loading`."""

from pathlib import Path

from contracts import loading
from contracts.case import Case
from contracts.catalogue import Catalogue
from contracts.contract import Contract
from contracts.errors import DocumentError


def load_case(path: str | Path) -> Case:
    """The case in a file, checked. Raises DocumentError."""
    file = Path(path)

    def fetch(named: str) -> tuple[str, str]:
        beside = file.parent / named
        return _text(beside), str(beside)

    return loading.read_case(_text(file), str(path), fetch)


def load_documents(path: str | Path) -> list[Catalogue | Contract]:
    """The catalogues and contracts in a file. Raises DocumentError."""
    return loading.read_documents(_text(Path(path)), str(path))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentError([f"{file}:1: this is no UTF-8 text"]) from None
    except OSError as error:
        raise DocumentError([f"{file}:1: cannot be read: {error.strerror or error}"]) from None
