"""What labels cost: counts that can be added up, and the cost of so many rows with its interval.

Letters: ``k`` classes; C, shape (k, k), is what each label costs, truth by given label.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textclf.metrics.bootstrap import Interval
from textclf.metrics.single_label import confusion
from textclf.types import Array, BoolArray, Integers

_ROWS = 1000
_RESAMPLES, _SEED = 2000, 1


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
