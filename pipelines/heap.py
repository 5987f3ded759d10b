"""How much freed memory a process keeps: with the C library's own settings, several times what it uses.

glibc gives each thread that allocates an arena of its own, up to eight for each core, and memory that is freed in one serves no other; and what it gives
to the system at once gets bigger with each big block that is freed. RATE's clients hand records of 400 KB from thread to thread: it had 570 MB of such
arenas, nearly all of it free.
"""

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
"""As `malloc.h` numbers them."""
ARENAS: Final = 2
BLOCK_BYTES: Final = 128 << 10
"""Blocks from this size on are the system's again as soon as they are freed."""
FREE_BYTES: Final = 4 << 20
"""So much an arena may keep at its end."""


def bound() -> None:
    """For the rest of this process's life. Call it before there are threads; nothing happens where the C library is not glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, ARENAS)
        mallopt(_MMAP_THRESHOLD, BLOCK_BYTES)
        mallopt(_TRIM_THRESHOLD, FREE_BYTES)
