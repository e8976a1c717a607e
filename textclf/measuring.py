"""Measure a model on a labelled table: batches in, figures out, the wrong rows kept when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from textclf.arrays import Integers
from textclf.errors import DataError
from textclf.evaluation import Evaluation, Tally, losses
from textclf.files import write_csv
from textclf.model import Model
from textclf.tables import Batch, Table

_SHOWN_LABELS = 10


@dataclass(frozen=True)
class WrongRow:
    """A row that got another label than its own: `loss` is −log of the probability that its own label got."""

    row: int
    label: str
    predicted: str
    confidence: float
    loss: float
    text: str


@dataclass(frozen=True)
class Measurement:
    """The figures, and the wrong rows, worst first (none unless they were asked for)."""

    evaluation: Evaluation
    errors: list[WrongRow]


def measure(
    model: Model, table: Table, *, threads: int, keep_errors: bool, progress: Callable[[int], None]
) -> Measurement:
    """Predict every row of an open table and compare with its label.

    Raises DataError at a label that the model does not have.
    """
    tally, errors = Tally(model.labels), []
    for batch in table.batches():
        y = known_classes(model, table.name, batch)
        predictions = model.predict(batch.texts, threads=threads)
        tally.add(y, predictions.P, words=predictions.tokens, known=predictions.known)
        if keep_errors:
            wrong = np.flatnonzero(predictions.classes != y)
            cost = losses(y, predictions.P)
            errors += [
                WrongRow(
                    batch.rows[i],
                    model.labels[y[i]],
                    model.labels[predictions.classes[i]],
                    float(predictions.confidence[i]),
                    float(cost[i]),
                    batch.texts[i],
                )
                for i in wrong.tolist()
            ]
        progress(len(batch))
    if not tally.matrix.any():
        raise DataError(f"{table.name}: expected rows to use, found that all {len(table.refused)} are refused.")
    errors.sort(key=lambda error: -error.loss)
    return Measurement(tally.evaluation(), errors)


def known_classes(model: Model, name: str, batch: Batch) -> Integers:
    """Return each row's class number; raises DataError at a label that the model does not have."""
    labels = batch.labels or []
    y = model.classes_of(labels)
    if (y < 0).any():
        place = int(np.flatnonzero(y < 0)[0])
        raise DataError(f"{name}: row {batch.rows[place]}: {unknown_label(labels[place], model.labels)}")
    return y


def unknown_label(label: str, known: tuple[str, ...]) -> str:
    """Return what to say of a label that training did not have."""
    listed = ", ".join(repr(name) for name in known[:_SHOWN_LABELS]) + (" …" if len(known) > _SHOWN_LABELS else "")
    near = get_close_matches(label, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " Correct the label, or train with it."
    return f"label {label[:60]!r} was not in the training data. Known labels: {listed}.{hint}"


def write_errors(path: Path, errors: list[WrongRow]) -> None:
    """Write wrong rows as CSV: row, label, predicted, confidence, text."""
    lines = ([e.row, e.label, e.predicted, f"{e.confidence:.6f}", e.text] for e in errors)
    write_csv(path, ["row", "label", "predicted", "confidence", "text"], lines)
