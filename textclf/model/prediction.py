"""What a model says: of one text, and of many at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from textclf.labels import LabelSet
from textclf.model.decision import LIKELIEST, Decision
from textclf.model.drift import Profile
from textclf.types import Array, BoolArray, Integers


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text: the label, its probability, all probabilities, and how many words it knew.

    Of a multi-label model `labels` are the labels given, `label` is the cell that holds them, and `confidence` the
    probability of its least certain yes or no; of another `labels` is None.
    `abstained`: whether the decision rule gives no answer; None where it always gives one.
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
    `decision`: the rule that labels come from. `Z`, shape (n, k): the weighted sums that P was made of, where they
    were kept.
    """

    P: Array
    tokens: Integers
    known: Integers
    known_shares: Array
    decision: Decision = LIKELIEST
    Z: Array | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def count(self, profile: Profile) -> None:
        """Add these texts to a profile (see `drift`)."""
        profile.add_texts(self.tokens, self.known, self.known_shares)
        profile.add_confidence(self.confidence)

    @cached_property
    def classes(self) -> Integers:
        """The class number of each text's label, shape (n,); of a multi-label model that of the likeliest."""
        return self.decision.choose(self.P)

    @cached_property
    def given(self) -> BoolArray:
        """Which labels each text gets, shape (n, k)."""
        return self.decision.give(self.P)

    @property
    def answered(self) -> BoolArray:
        """Which texts get an answer, shape (n,)."""
        return self.decision.find_answered(self.P, self.known, self.known_shares)

    @property
    def confidence(self) -> Array:
        """The probability of each text's label, or of the least certain yes or no of its labels, shape (n,)."""
        if self.decision.each_from is None:
            of_label: Array = self.P[np.arange(len(self.P)), self.classes]
            return of_label
        lowest: Array = np.where(self.given, self.P, 1.0 - self.P).min(axis=1)
        return lowest
