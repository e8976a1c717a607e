"""What a report shows, as rows for the template: figures, facts of texts and model, the confusion matrix and errors.

Letters: ``n`` rows, ``k`` classes or labels.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from textclf.analysis.evaluate import Answered, WrongRow
from textclf.errors import say_count
from textclf.labels import join_labels, order_labels
from textclf.metrics.multi_label import LabelScores, MultiLabelEvaluation
from textclf.metrics.single_label import Evaluation, find_weakest
from textclf.model.model import Model
from textclf.report.collect import JudgedRows, TextTotals
from textclf.report.page import LONGEST_LABEL, Fact, truncate
from textclf.types import Array, Integers

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
            interval_words(*evaluation.intervals["exact_match"]),
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
        texts = say_count(scores.support, "text")
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


def promises(model: Model, judged: JudgedRows, target: float | None, independent: float) -> list[Promise]:
    """Return what several promised precisions come to, the chosen `target` among them.

    `independent`: the share of the rows that are as good as independent, because copies of a text count about once.
    """
    if model.is_multi_label or model.record is None:
        return []
    targets = sorted({*_TARGETS, *([] if target is None else [target])})
    return [_promise(model, judged, each, independent, is_chosen=each == target) for each in targets]


def _promise(model: Model, judged: JudgedRows, target: float, independent: float, *, is_chosen: bool) -> Promise:
    answer_from = model.answer_from(target)
    given = judged.find_answered(answer_from)
    answered = Answered(target, len(given), int(given.sum()), int(judged.right[given].sum()), independent=independent)
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


# --- what texts are like, and how a model was made -------------------------------------------------------------------

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_MOST_COUNTS = 30
_REGULARIZATION = {"l2": "L2 regularization", "ngram_scales": "n-gram scales"}
_HALF = _MOST_COUNTS // 2


class LabelShare(NamedTuple):
    """How many texts have a label, and which share of the commonest label's that is."""

    label: str
    texts: int
    share: float


def text_facts(texts: TextTotals, refused: int) -> list[Fact]:
    """Return facts of a table: its rows, those without words, and how many words are unknown."""
    words, known = texts.words, texts.known
    unknown = 1 - known.sum() / max(int(words.sum()), 1)
    return [
        Fact("rows used", f"{len(words):,}"),
        Fact("rows refused", f"{refused:,}"),
        Fact("empty texts", f"{texts.empty:,}"),
        Fact("texts without a word", f"{int((words == 0).sum()):,}"),
        Fact("texts without a known word", f"{int((known == 0).sum()):,}"),
        Fact("words", f"{int(words.sum()):,}"),
        Fact("share of them unknown", f"{unknown:.1%}"),
    ]


def summarize_lengths(texts: TextTotals) -> list[tuple[str, list[str]]]:
    """Return the quantiles of the texts' lengths, in words and in characters."""
    columns = (("words", texts.words), ("characters", texts.characters))
    return [
        (name, [f"{round(value):,}" for value in np.quantile(column, _QUANTILES).tolist()]) for name, column in columns
    ]


def list_class_shares(labels: Sequence[str], texts: TextTotals) -> list[LabelShare]:
    """Return how many texts have each label, the commonest first; of many labels the commonest and the rarest."""
    order = np.argsort(-texts.support, kind="stable").tolist()
    shown = order if len(order) <= _MOST_COUNTS else order[:_HALF] + order[-_HALF:]
    most = max(int(texts.support.max()), 1)
    return [LabelShare(labels[j], int(texts.support[j]), float(texts.support[j] / most)) for j in shown]


def settings_facts(model: Model) -> list[Fact]:
    """Return the settings that the model was trained with."""
    settings = model.card.settings
    return [_fact(name, value) for name, value in (settings.as_dict() if settings else {}).items()]


def model_facts(model: Model) -> list[Fact]:
    """Return what the model is made of, and what it was made from."""
    described = model.card.as_dict()
    made = described.get("provenance") or {}
    vectors = made.get("vectors") or {"name": "random"}
    regularization = described.get("regularization") or {}
    facts = [
        Fact("layers", " – ".join(map(str, model.network.sizes))),
        Fact("words", f"{len(model.words):,}"),
        *(Fact(table.name, f"{len(table.index):,}") for table in model.features.ngrams),
        Fact("temperature", f"{model.temperature:.4f}"),
    ]
    facts += [_fact(_REGULARIZATION.get(name, name), value) for name, value in regularization.items()]
    facts += [_fact(f"vectors: {name}", value) for name, value in vectors.items()]
    facts += [_fact(f"training data: {name}", value) for name, value in (described.get("data") or {}).items()]
    facts += [_fact(f"made with {name}", value) for name, value in made.items() if name != "vectors"]
    return facts


def _fact(name: str, value: Any) -> Fact:  # noqa: ANN401 - what JSON holds
    if isinstance(value, dict):
        value = ", ".join(f"{key} {entry}" for key, entry in value.items())
    elif isinstance(value, list | tuple):
        value = ", ".join(map(str, value)) or "none"
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, int):
        value = f"{value:,}"
    return Fact(name.replace("_", " "), "default" if value is None else str(value))


# --- the confusion matrix, and the errors behind its cells -----------------------------------------------------------

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
