"""Where large arrays are kept: in memory, or in temporary files that are mapped into it as they are looked at."""

import math
import tempfile
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import TrainingError
from textclf.storage.memory import let_go, pages_for
from textclf.storage.packed_strings import PackedStrings
from textclf.types import Integers


class ArrayStore:
    """Keeps arrays that are made part by part: in memory while there is `room` there, so many bytes, else in files.

    Files have no name, end with the arrays, and lie in the system's folder for temporary files (TMPDIR). `room` None
    is without a limit. Where an array lies makes no difference to what is computed of it.
    """

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self._slabs: list[weakref.ref[npt.NDArray[Any]]] = []

    def array(self, parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return the parts, of which there is at least one, as one array."""
        stack = ArrayBuilder(self)
        for part in parts:
            stack.add(part)
        return stack.whole()

    def kept(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of the memory as it is kept: the same, where it is small or there is no limit, or a copy."""
        return array if self.room is None or array.nbytes < _SMALL else self.array([array])

    def cold(self) -> "ArrayStore":
        """Return a store for arrays that are looked at once or twice, not again and again as matrices of a fit are.

        They lie in memory only as long as all that lies there takes an eighth of the room.
        """
        store = ArrayStore(None if self.room is None else self.room // 8)
        store._slabs = self._slabs
        return store

    def strings(self, batches: Iterable[Sequence[str]]) -> PackedStrings:
        """Return all strings of all batches, which are looked at `cold`."""
        lengths: list[Integers] = [np.zeros(1, np.int64)]

        def blobs() -> Iterable[npt.NDArray[np.uint8]]:
            for batch in batches:
                packed = PackedStrings.of(batch)
                lengths.append(np.diff(packed.offsets))
                yield packed.blob

        blob = self.cold().array(blobs())  # comes first: it is what counts the lengths
        return PackedStrings(blob, np.cumsum(np.concatenate(lengths)))

    def allocate(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> npt.NDArray[Any] | None:
        """Return an array without values, or None where that, beside those that are still in use, is too much."""
        if self.room is not None:
            used = [slab for slab in (reference() for reference in self._slabs) if slab is not None]
            wanted = math.prod(shape) * kind.itemsize
            if sum(slab.nbytes for slab in used) + wanted > self.room:
                return None
            self._slabs[:] = [weakref.ref(slab) for slab in used]
        return self.make(shape, kind)

    def make(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return an array without values, even where there is no room: for what lies in memory already."""
        if self.room is None:
            return np.empty(shape, kind)
        slab = pages_for(shape, kind)
        self._slabs.append(weakref.ref(slab))
        return slab


IN_MEMORY = ArrayStore()
DEFAULT_BUDGET = 1 << 24
"""Bytes that a training of files keeps in memory where nobody says how many."""


_SMALL = 1 << 20  # bytes that are not worth a file
_SLAB = 1 << 26
"""Bytes of memory that a growing array takes at a time, at the most."""
_SLABS = 8  # that the room is dealt out in, at the least


@dataclass
class ArrayBuilder:
    """An array that grows: parts in memory, or, from when there is no more room for one, all in a file."""

    store: ArrayStore
    parts: deque[npt.NDArray[Any]] = field(default_factory=deque)
    slab: npt.NDArray[Any] | None = None
    file: Any = None
    length: int = 0
    like: npt.NDArray[Any] | None = None

    def add(self, part: npt.NDArray[Any]) -> None:
        """Put a part after the others."""
        self.like = part[:0]
        room = self._room_for(part) if self.file is None else None
        if room is None:
            self._write(part)
        else:
            np.copyto(room, part, casting="no")
            self.parts.append(room)
        self.length += len(part)

    def _room_for(self, part: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        # In a slab with others. The system gets a large slab back when the last of its parts is dropped; memory of
        # many small arrays the C library would keep, while the whole that is made of them takes as much again.
        if self.slab is None or len(part) > len(self.slab):
            largest = _SLAB if self.store.room is None else min(_SLAB, self.store.room // _SLABS)
            rows = max(len(part), min(self.length, largest // max(part[:1].nbytes, 1)))
            self.slab = self.store.allocate((rows, *part.shape[1:]), part.dtype)
        if self.slab is None:
            return None
        room, self.slab = self.slab[: len(part)], self.slab[len(part) :]
        return room

    def _write(self, part: npt.NDArray[Any]) -> None:
        with self._naming_the_folder():
            if self.file is None:
                self.file = tempfile.TemporaryFile(prefix="textclf-")  # noqa: SIM115 - the mapping keeps it
            while self.parts:
                self.file.write(self.parts.popleft().data)
            self.file.write(np.ascontiguousarray(part).data)

    @contextmanager
    def _naming_the_folder(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.file is not None:
                with suppress(OSError):  # closing writes what is left
                    self.file.close()
            raise TrainingError(
                f"{tempfile.tempdir or 'TMPDIR'}: expected room for temporary files, found: {error.strerror or error}. "
                "Set TMPDIR to a folder with more room, or keep more in memory (--max-memory)."
            ) from error

    def cut(self, lengths: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Return the parts, which have these lengths, as they were added; the stack is empty then."""
        self.slab = None
        if self.parts:
            parts, self.parts = list(self.parts), deque()
            return parts
        whole, ends = self.whole(), np.cumsum(lengths).tolist()
        return [whole[stop - length : stop] for length, stop in zip(lengths, ends, strict=True)]

    def whole(self) -> npt.NDArray[Any]:
        """Return all parts as one; the stack is empty then."""
        assert self.like is not None
        self.slab = None
        if len(self.parts) == 1:
            return self.parts.popleft()
        if self.parts:
            whole, filled = self.store.make((self.length, *self.like.shape[1:]), self.like.dtype), 0
            while self.parts:
                part = self.parts.popleft()
                whole[filled : filled + len(part)] = part
                filled += len(part)
            return whole
        if self.file is None:
            return self.like
        with self._naming_the_folder():
            self.file.flush()
        with self.file as file:
            if not self.length:
                return self.like
            return np.memmap(file, self.like.dtype, "r", shape=(self.length, *self.like.shape[1:]))


def take_array_rows(array: npt.NDArray[Any], rows: Integers, store: ArrayStore) -> npt.NDArray[Any]:
    """Return these rows, in this order, on the store."""

    def copied(some: Integers) -> npt.NDArray[Any]:
        part: npt.NDArray[Any] = array[some]
        let_go(array)
        return part

    return store.array(copied(some) for some in row_batches(rows))


def row_batches(rows: Integers) -> Iterator[Integers]:
    """Give row numbers some hundred at a time: each row read from a file brings its neighbours into memory."""
    for start in range(0, max(len(rows), 1), _TAKEN):
        yield rows[start : start + _TAKEN]


_TAKEN = 1 << 9
