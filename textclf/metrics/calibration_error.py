"""Whether confidence is what it says: the expected calibration error, from counts that can be added up.

Confidences are counted in a thousand fine bins, each with its number of rows, its sum of confidences and its number
of right rows; the adaptive bins, which hold equally many rows (Nguyen & O'Connor 2015), are made of these.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textclf.types import Array

_FINE = 1000
_BINS = 15


@dataclass(frozen=True)
class Bin:
    """Rows of like confidence: how many, their mean confidence, and the share that is right."""

    n: int
    confidence: float
    accuracy: float


@dataclass
class Reliability:
    """Counts of confidences: rows, sums and right rows, one column for each fine bin.

    >>> found = Reliability()
    >>> found.add(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, True, True, False]))
    >>> round(found.ece, 2)  # 0.9 said, 0.75 right
    0.15
    """

    counts: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, _FINE)))

    def add(self, confidence: Array, right: npt.NDArray[np.bool_]) -> None:
        """Count rows, shape (n,)."""
        fine = np.minimum((confidence * _FINE).astype(np.int64), _FINE - 1)
        for row, weights in enumerate((None, confidence, right)):
            self.counts[row] += np.bincount(fine, weights=weights, minlength=_FINE)

    def merge(self, other: "Reliability") -> None:
        """Add the counts of others."""
        self.counts += other.counts

    def bins(self) -> list[Bin]:
        """Return up to 15 bins of about equally many rows, the lowest confidence first."""
        counts, sums, right = self.counts
        before = np.cumsum(counts) - counts
        total = counts.sum()
        numbers = np.minimum((before + counts / 2) / max(total, 1) * _BINS, _BINS - 1).astype(np.int64)
        n, s, r = (np.bincount(numbers, weights=row, minlength=_BINS) for row in (counts, sums, right))
        return [Bin(int(n[i]), float(s[i] / n[i]), float(r[i] / n[i])) for i in range(_BINS) if n[i]]

    @property
    def ece(self) -> float:
        """The expected calibration error: the mean of |accuracy − confidence| over the bins, weighed by their rows."""
        bins = self.bins()
        total = sum(each.n for each in bins)
        return sum(each.n * abs(each.accuracy - each.confidence) for each in bins) / max(total, 1)
