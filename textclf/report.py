"""Reports to look at in a browser: one HTML file that loads nothing from elsewhere and runs no script."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textclf.evaluation import Evaluation
from textclf.labels import join_labels
from textclf.measuring import Measurement
from textclf.model import Model
from textclf.multilabel import MultiLabelEvaluation
from textclf.pages import LONGEST_LABEL, check_packages, cut, write_page
from textclf.recipe import Trained

_WIDEST_MATRIX = 25  # classes; of more, the commonest confusions are listed instead
_CONFUSIONS = 40
_WRONG_ROWS = 50
_MOST_CLASSES = 500


@dataclass(frozen=True)
class Fact:
    """A name and a value of a table of facts."""

    name: str
    value: str


def check_available() -> None:
    """Raise TextclfError when the packages that a report needs are not installed."""
    check_packages("--report", "jinja2", "matplotlib")


def write_training_report(path: Path, trained: Trained, name: str) -> None:
    """Write how a model was trained on the table `name`: what was chosen, the loss, the validation figures."""
    model = trained.model
    history = model.description["history"]
    _write(
        path,
        title=f"Training on {name}",
        lead=f"{model.description['data']['texts']:,} texts, {len(model.labels):,} classes.",
        curve=_loss_curve(history) if len(history) > 1 else "",
        evaluation=trained.validation,
        evaluation_title="On the validation rows",
        wrong=[],
        model=model,
    )


def write_report(path: Path, model: Model, measurement: Measurement, name: str) -> None:
    """Write how well a model does on the table `name`: figures, confusions, and the worst of the wrong rows."""
    _write(
        path,
        title=f"Evaluation on {name}",
        lead=f"{measurement.evaluation.n:,} texts, {len(model.labels):,} classes.",
        curve="",
        evaluation=measurement.evaluation,
        evaluation_title="Figures",
        wrong=measurement.errors,
        model=model,
    )


def _write(
    path: Path, *, evaluation: Evaluation | MultiLabelEvaluation | None, wrong: list[Any], model: Model, **values: str
) -> None:
    write_page(
        path,
        "report.html",
        **values,
        figures=_figures(evaluation) if evaluation else [],
        classes=list(evaluation.per_class.items())[:_MOST_CLASSES] if evaluation else [],
        matrix=_matrix(evaluation) if isinstance(evaluation, Evaluation) else [],
        labels=model.labels,
        confusions=_confusions(evaluation) if isinstance(evaluation, Evaluation) else [],
        wrong=wrong[:_WRONG_ROWS],
        wrong_count=len(wrong),
        facts=_model_facts(model),
    )


def _figures(evaluation: Evaluation | MultiLabelEvaluation) -> list[Fact]:
    words = [
        Fact("known words", f"{evaluation.known_words:.1%}"),
        Fact("texts without a known word", f"{evaluation.empty:,}"),
    ]
    if isinstance(evaluation, MultiLabelEvaluation):
        return _multi_label_figures(evaluation) + words
    low, high = wilson_interval(evaluation.accuracy, evaluation.n)
    majority, share = evaluation.majority
    return [
        Fact("accuracy", f"{evaluation.accuracy:.4f}"),
        Fact("95% interval of the accuracy", f"{low:.4f} to {high:.4f}"),
        Fact(f"always “{cut(majority, LONGEST_LABEL)}”", f"{share:.4f}"),
        Fact("macro-F1", f"{evaluation.macro_f1:.4f}"),
        Fact("log loss", f"{evaluation.log_loss:.4f}"),
        Fact("Brier score", f"{evaluation.brier:.4f}"),
        *words,
    ]


def _multi_label_figures(evaluation: MultiLabelEvaluation) -> list[Fact]:
    exact, micro_f1 = evaluation.baseline
    always = (
        f"always “{cut(join_labels(evaluation.commonest), LONGEST_LABEL)}”" if evaluation.commonest else "no labels"
    )
    parts = zip(("precision", "recall", "F1"), evaluation.micro, evaluation.macro, strict=True)
    low, high = wilson_interval(evaluation.exact_match, evaluation.n)
    return [
        *(Fact(f"{kind}-{name}", f"{value:.4f}") for name, *values in parts
          for kind, value in zip(("micro", "macro"), values, strict=True)),
        Fact("exact match", f"{evaluation.exact_match:.4f}"),
        Fact("95% interval of the exact match", f"{low:.4f} to {high:.4f}"),
        Fact(f"{always}: exact match", f"{exact:.4f}"),
        Fact(f"{always}: micro-F1", f"{micro_f1:.4f}"),
        Fact("Hamming loss", f"{evaluation.hamming_loss:.4f}"),
        Fact("log loss", f"{evaluation.log_loss:.4f}"),
    ]  # fmt: skip


def wilson_interval(share: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's interval of a share seen in n trials, for 95% confidence unless another z is given."""
    centre = share + z * z / (2 * n)
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def _matrix(evaluation: Evaluation) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return each class's row of the confusion matrix: counts, and their share of the row in percent."""
    if len(evaluation.labels) > _WIDEST_MATRIX:
        return []
    shares = evaluation.matrix * 100 // np.maximum(evaluation.matrix.sum(axis=1, keepdims=True), 1)
    rows = zip(evaluation.labels, evaluation.matrix.tolist(), shares.tolist(), strict=True)
    return [(label, list(zip(counts, percent, strict=True))) for label, counts, percent in rows]


def _confusions(evaluation: Evaluation) -> list[tuple[str, str, int]]:
    if len(evaluation.labels) <= _WIDEST_MATRIX:
        return []
    return evaluation.commonest_confusions(_CONFUSIONS)


def _model_facts(model: Model) -> list[Fact]:
    facts = {
        "layers": " – ".join(map(str, model.network.sizes)),
        "words": f"{len(model.words):,}",
        **{f"n-grams of {table.kind}": f"{len(table.dictionary):,}" for table in model.features.ngrams},
    }
    for part in ("settings", "data", "provenance"):
        for name, value in (model.description.get(part) or {}).items():
            if isinstance(value, dict):
                value = ", ".join(f"{key} {entry}" for key, entry in value.items())
            facts[f"{part}: {name.replace('_', ' ')}"] = "as suits the data" if value is None else str(value)
    return [Fact(name, value) for name, value in facts.items()]


def _loss_curve(history: list[dict[str, Any]]) -> str:
    """Return the losses over the epochs as inline SVG, the same bytes for the same numbers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "textclf", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(6.4, 2.8), layout="constrained")
        axes = figure.add_subplot()
        numbers = [epoch["number"] for epoch in history]
        axes.plot(numbers, [epoch["loss"] for epoch in history], label="training")
        validated = [epoch for epoch in history if "valid_loss" in epoch]
        if validated:
            axes.plot(
                [epoch["number"] for epoch in validated], [epoch["valid_loss"] for epoch in validated],
                label="validation", linestyle="--",
            )  # fmt: skip
            axes.legend(frameon=False)
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = stream.getvalue()
    return svg[svg.index("<svg") :]
