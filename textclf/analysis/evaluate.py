"""Measure a model on a labelled table: batches in, figures out, the wrong rows kept when they are asked for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import DataError
from textclf.labels import LabelSet, label_sets, multi_hot, unknown_label
from textclf.metrics.multi_label import MultiLabelEvaluation, MultiLabelTally, log_losses, new_tally, with_shares
from textclf.metrics.single_label import CostFigures, CostTally, Evaluation, Tally, losses
from textclf.model.decision import OWN_RULE, Decision, DecisionSettings, find_positive
from textclf.model.drift import Profile
from textclf.model.label_table import predict_batches
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.storage.files import write_csv
from textclf.tables import Batch, Table
from textclf.text.copies import TextCopies
from textclf.types import Array

_BROKEN = 0.01


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
    """Of one class: the confidence from which on its label is given (inf for never), rows given it, and rows right.

    `alternative`: the highest precision that can be promised of a label which is never given; None where there is none.
    """

    threshold: float
    predicted: int
    answered: int
    right: int
    alternative: float | None = None

    @property
    def precision(self) -> float | None:
        """The share of answers that are right; None when there was none."""
        return self.right / self.answered if self.answered else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the threshold of a label that is never given is None."""
        threshold = self.threshold if math.isfinite(self.threshold) else None
        counts = {"predicted": self.predicted, "answered": self.answered}
        figures = {"threshold": threshold, **counts, "precision": self.precision}
        return figures if self.alternative is None else {**figures, "alternative": self.alternative}


@dataclass(frozen=True)
class Answered:
    """What abstaining came to: of `n` rows `answered` got an answer, and `right` of these were right.

    `target`: the precision that was promised, None where none was. `per_class`: the same by the label that was given.
    `independent`: the share of answered rows that the test counts.
    """

    target: float | None
    n: int
    answered: int
    right: int
    per_class: dict[str, AnsweredClass] = field(default_factory=dict)
    independent: float = 1.0

    @property
    def coverage(self) -> float:
        """The share of rows that got an answer."""
        return self.answered / self.n

    @property
    def precision(self) -> float | None:
        """The share of answers that are right; None when there was none."""
        return self.right / self.answered if self.answered else None

    @property
    def p_value(self) -> float | None:
        """How often a promise that is kept gives so few right answers, or fewer, by chance; None without any.

        The exact binomial test, one-sided; copies of a text count about once.
        """
        from scipy.stats import binom

        if self.target is None or not self.answered:
            return None
        answered = max(round(self.answered * self.independent), 1)
        return float(binom.cdf(round(self.right * answered / self.answered), answered, self.target))

    @property
    def is_broken(self) -> bool:
        """Whether these rows tell that the promise is not kept: that they do by chance is less likely than 1 in 100."""
        return self.p_value is not None and bool(self.p_value < _BROKEN)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        overall = {
            "target": self.target,
            "coverage": self.coverage,
            "precision": self.precision,
            "p_value": self.p_value,
            "is_broken": self.is_broken,
        }
        return {**overall, "per_class": {label: each.as_dict() for label, each in self.per_class.items()}}


@dataclass(frozen=True)
class Operating:
    """A threshold of one class, and the precision and recall that rows have from it on."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True)
class PositiveFigures:
    """The label that is looked for among two: precision, recall and F1 of the rule, and what thresholds would give.

    `threshold`: the probability from which on the label is given. `curve`: the highest threshold for each of several
    recalls on these rows; none where no row has the label.
    """

    label: str
    threshold: float
    precision: float
    recall: float
    f1: float
    curve: tuple[Operating, ...]
    target_recall: float | None = None
    p_value: float | None = None
    """How often a recall that is kept finds so few texts, or fewer, by chance; None without a target or texts.

    Copies of a text count about once.
    """

    @property
    def is_broken(self) -> bool:
        """Whether these rows tell that the promised recall is not kept."""
        return self.p_value is not None and bool(self.p_value < _BROKEN)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "is_broken": self.is_broken, "curve": [vars(each) for each in self.curve]}


_RECALLS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


@dataclass(frozen=True)
class Measurement:
    """The figures; the wrong rows, worst first (none unless they were asked for).

    `uncalibrated`: the figures without calibration (None for sigmoid outputs). `answered`, `costs`, `positive`: what
    the decision rule came to, where it abstains, has costs, or looks for one label. `profile`: what the texts are like
    (see `drift`).
    """

    evaluation: Evaluation | MultiLabelEvaluation
    errors: list[WrongRow]
    uncalibrated: Evaluation | None
    answered: Answered | None
    profile: Profile = field(default_factory=lambda: Profile(()))
    costs: CostFigures | None = None
    positive: PositiveFigures | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON."""
        figures = self.evaluation.as_dict()
        if self.uncalibrated is not None:
            before = self.uncalibrated
            figures["uncalibrated"] = {
                "log_loss": before.log_loss, "brier": before.brier, "ece": before.reliability.ece
            }  # fmt: skip
        parts = {"answered": self.answered, "costs": self.costs, "positive": self.positive}
        return {**figures, **{name: part.as_dict() for name, part in parts.items() if part is not None}}


@dataclass
class EvaluationCounts:
    """What is counted of labelled rows: it grows batch by batch, and several processes may add theirs up."""

    decision: Decision
    tally: Tally | MultiLabelTally
    before: Tally | None
    """Without calibration; None for sigmoid outputs."""
    answers: npt.NDArray[np.int64]
    """By the label given: rows predicted, answered and right, shape (3, k)."""
    costs: CostTally | None
    profile: Profile
    copies: TextCopies
    """Of all rows, and by label."""
    answered_copies: TextCopies
    """Of the rows that got an answer; none are kept where all do."""
    errors: list[WrongRow] = field(default_factory=list)

    @staticmethod
    def start(model: Model, decision: Decision) -> "EvaluationCounts":
        """Return counts of no rows yet."""
        return EvaluationCounts(
            decision,
            new_tally(model.labels, decision.each_from, model.values),
            Tally(model.labels) if model.output == "softmax" else None,
            np.zeros((3, len(model.labels)), np.int64),
            None if decision.costs is None else CostTally(decision.costs, decision.abstain_cost),
            model.profile(),
            TextCopies(len(model.labels)),
            TextCopies(),
        )

    def add(self, model: Model, texts: Sequence[str], Y: Array, predictions: Predictions) -> None:
        """Count rows of truth Y, shape (n, k)."""
        self.copies.add(texts, Y)
        counts = {"words": predictions.tokens, "known": predictions.known}
        P, rule = predictions.P, self.decision
        self.tally.add_rows(Y, P, given=predictions.given, **counts)
        if self.before is not None and predictions.Z is not None:
            Q = model.uncalibrated(predictions.Z)
            self.before.add_rows(Y, Q, given=rule.give(Q), **counts)
        predictions.count(self.profile)
        y, classes, answered = Y.argmax(axis=1), predictions.classes, predictions.answered
        if rule.may_abstain:
            self.answered_copies.add([texts[i] for i in np.flatnonzero(answered).tolist()])
            right = answered & (classes == y)
            for row, chosen in enumerate((np.ones(len(Y), np.bool_), answered, right)):
                self.answers[row] += np.bincount(classes[chosen], minlength=self.answers.shape[1])
        if self.costs is not None:
            self.costs.add(y, classes, answered, P, rule.expected_costs(P))

    def merge(self, other: "EvaluationCounts") -> None:
        """Add other rows' counts, by a model of the same labels and the same rule."""
        self.tally.merge(other.tally)  # type: ignore[arg-type] # one model makes tallies of one kind
        if self.before is not None and other.before is not None:
            self.before.merge(other.before)
        if self.costs is not None and other.costs is not None:
            self.costs.merge(other.costs)
        self.answers += other.answers
        self.profile.merge(other.profile)
        self.errors += other.errors
        self.copies.merge(other.copies)
        self.answered_copies.merge(other.answered_copies)

    def measurement(self, model: Model, asked: DecisionSettings) -> Measurement:
        """Return the figures of the rule that was `asked` for. At least one row must have been counted."""
        labels = tuple(self.tally.labels)
        copies = self.copies
        return Measurement(
            with_shares(self.tally.evaluation(), copies.independent, copies.independent_by_label),
            sorted(self.errors, key=lambda error: -error.loss),
            self.before.evaluation() if self.before is not None else None,
            self._answered(model, asked.target_precision) if self.decision.may_abstain else None,
            self.profile,
            None if self.costs is None else self.costs.figures(labels, copies.independent),
            None if asked.positive is None else self._positive(asked.positive, asked.target_recall, labels),
        )

    def _answered(self, model: Model, target: float | None) -> Answered:
        k = len(self.tally.labels)
        thresholds = self.decision.answer_from if self.decision.answer_from is not None else np.zeros(k)
        alternatives = np.full(k, np.nan)
        if target is not None and model.record is not None and not np.isfinite(thresholds).all():
            alternatives = model.record.alternatives(target, k)
        lower = [None if math.isnan(each) else each for each in np.where(np.isinf(thresholds), alternatives, np.nan)]
        rows = zip(self.tally.labels, thresholds.tolist(), *self.answers.tolist(), lower, strict=True)
        per_class = {label: AnsweredClass(*figures) for label, *figures in rows}
        n, given, right = self.answers.sum(axis=1).tolist()
        return Answered(target, n, given, right, per_class, self.answered_copies.independent)

    def _positive(self, label: str, target: float | None, labels: tuple[str, ...]) -> PositiveFigures:
        from scipy.stats import binom

        number = find_positive(label, labels)
        scores = self.tally.evaluation().per_class[label]
        curve = self.tally.ranking.curve(number)
        points = [curve.at_recall(recall) for recall in _RECALLS] if scores.support else []
        _, threshold = self.decision.positive_from or (number, 0.5)
        operating = tuple(Operating(*point) for point in dict.fromkeys(points))
        p_value = None
        if target is not None and scores.support:
            texts = max(round(scores.support * float(self.copies.independent_by_label[number])), 1)
            p_value = float(binom.cdf(round(scores.recall * texts), texts, target))
        return PositiveFigures(label, threshold, scores.precision, scores.recall, scores.f1, operating, target, p_value)


@dataclass(frozen=True)
class Counting:
    """How rows are counted, and who sees them meanwhile; none of it changes a figure.

    `progress` takes the number of rows done since its last call, `watch` each batch's texts, their truth Y, shape
    (n, k), and what the model says of them.
    """

    threads: int = 1
    keep_errors: bool = False
    progress: Callable[[int], None] = lambda _: None
    watch: Callable[[Sequence[str], Array, Predictions], None] = lambda _texts, _truth, _predictions: None


PLAIN_COUNTING = Counting()


def measure(
    model: Model, table: Table, asked: DecisionSettings = OWN_RULE, counting: Counting = PLAIN_COUNTING
) -> Measurement:
    """Predict every row of an open table and compare with its label.

    `asked`: what the user asks of decisions. Raises DataError at a label that the model does not have, ModelError when
    it cannot follow the rule.
    """
    return count_rows(model, table, model.decide(asked), counting).measurement(model, asked)


def count_rows(model: Model, table: Table, decision: Decision, counting: Counting = PLAIN_COUNTING) -> EvaluationCounts:
    """Predict every row of an open table and count how its label compares; raises DataError as `measure` does."""
    threads = counting.threads
    counts = EvaluationCounts.start(model, decision)
    ahead = isinstance(table.origin, Path)
    for batch, predictions in predict_batches(model, table.batches(), decision, threads=threads, ahead=ahead):
        Y = known_truth(model, table.name, batch)
        counts.add(model, batch.texts, Y, predictions)
        if counting.keep_errors:
            counts.errors += wrong_rows(model, batch.rows, batch.texts, Y, predictions)
        counting.watch(batch.texts, Y, predictions)
        counting.progress(len(batch))
    if not counts.tally.n and not table.refused:
        raise DataError(f"{table.name}: expected test rows, found that no row is of that part. Check the column.")
    if not counts.tally.n:
        raise DataError(f"{table.name}: expected valid rows, found that all {len(table.refused)} are invalid.")
    return counts


def wrong_rows(
    model: Model, rows: Sequence[int], texts: Sequence[str], Y: Array, predictions: Predictions
) -> list[WrongRow]:
    """Return those of the rows, numbered as in their table, whose labels are not those of Y, shape (n, k)."""
    given, confidence = predictions.given, predictions.confidence
    truths, answers = model.label_sets(Y > 0), model.label_sets(given)
    costs = (
        log_losses(Y, predictions.P).sum(axis=1) if model.is_multi_label else losses(Y.argmax(axis=1), predictions.P)
    )
    return [
        WrongRow(
            rows[i],
            model.cell(truths[i]),
            model.cell(answers[i]),
            float(confidence[i]),
            float(costs[i]),
            model.features.columns.show(texts[i]),
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


def write_errors(path: Path, errors: list[WrongRow]) -> None:
    """Write wrong rows as CSV: row, label, predicted, confidence, text."""
    rows = ([e.row, e.label, e.predicted, f"{e.confidence:.6f}", e.text] for e in errors)
    write_csv(path, ["row", "label", "predicted", "confidence", "text"], rows)
