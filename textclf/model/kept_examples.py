"""Texts of training that a model keeps on request, to show what its labels mean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.labels import label_sets, multi_hot
from textclf.storage.packed_strings import PackedStrings
from textclf.types import Integers

if TYPE_CHECKING:
    from textclf.model.model import Model


@dataclass(frozen=True)
class KeptExamples:
    """n texts, each with the number of a label that it has: `classes`, shape (n,)."""

    texts: PackedStrings
    classes: Integers

    def of_class(self, number: int) -> list[str]:
        """Return the texts of one label, the most typical first."""
        return [self.texts[i] for i in np.flatnonzero(self.classes == number).tolist()]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that store the texts in a model file."""
        return {**self.texts.arrays("examples"), "examples.classes": self.classes.astype(np.int32)}


LONGEST_EXAMPLE = 300
"""Characters of a text that is kept: longer ones say little at a glance."""
_ROWS_AT_ONCE = 1 << 12


def keep_examples(model: "Model", texts: Sequence[str], labels: Sequence[str], most: int) -> "Model":
    """Return the model with up to `most` texts of each label: those that it gives the label with the most confidence.

    `labels`: of n texts, as a table has them (of multi-label texts cells such as `a|b`). Copies of a text count once.
    """
    found: list[dict[str, float]] = [{} for _ in model.labels]
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        batch = [text.strip() for text in texts[start : start + _ROWS_AT_ONCE]]
        sets = label_sets(labels[start : start + _ROWS_AT_ONCE], multi_label=model.is_multi_label)
        predictions = model.predict(batch)
        for i, j in np.argwhere(predictions.given & (multi_hot(sets, model.labels) > 0)).tolist():
            if 0 < len(batch[i]) <= LONGEST_EXAMPLE:
                found[j][batch[i]] = float(predictions.P[i, j])
    kept = [sorted(scores, key=lambda text: -scores[text])[:most] for scores in found]
    classes = np.repeat(np.arange(len(kept)), [len(each) for each in kept])
    strings = PackedStrings.of([text for each in kept for text in each])
    return replace(model, examples=KeptExamples(strings, classes))
