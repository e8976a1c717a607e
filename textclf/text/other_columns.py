"""Columns beside the texts as numbers: D, which goes straight to the last sum with rows V of its own.

    Z[L] = … + D V          dV = Dᵀ δ

A category has a column of D for each value that training met often enough, which is 1 / √c in the rows that have it,
c being the number of category columns; a value that is not known has none. A number is standardized: the mean taken
off, divided by its spread, no further than `FURTHEST` from 0, and divided by √q, q being the number of number columns.
So both, like n-grams, have rows of a length of about 1, and one strength of the regularization serves all. A missing
number is the mean, and where training met missing ones, an indicator of the column says so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.errors import DataError
from textclf.storage.row_columns import RowColumns, parse_number
from textclf.text.csr import SparseRows, offsets_of
from textclf.types import Array, BoolArray, Integers

FURTHEST = 10.0
"""Standardized numbers beyond it count as this much: one wrong cell must not outweigh all else."""
MOST_VALUES = 100_000
"""So many values of a category column are kept at the most, the commonest."""


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories and the values that have a column of D, in rising order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, their mean and spread in training, and whether some were missing there."""

    name: str
    mean: float
    spread: float
    has_missing: bool = False


@dataclass(frozen=True)
class OtherColumns:
    """What training learnt of the columns beside the texts.

    D has a column for each value of each category, then one for each number, then an indicator for each number column
    that had missing cells.
    """

    categories: tuple[CategoryColumn, ...] = ()
    numbers: tuple[NumberColumn, ...] = ()

    @property
    def width(self) -> int:
        """The number of columns of D."""
        return self.counted + len(self.numbers) + sum(column.has_missing for column in self.numbers)

    @property
    def counted(self) -> int:
        """How many columns of D, the first ones, belong to categories."""
        return sum(len(column.values) for column in self.categories)

    @property
    def names(self) -> list[str]:
        """What each column of D is called."""
        found = [f"{column.name}={value}" for column in self.categories for value in column.values]
        found += [column.name for column in self.numbers]
        return [*found, *(f"{column.name} (missing)" for column in self.numbers if column.has_missing)]

    @property
    def owners(self) -> list[str]:
        """The name of the table's column that each column of D belongs to."""
        found = [column.name for column in self.categories for _ in column.values]
        found += [column.name for column in self.numbers]
        return [*found, *(column.name for column in self.numbers if column.has_missing)]

    def matrix(self, cells: Sequence[Sequence[str]]) -> SparseRows:
        """Return D, shape (n, width), of rows given by their cells, those of categories first."""
        n = len(cells)
        places, values = [], []
        first = 0
        for number, column in enumerate(self.categories):
            known = {value: first + place for place, value in enumerate(column.values)}
            places.append(np.array([known.get(row[number], -1) for row in cells], np.int32))
            values.append(np.full(n, 1 / np.sqrt(len(self.categories))))
            first += len(column.values)
        X = parse_numbers([row[len(self.categories) :] for row in cells], len(self.numbers))
        share, is_missing = 1 / np.sqrt(max(len(self.numbers), 1)), np.isnan(X)
        indicator = self.counted + len(self.numbers)
        gaps: list[tuple[Integers, npt.NDArray[np.float64]]] = []
        for number, of_number in enumerate(self.numbers):
            places.append(np.full(n, self.counted + number, np.int32))
            with np.errstate(over="ignore"):  # infinite is far
                z = (X[:, number] - of_number.mean) / of_number.spread
            values.append(share * np.clip(np.where(is_missing[:, number], 0.0, z), -FURTHEST, FURTHEST))
            if of_number.has_missing:
                gaps.append((np.full(n, indicator + len(gaps), np.int32), share * is_missing[:, number]))
        columns = np.stack([*places, *(place for place, _ in gaps), np.full(n, -1, np.int32)], axis=1)
        data = np.stack([*values, *(value for _, value in gaps), np.zeros(n)], axis=1).astype(np.float32)
        stays: BoolArray = (columns >= 0) & (data != 0)
        return SparseRows(offsets_of(stays.sum(axis=1)), columns[stays], data[stays], self.width)

    def extend(self, more: "OtherColumns") -> "tuple[OtherColumns, Integers]":
        """Return the columns with the categories of others of the same names, and which column of D each one was.

        A new column was -1. Numbers stay standardized as they were.
        """
        categories, origins = [], []
        first = 0
        for own, other in zip(self.categories, more.categories, strict=True):
            values = tuple(sorted({*own.values, *other.values}))
            places = {value: first + place for place, value in enumerate(own.values)}
            categories.append(CategoryColumn(own.name, values))
            origins += [places.get(value, -1) for value in values]
            first += len(own.values)
        return OtherColumns(tuple(categories), self.numbers), np.array([*origins, *range(first, self.width)], np.int64)

    def squares(self) -> Array:
        """Return the mean square of each column of D, shape (width,), as if categories were equally common."""
        found = [
            np.full(len(column.values), 1 / (len(self.categories) * len(column.values))) for column in self.categories
        ]
        rest = np.full(self.width - self.counted, 1 / max(len(self.numbers), 1))
        return np.concatenate([*found, rest])


NO_OTHERS = OtherColumns()


def learn_columns(
    columns: RowColumns, rows: Sequence[str], weights: npt.NDArray[np.float64], least: int
) -> OtherColumns:
    """Return what these rows, of these weights, shape (n,), teach; a category of fewer than `least` rows is unknown."""
    counts: list[Counter[str]] = [Counter() for _ in columns.categories]
    moments = _Moments.start(len(columns.numbers))
    first = 0
    for batch in columns.batches(rows):
        cells, first = columns.others(batch), first + len(batch)
        for number, counter in enumerate(counts):
            counter.update(row[number] for row in cells)
        X = parse_numbers([row[len(columns.categories) :] for row in cells], len(columns.numbers))
        moments = moments.add(X, weights[first - len(batch) : first, None])
    categories = tuple(
        CategoryColumn(name, _common_values(counter, least))
        for name, counter in zip(columns.categories, counts, strict=True)
    )
    numbers = tuple(NumberColumn(*figures) for figures in zip(columns.numbers, *moments.figures(), strict=True))
    return OtherColumns(categories, numbers)


def _common_values(counter: Counter[str], least: int) -> tuple[str, ...]:
    return tuple(sorted(value for value, count in counter.most_common(MOST_VALUES) if count >= least))


@dataclass(frozen=True)
class _Moments:
    """Weight, mean and Σ w (x − mean)² of each number column, and whether a cell was missing; shapes (q,)."""

    weight: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    squares: npt.NDArray[np.float64]
    has_missing: BoolArray

    @staticmethod
    def start(q: int) -> "_Moments":
        return _Moments(np.zeros(q), np.zeros(q), np.zeros(q), np.zeros(q, np.bool_))

    def add(self, X: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> "_Moments":
        """Return the moments with those of more rows (Chan et al. 1979)."""
        is_missing = np.isnan(X)
        w = np.where(is_missing, 0.0, weights)
        X = np.where(is_missing, 0.0, X)
        more = w.sum(axis=0)
        mean = (w * X).sum(axis=0) / np.maximum(more, 1e-300)
        squares = (w * (X - mean) ** 2).sum(axis=0)
        total = self.weight + more
        share = more / np.maximum(total, 1e-300)
        apart = mean - self.mean
        return _Moments(
            total,
            self.mean + apart * share,
            self.squares + squares + apart**2 * self.weight * share,
            self.has_missing | is_missing.any(axis=0),
        )

    def figures(self) -> tuple[list[float], list[float], list[bool]]:
        """Return means, spreads (1 for a column whose numbers are all equal) and which columns had missing cells."""
        spread = np.sqrt(self.squares / np.maximum(self.weight, 1e-300))
        is_constant = spread <= 1e-12 * np.maximum(np.abs(self.mean), 1e-300)
        return self.mean.tolist(), np.where(is_constant, 1.0, spread).tolist(), self.has_missing.tolist()


def parse_numbers(cells: Sequence[Sequence[str]], q: int) -> npt.NDArray[np.float64]:
    """Return the numbers of rows of q cells, shape (n, q), NaN where one is missing."""
    try:
        return np.array([[parse_number(cell) for cell in row] for row in cells], np.float64).reshape(len(cells), q)
    except ValueError:
        raise DataError("row: expected numbers in columns of numbers, found other cells. Correct the row.") from None
