"""How the process keeps its memory."""

import sys
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # the numbers of mallopt(3)
_LARGEST_KEPT = 32 << 20  # the most that the C library allows
_MOST_KEPT = 1 << 30


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed arrays for the next ones instead of giving it back each time.

    NumPy makes and drops an array for most operations. By default glibc asks the system for the larger ones anew,
    which clears each page when it is first touched: half the time of a training step. Elsewhere nothing changes.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):  # a C library without mallopt
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
