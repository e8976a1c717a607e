"""The array types that every module speaks of."""

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
