"""Measure a model on a labelled table: batches in, figures out, the wrong rows kept when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from textclf.arrays import Integers
from textclf.calibration import uncalibrated
from textclf.errors import DataError
from textclf.evaluation import Evaluation, Tally, losses
from textclf.files import write_csv
from textclf.model import Model, Predictions
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
class Answered:
    """How a promise was kept: of `n` rows `answered` got an answer, and `right` of these were right."""

    target: float
    n: int
    answered: int
    right: int

    @property
    def coverage(self) -> float:
        """The share of rows that got an answer."""
        return self.answered / self.n

    @property
    def precision(self) -> float | None:
        """The share of answers that are right; None when there was none."""
        return self.right / self.answered if self.answered else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"target": self.target, "coverage": self.coverage, "precision": self.precision}


@dataclass(frozen=True)
class Measurement:
    """The figures; the wrong rows, worst first (none unless they were asked for).

    `uncalibrated`: the figures without the temperature (None for sigmoid outputs). `answered`: how the promise was
    kept, if one was asked for.
    """

    evaluation: Evaluation
    errors: list[WrongRow]
    uncalibrated: Evaluation | None
    answered: Answered | None

    def as_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON."""
        figures = self.evaluation.as_dict()
        if self.uncalibrated is not None:
            before = self.uncalibrated
            figures["uncalibrated"] = {
                "log_loss": before.log_loss, "brier": before.brier, "ece": before.reliability.ece
            }  # fmt: skip
        if self.answered is not None:
            figures["answered"] = self.answered.as_dict()
        return figures


def measure(
    model: Model,
    table: Table,
    *,
    threads: int,
    keep_errors: bool,
    target_precision: float | None = None,
    progress: Callable[[int], None],
) -> Measurement:
    """Predict every row of an open table and compare with its label.

    Raises DataError at a label that the model does not have, ModelError when it cannot promise a precision.
    """
    tally, before, errors = Tally(model.labels), Tally(model.labels), []
    thresholds = None if target_precision is None else model.thresholds(target_precision)
    answered = right = 0
    for batch in table.batches():
        y = known_classes(model, table.name, batch)
        predictions = model.predict(batch.texts, threads=threads)
        counts = {"words": predictions.tokens, "known": predictions.known}
        tally.add(y, predictions.P, **counts)
        if model.output == "softmax":
            before.add(y, uncalibrated(predictions.P, model.temperature), **counts)
        if keep_errors:
            errors += _wrong_rows(model, batch, y, predictions)
        if thresholds is not None:
            given = model.answered(predictions, thresholds)
            answered += int(given.sum())
            right += int((predictions.classes == y)[given].sum())
        progress(len(batch))
    if not tally.matrix.any():
        raise DataError(f"{table.name}: expected rows to use, found that all {len(table.refused)} are refused.")
    errors.sort(key=lambda error: -error.loss)
    evaluation = tally.evaluation()
    return Measurement(
        evaluation,
        errors,
        before.evaluation() if before.matrix.any() else None,
        None if target_precision is None else Answered(target_precision, evaluation.n, answered, right),
    )


def _wrong_rows(model: Model, batch: Batch, y: Integers, predictions: Predictions) -> list[WrongRow]:
    cost = losses(y, predictions.P)
    return [
        WrongRow(
            batch.rows[i],
            model.labels[y[i]],
            model.labels[predictions.classes[i]],
            float(predictions.confidence[i]),
            float(cost[i]),
            batch.texts[i],
        )
        for i in np.flatnonzero(predictions.classes != y).tolist()
    ]


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
    rows = ([e.row, e.label, e.predicted, f"{e.confidence:.6f}", e.text] for e in errors)
    write_csv(path, ["row", "label", "predicted", "confidence", "text"], rows)
