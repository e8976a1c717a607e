"""What a notebook shows of a trained classifier: a few lines of HTML, everything in it escaped."""

from html import escape

from textclf.errors import shown
from textclf.model.model import Model
from textclf.text.ngrams import NgramTable

_MOST_LABELS, _LONGEST_LABEL = 20, 40


def card(model: Model) -> str:
    """Return what the model is: labels, vectors, n-grams, rows, and how it did on rows held out."""
    description = model.description
    lines = {
        "labels": _labels(model),
        "trained on": f"{_rows(description)} texts",
        "vectors": _vectors(model),
        "n-grams": ", ".join(map(_ngrams, model.features.ngrams)) or "none",
        "network": " → ".join(map(str, model.network.sizes)) + f", {model.output}",
        "validation": _validation(description.get("validation")),
    }  # fmt: skip
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{name}</th>'
        f'<td style="text-align:left">{escape(shown(value))}</td></tr>'
        for name, value in lines.items()
    )
    return f'<table><caption style="text-align:left"><b>TextClassifier</b></caption><tbody>{rows}</tbody></table>'


def _ngrams(table: NgramTable) -> str:
    return f"{len(table.index):,} of {table.shortest}–{table.longest} {table.kind}"


def _labels(model: Model) -> str:
    first = [label[:_LONGEST_LABEL] for label in model.labels[:_MOST_LABELS]]
    more = len(model.labels) - len(first)
    return f"{len(model.labels)}: {', '.join(first)}" + (f" and {more} more" if more else "")


def _rows(description: object) -> str:
    data = description.get("data") if isinstance(description, dict) else None
    texts = data.get("texts") if isinstance(data, dict) else None
    return f"{texts:,}" if isinstance(texts, int) else "?"


def _vectors(model: Model) -> str:
    provenance = model.description.get("provenance")
    vectors = provenance.get("vectors") if isinstance(provenance, dict) else None
    name = str(vectors.get("name")) if isinstance(vectors, dict) else "random at the start"
    return f"{name}: {model.E.shape[0]:,} words, {model.E.shape[1]} numbers each"


def _validation(figures: object) -> str:
    if not isinstance(figures, dict):
        return "no rows held out"
    names = {"accuracy": "accuracy", "micro_f1": "micro-F1", "macro_f1": "macro-F1"}
    found = [f"{name} {figures[key]:.4f}" for key, name in names.items() if isinstance(figures.get(key), float)]
    return ", ".join(found) + (f" ({figures['texts']:,} texts)" if isinstance(figures.get("texts"), int) else "")
