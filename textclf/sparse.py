"""Sparse matrices of texts by words: C, its products with dense matrices, and its rows.

Big products are scipy's, on two halves at once where threads are given; one text's is NumPy's, so that labelling a
sentence needs no scipy. Either way each row of a product is summed in the order of the row's entries, so the number
of threads does not change a bit of the result.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from textclf.arrays import Array, Integers

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

    def times(self, E: Array, *, threads: int = 1) -> Array:
        """Return S = C E, shape (n, d), for a dense E of shape (V, d)."""
        n = len(self)
        if len(self.data) * E.shape[1] <= _SMALL:
            return self._times_small(E)
        if threads < 2 or n < 2 * threads:
            product: Array = self.scipy @ E
            return product
        # Rows are dealt out so that each thread has as many entries as the others.
        cuts = np.searchsorted(self.offsets, np.linspace(0, self.offsets[-1], threads + 1)[1:-1])
        bounds = [0, *cuts.tolist(), n]
        S = np.empty((n, E.shape[1]), np.result_type(self.data, E))

        def fill(start: int, stop: int) -> None:
            S[start:stop] = self.slice(start, stop).scipy @ E

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, bounds[:-1], bounds[1:]))
        return S

    def transposed(self) -> "SparseRows":
        """Return Cᵀ, shape (V, n), kept by rows, for products Cᵀ δ."""
        by_columns = self.scipy.tocsc()
        return SparseRows(by_columns.indptr, by_columns.indices, by_columns.data, len(self))

    def slice(self, start: int, stop: int) -> "SparseRows":
        """Return rows start … stop - 1 without copying their entries."""
        first, last = self.offsets[start], self.offsets[stop]
        offsets = self.offsets[start : stop + 1] - first
        return SparseRows(offsets, self.columns[first:last], self.data[first:last], self.width)

    def take(self, rows: Integers) -> "SparseRows":
        """Return these rows, in this order."""
        chosen = self.scipy[rows]
        return SparseRows(chosen.indptr, chosen.indices, chosen.data, self.width)

    def with_data(self, data: Array) -> "SparseRows":
        """Return the matrix with other values in the same places."""
        return SparseRows(self.offsets, self.columns, data, self.width)

    @property
    def row_numbers(self) -> Integers:
        """The row of each entry, in the order of `data`."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def scipy(self) -> Any:  # noqa: ANN401 - scipy ships no types
        """The same matrix for scipy's products, sharing the arrays."""
        from scipy.sparse import csr_array

        matrix = csr_array((self.data, self.columns, self.offsets), shape=(len(self), self.width), copy=False)
        matrix.has_sorted_indices = True
        matrix.has_canonical_format = True
        return matrix

    def _times_small(self, E: Array) -> Array:
        S = np.zeros((len(self), E.shape[1]), np.result_type(self.data, E))
        np.add.at(S, self.row_numbers, self.data[:, None] * E[self.columns])
        return S


def sum_entries(
    rows: Integers, columns: Integers, n: int, width: int, *, make: Callable[[Integers], Array]
) -> SparseRows:
    """Return the matrix (n, width) whose entry (r, c) is ``make(how often the pair (r, c) was given)``.

    `columns` below 0 are left out. Pairs are counted by sorting them as one number each.
    """
    known = columns >= 0
    pairs = (rows[known].astype(np.uint64) << np.uint64(32)) | columns[known].astype(np.uint64)
    pairs.sort()
    starts = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1]))) if len(pairs) else np.zeros(0, np.int64)
    counts = np.diff(starts, append=len(pairs))
    pairs = pairs[starts]
    offsets = np.searchsorted(pairs, np.arange(n + 1, dtype=np.uint64) << np.uint64(32))
    return SparseRows(offsets.astype(np.int32), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32), make(counts), width)
