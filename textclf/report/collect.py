"""What a report needs of the rows, gathered batch by batch: what the texts are like, and how they were judged.

Letters: ``n`` rows, ``k`` classes or labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textclf.metrics.calibration_error import Reliability
from textclf.model.decision import find_familiar
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.types import Array, Integers


@dataclass
class TextTotals:
    """What the texts of a table are like: counts that grow batch by batch."""

    k: int
    empty: int = 0
    _characters: list[Integers] = field(default_factory=list)
    _words: list[Integers] = field(default_factory=list)
    _known: list[Integers] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.support = np.zeros(self.k, np.int64)

    def add(self, texts: Sequence[str], Y: Array, words: Integers, known: Integers) -> None:
        """Count texts of labels Y, shape (n, k), with so many words and known words, shape (n,)."""
        self.empty += sum(not text.strip() for text in texts)
        self.support += (Y > 0).sum(axis=0)
        self._characters.append(np.fromiter(map(len, texts), np.int64, len(texts)))
        self._words.append(np.asarray(words))
        self._known.append(np.asarray(known))

    @property
    def characters(self) -> Integers:
        """How many characters each text has, shape (n,)."""
        return np.concatenate(self._characters)

    @property
    def words(self) -> Integers:
        """How many words each text has, shape (n,)."""
        return np.concatenate(self._words)

    @property
    def known(self) -> Integers:
        """How many words of each text the model knows, shape (n,)."""
        return np.concatenate(self._known)


@dataclass
class JudgedRows:
    """How n rows were judged by a model that was not fitted to them.

    `decisions` counts the yes or no of each label, as confidences of a yes; `have` and `get` count texts by how many
    labels they have and get. Both are of use where a text may have several labels.
    """

    model: Model
    decisions: Reliability = field(default_factory=Reliability)
    _classes: list[Integers] = field(default_factory=list)
    _confidence: list[Array] = field(default_factory=list)
    _right: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    _may_answer: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.have, self.get = np.zeros((2, len(self.model.labels) + 1), np.int64)

    def add(self, Y: Array, predictions: Predictions) -> None:
        """Count rows whose truth is Y, shape (n, k)."""
        given, k, record = predictions.given, len(self.model.labels), self.model.record
        least = 0.0 if record is None else record.least_known_share
        self._classes.append(predictions.classes)
        self._confidence.append(predictions.confidence)
        self._right.append((given == (Y > 0)).all(axis=1))
        self._may_answer.append(find_familiar(predictions.known, predictions.known_shares, least))
        if self.model.is_multi_label:
            self.decisions.add(predictions.P.ravel(), Y.ravel() > 0)
            self.have += np.bincount((Y > 0).sum(axis=1), minlength=k + 1)
            self.get += np.bincount(given.sum(axis=1), minlength=k + 1)

    @property
    def classes(self) -> Integers:
        """The class number of each row's likeliest label, shape (n,)."""
        return np.concatenate(self._classes)

    @property
    def confidence(self) -> Array:
        """How sure the model was of each row, shape (n,)."""
        return np.concatenate(self._confidence)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Which rows got their label, or exactly their labels, shape (n,)."""
        return np.concatenate(self._right)

    def find_answered(self, answer_from: Array) -> npt.NDArray[np.bool_]:
        """Return which rows get an answer, shape (n,), when each class has to reach its confidence, shape (k,)."""
        enough: npt.NDArray[np.bool_] = self.confidence >= answer_from[self.classes]
        return enough & np.concatenate(self._may_answer)


@dataclass
class Gathered:
    """What a report of an evaluation needs beside the figures: it watches the batches go by."""

    model: Model
    texts: TextTotals = field(init=False)
    judged: JudgedRows = field(init=False)

    def __post_init__(self) -> None:
        self.texts, self.judged = TextTotals(len(self.model.labels)), JudgedRows(self.model)

    def watch(self, texts: Sequence[str], Y: Array, predictions: Predictions) -> None:
        """Take in a batch, its truth Y, shape (n, k), and what the model said of it."""
        self.texts.add(self.model.features.columns.only_texts(texts), Y, predictions.tokens, predictions.known)
        self.judged.add(Y, predictions)
