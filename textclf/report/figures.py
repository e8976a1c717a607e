"""The tables of a report: figures, classes, calibration and promises, as rows for the template.

Letters: ``n`` rows, ``k`` classes or labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textclf.analysis.evaluate import Answered
from textclf.errors import counted
from textclf.labels import join_labels
from textclf.metrics.bootstrap import wilson_interval
from textclf.metrics.multi_label import LabelScores, MultiLabelEvaluation
from textclf.metrics.single_label import Evaluation, find_weakest
from textclf.model.model import Model
from textclf.report.collect import JudgedRows
from textclf.report.html import LONGEST_LABEL, truncate
from textclf.types import Array

_MANY_CLASSES = 25
_MOST_CLASSES = 200
_LONGEST_NOTE = 40
_TARGETS = (0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Figure:
    """A figure of the first lines: its name, the figure, and a note beneath it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class ClassRow:
    """A row of the table of classes; what a model or an evaluation lacks is None."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    threshold: float | None = None
    coverage: float | None = None
    log_loss: float | None = None
    missed: int | None = None
    wrongly_given: int | None = None


@dataclass(frozen=True)
class CalibrationRow:
    """How far confidences are what they say, before or after the temperature."""

    name: str
    ece: float
    brier: float
    log_loss: float


@dataclass(frozen=True)
class Promise:
    """What a promised precision came to: from which confidence on labels are given, and on which share of the rows."""

    answer_from: str
    answered: Answered
    is_chosen: bool


def first_figures(evaluation: Evaluation | MultiLabelEvaluation, kept: Promise | None) -> list[Figure]:
    """Return the six figures that come first; `kept` is what the promise that was asked for came to."""
    if isinstance(evaluation, MultiLabelEvaluation):
        return _of_several_labels(evaluation)
    majority, share = evaluation.majority
    found = [
        Figure("accuracy", f"{evaluation.accuracy:.4f}", interval_words(*evaluation.intervals.accuracy)),
        Figure("macro-F1", f"{evaluation.macro_f1:.4f}", interval_words(*evaluation.intervals.macro_f1)),
        Figure("majority class", f"{share:.4f}", f"accuracy of “{truncate(majority, _LONGEST_NOTE)}” for all"),
    ]
    ranking = evaluation.ranking
    if ranking.macro_roc_auc is not None:
        found += [
            Figure(
                "ROC AUC", f"{ranking.macro_roc_auc:.4f}", f"average precision {ranking.macro_average_precision:.4f}"
            )
        ]
    found += [Figure("calibration error", f"{evaluation.reliability.ece:.4f}", f"log loss {evaluation.log_loss:.4f}")]
    return [*found, _last_figure(evaluation, kept)]


def _last_figure(evaluation: Evaluation, kept: Promise | None) -> Figure:
    """Return what was promised, else what is known of the order of labels, else Matthews' correlation."""
    if kept is not None:
        answered = kept.answered
        right = "none answered" if answered.precision is None else f"{answered.precision:.1%} of the answers right"
        return Figure(f"answered at {answered.target:g}", f"{answered.coverage:.1%}", right)
    if evaluation.ordinal is not None:
        ordinal = evaluation.ordinal
        return Figure(
            "mean absolute error", f"{ordinal.mean_absolute_error:.4f}", f"{ordinal.within_one:.1%} within one"
        )
    return Figure("MCC", f"{evaluation.mcc:.4f}", "Matthews correlation")


def _of_several_labels(evaluation: MultiLabelEvaluation) -> list[Figure]:
    exact, micro_f1 = evaluation.baseline
    always = truncate(join_labels(evaluation.commonest), _LONGEST_NOTE) if evaluation.commonest else "no label"
    (p, r, f1), (macro_p, macro_r, macro_f1) = evaluation.micro, evaluation.macro
    return [
        Figure("micro-F1", f"{f1:.4f}", f"precision {p:.4f}, recall {r:.4f}"),
        Figure("macro-F1", f"{macro_f1:.4f}", f"precision {macro_p:.4f}, recall {macro_r:.4f}"),
        Figure(
            "exact match", f"{evaluation.exact_match:.4f}",
            interval_words(*wilson_interval(evaluation.exact_match, evaluation.n)),
        ),
        Figure("baseline", f"{micro_f1:.4f}", f"micro-F1 of “{always}” for all; exact match {exact:.4f}"),
        Figure("Hamming loss", f"{evaluation.hamming_loss:.4f}", "share of decisions that are wrong"),
        Figure("log loss", f"{evaluation.log_loss:.4f}", "of a decision"),
    ]  # fmt: skip


def write_verdict(evaluation: Evaluation | MultiLabelEvaluation) -> str:
    """Return the verdict in a sentence: how the model stands beside the baseline, and what is weakest."""
    if isinstance(evaluation, MultiLabelEvaluation):
        _, baseline = evaluation.baseline
        name, value, low = "Micro-F1", evaluation.micro[2], None
        beside, what = "giving every text the commonest labels", "label"
    else:
        _, baseline = evaluation.majority
        name, value, low = "Accuracy", evaluation.accuracy, evaluation.intervals.accuracy[0]
        beside, what = "the majority-class baseline", "class"
    is_better = value > baseline and (low is None or low > baseline)
    better = "better" if is_better else "no better" if value <= baseline else "not significantly better"
    verdict = f"{name} {value:.3f} is {better} than {beside} ({baseline:.3f})"
    weakest = find_weakest(evaluation.per_class)
    if weakest is not None and sum(scores.support > 0 for scores in evaluation.per_class.values()) > 1:
        label, scores = weakest
        texts = counted(scores.support, "text")
        name = truncate(label, LONGEST_LABEL)
        verdict += f"; the weakest {what} is “{name}” with F1 {scores.f1:.3f} ({texts})"
    return f"{verdict}."


def interval_words(low: float, high: float) -> str:
    """Return a 95% interval in words."""
    return f"95% CI {low:.3f}–{high:.3f}"


# --- classes ------------------------------------------------------------------------------------------------------


def class_rows(
    evaluation: Evaluation | MultiLabelEvaluation, model: Model, judged: JudgedRows, target: float | None
) -> list[ClassRow]:
    """Return the rows of the table of classes: in their order, or, where they are many, the lowest F1 first."""
    rows = list(_class_rows(evaluation, model, judged, target))
    if len(rows) > _MANY_CLASSES:
        rows = sorted((row for row in rows if row.support), key=lambda row: row.f1)
    return rows[:_MOST_CLASSES]


def _class_rows(
    evaluation: Evaluation | MultiLabelEvaluation, model: Model, judged: JudgedRows, target: float | None
) -> list[ClassRow]:
    scores = list(evaluation.per_class.items())
    if isinstance(evaluation, MultiLabelEvaluation):
        assert model.thresholds is not None
        missed, wrong = (found - evaluation.hits for found in (evaluation.support, evaluation.predicted))
        columns = zip(model.thresholds.tolist(), missed.tolist(), wrong.tolist(), strict=True)
        return [
            ClassRow(label, s.precision, s.recall, s.f1, s.support, threshold, None,
                     s.log_loss if isinstance(s, LabelScores) else None, less, more)
            for (label, s), (threshold, less, more) in zip(scores, columns, strict=True)
        ]  # fmt: skip
    if target is None or model.record is None:
        return [ClassRow(label, s.precision, s.recall, s.f1, s.support) for label, s in scores]
    answer_from = model.answer_from(target)
    given = np.bincount(judged.classes, minlength=len(scores))
    answered = np.bincount(judged.classes[judged.find_answered(answer_from)], minlength=len(scores))
    coverage = answered / np.maximum(given, 1)
    return [
        ClassRow(label, s.precision, s.recall, s.f1, s.support, float(answer_from[j]), float(coverage[j]))
        for j, (label, s) in enumerate(scores)
    ]


# --- calibration -------------------------------------------------------------------------------------------------


def calibrations(after: Evaluation, before: Evaluation | None) -> list[CalibrationRow]:
    """Return the figures of the confidences, with calibration and, where they are known, without."""
    named = [("before", before), ("after", after)] if before is not None else [("", after)]
    return [CalibrationRow(name, found.reliability.ece, found.brier, found.log_loss) for name, found in named if found]


def promises(model: Model, judged: JudgedRows, target: float | None) -> list[Promise]:
    """Return what several promised precisions come to, the chosen `target` among them."""
    if model.is_multi_label or model.record is None:
        return []
    targets = sorted({*_TARGETS, *([] if target is None else [target])})
    return [_promise(model, judged, each, is_chosen=each == target) for each in targets]


def _promise(model: Model, judged: JudgedRows, target: float, *, is_chosen: bool) -> Promise:
    answer_from = model.answer_from(target)
    given = judged.find_answered(answer_from)
    answered = Answered(target, len(given), int(given.sum()), int(judged.right[given].sum()))
    return Promise(_span(answer_from), answered, is_chosen)


def _span(thresholds: Array) -> str:
    finite = np.unique(thresholds[np.isfinite(thresholds)])
    if not len(finite):
        return "never"
    low, high = finite[0], finite[-1]
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}"


def of_classes(shown: int, k: int) -> str:
    """Return a sentence about how many of k classes are shown, and in which order, where there are many."""
    if k <= _MANY_CLASSES:
        return ""
    return f"{shown:,} of {k:,}, the lowest F1 first." if shown < k else f"All {k:,}, the lowest F1 first."


def columns_of(rows: Sequence[ClassRow]) -> frozenset[str]:
    """Return the names of the columns that have something in them."""
    names = ("threshold", "coverage", "log_loss", "missed", "wrongly_given")
    return frozenset(name for name in names if any(getattr(row, name) is not None for row in rows))
