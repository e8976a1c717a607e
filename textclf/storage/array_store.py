"""Where the large arrays of a training lie: in memory up to a budget of bytes, beyond it in temporary files.

Where an array lies makes no difference to what is computed of it.
"""

import mmap
import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from textclf.errors import TrainingError
from textclf.storage.packed_strings import PackedStrings
from textclf.types import Integers

_LARGEST_BUDGET = 1 << 30
_SHARE_TO_SPARE = 8  # an eighth of an array that grows
_CGROUP_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


def default_budget() -> int:
    """Return a quarter of the memory that the machine, or its container, has, and a gigabyte at the most."""
    if sys.platform == "win32":  # does not tell without help
        return _LARGEST_BUDGET
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return _LARGEST_BUDGET
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            memory = min(memory, int(Path(path).read_text("ascii")))
    return min(memory // 4, _LARGEST_BUDGET)


class ArrayStore:
    """Holds arrays in memory while all that it holds there takes at most `budget` bytes; None is without a limit.

    Further ones lie in files without a name, in the system's folder for temporary files (TMPDIR), which end with them.
    """

    def __init__(self, budget: int | None = None) -> None:
        self.budget = budget
        self._used = 0

    def concatenate(self, parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return the parts, of which there is at least one, as one array."""
        builder = ArrayBuilder(self)
        for part in parts:
            builder.add(part)
        return builder.whole()

    def strings(self, batches: Iterable[Sequence[str]]) -> PackedStrings:
        """Return all strings of all batches."""
        builder = self.build_strings()
        for batch in batches:
            builder.add(batch)
        return builder.whole()

    def build_strings(self) -> "StringsBuilder":
        """Return a builder of strings that come batch by batch."""
        return StringsBuilder(self)

    def has_room(self, size: int) -> bool:
        """Return whether so many more bytes may lie in memory."""
        return self.budget is None or self._used + size <= self.budget

    def reserve(self, size: int) -> bool:
        """Count so many more bytes as held in memory if there is room for them, and return whether there is."""
        is_possible = self.has_room(size)
        self._used += size if is_possible else 0
        return is_possible

    def hold(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Count an array, for which room is reserved, as held in memory no longer than it lives, and return it."""
        weakref.finalize(array, self.give_back, array.nbytes)
        return array

    def give_back(self, size: int) -> None:
        """Count so many bytes as held no longer."""
        self._used -= size


IN_MEMORY = ArrayStore()


class ArrayBuilder:
    """An array that grows part by part: in memory, or, from when there is no more room, in a file."""

    def __init__(self, store: ArrayStore) -> None:
        self._store = store
        self._grown: npt.NDArray[Any] | None = None
        self._length = 0
        self._file: IO[bytes] | None = None
        self._whole: npt.NDArray[Any] | None = None

    def add(self, part: npt.NDArray[Any]) -> None:
        """Put a part after the others."""
        grown = np.empty((0, *part.shape[1:]), part.dtype) if self._grown is None else self._grown
        before, self._length = self._length, self._length + len(part)
        self._grown = grown
        if self._file is None and self._store.reserve(part.nbytes):
            if self._length > len(grown):
                # One array that grows, with some room to spare: parts of their own would leave holes when they go.
                grown.resize((self._length + self._length // _SHARE_TO_SPARE, *grown.shape[1:]), refcheck=False)
            grown[before : self._length] = part
            return
        if self._file is None:
            self._write(grown[:before])
            self._store.give_back(grown[:before].nbytes)
            self._grown = grown[:0].copy()
        self._write(part)

    def whole(self) -> npt.NDArray[Any]:
        """Return all parts, of which there is at least one, as one array; none can be added after that."""
        if self._whole is None:
            self._whole = self._end()
        return self._whole

    def _end(self) -> npt.NDArray[Any]:
        assert self._grown is not None
        if self._file is None:
            self._grown.resize((self._length, *self._grown.shape[1:]), refcheck=False)
            return self._store.hold(self._grown)
        with self._naming_the_folder():
            self._file.flush()
        if not self._length:
            return self._grown
        return np.memmap(self._file, self._grown.dtype, "r", shape=(self._length, *self._grown.shape[1:]))

    def _write(self, part: npt.NDArray[Any]) -> None:
        import tempfile  # labelling a sentence has no use for it

        with self._naming_the_folder():
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="textclf-")  # noqa: SIM115 - closed with the builder
                weakref.finalize(self, self._file.close)  # a mapping has the file open for itself
            self._file.write(np.ascontiguousarray(part).data)

    @contextmanager
    def _naming_the_folder(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._file is not None:
                with suppress(OSError):  # closing writes what is left
                    self._file.close()
            import tempfile

            raise TrainingError(
                f"{tempfile.tempdir or 'TMPDIR'}: expected room for temporary files, found: {error.strerror or error}. "
                "Set TMPDIR to a folder with more room, or allow more memory (--max-memory)."
            ) from error


class StringsBuilder:
    """Packed strings that grow batch by batch, on the store."""

    def __init__(self, store: ArrayStore) -> None:
        self._blob = ArrayBuilder(store)
        self._lengths: list[Integers] = [np.zeros(1, np.int64)]

    def add(self, batch: Sequence[str]) -> None:
        """Put strings after the others."""
        packed = PackedStrings.of(batch)
        self._lengths.append(np.diff(packed.offsets))
        self._blob.add(packed.blob)

    def whole(self) -> PackedStrings:
        """Return all strings of all batches, of which there is at least one."""
        return PackedStrings(self._blob.whole(), np.cumsum(np.concatenate(self._lengths)))


def drop_pages(part: object) -> None:
    """Take what lies in a file of an array, or of an object that holds arrays, out of the process's memory.

    The system's cache keeps it for whoever reads it again.
    """
    for array in _arrays_of(part):
        _release(array)


def _arrays_of(part: object) -> Iterator[npt.NDArray[Any]]:
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple | list):
        for each in part:
            yield from _arrays_of(each)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _arrays_of(getattr(part, field.name))


def _release(array: npt.NDArray[Any]) -> None:
    """Take the pages of a part of a mapped file out of the process's memory; other arrays are left alone."""
    mapped = getattr(array, "_mmap", None)
    if sys.platform == "win32" or mapped is None or not array.nbytes:
        return
    first = array.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    begin = first // mmap.PAGESIZE * mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, begin, min(first + array.nbytes, len(mapped)) - begin)


def row_batches(rows: Integers) -> Iterator[Integers]:
    """Give row numbers some hundred at a time: each row read from a file brings its neighbours into memory."""
    for start in range(0, max(len(rows), 1), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]


_ROWS_AT_ONCE = 1 << 9
