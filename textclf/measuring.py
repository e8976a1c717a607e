"""Measure a model on a labelled table: batches in, figures out, the wrong rows kept when they are asked for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from textclf.arrays import Array, Integers
from textclf.drift import Profile
from textclf.errors import DataError
from textclf.evaluation import Evaluation, Tally, losses
from textclf.files import write_csv
from textclf.labels import LabelSet, label_sets, multi_hot
from textclf.model import Model
from textclf.multilabel import MultiLabelEvaluation, log_losses, new_tally
from textclf.predictions import Predictions
from textclf.tables import Batch, Table

_SHOWN_LABELS = 10


@dataclass(frozen=True)
class WrongRow:
    """A row that got another label than its own: `loss` is −log of the probability that its own label got.

    With several labels a text, `label` and `predicted` are cells, and `loss` is the sum over the labels' yes or no.
    """

    row: int
    label: str
    predicted: str
    confidence: float
    loss: float
    text: str


@dataclass(frozen=True)
class AnsweredClass:
    """Of one class: the confidence from which on its label is given (inf for never), rows given it, and rows right."""

    threshold: float
    predicted: int
    answered: int
    right: int

    @property
    def precision(self) -> float | None:
        """The share of answers that are right; None when there was none."""
        return self.right / self.answered if self.answered else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the threshold of a label that is never given is None."""
        threshold = self.threshold if math.isfinite(self.threshold) else None
        counts = {"predicted": self.predicted, "answered": self.answered}
        return {"threshold": threshold, **counts, "precision": self.precision}


@dataclass(frozen=True)
class Answered:
    """How a promise was kept: of `n` rows `answered` got an answer, and `right` of these were right.

    `per_class`: the same by the label that was given.
    """

    target: float
    n: int
    answered: int
    right: int
    per_class: dict[str, AnsweredClass] = field(default_factory=dict)

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
        overall = {"target": self.target, "coverage": self.coverage, "precision": self.precision}
        return {**overall, "per_class": {label: each.as_dict() for label, each in self.per_class.items()}}


class _Answers:
    """Counts of answers by the label given: rows predicted, answered and right, shape (3, k)."""

    def __init__(self, model: Model, target: float) -> None:
        self._model, self._target, self._answer_from = model, target, model.answer_from(target)
        self._counts = np.zeros((3, len(model.labels)), np.int64)

    def add(self, predictions: Predictions, y: Integers) -> None:
        given = self._model.answered(predictions, self._answer_from)
        classes = predictions.classes
        for row, chosen in enumerate((np.ones(len(y), np.bool_), given, given & (classes == y))):
            self._counts[row] += np.bincount(classes[chosen], minlength=self._counts.shape[1])

    def answered(self) -> Answered:
        per_class = {
            label: AnsweredClass(float(threshold), *counts)
            for label, threshold, counts in zip(
                self._model.labels, self._answer_from, self._counts.T.tolist(), strict=True
            )
        }
        rows, answered, right = self._counts.sum(axis=1).tolist()
        return Answered(self._target, rows, answered, right, per_class)


@dataclass(frozen=True)
class Measurement:
    """The figures; the wrong rows, worst first (none unless they were asked for).

    `uncalibrated`: the figures without calibration (None for sigmoid outputs). `answered`: how the promise was
    kept, if one was asked for. `profile`: what the texts are like (see `drift`).
    """

    evaluation: Evaluation | MultiLabelEvaluation
    errors: list[WrongRow]
    uncalibrated: Evaluation | None
    answered: Answered | None
    profile: Profile

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
    profile = model.profile()
    tally, before, errors = new_tally(model.labels, model.thresholds), Tally(model.labels), list[WrongRow]()
    answers = None if target_precision is None else _Answers(model, target_precision)
    for batch in table.batches():
        Y = known_truth(model, table.name, batch)
        predictions = model.predict(batch.texts, threads=threads)
        counts = {"words": predictions.tokens, "known": predictions.known}
        tally.add_rows(Y, predictions.P, **counts)
        if model.output == "softmax" and predictions.Z is not None:
            before.add_rows(Y, model.uncalibrated(predictions.Z), **counts)
        predictions.count(profile)
        if keep_errors:
            errors += _wrong_rows(model, batch, Y, predictions)
        if answers is not None:
            answers.add(predictions, Y.argmax(axis=1))
        progress(len(batch))
    if not tally.n:
        raise DataError(f"{table.name}: expected rows to use, found that all {len(table.refused)} are refused.")
    errors.sort(key=lambda error: -error.loss)
    return Measurement(
        tally.evaluation(),
        errors,
        before.evaluation() if before.n else None,
        None if answers is None else answers.answered(),
        profile,
    )


def _wrong_rows(model: Model, batch: Batch, Y: Array, predictions: Predictions) -> list[WrongRow]:
    given, confidence = predictions.given, predictions.confidence
    truths, answers = model.label_sets(Y > 0), model.label_sets(given)
    costs = (
        log_losses(Y, predictions.P).sum(axis=1) if model.is_multi_label else losses(Y.argmax(axis=1), predictions.P)
    )
    return [
        WrongRow(
            batch.rows[i],
            model.cell(truths[i]),
            model.cell(answers[i]),
            float(confidence[i]),
            float(costs[i]),
            batch.texts[i],
        )
        for i in np.flatnonzero((given != (Y > 0)).any(axis=1)).tolist()
    ]


def known_truth(model: Model, name: str, batch: Batch) -> Array:
    """Return Y, shape (n, k), of a batch's labels; raises DataError at a label that the model does not have."""
    sets = label_sets(batch.labels or [], multi_label=model.is_multi_label)
    check_known(name, batch.rows, sets, model.labels)
    return multi_hot(sets, model.labels)


def check_known(name: str, rows: Sequence[int], sets: Sequence[LabelSet], known: tuple[str, ...]) -> None:
    """Raise DataError at the first of these rows of the table `name` that has a label which is not known."""
    classes = set(known)
    for row, labels in zip(rows, sets, strict=True):
        for label in labels:
            if label not in classes:
                raise DataError(f"{name}: row {row}: {unknown_label(label, known)}")


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
