"""Local state that is damaged: told by RocksDB's words, and thrown away, since all of it can be read again from the topics."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

log = logging.getLogger("taximeter.state")

WORDS: Final = ("Corruption:", "IO error: No such file or directory")
"""How rocksdict's errors begin that another try does not mend; they are plain exceptions."""

State = TypeVar("State")


def damaged(error: BaseException | None) -> bool:
    """Whether the error, or what caused it, says that files of a store are damaged or gone."""
    while error is not None:
        if type(error) is Exception and str(error).startswith(WORDS):
            return True
        error = error.__cause__
    return False


def opened(folder: Path, open_it: Callable[[], State]) -> State:
    """What `open_it` opens in the folder; when that is damaged the folder is emptied, and opened again."""
    try:
        return open_it()
    except Exception as error:
        if not damaged(error):
            raise
        throw_away(folder, error)
    return open_it()


def throw_away(folder: Path, error: BaseException) -> None:
    log.warning("the local state in %s is damaged (%s): it is thrown away and made again from the topics", folder, str(error).splitlines()[0][:300])
    shutil.rmtree(folder, ignore_errors=True)
