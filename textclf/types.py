"""The array types that every module speaks of, and where runs of equal numbers begin in one."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""Numbers to calculate with: float32 for work, float64 for checks."""

Integers = npt.NDArray[np.integer[Any]]
"""Row numbers, class numbers, offsets."""

Keys = npt.NDArray[np.uint64]
"""64-bit keys of words and n-grams."""

ShortKeys = npt.NDArray[np.uint32]
"""Their first 32 bits."""

BoolArray = npt.NDArray[np.bool_]
"""Which of several things something holds for."""


def run_starts(ordered: Keys | Integers) -> Integers:
    """Return where each run of equal numbers begins."""
    starts: Integers = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.concatenate(([0], starts)) if len(ordered) else starts
