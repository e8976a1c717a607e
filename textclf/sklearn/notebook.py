"""What a notebook shows of a trained classifier: a few lines of HTML, everything in it escaped."""

from html import escape

from textclf.errors import spell
from textclf.model.card import ModelCard, ValidationFigures
from textclf.model.model import Model
from textclf.text.ngrams import NgramTable

_MOST_LABELS, _LONGEST_LABEL = 20, 40


def card(model: Model) -> str:
    """Return what the model is: labels, vectors, n-grams, rows, and how it did on held-out rows."""
    lines = {
        "labels": _labels(model),
        "trained on": f"{_rows(model.card)} texts",
        "vectors": _vectors(model),
        "n-grams": ", ".join(map(_ngrams, model.features.ngrams)) or "none",
        "network": " → ".join(map(str, model.network.sizes)) + f", {model.output}",
        "validation": _validation(model.card.validation),
    }  # fmt: skip
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{name}</th>'
        f'<td style="text-align:left">{escape(spell(value))}</td></tr>'
        for name, value in lines.items()
    )
    return f'<table><caption style="text-align:left"><b>TextClassifier</b></caption><tbody>{rows}</tbody></table>'


def _ngrams(table: NgramTable) -> str:
    return f"{len(table.index):,} of {table.shortest}–{table.longest} {table.kind}"


def _labels(model: Model) -> str:
    first = [label[:_LONGEST_LABEL] for label in model.labels[:_MOST_LABELS]]
    more = len(model.labels) - len(first)
    return f"{len(model.labels)}: {', '.join(first)}" + (f" and {more} more" if more else "")


def _rows(card: ModelCard) -> str:
    return f"{card.data.texts:,}" if card.data else "?"


def _vectors(model: Model) -> str:
    vectors = model.card.provenance.vectors if model.card.provenance else None
    name = vectors.name if vectors else "random at the start"
    return f"{name}: {model.E.shape[0]:,} words, {model.E.shape[1]} numbers each"


def _validation(figures: ValidationFigures | None) -> str:
    if figures is None:
        return "no held-out rows"
    named = {"accuracy": figures.accuracy, "micro-F1": figures.micro_f1, "macro-F1": figures.macro_f1}
    found = [f"{name} {figure:.4f}" for name, figure in named.items() if figure is not None]
    return f"{', '.join(found)} ({figures.texts:,} texts)"
