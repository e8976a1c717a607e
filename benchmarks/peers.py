"""The classifiers that textclf is held against: each chooses settings on held-out training rows, then trains on all.

A peer is a function of training texts, labels, test texts and a seed; it returns predicted labels and what it chose.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

SETS = ["trec6", "sst2", "sms_spam", "banking77", "germeval2018", "chnsenticorp", "imdb"]
"""The folders that the benchmarks look for below --data."""

Outcome = tuple[list[str], str]
Peer = Callable[[Sequence[str], Sequence[str], Sequence[str], int], Outcome]

# Cut at what is no letter, Chinese would stay whole sentences: its characters are set apart for the peers.
_TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:'[^\W_]+)*|[!?]|[^\w\s,.;:()\"'-]")
_HELD_OUT = 0.1


def tokens(text: str) -> list[str]:
    """Cut a text as a careful user of the peers would: lower-cased words, Han characters one by one, ! and ?."""
    return _TOKEN.findall(text.lower())


def _held_out(texts: Sequence[str], labels: Sequence[str]) -> tuple[list[str], list[str], list[str], list[str]]:
    strata = labels if min(Counter(labels).values()) > 1 else None
    parts = train_test_split(list(texts), list(labels), test_size=_HELD_OUT, random_state=0, stratify=strata)
    return parts[0], parts[2], parts[1], parts[3]


# --- fastText -------------------------------------------------------------------------------------------------------

Recipe = tuple[float, int, int, tuple[int, int]]

_GRID: list[Recipe] = list(product((0.1, 0.3, 0.5), (1, 2, 3), (10, 30), ((0, 0), (3, 5))))
_LONG_GRID: list[Recipe] = list(product((0.1, 0.5), (1, 2), (10, 25), ((0, 0),)))  # of texts that take fastText long
_LONG = 10_000_000  # characters


def fasttext_answers(
    texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], recipe: Recipe,
    seed: int, **more: str | int,
) -> list[tuple[str, float]]:  # fmt: skip
    """Return the label of each wanted text, and its probability. `more`: other arguments of fastText's training."""
    import fasttext  # here, for the programs that can do without it

    rate, word_ngrams, epochs, (shortest, longest) = recipe
    names = sorted(set(labels))
    numbers = {name: number for number, name in enumerate(names)}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        for text, label in zip(texts, labels, strict=True):
            file.write(f"__label__{numbers[label]} {' '.join(tokens(text))}\n")
        file.flush()
        model = fasttext.train_supervised(
            file.name, lr=rate, wordNgrams=word_ngrams, epoch=epochs, minn=shortest, maxn=longest, seed=seed, verbose=0,
            **{"dim": 100, "bucket": 500_000, "thread": 2} | more,
        )  # fmt: skip
    # Its Python wrapper fails with NumPy 2; what lies below does not.
    best = [model.f.predict(" ".join(tokens(text)) + "\n", 1, 0.0, "strict") for text in wanted]
    return [
        (names[int(answers[0][1].removeprefix("__label__"))], min(float(answers[0][0]), 1.0))
        if answers
        else (names[0], 0.0)
        for answers in best
    ]


def _fasttext_labels(
    texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], recipe: Recipe,
    seed: int,
) -> list[str]:  # fmt: skip
    return [label for label, _ in fasttext_answers(texts, labels, wanted, recipe, seed)]


def fasttext_confident(
    texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], seed: int
) -> list[tuple[str, float]]:
    """Return what fastText says, and how sure it is, with the best of eight settings without n-grams of characters."""
    for recipe in _ranking(texts, labels, _LONG_GRID):
        try:
            return fasttext_answers(texts, labels, wanted, recipe, seed)
        except RuntimeError:  # "Encountered NaN": the learning rate is too high for it this time, so the next best
            continue
    raise RuntimeError("fastText failed with every recipe")


def fasttext_best(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], seed: int) -> Outcome:
    """FastText with the best of a grid: learning rate, n-grams of words, epochs, n-grams of characters."""
    key = (len(texts), labels[0], texts[0])
    if key not in _ranked:
        _ranked[key] = _ranking(texts, labels, _LONG_GRID if sum(map(len, texts)) > _LONG else _GRID)
    for recipe in _ranked[key]:
        try:
            found = _fasttext_labels(texts, labels, wanted, recipe, seed)
        except RuntimeError:  # "Encountered NaN": the learning rate is too high for it this time, so the next best
            continue
        rate, word_ngrams, epochs, chars = recipe
        return found, f"lr {rate}, wordNgrams {word_ngrams}, epoch {epochs}, minn–maxn {chars[0]}–{chars[1]}"
    raise RuntimeError("fastText failed with every recipe")


def _ranking(texts: Sequence[str], labels: Sequence[str], grid: Sequence[Recipe]) -> list[Recipe]:
    """Return the recipes, the best on held-out rows first."""
    fit_x, fit_y, held_x, held_y = _held_out(texts, labels)

    def held_out_accuracy(recipe: Recipe) -> float:
        try:
            found = _fasttext_labels(fit_x, fit_y, held_x, recipe, 1)
        except RuntimeError:
            return 0.0
        return float(np.mean(np.array(found) == np.array(held_y)))

    return sorted(grid, key=held_out_accuracy, reverse=True)


_ranked: dict[tuple[int, str, str], list[Recipe]] = {}


# --- TF-IDF with a linear model -------------------------------------------------------------------------------------


def tfidf() -> TfidfVectorizer:
    """Return the TF-IDF of words and bigrams that the linear models see."""
    return TfidfVectorizer(tokenizer=tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True)


def svm(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], _seed: int) -> Outcome:
    """TF-IDF of words and bigrams with LinearSVC, its C the best of five."""
    return _linear(texts, labels, wanted, lambda C: LinearSVC(C=C), (0.1, 0.3, 1.0, 3.0, 10.0))


def logistic(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], _seed: int) -> Outcome:
    """TF-IDF of words and bigrams with logistic regression, its C the best of four."""
    return _linear(texts, labels, wanted, lambda C: LogisticRegression(C=C, max_iter=300), (1.0, 5.0, 20.0, 100.0))


def _linear(
    texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], make: Callable[[float], object],
    grid: Sequence[float],
) -> Outcome:  # fmt: skip
    fit_x, fit_y, held_x, held_y = _held_out(texts, labels)
    vectorizer = tfidf()
    fit, held = vectorizer.fit_transform(fit_x), vectorizer.transform(held_x)
    scores = [make(C).fit(fit, fit_y).score(held, held_y) for C in grid]  # type: ignore[attr-defined]
    best = grid[int(np.argmax(scores))]
    model = make_pipeline(tfidf(), make(best)).fit(list(texts), list(labels))
    return list(model.predict(list(wanted))), f"C {best:g}"


PEERS: dict[str, Peer] = {"fastText": fasttext_best, "SVM": svm, "logistic": logistic}


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return the texts and the labels of a CSV file with the columns text and label."""
    import csv

    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row["text"] for row in rows], [row["label"] for row in rows]
