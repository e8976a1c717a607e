"""The report of a comparison: classifiers on the same rows, the first against each other, and where they disagree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textclf.analysis.compare import Answers, Comparison, Slice
from textclf.metrics.calibration_error import Reliability
from textclf.model.model import Model
from textclf.report import plots
from textclf.report.page import LONGEST_LABEL, Fact, RunDetails, truncate, write_page

_CHANGED = 50
_SLICES = 50
_LONGEST_LEGEND = 24
_OTHERS = {1: "baselines", 2: "{}"}


@dataclass(frozen=True)
class Said:
    """What one model says of a row."""

    label: str
    confidence: float
    is_right: bool


@dataclass(frozen=True)
class Changed:
    """A row on which the models differ."""

    row: int
    label: str
    said: list[Said]
    text: str


def write_comparison_report(
    path: Path,
    comparison: Comparison,
    answers: Answers,
    models: Mapping[str, Model],
    slice_by: str | None,
    run: RunDetails,
) -> None:
    """Write how classifiers compare on the rows of `answers`, the baselines' among them."""
    names = [truncate(name, LONGEST_LABEL) for name in answers.names]
    right = answers.given[:, : answers.models] == answers.y[:, None]
    legends = [f"{j} {truncate(name, _LONGEST_LEGEND)}" for j, name in enumerate(answers.names, 1)]
    curves, reliabilities = {}, {}
    for j in range(answers.models):
        curves[legends[j]] = plots.CoverageCurve.of(answers.confidence[:, j], right[:, j])
        reliabilities[legends[j]] = counted = Reliability()
        counted.add(answers.confidence[:, j], right[:, j])
    write_page(
        path,
        "comparison.html",
        title=f"{names[0]} beside {_OTHERS.get(answers.models, 'others').format(names[1])}",
        origin=" · ".join(fact.value for fact in run.facts if fact.name == "date"),
        lead=f"{comparison.n:,} texts, {comparison.classes:,} classes.",
        comparison=comparison,
        names=names,
        calibration=[counted.ece for counted in reliabilities.values()],
        verdicts=[duel.verdict(names[0], truncate(duel.other, LONGEST_LABEL)) for duel in comparison.duels],
        accuracy=plots.interval_plot(
            dict(zip(legends, [score.accuracy for score in comparison.scores], strict=True)), what="Accuracy"
        ),
        macro_f1=plots.interval_plot(
            dict(zip(legends, [score.macro_f1 for score in comparison.scores], strict=True)), what="Macro-F1"
        ),
        coverage=plots.coverage_precision(curves),
        reliability=plots.reliability(reliabilities, independent=comparison.independent),
        by_length=_by_length(comparison.by_words, legends),
        slices=_slices(comparison, slice_by),
        models=answers.models,
        changed=_find_changes(answers),
        notes=answers.notes,
        facts={name: _facts(model) for name, model in zip(names, models.values(), strict=False)},
        run=run,
    )


def _by_length(slices: list[Slice], legends: list[str]) -> str:
    if len(slices) < 2:
        return ""
    names = [f"{part.value}" for part in slices]
    return plots.slice_plot(names, np.array([part.accuracy for part in slices]), legends)


def _slices(comparison: Comparison, slice_by: str | None) -> list[tuple[str, list[Slice], int]]:
    """Return the tables of slices: a title, the rows shown, and how many there are in all."""
    tables = [("words", comparison.by_words)]
    if comparison.by_column is not None:
        tables.append((slice_by or "", comparison.by_column))
    return [(title, parts[:_SLICES], len(parts)) for title, parts in tables]


def _find_changes(answers: Answers) -> list[Changed]:
    """Return rows on which the models differ, those first on which they are surest of it."""
    rows = answers.disagreeing
    order = rows[np.argsort(-answers.confidence[rows].min(axis=1), kind="stable")][:_CHANGED].tolist()
    return [
        Changed(
            answers.rows[i],
            answers.labels[answers.y[i]],
            [
                Said(answers.labels[given], confidence, given == answers.y[i])
                for given, confidence in zip(answers.given[i].tolist(), answers.confidence[i].tolist(), strict=False)
            ],
            answers.texts[i],
        )
        for i in order
    ]


def _facts(model: Model) -> list[Fact]:
    settings, data, made = model.card.settings, model.card.data, model.card.provenance
    vectors = made.vectors if made else None
    return [
        Fact("trained on", f"{data.texts if data else 0:,} texts, {len(model.labels):,} classes"),
        Fact("recipe", f"{settings.recipe}, {settings.optimizer}, seed {settings.seed}" if settings else "unknown"),
        Fact("layers", " – ".join(map(str, model.network.sizes))),
        Fact("n-grams", f"{sum(len(table.index) for table in model.features.ngrams):,}"),
        Fact("vectors", f"{vectors.name} {vectors.sha256}" if vectors else "none"),
        Fact("made with textclf", made.textclf if made else "unknown"),
    ]
