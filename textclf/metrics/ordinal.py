"""Figures for labels that have an order, such as one to five stars: a miss by one star is not a miss by four."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textclf.errors import TrainingError
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


def order_labels(labels: Sequence[str], ordinal: bool | Sequence[str] = False) -> Array | None:
    """Return the value of each label, shape (k,): its number, or its place among `ordinal`, the labels in their order.

    With `ordinal` False labels have an order if they are 3 to 20 different numbers; else the result is None.
    Raises TrainingError where `ordinal` is True and they are no numbers, or where it lists other labels.

    >>> order_labels(["1", "2.5", "4"]), order_labels(["good", "bad", "so-so"])
    (array([1. , 2.5, 4. ]), None)
    >>> order_labels(["bad", "good", "so-so"], ["bad", "so-so", "good"])
    array([0., 2., 1.])
    """
    if isinstance(ordinal, Sequence):
        if sorted(ordinal) != sorted(labels):
            odd = sorted({*ordinal}.symmetric_difference(labels)) or sorted(ordinal)
            where = "the order" if odd[0] not in ordinal else "the rows" if odd[0] not in labels else "it once"
            raise TrainingError(f"ordinal: expected each label once in the order, {odd[0]!r} not found in {where}.")
        return np.array([ordinal.index(label) for label in labels], np.float64)
    values = _read_numbers(labels)
    if ordinal and values is None:
        odd = [label for label in labels if _read_numbers([label]) is None] or list(labels)
        raise TrainingError(
            f"ordinal: expected labels that are different numbers, found {odd[0]!r}."
            " List all of them in their order (--label-order)."
        )
    return values if ordinal or _FEWEST <= len(labels) <= _MOST else None


def _read_numbers(labels: Sequence[str]) -> Array | None:
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return None
    is_order = all(map(math.isfinite, values)) and len(set(values)) == len(values)
    return np.array(values) if is_order else None
