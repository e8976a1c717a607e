"""Numbers in 8 bits: matrices whose rows have a scale each, and arrays of few distinct values.

A row x of a matrix is kept as whole numbers q of −127 … 127 and one scale s, so that x ≈ s q with an error of at most
s / 2 in each place, a 254th of the row's largest number. An array in which 256 values do is kept as their numbers.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from textclf.types import Array, Integers

_LARGEST = 127
_MOST_VALUES = 256
_ROWS_AT_ONCE = 1 << 12


@dataclass(frozen=True)
class ByteRows:
    """A matrix (n, d) of float32 kept in bytes: row i is ``scales[i] * codes[i]``, made when it is asked for.

    `codes`: int8, shape (n, d). `scales`: float16, shape (n,). Rows in use are taken with ``rows[numbers]``; all of
    them at once by `numpy.asarray`, which keeps them for the next time.

    >>> rows = ByteRows.of(np.array([[1.27, -0.5]], np.float32))
    >>> rows.codes, np.asarray(rows).round(2)
    (array([[127, -50]], dtype=int8), array([[ 1.27, -0.5 ]], dtype=float32))
    """

    codes: npt.NDArray[np.int8]
    scales: Array

    @staticmethod
    def of(matrix: Array) -> "ByteRows":
        """Return the nearest such rows to those of a matrix."""
        codes, scales = np.empty(matrix.shape, np.int8), np.empty(len(matrix), np.float16)
        for start in range(0, len(matrix), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            largest = np.abs(matrix[rows]).max(axis=1, initial=0.0)
            scales[rows] = np.minimum(largest / _LARGEST, np.finfo(np.float16).max)
            wide = scales[rows].astype(np.float64)[:, None]
            whole = np.rint(np.divide(matrix[rows], wide, out=np.zeros(matrix[rows].shape), where=wide > 0))
            # Where the scale was rounded down, the largest number of the row would be 128.
            codes[rows] = np.clip(whole, -_LARGEST, _LARGEST)
        return ByteRows(codes, scales)

    @property
    def shape(self) -> tuple[int, ...]:
        """The matrix's shape, (n, d)."""
        return self.codes.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """What a number of the matrix is."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, numbers: Integers) -> Array: ...

    @overload
    def __getitem__(self, numbers: slice) -> "ByteRows": ...

    def __getitem__(self, numbers: Integers | slice) -> "Array | ByteRows":
        if isinstance(numbers, slice):
            return ByteRows(self.codes[numbers], self.scales[numbers])
        rows: Array = self.codes[numbers].astype(np.float32)
        rows *= self.scales[numbers].astype(np.float32)[:, None]
        return rows

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self._all, dtype or np.float32, copy=copy)

    def astype(self, dtype: npt.DTypeLike) -> Array:
        """Return the whole matrix as numbers of this type."""
        return self.__array__(dtype)

    @cached_property
    def _all(self) -> Array:
        return self[np.arange(len(self))]


def few_values(values: Array) -> Array:
    """Return the nearest values of at most 256 distinct ones: the same where there are no more, else evenly spread.

    >>> len(np.unique(few_values(np.linspace(0, 1, 1000, dtype=np.float32))))
    256
    """
    distinct = np.unique(values)
    if len(distinct) <= _MOST_VALUES:
        return values
    low, high = distinct[0], distinct[-1]
    step = (high - low) / (_MOST_VALUES - 1)
    nearest: Array = (low + np.rint((values - low) / step) * step).astype(np.float32)
    return nearest


def row_arrays(name: str, rows: Array | ByteRows) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that store a matrix under a name."""
    return {name: rows.codes, f"{name}.scales": rows.scales} if isinstance(rows, ByteRows) else {name: rows}


def value_arrays(name: str, values: Array, *, small: bool) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that store values under a name; `small`: the distinct ones, at most 256, and their numbers."""
    if not small:
        return {name: values}
    distinct, codes = np.unique(values, return_inverse=True)
    return {name: codes.astype(np.uint8), f"{name}.values": distinct}
