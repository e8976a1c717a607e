"""How well scores put the rows of a class before all others: ROC AUC and average precision, one class against the rest.

Letters: ``n`` rows, ``k`` classes. Both figures need only how many rows of the class, and how many others, have each
score. Scores are kept as they are while they are few; of more, they are counted in fine cells of their log-odds. The
rows of a cell then count as ties, and how far that can move a figure at most is stated with it. Either way counts of
several processes add up.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textclf.types import Array, Integers

MOST_EXACT = 1 << 20
"""So many scores, n · k, are kept as they are: 8 MB."""
_CELLS = 4096
_AT_ONCE = 1 << 18  # scores counted at a time
_FARTHEST = 20.0  # log-odds beyond count as these


@dataclass(frozen=True)
class RankingFigures:
    """ROC AUC and average precision of each class, shape (k,), NaN where it has no rows or all.

    `auc_error` and `precision_error` bound how far each class's figure may lie from that of the exact scores: 0 where
    these were few enough to be kept.
    """

    roc_auc: Array
    average_precision: Array
    auc_error: Array
    precision_error: Array

    @property
    def macro_roc_auc(self) -> float | None:
        """The mean ROC AUC of the classes that have rows, but not all; None where there is none."""
        return _mean(self.roc_auc)

    @property
    def macro_average_precision(self) -> float | None:
        """The mean average precision of the classes that have rows, but not all; None where there is none."""
        return _mean(self.average_precision)

    @property
    def error(self) -> float:
        """How far either mean may lie from that of the exact scores, at most."""
        return max(_mean(self.auc_error) or 0.0, _mean(self.precision_error) or 0.0)


def _mean(figures: Array) -> float | None:
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if len(known) else None


@dataclass
class Ranking:
    """The scores of k classes by whether rows have the class: it grows batch by batch, and several add up."""

    k: int
    _scores: list[Array] = field(default_factory=list)
    _has: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    _cells: npt.NDArray[np.int64] | None = None
    """Rows of the class and others in each cell, shape (2, k, cells); None while scores are kept."""

    def add(self, has: npt.NDArray[np.bool_], P: Array) -> None:
        """Count rows that have the classes `has`, with probabilities P, both of shape (n, k)."""
        if self._cells is not None:
            self._cells += count_cells(has, P)
            return
        self._scores.append(P)
        self._has.append(has)
        if sum(part.size for part in self._scores) > MOST_EXACT:
            self._to_cells()

    def merge(self, other: "Ranking") -> None:
        """Add another's counts."""
        if other._cells is not None:
            self._to_cells()
            assert self._cells is not None
            self._cells += other._cells
        for has, P in zip(other._has, other._scores, strict=True):
            self.add(has, P)

    def _to_cells(self) -> None:
        if self._cells is None:
            self._cells = np.zeros((2, self.k, _CELLS), np.int64)
        for has, P in zip(self._has, self._scores, strict=True):
            self._cells += count_cells(has, P)
        self._scores, self._has = [], []

    def curve(self, number: int) -> "PrecisionRecall":
        """Return precision and recall of one class by the score from which on rows count as of it."""
        if self._cells is not None:
            of_class, others = self._cells[:, number, ::-1]
            log_odds = (np.arange(_CELLS)[::-1] / _CELLS - 0.5) * (2 * _FARTHEST)  # a cell's lower end
            thresholds = 1.0 / (1.0 + np.exp(-log_odds))
        else:
            scores, has = (np.concatenate([part[:, number] for part in parts]) for parts in (self._scores, self._has))
            of_class, others = _by_score(scores, has)
            thresholds = np.unique(scores)[::-1]
        return PrecisionRecall(thresholds, np.cumsum(of_class), np.cumsum(others))

    def figures(self) -> RankingFigures:
        """Return the figures of all classes."""
        if self._cells is not None:
            pairs = [(of_class, others) for of_class, others in self._cells.swapaxes(0, 1)[..., ::-1]]
            found = np.array([[*_figures(*pair), *_bounds(*pair)] for pair in pairs])
        elif self._scores:
            P, has = np.concatenate(self._scores), np.concatenate(self._has)
            found = np.array([[*_figures(*_by_score(P[:, j], has[:, j])), 0.0, 0.0] for j in range(self.k)])
        else:
            found = np.tile([np.nan, np.nan, 0.0, 0.0], (self.k, 1))
        return RankingFigures(*found.T)


@dataclass(frozen=True)
class PrecisionRecall:
    """Of one class: falling `thresholds`, and how many rows of it and how many others score as much or more."""

    thresholds: Array
    hits: Integers
    wrong: Integers

    def at_recall(self, recall: float) -> tuple[float, float, float]:
        """Return the highest threshold with at least this recall, its precision and its recall.

        The class must have rows.
        """
        place = int(np.searchsorted(self.hits, recall * self.hits[-1] - _ROUNDING))
        hits, wrong = int(self.hits[place]), int(self.wrong[place])
        return float(self.thresholds[place]), hits / (hits + wrong), hits / int(self.hits[-1])


_ROUNDING = 1e-9  # 0.95 of 20 rows are 19, whatever binary fractions make of it


def count_cells(has: npt.NDArray[np.bool_], P: Array) -> npt.NDArray[np.int64]:
    """Return how many rows of each class, and how many others, have a score in each cell, shape (2, k, cells)."""
    k = P.shape[1]
    counts = np.zeros(2 * k * _CELLS, np.int64)
    tiny, step = np.exp(-_FARTHEST), max(_AT_ONCE // k, 1)
    for start in range(0, len(P), step):
        p = np.clip(P[start : start + step].astype(np.float64), tiny, 1 - tiny)
        log_odds = np.log(p) - np.log1p(-p)
        cells = np.clip((log_odds / (2 * _FARTHEST) + 0.5) * _CELLS, 0, _CELLS - 1).astype(np.int64)
        numbers = (np.where(has[start : start + step], 0, k) + np.arange(k)) * _CELLS + cells
        counts += np.bincount(numbers.ravel(), minlength=len(counts))
    return counts.reshape(2, k, _CELLS)


def _by_score(scores: Array, has: npt.NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return how many rows of the class, and how many others, have each distinct score, the highest first."""
    distinct, place = np.unique(-scores, return_inverse=True)
    of_class = np.bincount(place[has], minlength=len(distinct))
    return of_class, np.bincount(place[~has], minlength=len(distinct))


def _figures(of_class: Integers, others: Integers) -> tuple[float, float]:
    """Return ROC AUC and average precision of counts by score, the highest first; rows of one score are ties."""
    positive, negative = int(of_class.sum()), int(others.sum())
    if not positive or not negative:
        return np.nan, np.nan
    hits, wrong = np.cumsum(of_class), np.cumsum(others)
    auc = float((others * (hits - of_class / 2)).sum() / (positive * negative))
    precision = float((of_class / positive * (hits / np.maximum(hits + wrong, 1))).sum())
    return auc, precision


def _bounds(of_class: Integers, others: Integers) -> tuple[float, float]:
    """Return how far ROC AUC and average precision move at most if the rows of each cell are put in another order.

    The AUC counts a pair in a cell as half right. Of the class's rows in a cell, the precision at each lies between
    that where all others of the cell come before it and that where all come after.
    """
    positive, negative = int(of_class.sum()), int(others.sum())
    if not positive or not negative:
        return np.nan, np.nan
    hits, wrong = np.cumsum(of_class), np.cumsum(others)
    auc = float((of_class * others).sum() / (2 * positive * negative))
    share = of_class / positive
    highest = (share * hits / np.maximum(hits + wrong - others, 1)).sum()
    lowest = (share * (hits - of_class + 1) / np.maximum(hits - of_class + 1 + wrong, 1)).sum()
    middle = (share * hits / np.maximum(hits + wrong, 1)).sum()
    return auc, float(max(highest - middle, middle - lowest))
