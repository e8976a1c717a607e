"""Figures for labels that have an order, such as one to five stars: a miss by one star is not a miss by four."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textclf.types import Array, Integers

_FEWEST, _MOST = 3, 20
"""Two labels have no order worth a figure; of more than 20, numbers are more likely names than grades."""


@dataclass(frozen=True)
class OrdinalFigures:
    """How far predictions are off: `mean_absolute_error` in the labels' own numbers, the others in places of the order.

    `within_one`: the share of texts that got their label or a neighbour of it. `quadratic_kappa`: Cohen's kappa with
    squared distances as weights; None where truth and prediction are always the same label.
    """

    mean_absolute_error: float
    within_one: float
    quadratic_kappa: float | None


def measure_order(labels: Sequence[str], matrix: Integers) -> OrdinalFigures | None:
    """Return the figures of a confusion matrix, shape (k, k); None unless the labels are 3 to 20 different numbers.

    >>> found = measure_order(["1", "2", "3"], np.array([[2, 0, 0], [0, 1, 0], [1, 0, 0]]))
    >>> found.mean_absolute_error, found.within_one
    (0.5, 0.75)
    """
    values = read_numbers(labels)
    if values is None:
        return None
    n, rank = matrix.sum(), values.argsort().argsort()
    distance = np.abs(rank[:, None] - rank)
    squares = distance.astype(np.float64) ** 2
    chance = (np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / n * squares).sum()
    return OrdinalFigures(
        float((matrix * np.abs(values[:, None] - values)).sum() / n),
        float(matrix[distance <= 1].sum() / n),
        float(1 - (matrix * squares).sum() / chance) if chance else None,
    )


def read_numbers(labels: Sequence[str]) -> Array | None:
    """Return labels as numbers, shape (k,); None unless they are 3 to 20 different finite ones.

    >>> read_numbers(["1", "2.5", "4"]), read_numbers(["good", "bad", "so-so"])
    (array([1. , 2.5, 4. ]), None)
    """
    if not _FEWEST <= len(labels) <= _MOST:
        return None
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return None
    is_order = all(map(math.isfinite, values)) and len(set(values)) == len(values)
    return np.array(values) if is_order else None
