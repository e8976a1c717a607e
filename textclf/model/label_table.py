"""Label the rows of a table: what is added to each row, and rows in, rows out, in constant memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textclf.model.bulk import predict_batches
from textclf.model.drift import Profile
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.tables import Batch, Table, TableWriter
from textclf.types import Array


@dataclass(frozen=True)
class PredictionColumns:
    """What is written for each row: the `top_k` likeliest labels, all probabilities with `proba`.

    With `answer_from`, the confidence from which on each label is given, shape (k,), whether the model abstains, too.
    """

    top_k: int | None = None
    proba: bool = False
    answer_from: Array | None = None

    def names(self, model: Model) -> list[str]:
        """Return the names of the added columns: label, confidence, then those of the likeliest labels.

        Of a model that gives one label, that is the likeliest, and the next come after it; of a multi-label model
        `label` holds the labels given, and all of the likeliest come after it.
        """
        names = ["label", "confidence"] + (["abstained"] if self.answer_from is not None else [])
        for rank in range(self._first_rank(model), min(self.top_k or 1, len(model.labels)) + 1):
            names += [f"label_top{rank}", f"confidence_top{rank}"]
        return names + ([f"p_{label}" for label in model.labels] if self.proba else [])

    def values(self, model: Model, predictions: Predictions) -> list[Sequence[str | float]]:
        """Return the added columns, each with a value for every row."""
        columns: list[Sequence[str | float]] = [model.cells(predictions), _figures(predictions.confidence)]
        if self.answer_from is not None:
            answers = model.find_answered(predictions, self.answer_from).tolist()
            columns.append(["false" if answer else "true" for answer in answers])
        first, last = self._first_rank(model) - 1, self.top_k or 1
        if last > first:
            ranked = (-predictions.P).argsort(axis=1, kind="stable")
            for best in ranked[:, first:last].T:
                columns.append([model.labels[number] for number in best.tolist()])
                columns.append(_figures(predictions.P[np.arange(len(best)), best]))
        return columns + (list(map(_figures, predictions.P.T)) if self.proba else [])

    def _first_rank(self, model: Model) -> int:
        return 1 if model.is_multi_label and self.top_k else 2


def _figures(probabilities: Array) -> list[float]:
    """Return probabilities as they are written, shape (n,)."""
    figures: list[float] = probabilities.round(6).tolist()
    return figures


@dataclass(frozen=True)
class Labelled:
    """What became of a table's rows: `rows` labelled, `unknown` of them without a known word, `find_answered` of them.

    `profile`: what the texts are like (see `drift`).
    """

    rows: int
    unknown: int
    answered: int
    profile: Profile


def label_rows(
    model: Model,
    table: Table,
    columns: PredictionColumns,
    write: Callable[[Batch, Predictions], None],
    *,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Labelled:
    """Predict the rows of an open table and hand each piece of them to `write`, in order."""
    rows = unknown = answered = 0
    profile = model.profile()
    ahead = isinstance(table.origin, Path)
    for batch, predictions in predict_batches(model, table.batches(), threads=threads, ahead=ahead):
        write(batch, predictions)
        if columns.answer_from is not None:
            answered += int(model.find_answered(predictions, columns.answer_from).sum())
        rows += len(batch)
        unknown += int((predictions.known == 0).sum())
        predictions.count(profile)
        progress(len(batch))
    return Labelled(rows, unknown, answered, profile)


def make_writer(model: Model, columns: PredictionColumns, writer: TableWriter) -> Callable[[Batch, Predictions], None]:
    """Return what writes each piece of a table with its labels."""
    return lambda batch, predictions: writer.write(batch, columns.values(model, predictions))
