"""k-fold cross-validation of a whole training: every row is judged by a model that has not seen its text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textclf.analysis.evaluate import EvaluationCounts, Measurement
from textclf.errors import DataError, TrainingError
from textclf.labels import classes_of, label_sets, multi_hot
from textclf.metrics.multi_label import MultiLabelEvaluation
from textclf.metrics.single_label import Evaluation
from textclf.model.decision import OWN_RULE
from textclf.settings import Settings
from textclf.tables import LoadedTable, Origin, TableOptions, open_table, open_writer
from textclf.text.copies import group_copies
from textclf.training.data import RowsByClass, deal
from textclf.training.train import LabelledTexts, train
from textclf.types import Array, Integers
from textclf.vectors import WordVectors


@dataclass(frozen=True)
class CrossValidation:
    """The figures of all judged rows together and of each fold, and what was said of each row.

    `fold`, shape (n,): the fold that a row was judged in, from 0; -1 for rows that train every time, because no model
    could know their label otherwise. `predicted` and `confidence`, shape (n,): what the model of the other folds says;
    empty and NaN for rows that are not judged.
    """

    measurement: Measurement
    folds: tuple[Evaluation | MultiLabelEvaluation, ...]
    fold: Integers
    predicted: list[str]
    confidence: Array

    def as_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON."""
        of_folds = [{"fold": number, **each.summary()} for number, each in enumerate(self.folds, 1)]
        return {
            "folds": of_folds,
            "not_judged": int((self.fold < 0).sum()),
            **self.measurement.as_dict(),
        }


def measure_folds(
    data: LabelledTexts,
    settings: Settings,
    vectors: WordVectors | None,
    folds: int,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> CrossValidation:
    """Train `folds` models, each with the settings on all other folds, and measure each on the rows of its own.

    Each label is dealt out evenly; rows with the same text are of one fold. Raises TrainingError when there are too few
    different texts for so many folds, and as `train` does.
    """
    sets = label_sets(data.labels, multi_label=settings.multi_label)
    labels = classes_of(sets, settings.multi_label, set())
    Y = multi_hot(sets, labels)
    fold = deal(RowsByClass.of(Y, group_copies(data.only_texts)), folds, np.random.default_rng(settings.seed))
    if len(np.unique(fold[fold >= 0])) < folds:
        raise TrainingError(f"--folds: expected different texts for {folds} folds, found too few. Give fewer folds.")
    predicted, confidence = [""] * len(data.texts), np.full(len(data.texts), np.nan)
    counts: list[EvaluationCounts] = []
    for number in range(folds):
        say(f"cross-validation: fold {number + 1} of {folds}")
        rows = np.flatnonzero(fold == number)
        others = np.flatnonzero(fold != number).tolist()
        weights = None if data.weights is None else [data.weights[i] for i in others]
        model = train(replace(data.take(others), weights=weights), settings, vectors).model
        texts = [data.texts[i] for i in rows.tolist()]
        predictions = model.predict(texts, threads=settings.threads)
        counts.append(EvaluationCounts.start(model, model.decision))
        counts[-1].add(model, texts, Y[rows], predictions)
        confidence[rows] = predictions.confidence
        for i, cell in zip(rows.tolist(), model.cells(predictions), strict=True):
            predicted[i] = cell
    of_folds = tuple(each.tally.evaluation() for each in counts)
    together = counts[0]
    for each in counts[1:]:
        together.merge(each)
    return CrossValidation(together.measurement(model, OWN_RULE), of_folds, fold, predicted, confidence)


def write_predictions(
    origin: Origin, options: TableOptions, data: LoadedTable, found: CrossValidation, target: Path
) -> None:
    """Write the rows that were used with the columns predicted, confidence and fold; empty for rows not judged.

    Raises DataError when the table is not as it was when it was read, OutputError as `open_writer` does.
    """
    added = ("predicted", "confidence", "fold")
    at = 0
    with open_table(origin, options, labelled=True) as table, open_writer(target, table, added) as writer:
        for batch in table.batches():
            rows = slice(at, at + len(batch))
            if batch.texts != list(data.texts[rows]):
                raise DataError(f"{table.name}: expected the rows that were read before, found others. Try again.")
            at += len(batch)
            numbers: list[Sequence[float]] = [
                np.round(found.confidence[rows], 6).tolist(), (found.fold[rows] + 1).tolist()
            ]  # fmt: skip
            if (found.fold < 0).any():  # a column is all numbers or all text
                judged = (found.fold[rows] >= 0).tolist()
                spelled = [
                    [str(n) if is_in else "" for n, is_in in zip(column, judged, strict=True)] for column in numbers
                ]
                writer.write(batch, [found.predicted[rows], *spelled])
            else:
                writer.write(batch, [found.predicted[rows], *numbers])
        if at != len(data):
            raise DataError(
                f"{table.name}: expected the {len(data):,} rows that were read before, found {at:,}. Try again."
            )
