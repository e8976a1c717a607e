"""Sparse matrices of texts by words: C, its products with dense matrices, and its rows.

Big products are scipy's, on two halves at once where threads are given; one text's is NumPy's, so that labelling a
sentence needs no scipy. Either way each row of a product is summed in the order of the row's entries, so the number
of threads does not change a bit of the result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from textclf.storage.array_store import ArrayBuilder, ArrayStore, drop_pages, row_batches
from textclf.storage.quantized import ByteRows
from textclf.types import Array, Integers, run_starts

_ENTRIES_AT_ONCE, _ROWS_AT_ONCE = 1 << 17, 1 << 13
_SMALL = 20_000  # entries times columns below which NumPy's product is quick enough not to import scipy


@dataclass(frozen=True)
class SparseRows:
    """A matrix (n, V) kept by rows: row i has the values ``data[offsets[i]:offsets[i + 1]]`` in those `columns`.

    Columns rise within a row and none stands twice.
    """

    offsets: Integers
    columns: Integers
    data: Array
    width: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def times(self, E: Array | ByteRows, *, threads: int = 1) -> Array:
        """Return S = C E, shape (n, d), for a dense E of shape (V, d).

        >>> C = SparseRows(np.array([0, 2, 2]), np.array([0, 2]), np.array([0.5, 0.5]), width=3)
        >>> C.times(np.array([[1.0], [2.0], [3.0]]))
        array([[2.],
               [0.]])
        """
        n = len(self)
        if len(self.data) * E.shape[1] <= _SMALL:
            return self._times_small(E)
        is_ready = isinstance(E, np.ndarray) and E.dtype == self.data.dtype
        if not is_ready and len(self.data) < len(E):  # all rows of E would be widened for the few that are used
            used, columns = np.unique(self.columns, return_inverse=True)
            part = SparseRows(self.offsets, columns.astype(np.int32), self.data, len(used))
            return part.times(E[used], threads=threads)
        E = np.asarray(E)
        if threads < 2 or n < 2 * threads:
            product: Array = self.scipy @ E
            return product
        from concurrent.futures import ThreadPoolExecutor  # brings logging along, which one sentence has no use for

        # Rows are dealt out so that each thread has as many entries as the others.
        cuts = np.searchsorted(self.offsets, np.linspace(0, self.offsets[-1], threads + 1)[1:-1])
        bounds = [0, *cuts.tolist(), n]
        S = np.empty((n, E.shape[1]), np.result_type(self.data, E))

        def fill(start: int, stop: int) -> None:
            S[start:stop] = self.slice(start, stop).scipy @ E

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, bounds[:-1], bounds[1:]))
        return S

    def transposed_times(self, D: Array) -> Array:
        """Return Cᵀ D, shape (V, m), for a dense D of shape (n, m): for each column the sum over rows, in their order.

        C itself serves: Cᵀ kept by rows would take as much room again, and hardly less time.

        >>> C = SparseRows(np.array([0, 2]), np.array([0, 2]), np.array([1.0, 2.0]), width=3)
        >>> C.transposed_times(np.array([[10.0]])).ravel()
        array([10.,  0., 20.])
        """
        product: Array = self._transposed_scipy @ D
        return product

    def slice(self, start: int, stop: int) -> "SparseRows":
        """Return rows start … stop - 1 without copying their entries.

        >>> C = SparseRows(np.array([0, 1, 2]), np.array([0, 1]), np.array([5.0, 6.0]), width=2)
        >>> C.slice(1, 2).scipy.toarray()
        array([[0., 6.]])
        """
        first, last = self.offsets[start], self.offsets[stop]
        offsets = self.offsets[start : stop + 1] - first
        return SparseRows(offsets, self.columns[first:last], self.data[first:last], self.width)

    def batches(self) -> Iterator["SparseRows"]:
        """Give consecutive rows with some hundred thousand entries at a time, at least one part, without a copy."""
        start, stop = 0, -1
        while stop < len(self):
            entries = np.searchsorted(self.offsets, self.offsets[start] + _ENTRIES_AT_ONCE, side="right")
            stop = min(max(int(entries) - 1, start + 1), start + _ROWS_AT_ONCE, len(self))
            yield self.slice(start, stop)
            start = stop

    def take(self, rows: Integers) -> "SparseRows":
        """Return these rows, in this order."""
        chosen = self.scipy[rows]
        return SparseRows(chosen.indptr, chosen.indices, chosen.data, self.width)

    def with_data(self, data: Array) -> "SparseRows":
        """Return the matrix with other values in the same places."""
        return SparseRows(self.offsets, self.columns, data, self.width)

    def double(self) -> "SparseRows":
        """Return the matrix in float64."""
        return self.with_data(self.data.astype(np.float64))

    def renumber(self, places: Integers, width: int) -> "SparseRows":
        """Return the matrix, now of `width`, with each column where `places`, shape (V,), puts it, without those at -1.

        Places rise as the columns do.

        >>> C = SparseRows(np.array([0, 2]), np.array([0, 2]), np.array([5.0, 6.0]), width=3)
        >>> C.renumber(np.array([-1, -1, 0]), width=1).scipy.toarray()
        array([[6.]])
        """
        columns = places[self.columns]
        kept = columns >= 0
        before = np.zeros(len(kept) + 1, self.offsets.dtype)
        np.cumsum(kept, out=before[1:])
        return SparseRows(before[self.offsets], columns[kept], self.data[kept], width)

    def unfold(self, m: int) -> "SparseRows":
        """Return the matrix (n m, V / m) that has m rows for each: its first columns, its next ones, and so on.

        The entries stay in their order.
        """
        if m == 1:
            return self
        width = self.width // m
        rows = self.row_numbers.astype(np.int64) * m + self.columns // width
        offsets = offsets_of(np.bincount(rows, minlength=m * len(self)))
        return SparseRows(offsets, self.columns % width, self.data, width)

    @property
    def row_numbers(self) -> Integers:
        """The row of each entry, in the order of `data`."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def scipy(self) -> Any:  # noqa: ANN401 - scipy ships no types
        """The same matrix for scipy's products, sharing the arrays."""
        from scipy.sparse import csr_array

        return self._sharing(csr_array((len(self), self.width), dtype=self.data.dtype))

    @cached_property
    def _transposed_scipy(self) -> Any:  # noqa: ANN401 - scipy ships no types
        from scipy.sparse import csc_array

        return self._sharing(csc_array((self.width, len(self)), dtype=self.data.dtype))

    def _sharing(self, matrix: Any) -> Any:  # noqa: ANN401 - scipy ships no types
        # Given to its constructor, arrays that are parts of larger ones, as those of a block are, would be copied.
        matrix.indptr, matrix.indices, matrix.data = self.offsets, self.columns, self.data
        matrix.has_sorted_indices = True
        matrix.has_canonical_format = True
        return matrix

    def _times_small(self, E: Array | ByteRows) -> Array:
        S = np.zeros((len(self), E.shape[1]), np.result_type(self.data.dtype, E.dtype))
        np.add.at(S, self.row_numbers, self.data[:, None] * E[self.columns])
        return S


def average(C: SparseRows, E: Array | ByteRows, *, threads: int = 1) -> Array:
    """Return S = C E, shape (n, d); of a C with the columns of m passages, S = [C₁ E, C₂ E, …], shape (n, m d)."""
    m = C.width // max(len(E), 1)
    return C.times(E, threads=threads) if m < 2 else C.unfold(m).times(E, threads=threads).reshape(len(C), -1)


def sum_entries(rows: Integers, columns: Integers, n: int, width: int) -> SparseRows:
    """Return the matrix (n, width) that counts how often each pair of row and column was given.

    Columns below 0 are left out. Pairs are counted by sorting them as one number each, of 32 bits where they fit,
    which sort in half the time of 64.

    >>> C = sum_entries(np.array([0, 0, 1]), np.array([2, 2, 0]), n=2, width=3)
    >>> C.scipy.toarray()
    array([[0., 0., 2.],
           [1., 0., 0.]], dtype=float32)
    """
    bits = max(width, 1).bit_length()
    kind: type[np.unsignedinteger[Any]] = np.uint32 if (n + 1) << bits <= 1 << 32 else np.uint64
    pairs = rows.astype(kind)
    pairs <<= kind(bits)
    pairs |= columns.astype(kind)  # which of -1 makes the largest number of all
    pairs.sort()
    pairs = pairs[: np.searchsorted(pairs, kind(n << bits))]
    starts = run_starts(pairs)
    counts = np.diff(starts, append=len(pairs)).astype(np.float32)
    pairs = pairs[starts]
    offsets = np.searchsorted(pairs, np.arange(n + 1, dtype=kind) << kind(bits))
    pairs &= kind((1 << bits) - 1)
    return SparseRows(_narrow(offsets), pairs.astype(np.int32), counts, width)


def empty_rows(n: int, width: int) -> SparseRows:
    """Return the matrix (n, width) without entries."""
    return SparseRows(np.zeros(n + 1, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), width)


def stack_rows(parts: Sequence[SparseRows]) -> SparseRows:
    """Return the matrix that has the rows of all parts, which are of one width, in their order.

    >>> C = SparseRows(np.array([0, 1]), np.array([1]), np.array([5.0]), width=2)
    >>> stack_rows([C, C]).scipy.toarray()
    array([[0., 5.],
           [0., 5.]])
    """
    if len(parts) == 1:
        return parts[0]
    return SparseRows(
        offsets_of(np.concatenate([np.diff(part.offsets) for part in parts])),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.data for part in parts]),
        parts[0].width,
    )


def beside(left: SparseRows, right: SparseRows) -> SparseRows:
    """Return the matrix that has the columns of both, which have as many rows, those of `left` first."""
    if not left.width:
        return right
    lengths = np.diff(left.offsets), np.diff(right.offsets)
    offsets = offsets_of(lengths[0] + lengths[1])
    columns, data = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.float32)
    for part, starts, shift in ((left, offsets[:-1], 0), (right, offsets[:-1] + lengths[0], left.width)):
        places = places_within(starts, np.diff(part.offsets))
        columns[places] = part.columns + shift
        data[places] = part.data
    return SparseRows(offsets, columns, data, left.width + right.width)


def places_within(starts: Integers, lengths: Integers) -> Integers:
    """Return the places of all stretches, one after the other, given where each starts and how long it is.

    >>> places_within(np.array([7, 2]), np.array([2, 3])).tolist()
    [7, 8, 2, 3, 4]
    """
    offsets = offsets_of(lengths)
    places: Integers = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return places


def offsets_of(lengths: Integers) -> Integers:
    """Return where each row begins, and where the last ends, from how many entries each has.

    >>> offsets_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return _narrow(offsets)


def _narrow(offsets: Integers) -> Integers:
    """Return offsets in 32 bits where they fit: scipy wants them of the columns' kind."""
    return offsets.astype(np.int32 if offsets[-1] < 2**31 else np.int64)


_SMALLEST_BLOCK, _TYPICAL_BLOCK = 1 << 18, 1 << 19  # entries of C; handing a block to a thread has its cost
_TYPICAL_BLOCKS = 16  # a large table has so many, a small one fewer
_ENTRIES_A_COLUMN = 1.25  # a block makes a sum for each column: with so many entries to each, that sum costs little
_LARGEST_BLOCK = 1 << 23
_MOST_OUTPUTS = 1 << 22  # rows times classes of a block: several dense matrices of that size are made of it


def blocks_of(matrices: Sequence[SparseRows], k: int) -> list[slice]:
    """Return the rows of each block in which matrices with the same number of rows are processed.

    Blocks have like numbers of entries, their number is even, and they are large enough for the sums over a block, one
    number a column, to cost little beside it, unless k numbers for each row would be too many.
    """
    ends = np.sum([C.offsets for C in matrices], axis=0)
    entries, width = int(ends[-1]), sum(C.width for C in matrices)
    typical = min(max(_SMALLEST_BLOCK, entries // _TYPICAL_BLOCKS), _TYPICAL_BLOCK)
    least = min(max(typical, int(_ENTRIES_A_COLUMN * width)), _LARGEST_BLOCK)
    count = max(1, 2 * (entries // (2 * least)), len(matrices[0]) * k // _MOST_OUTPUTS)
    cuts = np.searchsorted(ends, np.linspace(0, entries, count + 1)[1:-1])
    bounds = np.unique(np.concatenate(([0], cuts, [len(ends) - 1]))).tolist()
    return [slice(start, stop) for start, stop in pairwise(bounds)]


class CsrBuilder:
    """A sparse matrix that grows by rows."""

    def __init__(self, store: ArrayStore, width: int) -> None:
        self._columns, self._data, self._width = ArrayBuilder(store), ArrayBuilder(store), width
        self._lengths: list[Integers] = []

    def add(self, part: SparseRows) -> None:
        """Put the rows of a part after the others."""
        self._columns.add(part.columns)
        self._data.add(part.data)
        self._lengths.append(np.diff(part.offsets))

    def whole(self) -> SparseRows:
        """Return all rows, of which there is at least one part."""
        offsets = offsets_of(np.concatenate(self._lengths))
        return SparseRows(offsets, self._columns.whole(), self._data.whole(), self._width)


def take_rows(C: SparseRows, rows: Integers, store: ArrayStore) -> SparseRows:
    """Return these rows, in this order, in the store."""
    builder = CsrBuilder(store, C.width)
    for some in row_batches(rows):
        builder.add(C.take(some))
        drop_pages(C)
    return builder.whole()
