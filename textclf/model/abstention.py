"""When to say nothing: thresholds of confidence that keep a promise, and texts that are unlike those of training.

The promise: of the rows that are answered, at least the share `target` is right, in rows like those of training. The
threshold is found on rows that the model was not fitted to, by selection with guaranteed risk (Geifman & El-Yaniv 2017,
algorithm 1): a search for the largest coverage whose precision, by the exact binomial bound of Clopper and Pearson,
is at least the target with a certainty of 95%.

Copies of a text among those rows count about once: a subset of n rows counts as n² / Σ m² of them, where a text with m
copies is one term of the sum (Kish 1965). Copies have one confidence, so a threshold never parts them.

A promise says nothing about a text of another kind. Such a text is told by its n-grams: fewer of them than in almost
all rows of training are known from other rows.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import ModelError
from textclf.text.copies import copies_of_each
from textclf.types import Array, BoolArray, Integers

CERTAINTY = 0.95
_TARGETS = (0.999, 0.995, *np.arange(99, 49, -1) / 100)
"""Precisions that are tried where the one asked for cannot be promised."""
_ROWS_FOR_OWN_THRESHOLD = 500
_UNLIKE = 0.05
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class ConfidenceRecord:
    """The held-out confidence record: what a model said of n rows that it was not fitted to.

    `confidence`: the probability of each row's label, shape (n,). `classes`: the number of that label. `right`: whether
    it was the true one. `least_known_share`: for each kind of n-grams the known share below which a text is unlike.
    `copies`: how many of these rows have each row's text, shape (n,); None where all texts differ.
    """

    confidence: Array
    classes: Integers
    right: BoolArray
    least_known_share: Array
    copies: Integers | None = None

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that store the record in a model file."""
        return {
            "record.confidence": self.confidence,
            "record.classes": self.classes,
            "record.right": self.right.astype(np.uint8),
            **({} if self.copies is None else {"record.copies": self.copies}),
            "record.least_familiar": self.least_known_share,
        }

    def thresholds(self, target: float, k: int) -> Array:
        """Return for each of k classes the confidence from which on its label is given, shape (k,); inf for never.

        A class that was given often enough has a threshold of its own, and so a promise; the others share one. Where
        none of these promises can be made, a single one over all classes is tried. Half of the doubt goes to either
        way, so that choosing between them breaks no promise.
        """
        own = np.array([number for number in range(k) if self._independent(number) >= _ROWS_FOR_OWN_THRESHOLD], int)
        if not len(own):
            return self._by_class(target, k, own, 1.0 - CERTAINTY)
        doubt = (1.0 - CERTAINTY) / 2
        by_class = self._by_class(target, k, own, doubt)
        if self._answer(by_class):
            return by_class
        return np.full(k, selective_threshold(self.confidence, self.right, target, doubt, self.copies))

    def _by_class(self, target: float, k: int, own: Integers, doubt: float) -> Array:
        """Return thresholds of which those of the classes `own` each, and that of the others together, are promised."""
        thresholds = np.empty(k)
        others = np.setdiff1d(np.arange(k), own)
        groups = [(own[i : i + 1], self.classes == number) for i, number in enumerate(own)]
        groups.append((others, np.isin(self.classes, others)))
        doubt /= max(sum(len(numbers) > 0 for numbers, _ in groups), 1)
        for numbers, rows in groups:
            thresholds[numbers] = selective_threshold(
                self.confidence[rows], self.right[rows], target, doubt, self._copies_of(rows)
            )
        return thresholds

    def _independent(self, number: int) -> float:
        """Return how many independent rows those with the label are worth."""
        rows = self.classes == number
        return int(rows.sum()) * _share(self._copies_of(rows))

    def _copies_of(self, rows: BoolArray) -> Integers | None:
        return None if self.copies is None else self.copies[rows]

    def coverage(self, target: float, k: int) -> float:
        """Return the share of these rows that gets an answer at the target."""
        return self._answer(self.thresholds(target, k))

    def alternatives(self, target: float, k: int) -> Array:
        """Return for each of k classes the highest precision below `target` that can be promised; NaN for none."""
        found = np.full(k, np.nan)
        for lower in (each for each in _TARGETS if each < target):
            found = np.where(np.isnan(found) & np.isfinite(self.thresholds(lower, k)), lower, found)
            if not np.isnan(found).any():
                break
        return found

    def explain_silence(self, target: float, k: int) -> str | None:
        """Return why nothing gets an answer at the target, and what could be promised; None where something does."""
        if np.isfinite(self.thresholds(target, k)).any():
            return None
        said = f"target precision {target:g}: {len(self.right):,} held-out rows cannot promise it: nothing is answered."
        lower = self.alternatives(target, k)
        if np.isnan(lower).all():
            return f"{said} They can promise no precision from 0.5 on. Train on more rows."
        best = float(np.nanmax(lower))
        return f"{said} They can promise {best:g}, with {self.coverage(best, k):.1%} of such rows answered."

    def recall_threshold(self, target: float, positive: int, label: str) -> float:
        """Return the probability of one of two classes from which on rows of it are found with the recall `target`.

        It is the m-th lowest probability among n rows of the class. The share of all such texts below it has the
        distribution Beta(m, n - m + 1), whatever that of the probabilities (Wilks 1941); m is the largest for which
        that share is at most 1 - `target` with a certainty of 95%. With copies n counts independent rows, and
        m is 1 more than those below. Raises ModelError when these rows are too few.
        """
        from scipy.special import betainc

        has = self.right == (self.classes == positive)
        found = np.sort(np.where(self.classes == positive, self.confidence, 1.0 - self.confidence)[has])
        share = _share(self._copies_of(has))
        n, m = len(found) * share, 1 + share * np.searchsorted(found, found)
        allowed = int((betainc(np.minimum(m, n), np.maximum(n - m, 0) + 1, 1.0 - target) >= CERTAINTY).sum())
        if not allowed:
            needed = math.ceil(math.log(1.0 - CERTAINTY) / math.log(target))
            at_most = math.floor(1000 * (1.0 - CERTAINTY) ** (1 / n)) / 1000 if n else 0.0
            instead = (
                f"At most {at_most:g} can be promised; or train on more rows." if at_most else "Train on more rows."
            )
            raise ModelError(
                f"target recall {target:g}: expected {needed:,} held-out texts of {label!r} to promise it, found"
                f" {math.floor(n):,}. {instead}"
            )
        return float(found[allowed - 1])

    def _answer(self, thresholds: Array) -> float:
        return float((self.confidence >= thresholds[self.classes]).mean()) if len(self.confidence) else 0.0


def record_confidence(
    P: Array, y: Integers, classes: Integers, known_shares: Array, groups: Integers
) -> ConfidenceRecord:
    """Return the record of rows of classes `y`, predicted with P, shape (n, k), that get the labels `classes`.

    `known_shares`: the share of each row's n-grams that other rows have, shape (n, number of kinds). `groups`, shape
    (n,): rows of one number have the same text. Of very many rows evenly spread ones are kept.
    """
    confidence = P[np.arange(len(P)), classes]
    right = classes == y
    least = np.quantile(known_shares, _UNLIKE, axis=0) if len(known_shares) else np.zeros(known_shares.shape[1])
    kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), _MOST_ROWS)).astype(np.int64)) if len(y) else np.arange(0)
    copies = copies_of_each(groups[kept])
    return ConfidenceRecord(
        confidence[kept].astype(np.float32),
        classes[kept].astype(np.int32),
        right[kept],
        least.astype(np.float32),
        copies.astype(np.int32) if (copies > 1).any() else None,
    )


def _share(copies: Integers | None) -> float:
    """Return the share of rows that are as good as independent; `copies`, shape (n,), as in the record."""
    return 1.0 if copies is None or not len(copies) else len(copies) / int(copies.sum(dtype=np.int64))


def selective_threshold(
    confidence: Array, right: BoolArray, target: float, doubt: float, copies: Integers | None = None
) -> float:
    """Return the lowest confidence found from which on precision is at least `target`, but for a chance of `doubt`.

    Returns inf when there is none: the rows are too few, or too often wrong. `copies`, shape (n,): how many rows have
    each row's text; None says that all texts differ.

    >>> confidence = np.repeat([0.9, 0.6], 200)
    >>> right = np.repeat([True, False], 200)
    >>> selective_threshold(confidence, right, target=0.95, doubt=0.05)
    0.9
    >>> selective_threshold(confidence[:10], right[:10], target=0.95, doubt=0.05)  # too few rows
    inf
    """
    if not len(confidence):
        return math.inf
    order = np.argsort(-confidence, kind="stable")
    ordered, hits = confidence[order].astype(np.float64), np.cumsum(right[order])
    n = len(ordered)
    squares = np.arange(1, n + 1) if copies is None else np.cumsum(copies[order], dtype=np.int64)
    tests = max(math.ceil(math.log2(n)), 1)
    low, high, best = 1, n, math.inf
    while low <= high:
        answered = (low + high) // 2
        # Rows of equal confidence are answered together.
        answered = int(np.searchsorted(-ordered, -ordered[answered - 1], side="right"))
        share = answered / int(squares[answered - 1])
        if precision_bound(share * int(hits[answered - 1]), share * answered, doubt / tests) >= target:
            best = ordered[answered - 1]
            low = answered + 1
        else:
            high = (low + high) // 2 - 1
    return float(best)


def precision_bound(hits: float, n: float, doubt: float) -> float:
    """Return the lower bound of a share of which `hits` of n were seen, wrong with the chance `doubt` at most.

    Clopper & Pearson 1934.

    >>> round(precision_bound(95, 100, doubt=0.05), 3)
    0.898
    >>> round(precision_bound(950, 1000, doubt=0.05), 3)
    0.937
    """
    from scipy.special import betaincinv

    return float(betaincinv(hits, n - hits + 1, doubt)) if hits else 0.0
