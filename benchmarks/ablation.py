"""What each ingredient of the recipe is worth: cross-validation on training rows, one ingredient off in turn.

    python benchmarks/ablation.py --data DIR [SET…] [--folds 2] [--json ablation.json]

DIR holds a folder for each set, with train.csv. Test rows are not looked at: this is how the recipe was chosen. Each
row of the table is accuracy in percent and log loss, the mean over folds; every variant gets the same folds.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from peers import SETS, read

from textclf.settings import Settings
from textclf.text import ngrams
from textclf.training import trainer as fitting
from textclf.training import vocabulary
from textclf.training.nbsvm import nbsvm_scales
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

_SPLITS = 5
_FOLDS = 2

Variant = tuple[dict[str, Any], list[Any], bool]
"""Settings, patches to be in force meanwhile, and whether there are vectors."""


def _even_scales(C: Any, Y: Any, *_: Any, **__: float) -> Any:  # noqa: ANN401 - stands in for nbsvm_scales
    return np.ones_like(nbsvm_scales(C, Y))


def _within_text(tokens: Any, longest: int) -> Iterator[Any]:  # noqa: ANN401 - stands in for ngrams_by_length
    is_start = ngrams.Words.of(tokens).is_start
    for found in _with_start(tokens, longest):
        keep = ~is_start[found.starts]
        yield ngrams.NgramsOfLength(found.text_numbers[keep], found.keys[keep], found.starts[keep])


_with_start = ngrams.ngrams_by_length

VARIANTS: dict[str, Callable[[], Variant]] = {
    "the recipe": lambda: ({}, [], True),
    "without vectors": lambda: ({"dimension": 1}, [], False),
    "without sub-words": lambda: ({"char_ngrams": (0, 0)}, [], True),
    "without patterns": lambda: ({"pattern_ngrams": 0}, [], True),
    "without n-grams of words": lambda: ({"word_ngrams": 0, "char_ngrams": (2, 5)}, [], True),
    "vectors alone": lambda: ({"word_ngrams": 0}, [], True),
    "single words only": lambda: ({"word_ngrams": 1}, [], True),
    "up to three words": lambda: ({"word_ngrams": 3}, [], True),
    "without the start of the text": lambda: ({}, [patch.object(ngrams, "ngrams_by_length", _within_text)], True),
    "without naive Bayes scales": lambda: ({}, [patch.object(fitting, "nbsvm_scales", _even_scales)], True),
    "regularization not chosen": lambda: ({}, [patch.object(fitting, "AUTO_WORK", 0)], True),
    "not calibrated": lambda: ({"calibrate": False}, [], True),
    "words averaged by tf-idf": lambda: ({"weighting": "tfidf"}, [], True),
    "words averaged by SIF": lambda: ({"weighting": "sif"}, [], True),
    "no words but those of the texts": lambda: ({}, [patch.object(vocabulary, "MOST_UNSEEN_WORDS", 0)], True),
    "a hidden layer of 64": lambda: ({"hidden": (64,)}, [], True),
    "Adam, vectors trained, word dropout": lambda: ({"optimizer": "adam"}, [], True),
    "Adam, hidden layer of 64, dropout": lambda: ({"optimizer": "adam", "hidden": (64,), "dropout": 0.3}, [], True),
    "Adam without word dropout": lambda: ({"optimizer": "adam", "word_dropout": 0.0}, [], True),
}


def folds(labels: Sequence[str]) -> np.ndarray[Any, Any]:
    """Return the fold of each row, 0 to 4, each class dealt out evenly."""
    rng = np.random.default_rng(0)
    names = np.array(labels)
    fold = np.empty(len(names), int)
    for name in np.unique(names):
        rows = rng.permutation(np.flatnonzero(names == name))
        fold[rows] = np.arange(len(rows)) % _SPLITS
    return fold


def measure(texts: Sequence[str], labels: Sequence[str], variant: Variant, count: int) -> tuple[float, float]:
    """Return accuracy and log loss of one variant, the mean over the first folds."""
    settings, patches, with_vectors = variant
    vectors = open_vectors("starter") if with_vectors else None
    fold, scores = folds(labels), []
    with ExitStack() as stack:
        for each in patches:
            stack.enter_context(each)
        for number in range(count):
            fit, held = np.flatnonzero(fold != number).tolist(), np.flatnonzero(fold == number).tolist()
            data = LabelledTexts([texts[i] for i in fit], [labels[i] for i in fit])
            model = train(data, Settings(**settings), vectors).model
            P = model.predict([texts[i] for i in held], threads=2).P
            y = model.classes_of([labels[i] for i in held])
            truth = np.maximum(P[np.arange(len(y)), y], 1e-12)
            scores.append(((P.argmax(axis=1) == y).mean(), -np.log(truth).mean()))
    accuracy, log_loss = np.mean(scores, axis=0)
    return float(accuracy), float(log_loss)


def main() -> None:
    """Measure every variant on every set, and print the table."""
    parser = argparse.ArgumentParser(description="What each ingredient of the recipe is worth.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), help="default: all")
    parser.add_argument("--folds", type=int, default=_FOLDS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    sets = options.sets or SETS
    found: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in options.variants}
    for each in sets:
        texts, labels = read(options.data / each / "train.csv")
        for name in options.variants:
            found[name][each] = measure(texts, labels, VARIANTS[name](), options.folds)
            print(f"{each:14}{name:38}{found[name][each][0]:.4f}  {found[name][each][1]:.4f}", file=sys.stderr)
    print("| variant | " + " | ".join(sets) + " | mean |\n" + "|---" * (len(sets) + 2) + "|")
    for name, scores in found.items():
        mean = np.mean(list(scores.values()), axis=0)
        cells = [f"{100 * a:.2f} / {b:.3f}" for a, b in (*scores.values(), mean)]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
