"""Several things at once, and their results in order."""

import ctypes
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from textclf.storage.array_store import drop_pages

Item = TypeVar("Item")
Made = TypeVar("Made")


def in_order(function: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Iterator[Made]:
    """Give what `function` makes of each item, in the items' order, made `threads` at once.

    Only as many as there are threads are made ahead of the one that is asked for, and of items that lie in a file
    nothing stays in memory, so that it is bounded. It pays where the function spends its time in NumPy and SciPy, which
    let other threads run meanwhile.
    """
    if threads < 2:
        return map(function, _one_by_one(items))
    return _some_ahead(function, items, threads)


def _one_by_one(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        drop_pages(item)


def _some_ahead(function: Callable[[Item], Made], items: Iterable[Item], threads: int) -> Iterator[Made]:
    from concurrent.futures import Future, ThreadPoolExecutor

    def make(item: Item) -> Made:
        made = function(item)
        drop_pages(item)
        return made

    ahead: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            ahead.append(pool.submit(make, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


_ARENA_MAX = -8  # of malloc.h


def share_one_heap() -> None:
    """Let threads that begin from now on take their memory from one heap, where the C library has one for each.

    What a thread of glibc gives back is of use to that thread alone. Blocks are made by one and freed by another, and
    a fifth of the memory of a training would lie idle. It holds for whatever runs in the process, so no library may ask
    for it.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library, or Windows
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
