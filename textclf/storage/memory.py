"""How the process keeps its memory, and gives back what it has looked at of files."""

import math
import mmap
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # the numbers of mallopt(3)
_LARGEST_KEPT = 32 << 20  # the most that the C library allows
_MOST_KEPT = 1 << 30
_OWN_PAGES = 1 << 16  # bytes of an array that is worth a call of the system
_REACH = 2 << 20  # how far around a page that is looked at the system brings others in


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed arrays for the next ones instead of giving it back each time.

    NumPy makes and drops an array for most operations. By default glibc asks the system for the larger ones anew,
    which clears each page when it is first touched: half the time of a training step. Elsewhere nothing changes.
    """
    _set_limits(_LARGEST_KEPT, _MOST_KEPT)


def give_back_freed_memory() -> None:
    """Let the C library keep less: no array of over 8 MB, no more than 16 MB at its end, and one store for all threads.

    Else what one thread has freed would be of no use to another. They do not wait for each other there: nearly all
    memory is asked for under the interpreter's lock.
    """
    _set_limits(8 << 20, 1 << 24)
    _c_library("mallopt", _ARENA_MAX, 1)


def give_back_unused() -> None:
    """Give the system back now what was freed so far: between two phases, since the later asks for other sizes."""
    _c_library("malloc_trim", 0)


def _set_limits(largest: int, most: int) -> None:
    _c_library("mallopt", _MMAP_THRESHOLD, largest)
    _c_library("mallopt", _TRIM_THRESHOLD, most)


def _c_library(function: str, *numbers: int) -> None:
    """Call a function of the C library, where it is one that has it."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(None), function)(*numbers)


def pages_for(shape: tuple[int, ...], kind: "npt.DTypeLike") -> "npt.NDArray[Any]":
    """Return an array without values, a large one in pages of its own, which go back to the system when it is dropped.

    For arrays that stay: among others that come and go they would leave holes, too short for the next large one.
    Parts of the array keep it alive itself, not only its pages.
    """
    import numpy as np

    size = math.prod(shape) * np.dtype(kind).itemsize
    if size < _OWN_PAGES or sys.platform == "win32":
        return np.empty(shape, kind)
    try:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no room for {size} bytes") from error
    return np.ndarray(shape, kind, pages)


def let_go(*arrays: "npt.NDArray[Any]") -> None:
    """Take the pages of these stretches of mapped files out of the process's memory; other arrays are left alone.

    A fit passes over its file again and again, and would soon have all of it in memory. The pages stay in the
    system's cache as long as nothing else needs the room, and are there again at once for a thread that still looks at
    the next ones.
    """
    for array in arrays:
        mapped = getattr(array, "_mmap", None)
        if mapped is not None and array.nbytes and hasattr(mapped, "madvise"):
            import numpy as np

            begin = array.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
            # Before a stretch all has been looked at; beyond a short one most is still to be.
            reach = min(_REACH, array.nbytes)
            first = max(begin - _REACH, 0) // mmap.PAGESIZE * mmap.PAGESIZE
            last = min(begin + array.nbytes + reach, len(mapped))
            mapped.madvise(mmap.MADV_DONTNEED, first, last - first)
