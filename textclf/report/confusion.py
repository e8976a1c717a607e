"""The confusion matrix, and the errors behind its cells.

Letters: ``n`` rows, ``k`` classes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from textclf.analysis.evaluate import WrongRow
from textclf.metrics.ordinal import order_labels
from textclf.metrics.single_label import Evaluation
from textclf.types import Integers

_LARGE, _MIDDLE, _WIDEST = 8, 30, 150
"""Up to so many classes cells show counts and shares, counts alone, or shades alone."""
_SHADES = 7
_MOST_GROUPS = 200
GROUPS_SHOWN = 20
"""Groups of errors that a page shows at once; the others are folded away."""
_ROWS_SHOWN, _FEWEST_ROWS = 36, 3


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix that is not 0: its count, its share of the row, its shade, and where its examples stand."""

    predicted: str
    count: int
    share: float
    shade: str
    anchor: str | None


@dataclass(frozen=True)
class MatrixRow:
    """A class's row of the matrix: how many texts have the class, and which labels they get (None: no text does)."""

    label: str
    texts: int
    cells: list[Cell | None]


@dataclass(frozen=True)
class Matrix:
    """The confusion matrix as a page shows it: `size` says how much fits into a cell."""

    labels: list[str]
    rows: list[MatrixRow]
    size: str


@dataclass(frozen=True)
class Confusion:
    """How often rows of one class got another's label, which share of the class that is, and where examples stand."""

    truth: str
    predicted: str
    count: int
    share: float
    anchor: str | None


@dataclass(frozen=True)
class ErrorGroup:
    """Errors with the same truth and the same prediction: how many there are, and the rows that a page shows."""

    anchor: str
    truth: str
    predicted: str
    count: int
    rows: list[WrongRow]


Anchors = Mapping[tuple[str, str], str]
"""The name of each group of errors on the page, by truth and prediction."""


def show_matrix(evaluation: Evaluation, anchors: Anchors) -> Matrix:
    """Return the confusion matrix of all classes that occur; of very many, of those that are most often confused."""
    matrix = evaluation.matrix
    order = order_by_confusion(evaluation.labels, matrix)
    order = order[(matrix.sum(axis=0) + matrix.sum(axis=1))[order] > 0]
    if len(order) > _WIDEST:
        wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
        kept = np.argsort(-wrong, kind="stable")[:_WIDEST]
        order = order[np.isin(order, kept)]
    labels = [evaluation.labels[j] for j in order.tolist()]
    texts = matrix.sum(axis=1)[order]
    counts = matrix[np.ix_(order, order)]
    shares = counts / np.maximum(texts, 1)[:, None]
    size = "large" if len(labels) <= _LARGE else "middle" if len(labels) <= _MIDDLE else "small"
    rows = []
    for i, truth in enumerate(labels):
        cells: list[Cell | None] = [None] * len(labels)
        for j in np.flatnonzero(counts[i]).tolist():
            share = float(shares[i, j])
            level = int(np.ceil(np.sqrt(share) * _SHADES))  # the root: one row in a hundred is to be seen too
            shade = f"{'h' if i == j else 'm'}{level}"
            cells[j] = Cell(labels[j], int(counts[i, j]), share, shade, anchors.get((truth, labels[j])))
        rows.append(MatrixRow(truth, int(texts[i]), cells))
    return Matrix(labels, rows, size)


def order_by_confusion(labels: Sequence[str], matrix: Integers) -> Integers:
    """Return all k classes in an order in which those that are often confused stand side by side, the worst first.

    Two labels, and labels that are numbers such as grades, stay in their own order.
    """
    numbers = order_labels(labels)
    if len(labels) <= 2 or numbers is not None:
        return np.arange(len(labels)) if numbers is None else np.argsort(numbers, kind="stable")
    wrong = matrix + matrix.T
    np.fill_diagonal(wrong, 0)
    totals = wrong.sum(axis=1)
    left = np.ones(len(labels), bool)
    order = [int(totals.argmax())]
    left[order[0]] = False
    while left.any():
        near = np.where(left, wrong[order[-1]], 0)
        following = int(near.argmax() if near.any() else np.where(left, totals, -1).argmax())
        order.append(following)
        left[following] = False
    return np.array(order)


def list_confusions(evaluation: Evaluation, anchors: Anchors, most: int) -> list[Confusion]:
    """Return the commonest pairs of truth and wrong prediction, where there are more than the matrix shows in full."""
    if len(evaluation.labels) <= _LARGE:
        return []
    support = {label: scores.support for label, scores in evaluation.per_class.items()}
    found = evaluation.commonest_confusions(most)
    return [
        Confusion(truth, given, count, count / max(support[truth], 1), anchors.get((truth, given)))
        for truth, given, count in found
    ]


def group_errors(wrong: Sequence[WrongRow], *, by_loss: bool) -> list[ErrorGroup]:
    """Return errors by truth and prediction, the most frequent pair first, or, `by_loss`, that of the worst row.

    The first groups show several rows each, from the most confident one to the least; the others show one.
    """
    found: dict[tuple[str, str], list[WrongRow]] = defaultdict(list)
    for row in wrong:
        found[row.label, row.predicted].append(row)
    order: Callable[[list[WrongRow]], float] = (
        (lambda rows: -max(row.loss for row in rows)) if by_loss else (lambda rows: -len(rows))
    )
    pairs = sorted(found.items(), key=lambda pair: order(pair[1]))[:_MOST_GROUPS]
    most = max(_ROWS_SHOWN // max(len(pairs), 1), _FEWEST_ROWS)
    groups = []
    for number, ((truth, predicted), rows) in enumerate(pairs, 1):
        shown = most if number <= GROUPS_SHOWN else 1
        ranked = sorted(rows, key=lambda row: -row.confidence)
        places = np.unique(np.linspace(0, len(ranked) - 1, min(shown, len(ranked))).astype(int)).tolist()
        groups.append(ErrorGroup(f"e{number}", truth, predicted, len(rows), [ranked[i] for i in places]))
    return groups
