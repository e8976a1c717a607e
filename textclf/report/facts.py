"""What the texts of a table are like, and how a model was made, as facts for the template."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from textclf.model.model import Model
from textclf.report.collect import TextTotals
from textclf.report.run import Fact

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
