"""Look at the labels and weights of the rows that could be read."""

import math

from textclf.errors import DataError
from textclf.labels import cut_labels, join_labels, strange_label
from textclf.tables.records import Batch, ParsedBlock, Refusal


def validate_rows(
    parsed: ParsedBlock, *, multi_label: bool, known: frozenset[str] | None = None
) -> tuple[Batch, list[Refusal]]:
    """Return the rows of a block whose label and weight can be used, and the refused ones in order.

    With `known` labels a row that has another one cannot be used.
    """
    refused: dict[int, str] = {}
    labels = parsed.labels
    if labels is not None and multi_label:
        labels = [_join_labels(cell, refused, i) for i, cell in enumerate(labels)]
    elif labels is not None:
        refused |= {i: "expected a label, found none" for i, label in enumerate(labels) if not label.strip()}
    if labels is not None and known is not None:
        for i, cell in enumerate(labels):
            strange = None if i in refused else strange_label(cut_labels(cell) if multi_label else (cell,), known)
            if strange is not None:
                refused[i] = strange
    weights = None
    if parsed.weights is not None:
        weights = [_weight(spelt) for spelt in parsed.weights]
        for i, spelt in enumerate(parsed.weights):
            if math.isnan(weights[i]):
                refused.setdefault(i, f"expected a weight of at least 0, found {spelt[:30]!r}")
    batch = Batch(parsed.rows, parsed.texts, labels, weights, parsed.records)
    if not refused:
        return batch, parsed.refused
    late = [Refusal(parsed.rows[i], parsed.lines[i], reason) for i, reason in refused.items()]
    kept = [i for i in range(len(parsed.rows)) if i not in refused]
    return batch.select(kept), sorted([*parsed.refused, *late], key=lambda refusal: refusal.row)


def _join_labels(cell: str, refused: dict[int, str], number: int) -> str:
    """Return a cell of labels in its one spelling; what is no such cell is noted under the row's number."""
    try:
        return join_labels(cut_labels(cell))
    except DataError as error:
        refused[number] = str(error)
        return cell


def _weight(spelt: str) -> float:
    """Return the number, NaN when it is none that can weigh an example."""
    try:
        # Python's own rules would take 1_0 and digits of every script.
        weight = float(spelt) if spelt.isascii() and "_" not in spelt else math.nan
    except ValueError:
        return math.nan
    return weight if 0 <= weight < math.inf else math.nan
