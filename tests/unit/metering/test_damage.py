"""A store whose files are damaged or gone is made anew; any other error is told, and nothing is thrown away."""

import random
from pathlib import Path

import pytest

from pipelines.damage import damaged, opened
from pipelines.metering.dedup import Dedup, Entries

NOW_MS = 10**12
SEED = 7


def filled(folder: Path) -> None:
    dice = random.Random(SEED)
    store = Dedup(folder, 34, NOW_MS)
    store.put(Entries(sorted(dice.randbytes(16) for _ in range(2000)), [dice.randbytes(16) for _ in range(2000)]))
    store.know({0: 2000})
    store.close()


@pytest.mark.parametrize("broken", ("CURRENT", "MANIFEST*"))
@pytest.mark.parametrize("gone", (True, False))
def test_a_damaged_store_is_thrown_away_and_empty(tmp_path: Path, broken: str, gone: bool) -> None:
    # given
    folder = tmp_path / "ids"
    filled(folder)
    (file,) = folder.glob(broken)
    if gone:
        file.unlink()
    else:
        file.write_bytes(b"\x00" * file.stat().st_size)
    # when
    store = opened(folder, lambda: Dedup(folder, 34, NOW_MS))
    # then: it knows that it knows nothing, so the ids are learned again
    assert store.position(0) is None
    store.close()


def test_a_whole_store_keeps_what_it_has(tmp_path: Path) -> None:
    filled(tmp_path / "ids")
    store = opened(tmp_path / "ids", lambda: Dedup(tmp_path / "ids", 34, NOW_MS))
    assert store.position(0) == 2000
    store.close()


def test_another_error_throws_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("here")

    def open_it() -> None:
        raise Exception("IO error: While lock file: LOCK: Resource temporarily unavailable")  # noqa: TRY002 - as rocksdict does

    with pytest.raises(Exception, match="temporarily"):
        opened(tmp_path, open_it)
    assert (tmp_path / "kept").exists()


def test_damage_is_seen_through_the_error_that_tells_of_it() -> None:
    cause = Exception("Corruption: block checksum mismatch")
    error = RuntimeError("Faust has stopped")
    error.__cause__ = cause
    assert damaged(error)
    assert not damaged(RuntimeError("Corruption: of something else"))
    assert not damaged(None)
