"""The labels of a row as one cell of a table: `a|b`, or a JSON list where a label would not survive that.

A cell that is empty, or ``[]``, says that the row has no label. Letters: ``n`` rows, ``k`` labels.
"""

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from textclf.arrays import Array
from textclf.errors import DataError

SEPARATOR = "|"
_LIST = "["

LabelSet = tuple[str, ...]
"""The labels of one row, each once, in the order in which they were first met."""


@lru_cache(maxsize=1 << 14)  # the same few combinations stand in row after row
def cut_labels(cell: str) -> LabelSet:
    """Return the labels of a cell; blanks around the parts of `a|b` go, parts that are empty too.

    Raises DataError, a phrase without a place, when the cell begins with `[` and is no JSON list of labels.
    """
    stripped = cell.strip()
    if not stripped.startswith(_LIST):
        return tuple(dict.fromkeys(part for raw in stripped.split(SEPARATOR) if (part := raw.strip())))
    try:
        values = json.loads(stripped)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        found = stripped[:40] + ("…" if len(stripped) > 40 else "")
        raise DataError(f'expected labels such as a|b or a JSON list of them such as ["a", "b"], found {found!r}')
    return tuple(dict.fromkeys(values))


def join_labels(labels: Sequence[str]) -> str:
    """Return the cell from which `cut_labels` makes these labels, which must differ and not be blank."""
    if all(SEPARATOR not in label and label == label.strip() and not label.startswith(_LIST) for label in labels):
        return SEPARATOR.join(labels)
    return json.dumps(list(labels), ensure_ascii=False)


def label_sets(cells: Sequence[str], *, multi_label: bool) -> list[LabelSet]:
    """Return each row's labels: those that its cell lists, or, unless `multi_label`, the cell itself.

    Raises DataError at a cell that `cut_labels` refuses.
    """
    if not multi_label:
        made = {cell: (cell,) for cell in set(cells)}  # a tuple for each label, not one for each row
        return [made[cell] for cell in cells]
    sets = []
    for row, cell in enumerate(cells, 1):
        try:
            sets.append(cut_labels(cell))
        except DataError as error:
            raise DataError(f"labels: row {row}: {error}. Correct the row.") from None
    return sets


def multi_hot(sets: Sequence[LabelSet], labels: Sequence[str]) -> Array:
    """Return Y, shape (n, k): 1 in the column of each label that a row has, 0 elsewhere."""
    numbers = {label: number for number, label in enumerate(labels)}
    columns = np.array([numbers[label] for row in sets for label in row], np.int64)
    Y: Array = np.zeros((len(sets), len(labels)), np.float32)
    Y[np.repeat(np.arange(len(sets)), [len(row) for row in sets]), columns] = 1.0
    return Y
