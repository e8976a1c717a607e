"""Rows to train on, and a checkpoint that is interrupted after it saved so often."""

from collections.abc import Callable

import numpy as np

from textclf.model.model import Model
from textclf.training.checkpoint import CheckpointFile
from textclf.training.train import LabelledTexts

WORDS = ("good", "fine", "sweet", "bad", "poor", "sour", "film", "story", "cast", "and", "the", "very")


def rows(n=60, multi_label=False):
    rng = np.random.default_rng(5)
    labels = [("up", "down")[number % 2] for number in range(n)]
    texts = [" ".join([*rng.choice(WORDS[:3] if label == "up" else WORDS[3:6], 2), *rng.choice(WORDS, 4)])
             for label in labels]  # fmt: skip
    if multi_label:
        labels = [f"{label}|odd" if number % 3 else label for number, label in enumerate(labels)]
    return LabelledTexts(texts, labels)


class Stopping(CheckpointFile):
    """Is stopped, as by Ctrl-C, right after it saved so often and once more."""

    def __init__(self, model, saves):
        super().__init__(model, resume=True)
        self.left = saves

    def save(self, name, make):
        super().save(name, make)
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def resume_until_done(path, saves: Callable[[int], int], train: Callable[[int, Stopping], Model]) -> tuple[Model, int]:
    """Train until nothing stops it; return the model, and how often it was stopped.

    After n stops `train` gets n and a checkpoint beside `path` that stops it once more after `saves(n)` saves.
    """
    stops = 0
    while True:
        checkpoint = Stopping(path, saves(stops))
        try:
            return train(stops, checkpoint), stops
        except KeyboardInterrupt:
            checkpoint.write()
            stops += 1
