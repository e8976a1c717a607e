"""How sure a figure is: intervals from resampled rows, and an exact test of two classifiers on the same rows.

Letters: ``n`` rows, ``k`` classes, ``u`` patterns of rows, ``B`` resamples. Rows of the same truth and the same
predictions are of one pattern. Drawing n rows with replacement and counting their patterns is one draw of a multinomial
distribution, so a resample costs u numbers and not n, and every figure of it is a matrix product.

Copies of a text get one answer, so they are no independent rows. A bootstrap that knows which rows are copies draws
texts, each with all its rows. Elsewhere n rows count as so many independent ones as
tell as much (see `text.copies`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from textclf.types import Array, Integers

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RESAMPLES = 5000
_TAIL = 0.025  # of a 95% interval, on either side
_AT_ONCE = 1 << 22  # numbers of a block of resamples: some tens of megabytes


@dataclass(frozen=True)
class Interval:
    """A figure and its 95% interval; `low` and `high` are None where the rows cannot tell."""

    value: float
    low: float | None
    high: float | None

    @staticmethod
    def of(value: float, samples: Array) -> "Interval":
        """Return the percentile interval of resampled figures, shape (B,).

        >>> Interval.of(0.5, np.linspace(0.0, 1.0, 101))
        Interval(value=0.5, low=0.025, high=0.975)
        """
        low, high = np.quantile(samples, [_TAIL, 1 - _TAIL]).tolist()
        return Interval(value, low, high)

    @property
    def is_point(self) -> bool:
        """Whether no resample differed from another."""
        return self.low == self.high


@dataclass(frozen=True)
class ClassCounts:
    """Class by class, shape (…, k): rows answered rightly, rows that were given the class, rows that have it."""

    hits: Array | Integers
    predicted: Array | Integers
    support: Array | Integers

    @property
    def accuracy(self) -> Array:
        """The share of rows answered rightly, shape (…)."""
        share: Array = self.hits.sum(axis=-1) / self.support.sum(axis=-1)
        return share

    @property
    def f1(self) -> Array:
        """Each class's F1, shape (…, k); 0 for a class that does not occur."""
        f1: Array = 2 * self.hits / np.maximum(self.predicted + self.support, 1)
        return f1

    @property
    def macro_f1(self) -> Array:
        """The mean F1 over the classes that occur in the truth or among the predictions, shape (…)."""
        occurring = (self.predicted + self.support > 0).sum(axis=-1)
        mean: Array = self.f1.sum(axis=-1) / occurring
        return mean


@dataclass(frozen=True)
class RowPatterns:
    """Patterns of n rows: `truth`, shape (u,), `predicted`, shape (u, m), and how many `rows` each has, shape (u,).

    `texts`, shape (t, u): how many rows of each pattern a text has; as many texts as `alike`, shape (t,), have the
    same. Both are None where all rows have texts of their own.
    """

    truth: Integers
    predicted: Integers
    rows: Integers
    k: int
    texts: "csr_array | None" = None
    alike: Integers | None = None

    @staticmethod
    def of(y: Integers, predicted: Integers, k: int, groups: Integers | None = None) -> "RowPatterns":
        """Sort rows by pattern: `y`, shape (n,), and what m classifiers said, shape (n, m): class numbers below k.

        Rows with the same number in `groups`, shape (n,), have the same text; None says that all texts differ.
        """
        patterns, of_row, rows = np.unique(
            np.column_stack([y, predicted]), axis=0, return_inverse=True, return_counts=True
        )
        texts, alike = (None, None) if groups is None else _texts_of(of_row.ravel(), groups, len(patterns))
        return RowPatterns(patterns[:, 0], patterns[:, 1:], rows, k, texts, alike)

    @property
    def n(self) -> int:
        """How many rows there are."""
        return int(self.rows.sum())

    def counts(self, rows: Integers, number: int) -> ClassCounts:
        """Return the counts of classifier `number` where `rows`, shape (B, u), says how often each pattern occurs."""
        given = self.predicted[:, number]
        right = given == self.truth
        return ClassCounts(
            _by_class(rows[:, right], self.truth[right], self.k),
            _by_class(rows, given, self.k),
            _by_class(rows, self.truth, self.k),
        )

    def resample(
        self, rng: "np.random.Generator", resamples: int = RESAMPLES, *, independent: float = 1.0
    ) -> Iterator[Integers]:
        """Give how often each pattern occurs in resamples of the texts, blocks of shape (b, u), `resamples` in all.

        Where it is not known which rows are copies, as many rows are drawn as are `independent`, a share of all.
        """
        of_unit = self.rows if self.alike is None else self.alike
        block = max(1, _AT_ONCE // max(len(of_unit), len(self.rows), self.k))
        drawn = max(round(independent * of_unit.sum()), 1)
        for start in range(0, resamples, block):
            units = rng.multinomial(drawn, of_unit / of_unit.sum(), size=min(block, resamples - start))
            yield units if self.texts is None else units @ self.texts


def _texts_of(of_row: Integers, groups: Integers, u: int) -> tuple["csr_array", Integers]:
    """Return what different texts there are, by their rows of each of u patterns, and how many are alike."""
    from scipy.sparse import csr_array

    _, text_of_row = np.unique(groups, return_inverse=True)
    pairs, rows = np.unique(np.column_stack([text_of_row, of_row]), axis=0, return_counts=True)
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    is_pure = np.diff(starts, append=len(pairs)) == 1  # nearly all: a text's copies have one truth
    pure, alike = np.unique(np.column_stack([pairs[:, 1], rows])[starts[is_pure]], axis=0, return_counts=True)
    mixed = Counter(
        tuple(zip(pairs[start:end, 1].tolist(), rows[start:end].tolist(), strict=True))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(pairs)], strict=True)
        if end - start > 1
    )
    texts = [*(((pattern, count),) for pattern, count in pure.tolist()), *mixed]
    columns, values = (np.array([pair[part] for text in texts for pair in text], np.int64) for part in range(2))
    ends = np.cumsum([0, *map(len, texts)])
    return csr_array((values, columns, ends), shape=(len(texts), u)), np.array([*alike.tolist(), *mixed.values()])


def _by_class(rows: Integers, classes: Integers, k: int) -> Array:
    from scipy.sparse import csr_array

    u = len(classes)
    one_hot = csr_array((np.ones(u), classes, np.arange(u + 1)), shape=(u, k))
    product: Array = rows @ one_hot
    return product


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact test: how often as many rows or more would part so unevenly by chance.

    `only_first`, `only_second`: rows that only the one, only the other answers rightly. Without any the value is 1.

    >>> round(mcnemar(18, 11), 4)
    0.2649
    """
    from scipy.stats import binomtest

    parted = only_first + only_second
    return float(binomtest(only_first, parted).pvalue) if parted else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of several tests made at once, raised as Holm (1979) has it: none is then a lucky find.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    raised, highest = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[number]))
        raised[number] = highest
    return raised


def unseen(n: float) -> float:
    """Return the largest share that may still be met in 0 of n rows: the exact (Clopper-Pearson) 95% bound.

    >>> round(unseen(100), 4)
    0.0362
    """
    return float(1 - _TAIL ** (1 / n))


def standard_error(values: Array, groups: Integers | None = None) -> float:
    """Return the standard error of the mean of `values`, shape (n,).

    Rows with the same number in `groups`, shape (n,), have the same text, and count as one observation together.
    """
    deviations = values - values.mean()
    if groups is not None:
        _, of_row = np.unique(groups, return_inverse=True)
        deviations = np.bincount(of_row, weights=deviations)
    return float(np.sqrt((deviations**2).sum()) / len(values))


def wilson_interval(share: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's interval of a share seen in n trials, for 95% confidence unless another z is given.

    >>> [round(bound, 3) for bound in wilson_interval(0.73, 200)]
    [0.665, 0.787]
    """
    centre = share + z * z / (2 * n)
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def p_of_drop(before: float, n_before: float, after: float, n_after: float) -> float:
    """Return how often a share of n rows would fall so far, or farther, by chance: the pooled z-test of two shares.

    >>> round(p_of_drop(0.90, 500, 0.86, 500), 3)
    0.026
    """
    from scipy.special import ndtr

    pooled = (before * n_before + after * n_after) / (n_before + n_after)
    spread = (pooled * (1 - pooled) * (1 / n_before + 1 / n_after)) ** 0.5
    return float(ndtr((after - before) / spread)) if spread > 0 else 1.0
