"""Which classes the labels of training rows make, and what a row of each weighs."""

from collections.abc import Mapping, Sequence, Set

import numpy as np

from textclf.arrays import Array, Integers
from textclf.errors import TrainingError
from textclf.labels import LabelSet

MOST_SINGLE_LABELS = 1000
"""Beyond so many, with fewer than two rows each, it is not labels: rows times labels would fill the memory."""


def classes_of(sets: Sequence[LabelSet], multi_label: bool, known: Set[str]) -> tuple[str, ...]:
    """Return the labels of rows, and those that are known though no row may have them, in order.

    Raises TrainingError when they cannot be told apart, or are no labels.
    """
    found_here = {label for row in sets for label in row}
    classes = tuple(sorted(found_here | known))
    if multi_label and not known and all(len(row) == len(classes) for row in sets):
        found = f"that every row has {', '.join(map(repr, classes))[:60]}" if classes else "no label in any row"
        raise TrainingError(f"labels: expected some that rows have and others lack, found {found}. Add other rows.")
    if len(found_here) > MOST_SINGLE_LABELS and 2 * len(found_here) > len(sets):
        raise TrainingError(
            f"labels: expected several rows of each, found {len(found_here):,} labels in {len(sets):,} rows. "
            "Is this the right label column?"
        )
    if not multi_label and len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no rows"
        raise TrainingError(f"labels: expected at least two classes, found {found}. Add rows of another class.")
    return classes


def what_labels(sets: Sequence[LabelSet], k: int, multi_label: bool) -> str:
    """Return in words how many labels there are, and how many a text has."""
    if not multi_label:
        return f"{k} classes"
    without = sum(not row for row in sets)
    said = f"{k} label{'s' * (k > 1)}, {sum(map(len, sets)) / len(sets):.1f} a text"
    return f"{said}; without any: {without:,}" if without else said


def class_weights(chosen: str | Mapping[str, float], labels: Sequence[str], rows: Array | Integers) -> Array:
    """Return what a row of each class weighs, shape (k,), 1 in the mean, given how many rows, or what weight, each has.

    Raises TrainingError when a weight is chosen for an unknown label, or no row would weigh anything.
    """
    if chosen == "none":
        return np.ones(len(labels))
    if isinstance(chosen, str):
        of_class: Array = 1.0 / np.maximum(rows, 1e-9)
    else:
        strangers = sorted(set(chosen) - set(labels))
        if strangers:
            raise TrainingError(f"class weights: no row has the label {strangers[0]!r}. Correct it, or leave it out.")
        of_class = np.array([chosen.get(label, 1.0) for label in labels])
    total = float(of_class @ rows)
    if not total > 0:
        raise TrainingError("class weights: expected some above 0 for labels that rows have, found none. Correct them.")
    weights: Array = of_class * (rows.sum() / total)
    return weights
