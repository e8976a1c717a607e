"""What a model says: of one text, and of many at once."""

from dataclasses import dataclass

import numpy as np

from textclf.labels import LabelSet
from textclf.metrics.multi_label import Decisions, decisions
from textclf.model.drift import Profile
from textclf.types import Array, Integers


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text: the label, its probability, all probabilities, and how many words it knew.

    Of a multi-label model `labels` are the labels given, `label` is the cell that holds them, and `confidence` the
    probability of its least certain yes or no; of another `labels` is None.
    `abstained`: whether the label is below what was promised; None when nothing was promised.
    """

    text: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    known_words: int
    labels: LabelSet | None = None
    abstained: bool | None = None


@dataclass(frozen=True)
class Predictions:
    """What the model says of n texts: P, shape (n, k), and each text's number of words and of known words.

    `known_shares`, shape (n, kinds): the share of each text's n-grams that the model knows.
    `thresholds`, shape (k,), are those of a multi-label model, None of another. `Z`, shape (n, k): the weighted sums
    that P was made of, where they were kept.
    """

    P: Array
    tokens: Integers
    known: Integers
    known_shares: Array
    thresholds: Array | None = None
    Z: Array | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def count(self, profile: Profile) -> None:
        """Add these texts to a profile (see `drift`)."""
        profile.add_texts(self.tokens, self.known, self.known_shares)
        profile.add_confidence(self.confidence)

    @property
    def classes(self) -> Integers:
        """The class number of each text's likeliest label, shape (n,)."""
        classes: Integers = self.P.argmax(axis=1)
        return classes

    @property
    def given(self) -> Decisions:
        """Which labels each text gets, shape (n, k): the likeliest, or those that reach their thresholds."""
        if self.thresholds is None:
            likeliest: Decisions = self.classes[:, None] == np.arange(self.P.shape[1])
            return likeliest
        return decisions(self.P, self.thresholds)

    @property
    def confidence(self) -> Array:
        """The probability of each text's label, or of the least certain yes or no of its labels, shape (n,)."""
        if self.thresholds is None:
            highest: Array = self.P.max(axis=1)
            return highest
        lowest: Array = np.where(self.given, self.P, 1.0 - self.P).min(axis=1)
        return lowest
