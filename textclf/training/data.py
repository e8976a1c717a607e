"""Labelled rows as numbers: C by words and by n-grams, the truth, and which rows are set aside."""

from dataclasses import dataclass, replace

import numpy as np

from textclf.text.csr import SparseRows
from textclf.text.subwords import WideRows
from textclf.types import Array, Integers


@dataclass(frozen=True)
class Examples:
    """n examples: C by words and by n-grams, the truth Y of shape (n, k), and each example's weight.

    Y is one-hot, or, where examples may have several labels or none, has a 1 for each label.
    """

    words: SparseRows
    ngrams: WideRows
    Y: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.Y)

    def take(self, rows: Integers) -> "Examples":
        """Return these examples, in this order."""
        return Examples(self.words.take(rows), self.ngrams.take(rows), self.Y[rows], self.weights[rows])

    def weighing_only(self, rows: Integers) -> "Examples":
        """Return the same examples, sharing their matrices, of which all but these `rows` weigh nothing.

        What is fitted to them is what `take(rows)` would give, with no second copy of their matrices.
        """
        weights = np.zeros_like(self.weights)
        weights[rows] = self.weights[rows]
        return replace(self, weights=weights)


def split(y: Integers, fraction: float, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Return the numbers of the training rows and of the validation rows, `fraction` of each class, both rising.

    A class of n rows gives round(n · fraction) of them, at least one if it has four or more, and never its last two:
    a class too small to share stays with training. A fraction of 0 sets nothing aside.
    """
    least = 1 if fraction else 0
    valid = []
    for number in np.unique(y):
        rows = np.flatnonzero(y == number)
        wanted = max(round(len(rows) * fraction), least if len(rows) >= _SMALLEST_SHARED else 0)
        valid.append(rng.permutation(rows)[: min(wanted, len(rows) - 2)] if len(rows) > 2 else rows[:0])
    chosen = np.sort(np.concatenate(valid))
    return np.setdiff1d(np.arange(len(y)), chosen, assume_unique=True), chosen


_SMALLEST_SHARED = 4


def deal(y: Integers, folds: int, rng: np.random.Generator) -> Integers:
    """Return the fold of each row, shape (n,), 0 to `folds` - 1: each class is dealt out evenly, in random order."""
    fold = np.empty(len(y), np.int64)
    dealt = 0  # the next class goes on where the last one ended, so that small classes do not all fall into fold 0
    for number in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == number))
        fold[rows] = (np.arange(len(rows)) + dealt) % folds
        dealt += len(rows)
    return fold
