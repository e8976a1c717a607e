"""Labelled rows as numbers: C by words and by n-grams, the truth, and which rows are set aside.

Rows are set aside in one of two ways: `split` holds out a share of each class, `deal` puts every row into a fold. Both
hold to two rules, because figures on rows that break them mean nothing. Rows with the same text stay together, so that
no row is judged by a model that has seen its text. A row is only set aside if each of its labels remains among the
others, in a row that weighs something: no model can know a label that it has not seen, and one such row in 1,000 is
enough to ruin a temperature.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from textclf.errors import DataError
from textclf.metrics.multi_label import strata
from textclf.text.copies import group_copies
from textclf.text.csr import SparseRows
from textclf.text.subwords import WideRows
from textclf.types import Array, Integers, Keys


@dataclass(frozen=True)
class Examples:
    """n examples: C by words and by n-grams, the truth Y of shape (n, k), and each example's weight.

    Y is one-hot, or, where examples may have several labels or none, has a 1 for each label. `groups`, shape (n,): as
    `text.copies.group_copies` returns them; None where nobody asks which texts are the same.
    """

    words: SparseRows
    ngrams: WideRows
    Y: Array
    weights: Array
    groups: Integers | None = None

    def __len__(self) -> int:
        return len(self.Y)

    def take(self, rows: Integers) -> "Examples":
        """Return these examples, in this order."""
        groups = None if self.groups is None else self.groups[rows]
        return Examples(self.words.take(rows), self.ngrams.take(rows), self.Y[rows], self.weights[rows], groups)

    def weighing_only(self, rows: Integers) -> "Examples":
        """Return the same examples, sharing their matrices, of which all but these `rows` weigh nothing.

        What is fitted to them is what `take(rows)` would give, with no second copy of their matrices.
        """
        weights = np.zeros_like(self.weights)
        weights[rows] = self.weights[rows]
        return replace(self, weights=weights)


@dataclass(frozen=True)
class RowsByClass:
    """What decides of n rows which may be set aside.

    `y`, shape (n,): the class of each, or the rarest of its labels. `groups`, shape (n,), as `group_copies` returns
    them: rows of one number stay together; None says that all texts differ. `Y`, shape (n, k): the labels, where rows
    may have several. `weights`, shape (n,): None says that all rows weigh alike.
    """

    y: Integers
    groups: Integers | None = None
    Y: Array | None = None
    weights: Array | None = None

    @staticmethod
    def of(Y: Array, groups: Integers | None = None, weights: Array | None = None) -> "RowsByClass":
        """Return the rows whose truth is Y, shape (n, k)."""
        return RowsByClass(strata(Y), groups, Y, weights)


def split(
    rows: RowsByClass, fraction: float, rng: np.random.Generator, *, keys: Keys | None = None
) -> tuple[Integers, Integers]:
    """Return the numbers of the training rows and of the validation rows, `fraction` of each class, both rising.

    A class of n rows gives round(n · fraction) of them, at least one if it has four different texts or more, and never
    its last two texts: a class too small to share stays with training. A fraction of 0 sets nothing aside. `keys`,
    shape (n,): rows of the lowest are held out, instead of rows by chance, so that files that are split one by one hold
    out the same texts, but for some at the margin.
    """
    y, units = rows.y, _TextGroups.of(rows)
    least = 1 if fraction else 0
    chosen = np.zeros(len(units), np.bool_)
    for number in np.unique(y):
        members = np.flatnonzero(units.y == number)
        if len(members) < 3:
            continue
        wanted = max(round(int((y == number).sum()) * fraction), least if len(members) >= _SMALLEST_SHARED else 0)
        order = rng.permutation(members) if keys is None else members[np.argsort(keys[units.firsts[members]])]
        small = order[units.sizes[order] <= wanted]  # one text in half of all rows would else be all that is judged
        taken = small[np.cumsum(units.sizes[small]) <= wanted]
        if least and not len(taken) and len(members) >= _SMALLEST_SHARED:
            taken = order[units.sizes[order].argmin()][None]
        chosen[taken[: len(members) - 2]] = True
    chosen &= ~units.hold_unseen(np.where(chosen, 0, -1), rows)
    aside = chosen[units.of_row]
    return np.flatnonzero(~aside), np.flatnonzero(aside)


_SMALLEST_SHARED = 4


def deal(rows: RowsByClass, folds: int, rng: np.random.Generator, *, fewest: int = 2) -> Integers:
    """Return the fold of each row, shape (n,), 0 to `folds` - 1: each class is dealt out evenly, in random order.

    Rows of fold -1 are in no fold: they train every time, and nothing is to be said of them. They are those of classes
    with less than `fewest` different texts, and those with a label that no other fold has.
    """
    units = _TextGroups.of(rows)
    fold = np.full(len(units), -1)
    dealt = 0  # the next class goes on where the last one ended, so that small classes do not all fall into fold 0
    for number in np.unique(rows.y):
        order = rng.permutation(np.flatnonzero(units.y == number))
        if len(order) < fewest:
            continue
        order = order[np.argsort(-units.sizes[order], kind="stable")]  # texts with many copies first: folds end even
        fold[order] = (np.arange(len(order)) + dealt) % folds
        dealt += len(order)
    fold[units.hold_unseen(fold, rows)] = -1
    return fold[units.of_row]


@dataclass(frozen=True)
class _TextGroups:
    """Rows by their text: a unit is all rows of one text.

    `of_row`, shape (n,), is each row's unit. `firsts`, `sizes` and `y`, shape (u,): its first row, rows and class.
    """

    of_row: Integers
    firsts: Integers
    sizes: Integers
    y: Integers

    @staticmethod
    def of(rows: RowsByClass) -> "_TextGroups":
        """Return one unit for each different text; its class is that of its first row."""
        y, groups = rows.y, rows.groups
        if groups is None:
            return _TextGroups(np.arange(len(y)), np.arange(len(y)), np.ones(len(y), np.int64), y)
        _, firsts, of_row, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
        return _TextGroups(of_row, firsts, sizes, y[firsts])

    def __len__(self) -> int:
        return len(self.sizes)

    def hold_unseen(self, fold: Integers, of: RowsByClass) -> npt.NDArray[np.bool_]:
        """Return which units, dealt to `fold`, have a row with a label that no row of weight outside their fold has."""
        rows, labels = (np.arange(len(of.y)), of.y) if of.Y is None else np.nonzero(of.Y)
        of_row = fold[self.of_row[rows]]
        lowest, highest = np.full((2, int(labels.max(initial=0)) + 1), -1)
        lowest[:] = np.iinfo(np.int64).max
        shows = np.full(len(rows), True) if of.weights is None else of.weights[rows] > 0
        np.minimum.at(lowest, labels[shows], of_row[shows])
        np.maximum.at(highest, labels[shows], of_row[shows])
        alone = (of_row >= 0) & (lowest[labels] >= of_row) & (highest[labels] <= of_row)
        held = np.zeros(len(self), np.bool_)
        held[self.of_row[rows[alone]]] = True
        return held


# --- one table into two ----------------------------------------------------------------------------------------------


def rows_of_test(texts: Sequence[str], labels: Sequence[str], share: float, rng: np.random.Generator) -> list[int]:
    """Return the numbers, from 0, of the rows that go into the test table: about `share` of each label's rows.

    Texts that differ in case and blanks alone are copies, and stay together under the label of the first. A label with
    two different texts or more has rows on both sides. Raises DataError when a side would have no rows.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for number, group in enumerate(group_copies(texts).tolist()):
        groups[group].append(number)
    of_label: dict[str, list[list[int]]] = defaultdict(list)
    for rows in groups.values():
        of_label[labels[rows[0]]].append(rows)
    chosen: list[int] = []
    for label in sorted(of_label):
        chosen += _draw(of_label[label], share, rng)
    if not 0 < len(chosen) < len(texts):
        raise DataError(
            f"rows: expected enough for two tables, found {len(groups):,} different texts of {len(of_label):,} labels."
            " Add rows, or choose another --test."
        )
    return sorted(chosen)


def _draw(groups: list[list[int]], share: float, rng: np.random.Generator) -> list[int]:
    """Return the rows of groups drawn until they are the share nearest to `share`, but never of all or none of two."""
    total = sum(map(len, groups))
    order = [groups[i] for i in rng.permutation(len(groups))]
    drawn: list[int] = []
    for number, rows in enumerate(order):
        is_last = number == len(order) - 1
        is_nearer = abs(len(drawn) + len(rows) - share * total) < abs(len(drawn) - share * total)
        if not is_last and (is_nearer or (number == 0 and len(order) > 1)):
            drawn += rows
    return drawn
