"""How good predictions are: counts that can be added up batch by batch, and the figures made from them.

Knows labels, their order and costs, and probabilities only. Letters: ``n`` texts, ``k`` classes, ``P`` probabilities of
shape (n, k); C, shape (k, k), is what each label costs, truth by given label.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.labels import order_labels
from textclf.metrics.bootstrap import Interval, RowPatterns, wilson_interval
from textclf.metrics.calibration_error import Reliability
from textclf.metrics.ranking import Ranking, RankingFigures
from textclf.types import Array, BoolArray, Integers

_FEW_CLASSES = 5
_RESAMPLES, _SEED = 2000, 1
_LEAST = 1e-15  # a probability of 0 given to the truth would make the log loss infinite


@dataclass(frozen=True)
class ClassScores:
    """One class's precision, recall, F1 and how many texts have it; what has no text or no prediction scores 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Intervals:
    """95% intervals of accuracy, of macro-F1, and of each class's recall; None for a class without texts."""

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    recall: dict[str, tuple[float, float] | None]


def recall_intervals(
    labels: Sequence[str], hits: Integers, support: Integers, independent: float | Array
) -> dict[str, tuple[float, float] | None]:
    """Return Wilson's 95% interval of each label's recall; None for a label without texts.

    `hits` and `support` count texts, shape (k,); `independent` is the share of them that counts, for all or for each.
    """
    rows = zip(labels, hits.tolist(), support.tolist(), np.broadcast_to(independent, len(labels)).tolist(), strict=True)
    return {label: wilson_interval(right / n, n * share) if n else None for label, right, n, share in rows}


@dataclass(frozen=True)
class OrdinalFigures:
    """How far predictions are off: `mean_absolute_error` in the labels' own numbers, the others in places of the order.

    `within_one`: the share of texts that got their label or a neighbour of it. `quadratic_kappa`: Cohen's kappa with
    squared distances as weights; None where truth and prediction are always the same label.
    """

    mean_absolute_error: float
    within_one: float
    quadratic_kappa: float | None


def measure_order(values: Array, matrix: Integers) -> OrdinalFigures:
    """Return the figures of a confusion matrix, shape (k, k), of labels that stand for these values, shape (k,).

    >>> found = measure_order(np.array([1.0, 2.0, 3.0]), np.array([[2, 0, 0], [0, 1, 0], [1, 0, 0]]))
    >>> found.mean_absolute_error, found.within_one
    (0.5, 0.75)
    """
    n, rank = matrix.sum(), values.argsort().argsort()
    distance = np.abs(rank[:, None] - rank)
    squares = distance.astype(np.float64) ** 2
    chance = (np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / n * squares).sum()
    return OrdinalFigures(
        float((matrix * np.abs(values[:, None] - values)).sum() / n),
        float(matrix[distance <= 1].sum() / n),
        float(1 - (matrix * squares).sum() / chance) if chance else None,
    )


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation; `matrix`, shape (k, k), counts truth (rows) by prediction (columns)."""

    labels: tuple[str, ...]
    matrix: npt.NDArray[np.int64]
    log_loss: float
    brier: float
    known_words: float
    """The share of the texts' words that the model knows, 0 to 1."""
    empty: int
    """How many texts hold no known word: their label comes from the biases alone."""
    reliability: Reliability
    """Counts of confidences."""
    ranking: RankingFigures
    """ROC AUC and average precision of each class against the rest."""
    in_first_3: int
    """How many texts have their label among the three likeliest."""
    values: Array | None = None
    """What labels that have an order stand for, shape (k,)."""
    independent: float = 1.0
    """The share of texts that intervals count: copies of a text count about once."""
    independent_by_class: Array | None = None
    """The same share of each class's texts, shape (k,); None where it is that of all."""

    @property
    def n(self) -> int:
        """How many texts were evaluated."""
        return int(self.matrix.sum())

    @property
    def accuracy(self) -> float:
        """The share of texts whose label was predicted."""
        return float(np.trace(self.matrix) / self.n)

    @property
    def per_class(self) -> dict[str, ClassScores]:
        """Precision, recall, F1 and support of each class."""
        hits, predicted, support = np.diag(self.matrix), self.matrix.sum(axis=0), self.matrix.sum(axis=1)
        precision, recall = share_of(hits, predicted), share_of(hits, support)
        f1 = share_of(2 * hits, predicted + support)
        return {
            label: ClassScores(float(precision[j]), float(recall[j]), float(f1[j]), int(support[j]))
            for j, label in enumerate(self.labels)
        }

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur, in the truth or among the predictions."""
        return macro_f1(self.matrix)

    @property
    def recalls(self) -> Array:
        """The recall of each class, shape (k,), NaN for a class without texts."""
        support = self.matrix.sum(axis=1)
        return np.where(support > 0, share_of(np.diag(self.matrix), support), np.nan)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that texts have."""
        return float(np.nanmean(self.recalls))

    @property
    def mcc(self) -> float:
        """Matthews' correlation of truth and prediction, −1 to 1 (Gorodkin 2004); 0 where either is always the same."""
        truth, given = self.matrix.sum(axis=1).astype(np.float64), self.matrix.sum(axis=0).astype(np.float64)
        n = float(self.n)
        spread = (n * n - truth @ truth) * (n * n - given @ given)
        return float((np.trace(self.matrix) * n - truth @ given) / np.sqrt(spread)) if spread > 0 else 0.0

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: how far truth and prediction agree beyond chance; None where both are always the same."""
        n = float(self.n)
        chance = float((self.matrix.sum(axis=1) / n) @ (self.matrix.sum(axis=0) / n))
        return (self.accuracy - chance) / (1 - chance) if chance < 1 else None

    @property
    def top_3_accuracy(self) -> float | None:
        """The share of texts whose label is among the three likeliest; None of five classes or fewer."""
        return self.in_first_3 / self.n if len(self.labels) > _FEW_CLASSES else None

    @property
    def ordinal(self) -> OrdinalFigures | None:
        """How far predictions are off, where labels have an order, as grades do; None of other labels."""
        return None if self.values is None else measure_order(self.values, self.matrix)

    @cached_property
    def intervals(self) -> Intervals:
        """The 95% intervals: Wilson's of shares, and of macro-F1 that of resampled rows."""
        hits, support = np.diag(self.matrix), self.matrix.sum(axis=1)
        shares = self.independent if self.independent_by_class is None else self.independent_by_class
        recall = recall_intervals(self.labels, hits, support, shares)
        return Intervals(wilson_interval(self.accuracy, self.n * self.independent), self._resample_macro_f1(), recall)

    def _resample_macro_f1(self) -> tuple[float, float]:
        # Rows of one cell of the matrix are alike, so the matrix holds all that a resample of rows can change.
        truth, predicted = np.nonzero(self.matrix)
        patterns = RowPatterns(truth, predicted[:, None], self.matrix[truth, predicted], len(self.labels))
        rng = np.random.default_rng(_SEED)
        resamples = patterns.resample(rng, _RESAMPLES, independent=self.independent)
        samples = [patterns.counts(rows, 0).macro_f1 for rows in resamples]
        found = Interval.of(self.macro_f1, np.concatenate(samples))
        assert found.low is not None
        assert found.high is not None
        return found.low, found.high

    @property
    def majority(self) -> tuple[str, float]:
        """The commonest label, and the accuracy of always answering with it."""
        support = self.matrix.sum(axis=1)
        return self.labels[int(support.argmax())], float(support.max() / self.n)

    def commonest_confusions(self, most: int) -> list[tuple[str, str, int]]:
        """Return the pairs of truth and wrong prediction that occur, the commonest first, and how often each does."""
        wrong = self.matrix.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        places = zip(*np.unravel_index(order, wrong.shape), strict=True)
        return [(self.labels[i], self.labels[j], int(wrong[i, j])) for i, j in places if wrong[i, j]]

    def summary(self) -> dict[str, Any]:
        """Return the few figures that a model file keeps of its validation."""
        return {"texts": self.n, "accuracy": self.accuracy, "macro_f1": self.macro_f1, "log_loss": self.log_loss}

    def as_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON."""
        majority, share = self.majority
        return {
            "n": self.n,
            "independent": self.independent,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "balanced_accuracy": self.balanced_accuracy,
            "mcc": self.mcc,
            "kappa": self.kappa,
            "top_3_accuracy": self.top_3_accuracy,
            **ranking_values(self.ranking),
            "intervals": vars(self.intervals),
            "ordinal": vars(self.ordinal) if self.ordinal is not None else None,
            "log_loss": self.log_loss,
            "brier": self.brier,
            "ece": self.reliability.ece,
            "reliability": [vars(each) for each in self.reliability.bins()],
            "majority": {"label": majority, "accuracy": share},
            "known_words": self.known_words,
            "without_known_words": self.empty,
            "per_class": per_class_values(self.per_class, self.ranking),
            "confusion": {"labels": list(self.labels), "matrix": self.matrix.tolist()},
        }


@dataclass
class Tally:
    """Counts that grow batch by batch, and that several processes may add up."""

    labels: Sequence[str]
    values: Array | None = None
    """What labels that have an order stand for, shape (k,); by default their numbers (see `order_labels`)."""
    matrix: npt.NDArray[np.int64] = field(init=False)
    log_loss: float = 0.0
    brier: float = 0.0
    in_first_3: int = 0
    words: "WordCounts" = field(default_factory=lambda: WordCounts())
    ranking: Ranking = field(init=False)
    reliability: Reliability = field(default_factory=Reliability)

    @property
    def n(self) -> int:
        """How many texts were counted."""
        return int(self.matrix.sum())

    def __post_init__(self) -> None:
        self.values = order_labels(self.labels) if self.values is None else self.values
        self.matrix = np.zeros((len(self.labels), len(self.labels)), np.int64)
        self.ranking = Ranking(len(self.labels))

    def add(self, y: Integers, P: Array, *, words: Integers, known: Integers, classes: Integers | None = None) -> None:
        """Count texts of classes `y`, shape (n,), predicted with P; `words` and `known` count each text's words.

        `classes`, shape (n,): the classes that texts got; by default the likeliest.
        """
        classes = P.argmax(axis=1) if classes is None else classes
        self.matrix += confusion(y, classes, len(self.labels))
        self.log_loss += float(losses(y, P).sum())
        self.brier += float(((P.astype(np.float64) - np.eye(P.shape[1])[y]) ** 2).sum())
        self.reliability.add(P[np.arange(len(y)), classes], classes == y)
        self.ranking.add(y[:, None] == np.arange(P.shape[1]), P)
        self.in_first_3 += count_first(y, P, 3)
        self.words.add(words, known)

    def add_rows(self, Y: Array, P: Array, *, words: Integers, known: Integers, given: BoolArray | None = None) -> None:
        """Count texts as `add` does, the truth being one-hot Y, shape (n, k), and so the labels that they got."""
        classes = None if given is None else given.argmax(axis=1)
        self.add(Y.argmax(axis=1), P, words=words, known=known, classes=classes)

    def merge(self, other: "Tally") -> None:
        """Add the counts of another tally over the same labels."""
        self.matrix += other.matrix
        self.log_loss += other.log_loss
        self.brier += other.brier
        self.in_first_3 += other.in_first_3
        self.words.merge(other.words)
        self.ranking.merge(other.ranking)
        self.reliability.merge(other.reliability)

    def evaluation(self) -> Evaluation:
        """Return the figures. At least one text must have been counted."""
        n = self.n
        return Evaluation(
            tuple(self.labels),
            self.matrix.copy(),
            self.log_loss / n,
            self.brier / n,
            self.words.share_known,
            self.words.empty,
            self.reliability,
            self.ranking.figures(),
            self.in_first_3,
            self.values,
        )


@dataclass
class WordCounts:
    """How many words texts had, how many of them the model knew, and how many texts had none that it knew."""

    words: int = 0
    known: int = 0
    empty: int = 0

    def add(self, words: Integers, known: Integers) -> None:
        """Count texts with so many words and known words, each of shape (n,)."""
        self.words += int(words.sum())
        self.known += int(known.sum())
        self.empty += int((known == 0).sum())

    def merge(self, other: "WordCounts") -> None:
        """Add other counts to these."""
        self.words += other.words
        self.known += other.known
        self.empty += other.empty

    @property
    def share_known(self) -> float:
        """The share of the words that the model knew, 0 to 1; 0 when there were none."""
        return self.known / self.words if self.words else 0.0


def find_weakest(per_class: Mapping[str, ClassScores]) -> tuple[str, ClassScores] | None:
    """Return the class of the lowest F1 among those with texts, and its scores; None where none has any."""
    found = [(label, scores) for label, scores in per_class.items() if scores.support]
    return min(found, key=lambda item: item[1].f1) if found else None


def ranking_values(ranking: RankingFigures) -> dict[str, Any]:
    """Return the means over the classes as plain values for JSON, and how far they may be off."""
    return {
        "roc_auc": ranking.macro_roc_auc,
        "average_precision": ranking.macro_average_precision,
        "ranking_error": ranking.error,
    }


def per_class_values(per_class: Mapping[str, ClassScores], ranking: RankingFigures) -> dict[str, Any]:
    """Return each class's figures as plain values for JSON; None stands for what a class without rows lacks."""
    of_ranking = zip(ranking.roc_auc.tolist(), ranking.average_precision.tolist(), strict=True)
    return {
        label: {
            **vars(scores),
            "roc_auc": None if math.isnan(auc) else auc,
            "average_precision": None if math.isnan(precision) else precision,
        }
        for (label, scores), (auc, precision) in zip(per_class.items(), of_ranking, strict=True)
    }


def count_first(y: Integers, P: Array, most: int) -> int:
    """Return for how many rows fewer than `most` classes are likelier than their own, shape (n,) and (n, k).

    Of classes that are as likely, those of lower number come first.

    >>> count_first(np.array([2]), np.array([[0.2, 0.5, 0.3]]), most=2)
    1
    """
    own = P[np.arange(len(y)), y][:, None]
    ahead = (own < P) | ((own == P) & (np.arange(P.shape[1]) < y[:, None]))
    return int((ahead.sum(axis=1) < most).sum())


def losses(y: Integers, P: Array) -> Array:
    """Return −log p of each text's true class, shape (n,).

    >>> losses(np.array([0]), np.array([[0.5, 0.5]])).round(4)
    array([0.6931])
    """
    truth: Array = np.maximum(P[np.arange(len(y)), y].astype(np.float64), _LEAST)
    return -np.log(truth)


def confusion(y: Integers, predicted: Integers, k: int) -> npt.NDArray[np.int64]:
    """Return the confusion matrix, shape (k, k): truth in rows, prediction in columns.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    return np.bincount(y.astype(np.int64) * k + predicted, minlength=k * k).reshape(k, k)


def macro_f1(matrix: npt.NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that occur in a confusion matrix.

    >>> round(macro_f1(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    occurrences = matrix.sum(axis=0) + matrix.sum(axis=1)
    f1 = share_of(2 * np.diag(matrix), occurrences)
    return float(f1[occurrences > 0].mean())


def share_of(part: Integers, whole: Integers) -> npt.NDArray[np.float64]:
    """Return part / whole, 0 where the whole is 0 (and the part with it)."""
    return part / np.maximum(whole, 1)


# --- costs -----------------------------------------------------------------------------------------------------------

_ROWS = 1000  # that a cost is told for


@dataclass(frozen=True)
class CostFigures:
    """What 1,000 rows cost: by the rule, with its 95% interval; as the model `expected`; and what else they would cost.

    `likeliest`: with each text's likeliest label. `cheapest`: the label that is cheapest to give to every text, and
    `constant` what that costs. `abstained`: the share of rows without an answer.
    """

    per_1000: float
    interval: tuple[float, float]
    expected: float
    likeliest: float
    cheapest: str
    constant: float
    abstained: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "interval": list(self.interval)}


@dataclass
class CostTally:
    """Counts that grow batch by batch, and that several processes may add up."""

    C: Array
    abstain_cost: float | None
    expected: float = 0.0
    """The sum over the rows of what the model expects of its own decisions."""
    answered: Integers = field(init=False)
    """Rows with an answer, truth by given label, shape (k, k)."""
    likeliest: Integers = field(init=False)
    """All rows, truth by likeliest label, shape (k, k)."""

    def __post_init__(self) -> None:
        self.answered, self.likeliest = np.zeros((2, *self.C.shape), np.int64)

    def add(self, y: Integers, classes: Integers, answered: BoolArray, P: Array, expected: Array) -> None:
        """Count rows of truth `y` that get the labels `classes` where they are `answered`, each of shape (n,).

        P: their probabilities, shape (n, k); `expected`: what the model expects each label to cost, shape (n, k).
        """
        k = len(self.C)
        self.answered += confusion(y[answered], classes[answered], k)
        self.likeliest += confusion(y, P.argmax(axis=1), k)
        of_label = expected[np.arange(len(y)), classes]
        self.expected += float(np.where(answered, of_label, self.abstain_cost or 0.0).sum())

    def merge(self, other: "CostTally") -> None:
        """Add the counts of another tally with the same costs."""
        self.expected += other.expected
        self.answered += other.answered
        self.likeliest += other.likeliest

    def figures(self, labels: Sequence[str], independent: float = 1.0) -> CostFigures:
        """Return the costs of 1,000 rows. At least one row must have been counted.

        `independent`: the share of rows that the interval counts, because copies of a text count about once.
        """
        support = self.likeliest.sum(axis=1)
        n = int(support.sum())
        abstained = n - int(self.answered.sum())
        # Rows of one truth and label cost the same, so a resample of rows is a draw of how many there are of each.
        counts = np.append(self.answered.ravel(), abstained)
        costs = np.append(self.C.ravel(), self.abstain_cost or 0.0)
        counts, costs = counts[counts > 0], costs[counts > 0]
        per_row = float(counts @ costs) / n
        rng = np.random.default_rng(_SEED)
        rows = max(round(independent * n), 1)
        drawn = rng.multinomial(rows, counts / n, size=_RESAMPLES)
        interval = Interval.of(_ROWS * per_row, _ROWS * (drawn @ costs) / rows)
        assert interval.low is not None
        assert interval.high is not None
        constants = support @ self.C / n
        cheapest = int(constants.argmin())
        return CostFigures(
            _ROWS * per_row,
            (interval.low, interval.high),
            _ROWS * self.expected / n,
            _ROWS * float((self.likeliest * self.C).sum()) / n,
            labels[cheapest],
            _ROWS * float(constants[cheapest]),
            abstained / n,
        )
