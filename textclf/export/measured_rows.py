"""Labelled rows that a model was not trained on: what a smaller one loses on them, and what they teach it anew."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from textclf.analysis.evaluate import check_known
from textclf.labels import label_sets, multi_hot
from textclf.metrics.multi_label import log_losses, new_tally
from textclf.metrics.single_label import losses
from textclf.model.abstention import record_confidence
from textclf.model.calibration import fit_temperature
from textclf.model.card import BeforeAfter, ExportValidation
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.nn.network import LOSSES
from textclf.tables import LoadedTable
from textclf.text.copies import group_copies
from textclf.types import Array


@dataclass(frozen=True)
class Change:
    """What became of a model's figures on n rows: accuracy, or micro-F1 of a multi-label one, and the mean log loss.

    `largest`: by how much a probability changed at most.
    """

    n: int
    name: str
    before: float
    after: float
    log_loss_before: float
    log_loss_after: float
    largest: float

    def figures(self) -> ExportValidation:
        """Return what the smaller model's card keeps."""
        named = {self.name: BeforeAfter(self.before, self.after)}
        return ExportValidation(self.n, BeforeAfter(self.log_loss_before, self.log_loss_after), self.largest, **named)


@dataclass(frozen=True)
class LabelledRows:
    """Texts and their truth Y, shape (n, k)."""

    texts: Sequence[str]
    Y: Array
    threads: int = 1

    @staticmethod
    def of(examples: LoadedTable, model: Model, threads: int) -> "LabelledRows":
        """Return the rows of a table; raises DataError at a label that the model does not have."""
        sets = label_sets(examples.labels, multi_label=model.is_multi_label)
        check_known(examples.name, examples.rows, sets, model.labels)
        return LabelledRows(examples.texts, multi_hot(sets, model.labels), threads)

    def predict(self, model: Model) -> Predictions:
        """Return what a model says of these texts."""
        return model.predict(self.texts, threads=self.threads)

    def losses(self, model: Model) -> Array:
        """Return the loss of each row, shape (n,)."""
        P = self.predict(model).P
        return log_losses(self.Y, P).sum(axis=1) if model.is_multi_label else losses(self.Y.argmax(axis=1), P)

    def calibrate(self, model: Model) -> Model:
        """Return the model with the temperature that suits these rows, and the record of what it says of them."""
        matrix = model.features.extract(self.texts)
        Z = model.logits(matrix, threads=self.threads)
        if model.card.settings is None or model.card.settings.calibrate:
            loss = LOSSES["cross-entropy", model.output]
            temperature, _ = fit_temperature(Z, self.Y, np.ones(len(self.Y)), loss)
            model = replace(model, temperature=temperature)
        if model.is_multi_label:
            return model
        P = model.probabilities_of(Z)
        classes, groups = model.decision.choose(P), group_copies(self.texts)
        record = record_confidence(P, self.Y.argmax(axis=1), classes, matrix.known_shares, groups)
        return replace(model, record=record)

    def change(self, model: Model, smaller: Model) -> Change:
        """Return what became of the figures."""
        figures, probabilities = [], []
        name = "micro_f1" if model.is_multi_label else "accuracy"
        for each in (model, smaller):
            predictions, tally = self.predict(each), new_tally(each.labels, each.thresholds)
            counts = {"words": predictions.tokens, "known": predictions.known}
            tally.add_rows(self.Y, predictions.P, given=predictions.given, **counts)
            figures.append(tally.evaluation().summary())
            probabilities.append(predictions.P)
        before, after = figures
        largest = float(np.abs(probabilities[1] - probabilities[0]).max())
        return Change(
            len(self.texts), name, before[name], after[name], before["log_loss"], after["log_loss"], largest
        )  # fmt: skip
