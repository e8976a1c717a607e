"""Texts with two intents: textclf `--multi-label` beside one-vs-all peers, on the same rows in the same run.

    python benchmarks/multilabel.py --data DIR [--json multilabel.json]

DIR holds banking77/train.csv and test.csv. Each part's rows are paired at random with a fixed seed: texts joined by a
blank, labels both (one where they are the same). Every choice is made on training rows. Needs the extra `bench`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
from peers import read, tfidf, tokens
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from textclf.labels import cut_labels, join_labels, multi_hot
from textclf.metrics.multi_label import MultiLabelEvaluation, MultiLabelTally, choose_thresholds
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

Rows = tuple[list[str], list[str]]
"""Texts, and cells of labels."""

Recipe = tuple[float, int, tuple[int, int, int]]
"""Learning rate, epochs, n-grams: of words up to, of characters from and to."""

_NGRAMS = ((2, 0, 0), (1, 3, 5), (2, 3, 5))  # words alone, (1, 0, 0), end in "Encountered NaN." here
_SETTINGS = list(product((1.0, 2.0, 4.0), (60, 100, 200), _NGRAMS))
_HELD_OUT = 0.1


def paired(path: Path, seed: int) -> Rows:
    """Return the rows of a CSV file joined in pairs; one row is left over when their number is odd."""
    texts, labels = read(path)
    order = np.random.default_rng(seed).permutation(len(texts))[: len(texts) // 2 * 2].reshape(-1, 2).tolist()
    return [f"{texts[i]} {texts[j]}" for i, j in order], [join_labels(sorted({labels[i], labels[j]})) for i, j in order]


def evaluation(labels: Sequence[str], Y: np.ndarray, P: np.ndarray, thresholds: np.ndarray) -> MultiLabelEvaluation:
    """Return the figures of probabilities P for the truth Y, both of shape (n, k)."""
    tally = MultiLabelTally(labels, thresholds)
    none = np.zeros(len(Y), np.int64)
    tally.add_rows(Y, P, words=none, known=none)
    return tally.evaluation()


def textclf_plain(train_rows: Rows, test_rows: Rows, seed: int, vectors: str) -> tuple[MultiLabelEvaluation, str]:
    """Train with `--multi-label` and no other option."""
    settings = Settings(multi_label=True, output="sigmoid", seed=seed)
    trained = train(LabelledTexts(*train_rows), settings, open_vectors(vectors))
    model = trained.model
    Y = multi_hot([cut_labels(cell) for cell in test_rows[1]], model.labels)
    found = evaluation(model.labels, Y, model.predict(test_rows[0], threads=2).P, model.thresholds)
    validation = trained.validation.summary()
    return found, f"validation micro-F1 {validation['micro_f1']:.4f}, macro-F1 {validation['macro_f1']:.4f}"


def _one_vs_all(rows: Rows, wanted: Sequence[str], labels: Sequence[str], recipe: Recipe, seed: int) -> np.ndarray:
    """Return fastText's probabilities of every label, shape (n, k)."""
    rate, epochs, (word_ngrams, shortest, longest) = recipe
    numbers = {label: number for number, label in enumerate(labels)}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        for text, cell in zip(*rows, strict=True):
            marks = " ".join(f"__label__{numbers[label]}" for label in cut_labels(cell))
            file.write(f"{marks} {' '.join(tokens(text))}\n")
        file.flush()
        model = fasttext.train_supervised(
            file.name, loss="ova", lr=rate, epoch=epochs, wordNgrams=word_ngrams, minn=shortest, maxn=longest, dim=100,
            bucket=500_000, thread=2, seed=seed, verbose=0,
        )  # fmt: skip
    P = np.zeros((len(wanted), len(labels)))
    for i, text in enumerate(wanted):
        # Its Python wrapper fails with NumPy 2; what lies below does not.
        for p, mark in model.f.predict(" ".join(tokens(text)) + "\n", -1, 0.0, "strict"):
            P[i, int(mark.removeprefix("__label__"))] = p
    return P


def _logistic(rows: Rows, wanted: Sequence[str], labels: Sequence[str], recipe: float, _seed: int) -> np.ndarray:
    """Return the probabilities, shape (n, k), of TF-IDF of words and bigrams with a logistic regression a label."""
    vectorizer = tfidf()
    X = vectorizer.fit_transform(rows[0])
    Y = multi_hot([cut_labels(cell) for cell in rows[1]], labels)
    model = OneVsRestClassifier(LogisticRegression(C=recipe, solver="liblinear")).fit(X, Y)
    return model.predict_proba(vectorizer.transform(wanted))


Peer = Callable[[Rows, Sequence[str], Sequence[str], Any, int], np.ndarray]
PEERS: dict[str, tuple[Peer, Sequence[Any], str]] = {
    "fastText, one-vs-all": (_one_vs_all, _SETTINGS, "lr, epoch, (wordNgrams, minn, maxn)"),
    "TF-IDF, logistic": (_logistic, (20.0, 100.0, 400.0, 1600.0), "C"),
}


def best_of(name: str, train_rows: Rows, test_rows: Rows, seeds: int) -> list[tuple[MultiLabelEvaluation, str]]:
    """Train a peer with the settings and thresholds that do best on a tenth of the training rows.

    Its thresholds are chosen by what chooses ours.
    """
    probabilities, recipes, meaning = PEERS[name]
    labels = sorted({label for cell in train_rows[1] for label in cut_labels(cell)})
    order = np.random.default_rng(0).permutation(len(train_rows[0]))
    held, fit = np.split(order, [round(len(order) * _HELD_OUT)])
    part, rest = ([[column[i] for i in rows] for column in train_rows] for rows in (fit, held))
    held_Y = multi_hot([cut_labels(cell) for cell in rest[1]], labels)
    best = (-1.0, recipes[0], np.zeros(len(labels)))
    for recipe in recipes:
        try:
            P = probabilities((part[0], part[1]), rest[0], labels, recipe, 1)
        except RuntimeError as error:  # "Encountered NaN": the learning rate is too high
            print(f"{name} {recipe}: {error}", file=sys.stderr)
            continue
        thresholds = choose_thresholds(P, held_Y)
        micro = evaluation(labels, held_Y, P, thresholds).micro[2]
        print(f"{name} {recipe}: held out micro-F1 {micro:.4f}", file=sys.stderr)
        best = max(best, (micro, recipe, thresholds), key=lambda found: found[0])
    Y = multi_hot([cut_labels(cell) for cell in test_rows[1]], labels)
    return [
        (evaluation(labels, Y, probabilities(train_rows, test_rows[0], labels, best[1], seed), best[2]),
         f"{meaning} {best[1]}")
        for seed in range(1, seeds + 1)
    ]  # fmt: skip


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Multi-label: textclf beside one-vs-all peers.")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds banking77")
    parser.add_argument("--vectors", default="starter")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    folder = options.data / "banking77"
    train_rows, test_rows = paired(folder / "train.csv", 1), paired(folder / "test.csv", 2)
    runs = {
        "textclf --multi-label": [
            textclf_plain(train_rows, test_rows, seed, options.vectors) for seed in range(1, options.seeds + 1)
        ],
    }
    runs |= {
        name: best_of(name, train_rows, test_rows, options.seeds if "fastText" in name else 1) for name in options.peers
    }
    print(
        f"{len(train_rows[0]):,} pairs to train on, {len(test_rows[0]):,} to test on; means of {options.seeds} seeds\n"
    )
    print("| classifier | micro-F1 | macro-F1 | exact match | Hamming loss | log loss |\n" + "|---" * 6 + "|")
    figures = {}
    for name, found in runs.items():
        rows = [(e.micro[2], e.macro[2], e.exact_match, e.hamming_loss, e.log_loss) for e, _ in found]
        figures[name] = np.mean(rows, axis=0).tolist()
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in figures[name]) + " |")
        print(f"{name}: {found[0][1]}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), "utf-8")


if __name__ == "__main__":
    main()
