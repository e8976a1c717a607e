"""What matters for each class over all: of the vocabulary, or of given texts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf.explain.attribution import attribute_blocks
from textclf.explain.explanation import Sum
from textclf.model.model import Model

_DIGITS = 6


@dataclass(frozen=True)
class ClassSummary:
    """What speaks most for a label, strongest first; `texts`, when texts were given: how many got this label."""

    label: str
    sums: list[Sum]
    texts: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        sums = [{**one._asdict(), "contribution": round(one.contribution, _DIGITS)} for one in self.sums]
        return {"label": self.label, **({} if self.texts is None else {"texts": self.texts}), "strongest": sums}


def strongest_words(model: Model, most: int) -> list[ClassSummary]:
    """Return for each label the words of the model's vocabulary that speak most for it.

    What a word adds is how much higher the label's score is for the text that is this word alone than for an empty
    one: by its vector, and by those n-grams that the word by itself has. How common it is counts for nothing.
    """
    model.require_one_label("explain")
    words = list(model.words)
    matrix = model.features.extract(model.features.columns.fill(["", *words]))
    Z = model.logits(matrix) / model.temperature
    Z, matrix = Z[1:] - Z[0], matrix.slice(1, len(matrix))
    k = len(model.labels)
    added = (k * Z - Z.sum(axis=1, keepdims=True)) / (k - 1)
    added[matrix.tokens != 1] = 0.0  # what the tokenizer would not leave whole never stands in a text
    summaries = []
    for number, label in enumerate(model.labels):
        best = np.argsort(-added[:, number], kind="stable")[:most].tolist()
        sums = [Sum("word", words[i], 1, float(added[i, number])) for i in best if added[i, number] > 0]
        summaries.append(ClassSummary(label, sums))
    return summaries


def strongest_in_texts(model: Model, batches: Iterable[Sequence[str]], most: int) -> list[ClassSummary]:
    """Return for each label what adds most to its score, summed over those of the texts that get this label."""
    totals: dict[tuple[int, str, str], float] = defaultdict(float)
    counts: dict[tuple[int, str, str], int] = defaultdict(int)
    texts = np.zeros(len(model.labels), np.int64)
    for batch in batches:
        for block in attribute_blocks(model, batch, None):
            texts += np.bincount(block.classes, minlength=len(texts))
            for number, one in block.sums():
                totals[number, one.kind, one.string] += one.contribution
                counts[number, one.kind, one.string] += one.occurrences
    found: list[list[Sum]] = [[] for _ in model.labels]
    for (number, kind, string), total in totals.items():
        if total > 0:
            found[number].append(Sum(kind, string, counts[number, kind, string], total))
    return [
        ClassSummary(label, sorted(sums, key=lambda one: -one.contribution)[:most], count)
        for label, sums, count in zip(model.labels, found, texts.tolist(), strict=True)
    ]
