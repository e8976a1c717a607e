"""Texts with several labels or none: each label a yes or no of its own, thresholds for them, and figures.

Knows labels and probabilities only. Letters: ``n`` texts, ``k`` labels, ``P`` probabilities of shape (n, k), none tied
to another, ``Y`` the truth, shape (n, k): 1 for each label that a text has.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from textclf.metrics.bootstrap import wilson_interval
from textclf.metrics.ranking import Ranking, RankingFigures
from textclf.metrics.single_label import (
    ClassScores,
    Evaluation,
    Tally,
    WordCounts,
    per_class_values,
    ranking_values,
    recall_intervals,
    share_of,
)
from textclf.types import Array, BoolArray, Integers

_LEAST = 1e-15  # a probability of 0 given to the truth would make the log loss infinite
COMMON_ROWS = 100.0
"""So many rows' worth of all labels weighs in the choice of a label's threshold. Thresholds chosen on a label's own
rows alone cost 1 to 2 points of micro-F1 where 3 to 40 rows have it, and gain nothing where 300 have."""
FEWEST_ROWS = 25
"""On fewer rows than these a threshold that is chosen does worse than 0.5 as often as better."""
_GRID = np.array(sorted(1.0 / (1.0 + np.exp(-np.linspace(-7.0, 7.0, 281))), key=lambda t: abs(t - 0.5)))
"""Thresholds to choose among; of those that do equally well, the first, the nearest to 0.5, is taken."""


def strata(Y: Array) -> Integers:
    """Return the number of each row's rarest label, shape (n,), k for a row without: what a split keeps the shares of.

    For one-hot Y these are the class numbers.

    >>> strata(np.array([[1, 1], [1, 0], [0, 0]]))
    array([1, 0, 2])
    """
    has = Y > 0
    rows_of = np.where(has, has.sum(axis=0), np.iinfo(np.int64).max)
    rarest: Integers = np.where(has.any(axis=1), rows_of.argmin(axis=1), Y.shape[1])
    return rarest


# --- thresholds ---------------------------------------------------------------------------------------------------


def choose_thresholds(P: Array, Y: Array) -> Array:
    """Return the probability from which on each label is given, shape (k,), float32, 0 to 1.

    Of a grid, the one with the highest F1 over the label's own rows together with those of all labels, scaled to
    `COMMON_ROWS` rows that have one: a label with few rows gets nearly the common threshold, which has the highest
    micro-F1, one with very many its own. 0.5 on fewer than `FEWEST_ROWS` rows, or where none has a label.

    >>> choose_thresholds(np.array([[0.9], [0.2]]), np.array([[1], [0]]))  # too few rows to choose
    array([0.5], dtype=float32)
    """
    has = Y > 0
    support = has.sum(axis=0)
    if len(Y) < FEWEST_ROWS or not support.any():
        return np.full(Y.shape[1], 0.5, np.float32)
    taken = np.stack([_reaching(P[:, j]) for j in range(Y.shape[1])], axis=1)
    hits = np.stack([_reaching(P[has[:, j], j]) for j in range(Y.shape[1])], axis=1)
    scale = COMMON_ROWS / support.sum()
    hits_and_common = hits + scale * hits.sum(axis=1, keepdims=True)
    taken_and_common = taken + scale * taken.sum(axis=1, keepdims=True)
    f1 = 2 * hits_and_common / (taken_and_common + support + COMMON_ROWS)
    thresholds: Array = _GRID[f1.argmax(axis=0)].astype(np.float32)
    return thresholds


def _reaching(p: Array) -> Integers:
    """Return how many of these probabilities reach each threshold of the grid."""
    return len(p) - np.searchsorted(np.sort(p), _GRID)


def cross_validate(
    labels: Sequence[str], Y: Array, P: Array, words: Integers, known: Integers, halves: BoolArray
) -> "MultiLabelTally":
    """Count texts, each half of the rows with thresholds chosen on the other: figures of thresholds on unseen rows.

    `halves`, shape (n,): whether a row is in the second half; copies of a text should be in one.
    """
    tally = MultiLabelTally(labels, choose_thresholds(P[halves], Y[halves]))
    tally.add_rows(Y[~halves], P[~halves], words=words[~halves], known=known[~halves])
    other = MultiLabelTally(labels, choose_thresholds(P[~halves], Y[~halves]))
    other.add_rows(Y[halves], P[halves], words=words[halves], known=known[halves])
    tally.merge(other)
    return tally


def decisions(P: Array, thresholds: Array) -> BoolArray:
    """Return which labels each text gets, shape (n, k): those whose probability reaches the threshold.

    >>> decisions(np.array([[0.7, 0.4]]), np.array([0.5, 0.3]))
    array([[ True,  True]])
    """
    given: BoolArray = np.greater_equal(P, thresholds)
    return given


# --- figures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelScores(ClassScores):
    """One label's precision, recall, F1, support, and the mean log loss of its yes or no."""

    log_loss: float


@dataclass(frozen=True)
class MultiLabelEvaluation:
    """The figures of one evaluation over n texts; `hits`, `predicted` and `support` count texts, shape (k,)."""

    labels: tuple[str, ...]
    n: int
    hits: Integers
    predicted: Integers
    support: Integers
    exact: int
    """How many texts got exactly their labels."""
    log_losses: npt.NDArray[np.float64]
    """The mean log loss of each label's yes or no, shape (k,)."""
    commonest: tuple[str, ...]
    """The commonest set of labels in the truth, which `commonest_count` texts have."""
    commonest_count: int
    known_words: float
    empty: int
    ranking: RankingFigures
    """ROC AUC and average precision of each label."""
    independent: float = 1.0
    """The share of texts that intervals count: copies of a text count about once."""
    independent_by_class: Array | None = None
    """The same share of each class's texts, shape (k,); None where it is that of all."""

    @property
    def exact_match(self) -> float:
        """The share of texts that got exactly their labels."""
        return self.exact / self.n

    @property
    def hamming_loss(self) -> float:
        """The share of all n · k decisions that are wrong."""
        wrong = self.predicted + self.support - 2 * self.hits
        return float(wrong.sum() / (self.n * len(self.labels)))

    @property
    def log_loss(self) -> float:
        """The mean log loss of all n · k decisions."""
        return float(self.log_losses.mean())

    @property
    def per_class(self) -> dict[str, LabelScores]:
        """The scores of each label."""
        return {
            label: LabelScores(*_scores(hits, predicted, support), int(support), float(loss))
            for label, hits, predicted, support, loss in zip(
                self.labels, self.hits, self.predicted, self.support, self.log_losses, strict=True
            )
        }

    @property
    def micro(self) -> tuple[float, float, float]:
        """Precision, recall and F1 over all decisions alike."""
        return _scores(self.hits.sum(), self.predicted.sum(), self.support.sum())

    @property
    def macro(self) -> tuple[float, float, float]:
        """The means of precision, recall and F1 over the labels that occur, in the truth or among the predictions."""
        occur = self.predicted + self.support > 0
        if not occur.any():
            return 0.0, 0.0, 0.0
        precision, recall, f1 = (
            figures[occur].mean() for figures in _scores_of(self.hits, self.predicted, self.support)
        )
        return float(precision), float(recall), float(f1)

    @property
    def baseline(self) -> tuple[float, float]:
        """The share of texts got exactly right, and the micro-F1, of always giving the commonest set of labels."""
        given = np.array([label in self.commonest for label in self.labels])
        micro = _scores(self.support[given].sum(), given.sum() * self.n, self.support.sum())
        return self.commonest_count / self.n, micro[2]

    @property
    def intervals(self) -> dict[str, Any]:
        """The 95% intervals (Wilson's) of exact match and of each label's recall; None for a label without texts."""
        shares = self.independent if self.independent_by_class is None else self.independent_by_class
        recall = recall_intervals(self.labels, self.hits, self.support, shares)
        return {"exact_match": wilson_interval(self.exact_match, self.n * self.independent), "recall": recall}

    def summary(self) -> dict[str, Any]:
        """Return the few figures that a model file keeps of its validation."""
        return {
            "texts": self.n,
            "micro_f1": self.micro[2],
            "macro_f1": self.macro[2],
            "exact_match": self.exact_match,
            "log_loss": self.log_loss,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON."""
        names = ("precision", "recall", "f1")
        exact, micro_f1 = self.baseline
        return {
            "n": self.n,
            "independent": self.independent,
            **{f"micro_{name}": value for name, value in zip(names, self.micro, strict=True)},
            **{f"macro_{name}": value for name, value in zip(names, self.macro, strict=True)},
            "exact_match": self.exact_match,
            "hamming_loss": self.hamming_loss,
            "log_loss": self.log_loss,
            **ranking_values(self.ranking),
            "intervals": self.intervals,
            "baseline": {"labels": list(self.commonest), "exact_match": exact, "micro_f1": micro_f1},
            "known_words": self.known_words,
            "without_known_words": self.empty,
            "per_class": per_class_values(self.per_class, self.ranking),
        }


AnyEvaluation = TypeVar("AnyEvaluation", bound=Evaluation | MultiLabelEvaluation)


def with_shares(found: AnyEvaluation, independent: float, by_class: Array) -> AnyEvaluation:
    """Return the figures with intervals for these shares of independent texts, of all and of each class."""
    return replace(found, independent=independent, independent_by_class=by_class)


@dataclass
class MultiLabelTally:
    """Counts that grow batch by batch, and that several processes may add up, given the labels' thresholds."""

    labels: Sequence[str]
    thresholds: Array
    n: int = 0
    exact: int = 0
    words: WordCounts = field(default_factory=WordCounts)
    sets: Counter[bytes] = field(default_factory=Counter)
    """How often each set of labels is the truth, as the bits of a row of Y."""

    def __post_init__(self) -> None:
        self.hits, self.predicted, self.support = np.zeros((3, len(self.labels)), np.int64)
        self.log_loss = np.zeros(len(self.labels))
        self.ranking = Ranking(len(self.labels))

    def add_rows(self, Y: Array, P: Array, *, words: Integers, known: Integers, given: BoolArray | None = None) -> None:
        """Count texts whose truth is Y, predicted with P; `words` and `known` count each text's words.

        `given`, shape (n, k): the labels that texts got; by default those that reach their thresholds.
        """
        has, given = Y > 0, decisions(P, self.thresholds) if given is None else given
        self.n += len(Y)
        self.hits += (has & given).sum(axis=0)
        self.predicted += given.sum(axis=0)
        self.support += has.sum(axis=0)
        self.exact += int((has == given).all(axis=1).sum())
        self.log_loss += log_losses(Y, P).sum(axis=0)
        self.sets.update(map(bytes, np.packbits(has, axis=1)))
        self.words.add(words, known)
        self.ranking.add(has, P)

    def merge(self, other: "MultiLabelTally") -> None:
        """Add the counts of another tally over the same labels."""
        self.n += other.n
        self.exact += other.exact
        self.hits += other.hits
        self.predicted += other.predicted
        self.support += other.support
        self.log_loss += other.log_loss
        self.sets.update(other.sets)
        self.words.merge(other.words)
        self.ranking.merge(other.ranking)

    def evaluation(self) -> MultiLabelEvaluation:
        """Return the figures. At least one text must have been counted."""
        commonest, count = min(self.sets.items(), key=lambda item: (-item[1], item[0]))
        bits = np.unpackbits(np.frombuffer(commonest, np.uint8), count=len(self.labels))
        return MultiLabelEvaluation(
            tuple(self.labels),
            self.n,
            self.hits.copy(),
            self.predicted.copy(),
            self.support.copy(),
            self.exact,
            self.log_loss / self.n,
            tuple(label for label, bit in zip(self.labels, bits, strict=True) if bit),
            count,
            self.words.share_known,
            self.words.empty,
            self.ranking.figures(),
        )


def new_tally(labels: Sequence[str], thresholds: Array | None, values: Array | None = None) -> Tally | MultiLabelTally:
    """Return an empty tally for a model that gives one label a text, or, with thresholds, any number.

    `values`, shape (k,): what labels that have an order stand for (see `order_labels`).
    """
    return Tally(labels, values) if thresholds is None else MultiLabelTally(labels, thresholds)


def log_losses(Y: Array, P: Array) -> Array:
    """Return −log of the probability of each decision's truth, shape (n, k).

    >>> log_losses(np.array([[1, 0]]), np.array([[0.5, 0.5]])).round(4)
    array([[0.6931, 0.6931]])
    """
    P = P.astype(np.float64)
    truth: Array = np.maximum(np.where(Y > 0, P, 1.0 - P), _LEAST)
    return -np.log(truth)


def exact_and_macro_f1(given: BoolArray, Y: Array) -> tuple[float, float]:
    """Return the share of texts that got exactly their labels, and the macro-F1, of these decisions, shape (n, k)."""
    tally = MultiLabelTally([""] * Y.shape[1], np.full(Y.shape[1], 0.5))
    none = np.zeros(len(Y), np.int64)
    tally.add_rows(Y, given.astype(np.float64), words=none, known=none)
    found = tally.evaluation()
    return found.exact_match, found.macro[2]


def _scores_of(hits: Integers, predicted: Integers, support: Integers) -> tuple[Array, Array, Array]:
    return share_of(hits, predicted), share_of(hits, support), share_of(2 * hits, predicted + support)


def _scores(hits: np.int64, predicted: np.int64, support: np.int64) -> tuple[float, float, float]:
    """Return precision, recall and F1 of one label's counts."""
    precision, recall, f1 = _scores_of(*np.array([hits, predicted, support])[:, None])
    return float(precision[0]), float(recall[0]), float(f1[0])
