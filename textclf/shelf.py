"""Where large arrays are kept: in memory, or in temporary files that are mapped into it as they are looked at."""

import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.arrays import Integers
from textclf.sparse import SparseRows
from textclf.strings import Strings


@dataclass(frozen=True)
class Shelf:
    """Keeps arrays that are made part by part.

    With `in_files` they go to files without a name, which end with the arrays, in the system's folder for temporary
    files (TMPDIR).
    """

    in_files: bool = False

    def array(self, parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return the parts, of which there is at least one, as one array."""
        stack = _Stack(self)
        for part in parts:
            stack.add(part)
        return stack.whole()

    def texts(self, batches: Iterable[Sequence[str]]) -> Sequence[str]:
        """Return all texts of all batches, in memory as they are."""
        return self.strings(batches) if self.in_files else [text for batch in batches for text in batch]

    def strings(self, batches: Iterable[Sequence[str]]) -> Strings:
        """Return all strings of all batches."""
        lengths: list[Integers] = [np.zeros(1, np.int64)]

        def blobs() -> Iterable[npt.NDArray[np.uint8]]:
            for batch in batches:
                packed = Strings.of(batch)
                lengths.append(np.diff(packed.offsets))
                yield packed.blob

        blob = self.array(blobs())  # comes first: it is what counts the lengths
        return Strings(blob, np.cumsum(np.concatenate(lengths)))


MEMORY = Shelf()


_BYTES_A_BYTE = 40  # of memory for each of the table, at the most: short texts with n-grams of characters
_SUFFIXES_PACKED = (".gz", ".parquet")


def shelf_within(most: int | None, origin: object) -> Shelf:
    """Return the shelf to train on a table with: in files where it may need more memory than `most`; None for no limit.

    Of a stream, or a packed file, nobody knows how long it is: it is taken for too long.
    """
    if most is None:
        return MEMORY
    known = isinstance(origin, Path) and origin.is_file() and origin.suffix not in _SUFFIXES_PACKED
    return MEMORY if known and Path(str(origin)).stat().st_size * _BYTES_A_BYTE <= most else Shelf(in_files=True)


_SLAB = 1 << 26
"""Bytes of memory that a growing array takes at a time, at the most."""


@dataclass
class _Stack:
    """An array that grows."""

    shelf: Shelf
    parts: deque[npt.NDArray[Any]] = field(default_factory=deque)
    room: npt.NDArray[Any] | None = None
    file: Any = None
    length: int = 0
    like: npt.NDArray[Any] | None = None

    def add(self, part: npt.NDArray[Any]) -> None:
        """Put a part after the others."""
        self.like = part[:0]
        if not self.shelf.in_files:
            self.parts.append(self._copied(part))
        else:
            if self.file is None:
                self.file = tempfile.TemporaryFile(prefix="textclf-")  # noqa: SIM115 - the mapping keeps it
            self.file.write(np.ascontiguousarray(part).data)
        self.length += len(part)

    def _copied(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        # Into a slab with others. The system gets a large slab back when the last of its parts is dropped; memory of
        # many small arrays the C library would keep, while the whole that is made of them takes as much again.
        if self.room is None or len(part) > len(self.room):
            most = _SLAB // max(part[:1].nbytes, 1)
            self.room = np.empty((max(len(part), min(self.length, most)), *part.shape[1:]), part.dtype)
        copied, self.room = self.room[: len(part)], self.room[len(part) :]
        np.copyto(copied, part, casting="no")
        return copied

    def cut(self, lengths: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Return the parts, which have these lengths, as they were added; the stack is empty then."""
        self.room = None
        if self.parts:
            parts, self.parts = list(self.parts), deque()
            return parts
        whole, ends = self.whole(), np.cumsum(lengths).tolist()
        return [whole[stop - length : stop] for length, stop in zip(lengths, ends, strict=True)]

    def whole(self) -> npt.NDArray[Any]:
        """Return all parts as one; the stack is empty then."""
        assert self.like is not None
        self.room = None
        if len(self.parts) == 1:
            return self.parts.popleft()
        if self.parts:
            whole, filled = np.empty((self.length, *self.like.shape[1:]), self.like.dtype), 0
            while self.parts:
                part = self.parts.popleft()
                whole[filled : filled + len(part)] = part
                filled += len(part)
            return whole
        if self.file is None:
            return self.like
        self.file.flush()
        with self.file as file:
            if not self.length:
                return self.like
            return np.memmap(file, self.like.dtype, "r", shape=(self.length, *self.like.shape[1:]))


class RowStack:
    """A sparse matrix that grows by rows, and gives back the parts that it was made of."""

    def __init__(self, shelf: Shelf, width: int) -> None:
        self._columns, self._data, self._width = _Stack(shelf), _Stack(shelf), width
        self._offsets: list[Integers] = []

    def add(self, part: SparseRows) -> None:
        """Put the rows of a part after the others."""
        self._columns.add(part.columns)
        self._data.add(part.data)
        self._offsets.append(part.offsets)

    def whole(self) -> SparseRows:
        """Return all rows; the stack is empty then."""
        before = np.cumsum([0, *(int(offsets[-1]) for offsets in self._offsets)])
        shifted = [offsets[1:] + first for offsets, first in zip(self._offsets, before, strict=False)]
        offsets = np.concatenate([np.zeros(1, np.int64), *shifted])
        if offsets[-1] < 2**31:
            offsets = offsets.astype(np.int32)  # scipy wants them of the columns' kind
        return SparseRows(offsets, self._columns.whole(), self._data.whole(), self._width)

    def parts(self) -> list[SparseRows]:
        """Return the parts as they were given; the stack is empty then."""
        lengths = [int(offsets[-1]) for offsets in self._offsets]
        arrays = zip(self._offsets, self._columns.cut(lengths), self._data.cut(lengths), strict=True)
        return [SparseRows(*each, self._width) for each in arrays]
