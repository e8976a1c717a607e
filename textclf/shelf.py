"""Where large arrays are kept: in memory, or in temporary files that are mapped into it as they are looked at."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
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
        """Return the parts, of which there is at least one, one after the other."""
        stack = _Stack(self)
        for part in parts:
            stack.add(part)
        return stack.whole()

    def strings(self, batches: Iterable[Sequence[str]]) -> Strings:
        """Return all strings of all batches."""
        lengths: list[Integers] = [np.zeros(1, np.int64)]

        def blobs() -> Iterable[npt.NDArray[np.uint8]]:
            for batch in batches:
                packed = Strings.of(batch)
                lengths.append(np.diff(packed.offsets))
                yield packed.blob

        blob = self.array(blobs())
        return Strings(blob, np.cumsum(np.concatenate(lengths)))


MEMORY = Shelf()


@dataclass
class _Stack:
    """An array that grows."""

    shelf: Shelf
    parts: list[npt.NDArray[Any]] = field(default_factory=list)
    file: Any = None
    length: int = 0
    like: npt.NDArray[Any] | None = None

    def add(self, part: npt.NDArray[Any]) -> None:
        """Put a part after the others."""
        self.like = part[:0]
        if not self.shelf.in_files:
            self.parts.append(part)
            return
        if self.file is None:
            self.file = tempfile.TemporaryFile(prefix="textclf-")  # noqa: SIM115 - the mapping keeps it
        self.length += len(part)
        self.file.write(np.ascontiguousarray(part).data)

    def whole(self) -> npt.NDArray[Any]:
        """Return all parts as one; the stack is empty then."""
        assert self.like is not None
        if self.parts:
            whole = self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)
            self.parts = []
            return whole
        if not self.length:
            return self.like
        self.file.flush()
        with self.file as file:
            return np.memmap(file, self.like.dtype, "r", shape=(self.length, *self.like.shape[1:]))


class RowStack:
    """A sparse matrix that grows by rows, and gives back the parts that it was made of."""

    def __init__(self, shelf: Shelf, width: int) -> None:
        self._columns, self._data, self._width = _Stack(shelf), _Stack(shelf), width
        self._offsets: list[Integers] = [np.zeros(1, np.int64)]
        self._rows = [0]

    def add(self, part: SparseRows) -> None:
        """Put the rows of a part after the others."""
        self._columns.add(part.columns)
        self._data.add(part.data)
        self._offsets.append(part.offsets[1:] + self._offsets[-1][-1])
        self._rows.append(self._rows[-1] + len(part))

    def whole(self) -> SparseRows:
        """Return all rows."""
        offsets = np.concatenate(self._offsets)
        if offsets[-1] < 2**31:
            offsets = offsets.astype(np.int32)  # scipy wants them of the columns' kind
        return SparseRows(offsets, self._columns.whole(), self._data.whole(), self._width)

    def parts(self) -> list[SparseRows]:
        """Return the parts as they were given."""
        whole = self.whole()
        return [whole.slice(start, stop) for start, stop in pairwise(self._rows)]
