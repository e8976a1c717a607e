"""Choose the texts that show what each label of a trained model means."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from textclf.labels import label_sets, multi_hot
from textclf.model.kept_examples import KeptExamples
from textclf.model.model import Model
from textclf.storage.packed_strings import PackedStrings

LONGEST_EXAMPLE = 300
"""Characters of a text that is kept: longer ones say little at a glance."""
_ROWS_AT_ONCE = 1 << 12


def keep_examples(model: Model, texts: Sequence[str], labels: Sequence[str], most: int) -> Model:
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
