"""The reports of training and of evaluation: everything gathered, drawn and handed to the template."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textclf.analysis.evaluate import Measurement, WrongRow, wrong_rows
from textclf.errors import require_packages
from textclf.explain import ExplainSettings, explain
from textclf.labels import label_sets, multi_hot
from textclf.metrics.multi_label import MultiLabelEvaluation
from textclf.metrics.ranking import RankingFigures
from textclf.metrics.single_label import Evaluation, Tally
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.report import figures, plots
from textclf.report.collect import Gathered, JudgedRows, TextTotals
from textclf.report.explanations import Shaded, shade
from textclf.report.figures import GROUPS_SHOWN, ErrorGroup, group_errors, list_confusions, show_matrix
from textclf.report.page import LONGEST_SHOWN, RunDetails, write_page
from textclf.tables import LoadedTable
from textclf.training.train import Trained

_CONFUSIONS = 30
_FITS_NOTE = (
    "At a dotted line the fit continues with another regularization, which did better on validation rows. Training "
    "losses on its two sides do not compare; the validation loss is that of each fit's end."
)
_TOP_WORDS = 5
_LONGEST_EXPLAINED = 50_000


@dataclass(frozen=True)
class Judgement:
    """The figures of an evaluation, those without calibration (None when not known), and how the rows were judged."""

    evaluation: Evaluation | MultiLabelEvaluation
    uncalibrated: Evaluation | None
    judged: JudgedRows
    target: float | None
    wrong: list[WrongRow]


def check_report_available() -> None:
    """Raise TextclfError when the packages that a report needs are not installed."""
    require_packages("--report", "jinja2", "matplotlib")


def write_evaluation_report(
    path: Path, gathered: Gathered, measurement: Measurement, name: str, refused: int, run: RunDetails
) -> None:
    """Write how well a model does on the table `name`, of which `refused` rows were not used."""
    model, evaluation = gathered.model, measurement.evaluation
    target = measurement.answered.target if measurement.answered is not None else None
    judgement = Judgement(evaluation, measurement.uncalibrated, gathered.judged, target, measurement.errors)
    _write(
        path, model, gathered.texts, judgement,
        title=f"Evaluation on {Path(name).name}", lead=f"{evaluation.n:,} texts, {len(model.labels):,} {_what(model)}.",
        judged_on="", refused=refused, run=run, curves=[], curves_note="",
    )  # fmt: skip


def write_training_report(
    path: Path, trained: Trained, examples: LoadedTable, run: RunDetails, *, valid: LoadedTable | None = None
) -> None:
    """Write how a model was trained on a table and does on validation rows: of that table, or those of `valid`."""
    model = trained.model
    texts = TextTotals(len(model.labels))
    matrix = model.features.extract(examples.texts)
    sets = label_sets(examples.labels, multi_label=model.is_multi_label)
    texts.add(examples.columns.only_texts(examples.texts), multi_hot(sets, model.labels), matrix.tokens, matrix.known)
    history = model.card.history
    _write(
        path, model, texts, _of_validation(trained, examples if valid is None else valid),
        title=f"Training on {Path(examples.name).name}",
        lead=f"{len(examples):,} texts, {len(model.labels):,} {_what(model)}.",
        judged_on=_judged_on(trained, valid), refused=len(examples.refused), run=run,
        curves=plots.learning_curves(history) if len(history) > 1 else [],
        curves_note=_FITS_NOTE if max((epoch.fit for epoch in history), default=0) > 1 else "",
    )  # fmt: skip


def _what(model: Model) -> str:
    one = "label" if model.is_multi_label else "class"
    return one if len(model.labels) == 1 else "labels, any number of them a text" if model.is_multi_label else "classes"


def _judged_on(trained: Trained, valid: LoadedTable | None) -> str:
    if trained.held_out is None:
        return ""
    n = len(trained.held_out.examples)
    if valid is not None:
        return f"The figures are those of the {n:,} validation rows of {Path(valid.name).name}."
    return (
        f"The figures are those of {n:,} validation rows, each judged by a model that was not fitted to it; the model "
        "as saved may have learnt from them since."
    )


def _of_validation(trained: Trained, rows: LoadedTable) -> Judgement | None:
    """Return how validation rows were judged; None without such rows."""
    held_out, model = trained.held_out, trained.model
    if held_out is None or trained.validation is None:
        return None
    chosen = range(len(rows)) if trained.held_out_rows is None else trained.held_out_rows.tolist()
    matrix, Y = held_out.matrix, held_out.examples.Y
    P = model.probabilities_of(held_out.logits)
    predictions = Predictions(P, matrix.tokens, matrix.known, matrix.known_shares, model.decision)
    judged = JudgedRows(model)
    judged.add(Y, predictions)
    wrong = wrong_rows(model, [rows.rows[i] for i in chosen], [rows.texts[i] for i in chosen], Y, predictions)
    before, settings = None, model.card.settings
    if model.output == "softmax":
        tally, Q = Tally(model.labels), trained.uncalibrated()
        tally.add_rows(Y, Q, words=matrix.tokens, known=matrix.known, given=model.decision.give(Q))
        before = tally.evaluation()
    return Judgement(trained.validation, before, judged, settings.target_precision if settings else None, wrong)


def _write(
    path: Path,
    model: Model,
    texts: TextTotals,
    judgement: Judgement | None,
    *,
    refused: int,
    run: RunDetails,
    **values: str | list[str],
) -> None:
    write_page(
        path,
        "report.html",
        **values,
        origin=" · ".join(fact.value for name in ("model", "date") for fact in run.facts if fact.name == name),
        labels=model.labels,
        **(_judged_values(model, judgement) if judgement is not None else {"judgement": None}),
        text_facts=figures.text_facts(texts, refused),
        lengths=figures.summarize_lengths(texts),
        class_counts=figures.list_class_shares(model.labels, texts),
        settings=figures.settings_facts(model),
        model_facts=figures.model_facts(model),
        run=run,
    )


def _judged_values(model: Model, judgement: Judgement) -> dict[str, Any]:
    """Return what the template shows of how rows were judged."""
    evaluation, judged, target = judgement.evaluation, judgement.judged, judgement.target
    rows = figures.class_rows(evaluation, model, judged, target)
    promises = figures.promises(model, judged, target, judgement.evaluation.independent)
    kept = next((each for each in promises if each.is_chosen), None)
    errors = group_errors(judgement.wrong, by_loss=model.is_multi_label)
    return {
        "judgement": judgement,
        "verdict": figures.write_verdict(evaluation),
        "figures": figures.first_figures(evaluation, kept),
        "classes": rows,
        "classes_note": figures.of_classes(len(rows), len(model.labels)),
        "columns": figures.columns_of(rows),
        "promises": promises,
        "errors": errors,
        "explanations": {} if model.is_multi_label else _explain(model, errors[:GROUPS_SHOWN]),
        "groups_shown": GROUPS_SHOWN,
        "errors_shown": sum(len(group.rows) for group in errors),
        "wrong_count": len(judgement.wrong),
        **_draw(evaluation, judgement, kept, errors),
    }


def _draw(
    evaluation: Evaluation | MultiLabelEvaluation,
    judgement: Judgement,
    kept: figures.Promise | None,
    errors: Sequence[ErrorGroup],
) -> dict[str, Any]:
    """Return the plots, and the tables that stand beside them."""
    judged = judgement.judged
    curve = plots.CoverageCurve.of(judged.confidence, judged.right)
    if isinstance(evaluation, MultiLabelEvaluation):
        precision, recall, _ = evaluation.micro
        return {
            "matrix": None, "confusions": [], "two_classes": [], "calibrations": [],
            "reliability": plots.reliability(
                {"decisions": judged.decisions}, what="share of labels that apply", independent=evaluation.independent
            ),
            "coverage": plots.coverage_precision({"all labels": curve}, what="exactly right"),
            "precision_recall": plots.precision_recall(judged.decisions, precision, recall),
            "label_counts": plots.label_counts(np.trim_zeros(judged.have, "b"), np.trim_zeros(judged.get, "b")),
        }  # fmt: skip
    anchors = {(group.truth, group.predicted): group.anchor for group in errors}
    before = judgement.uncalibrated
    series = {"after calibration": evaluation.reliability}
    if before is not None:
        series["before calibration"] = before.reliability
    marks = []
    if kept is not None and (target := kept.answered.target) is not None:
        answered = kept.answered
        marks.append(plots.Mark(target, kept.answer_from, answered.coverage, answered.precision))
    return {
        "matrix": show_matrix(evaluation, anchors),
        "confusions": list_confusions(evaluation, anchors, _CONFUSIONS),
        "calibrations": figures.calibrations(evaluation, before),
        "reliability": plots.reliability(series, independent=evaluation.independent),
        "coverage": plots.coverage_precision({"these rows": curve}, marks),
        "precision_recall": "",
        "label_counts": "",
        "two_classes": _two_classes(judged, evaluation.ranking) if len(evaluation.labels) == 2 else [],
    }


def _two_classes(judged: JudgedRows, ranking: RankingFigures) -> list[str]:
    """Return the curves of the second class against the first, by its probability."""
    score = np.where(judged.classes == 1, judged.confidence, 1 - judged.confidence)
    has = judged.right == (judged.classes == 1)
    if not 0 < has.sum() < len(has):
        return []
    return plots.ranking_curves(score, has, float(ranking.roc_auc[1]), float(ranking.average_precision[1]))


def _explain(model: Model, groups: Sequence[ErrorGroup]) -> dict[int, Shaded]:
    """Return, by row, what moved the model to the label that it gave; very long texts are left out."""
    by_label: dict[str, list[WrongRow]] = defaultdict(list)
    for group in groups:
        by_label[group.predicted] += [row for row in group.rows if len(row.text) <= _LONGEST_EXPLAINED]
    found = {}
    for label, rows in by_label.items():
        explanations = explain(model, [row.text for row in rows], ExplainSettings(label=label, ngrams=0))
        for row, explanation in zip(rows, explanations, strict=True):
            found[row.row] = shade(explanation, _TOP_WORDS, longest=LONGEST_SHOWN)
    return found
