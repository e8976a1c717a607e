"""Small models of every kind, trained on a few made texts."""

from unittest import mock

import numpy as np

from textclf.nn.network import ACTIVATIONS
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors

WORDS = ["good", "fine", "bad", "ill", "film", "the", "lovely", "Film"]
MOODS = [("good", "up"), ("fine", "up"), ("bad", "down"), ("ill", "down"), ("so so", "even"), ("middling", "even")]
TEXTS = [f"{who} {mood}{mark}" for who in ("the film", "a play", "it is", "Film") for mood, _ in MOODS for mark in ".!"]
LABELS = [label for _ in range(4) for _, label in MOODS for _ in ".!"]
SETS = [label if "film" in text else f"{label}|other" for text, label in zip(TEXTS, LABELS, strict=True)]

SHAPED = {"the film": "THE film 7 x2", "a play": "a Play, 42", "it is": "It's 300 :)", "Film": "Film 1984 ... it"}
"""How texts begin of which patterns are learnt, so that each shape stands in some."""


def trained(**settings):
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    labels, texts = SETS if settings.get("multi_label") else LABELS, TEXTS
    if settings.get("pattern_ngrams"):
        starts = {text: next(start for start in SHAPED if text.startswith(start)) for text in TEXTS}
        texts = [text.replace(start, SHAPED[start], 1) for text, start in starts.items()]
    found = WordVectors(WORDS, vectors, "few", "0" * 64, "word2vec")
    # Of so few texts all pieces are common, unless fewer may be: then none would stand for its shape.
    with mock.patch("textclf.text.patterns.MOST_COMMON", 4):
        return train(LabelledTexts(texts, labels), Settings(threads=1, **settings), found).model


KINDS = {
    "plain": {},
    "words alone": {"char_ngrams": (0, 0), "weighting": "tfidf"},
    "no n-grams": {"word_ngrams": 0, "char_ngrams": (0, 0), "weighting": "sif"},
    "relu": {"hidden": (4,), "activation": "relu", "l2": 0.01},
    "tanh": {"hidden": (4, 3), "activation": "tanh", "l2": 0.01},
    "sigmoid": {"output": "sigmoid", "hidden": (4,), "activation": "sigmoid"},
    "patterns": {"pattern_ngrams": 3},
    "patterns alone": {"pattern_ngrams": 2, "word_ngrams": 0, "char_ngrams": (0, 0), "hidden": (3,), "l2": 0.01},
    "several labels": {"multi_label": True, "output": "sigmoid"},
}
KINDS |= {name: {"hidden": (4,), "activation": name} for name in ACTIVATIONS if name not in KINDS}
