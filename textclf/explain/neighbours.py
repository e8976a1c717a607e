"""Which labelled rows of a table are nearest to a text, as the model sees both.

The similarity of two texts is the mean of two cosines: of their sentence features S, and of their word n-grams C;
of one alone where a model or a text has no other. The rows come from the table as they are needed: no model keeps any.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf.model.model import Model
from textclf.tables import Batch
from textclf.text.csr import average
from textclf.types import Array

_QUERIES_AT_ONCE = 256


@dataclass(frozen=True)
class Neighbour:
    """A labelled row of a table, by its number from 1, and how similar its text is, −1 to 1."""

    row: int
    label: str
    similarity: float
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"row": self.row, "label": self.label, "similarity": round(self.similarity, 4), "text": self.text}


def find_nearest(
    model: Model, texts: Sequence[str], batches: Iterable[Batch], most: int
) -> list[tuple[Neighbour, ...]]:
    """Return for each text the rows nearest to it, nearest first, at most so many; of equally near ones the first."""
    queries, columns = _Directions.of(model, texts), model.features.columns
    found: list[list[Neighbour]] = [[] for _ in texts]
    farthest = np.full(len(texts), -np.inf)  # of those found, where they are as many as are to be
    for batch in batches:
        rows = _Directions.of(model, batch.texts)
        for start in range(0, len(texts), _QUERIES_AT_ONCE):
            # Rounded, so that equal texts are equally near however many are compared at once.
            near = queries.part(start, start + _QUERIES_AT_ONCE).similarities(rows).round(12)
            for number, similarities in enumerate(near, start):
                nearer = np.flatnonzero(similarities > farthest[number])
                best = nearer[np.argsort(-similarities[nearer], kind="stable")[:most]]
                new = [
                    _neighbour(batch, place, float(similarities[place]), columns.show(batch.texts[place]))
                    for place in best.tolist()
                ]
                found[number] = sorted(found[number] + new, key=lambda one: -one.similarity)[:most]
                if len(found[number]) == most:
                    farthest[number] = found[number][-1].similarity
    return [tuple(nearest) for nearest in found]


def _neighbour(batch: Batch, place: int, similarity: float, text: str) -> Neighbour:
    label = batch.labels[place] if batch.labels is not None else ""
    return Neighbour(batch.rows[place], label, similarity, text)


@dataclass(frozen=True)
class _Directions:
    """S, shape (n, d), and C, sparse, of n texts, each row of length 1, or of 0 where a text has nothing of it."""

    S: Array
    ngrams: Any

    @staticmethod
    def of(model: Model, texts: Sequence[str]) -> "_Directions":
        matrix = model.features.extract(texts)
        S = average(matrix.words.double(), model.E)
        lengths = np.linalg.norm(S, axis=1, keepdims=True)
        ngrams = matrix.ngrams.ngrams.double().scipy
        squares = np.asarray(ngrams.multiply(ngrams).sum(axis=1)).reshape(-1, 1)
        return _Directions(
            np.divide(S, lengths, out=np.zeros_like(S), where=lengths > 0),
            ngrams.multiply(1.0 / np.sqrt(np.where(squares > 0, squares, 1.0))).tocsr(),
        )

    def part(self, start: int, stop: int) -> "_Directions":
        return _Directions(self.S[start:stop], self.ngrams[start:stop])

    def similarities(self, others: "_Directions") -> Array:
        """Return the similarity of each of these texts to each of the others, shape (n, m)."""
        near: Array = self.S @ others.S.T
        if not self.ngrams.shape[1]:
            return near
        near += (self.ngrams @ others.ngrams.T).toarray()
        # A text without a known word, or n-gram, is compared by the other alone.
        has_S, has_ngrams = (np.asarray(abs(part).sum(axis=1)).ravel() > 0 for part in (self.S, self.ngrams))
        near /= np.maximum(has_S.astype(float) + has_ngrams, 1.0)[:, None]
        return near
