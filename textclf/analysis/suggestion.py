"""Which rows to label next: those that a model is in doubt about, and that are unlike each other.

One pass over the rows keeps the candidates: those with the smallest margins between the two likeliest labels, or,
without a model, as many drawn by chance. Of these, rows are chosen one after the other, each time the one of the
highest usefulness · (1 − s)², where s is its similarity to the nearest row chosen before: the mean of the cosines of
S, the averages of word vectors, and of C, the tf-idf of words. This is farthest-first traversal (Gonzalez 1985,
"Clustering to minimize the maximum intercluster distance"), weighed by uncertainty (Scheffer, Decomain & Wrobel 2001).
A row counts more where its likely labels are rare so far; rows nearly equal to one that is chosen or labelled are
skipped.

Letters: ``n`` rows wanted, ``m`` candidates, ``k`` labels, ``d`` the dimension of S.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from textclf.check.duplicates import near_pairs, same_texts
from textclf.check.text_facts import read_facts, spelt_alike
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.tables.records import Batch, Records
from textclf.text.copies import text_keys
from textclf.text.csr import SparseRows, sum_entries
from textclf.text.key_index import KeyIndex, count_keys
from textclf.text.tokenizer import tokenize
from textclf.text.weighting import inverse_document_frequency, tf_idf
from textclf.types import Array, BoolArray, Integers
from textclf.vectors import WordVectors
from textclf.vectors.coverage import averaging_features

DOUBT = "in doubt:"
"""What the reason for a row begins with where a model chose it."""

_CANDIDATES, _CANDIDATES_EACH, _MOST_CANDIDATES = 1000, 20, 20_000
"""Rows kept to choose from: at least, for each row wanted, and at most beside the rows wanted."""
_TEXTS_AT_ONCE = 4096
_ROUNDED = 6
_RARE = 0.4
"""A row counts more where its likely labels are rare: a label of a hundredth of the rows 100^0.4 = 6 times as much."""


@dataclass(frozen=True)
class Suggestions:
    """The chosen rows, most useful first; for each the label that the model guesses, the margin, and why it was chosen.

    Without a model there are no guesses and no margins.
    """

    rows: Batch
    guesses: list[str]
    margins: list[float]
    reasons: list[str]

    def __len__(self) -> int:
        return len(self.rows)


def suggest_by_model(
    model: Model,
    vectors: WordVectors | None,
    predicted: Iterable[tuple[Batch, Predictions]],
    n: int,
    *,
    labelled: Sequence[str] = (),
) -> Suggestions:
    """Return the n rows that teach the model most, fewer where there are not as many that differ.

    `predicted`: the rows in batches, with what the model says of them. Rows like one of the `labelled` texts are left
    out. Texts are compared by `vectors`: those in a model are of the words of its training alone.
    """
    scored = ((batch, usefulness(model, predictions)) for batch, predictions in predicted)
    rows, scores = collect_candidates(scored, _most_candidates(n), labelled)
    rows = rows.select(spread(rows.texts, scores, _embed(vectors, rows.texts), n, labelled))
    predictions = model.predict(rows.texts)
    reasons, found = find_margins(model, predictions), model.cells(predictions)
    return Suggestions(rows, found, [margin for margin, _ in reasons], [reason for _, reason in reasons])


def suggest_cold(
    vectors: WordVectors | None,
    batches: Iterable[Batch],
    n: int,
    rng: np.random.Generator,
    *,
    labelled: Sequence[str] = (),
) -> Suggestions:
    """Return n rows to label first, before there is a model: spread over all rows, by vectors and by words."""
    drawn = ((batch, 1.0 - rng.random(len(batch))) for batch in batches)
    rows, _ = collect_candidates(drawn, _most_candidates(n), labelled)
    rows = rows.select(spread(rows.texts, np.ones(len(rows)), _embed(vectors, rows.texts), n, labelled))
    return Suggestions(rows, [], [], ["unlike the rows before"] * len(rows))


def _embed(vectors: WordVectors | None, texts: Sequence[str]) -> Array:
    """Return S, the averages of the texts' word vectors without their mean, shape (m, d); d is 0 without vectors."""
    if vectors is None or not texts:
        return np.zeros((len(texts), 0))
    features, E = averaging_features(vectors, texts, "sif")
    S = features.extract(texts).words.times(E)
    centred: Array = S - S.mean(axis=0)
    return centred


def batches_of(texts: Sequence[str]) -> Iterable[Batch]:
    """Give texts that are in memory as batches of rows, numbered from 1."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = list(texts[start : start + _TEXTS_AT_ONCE])
        none = [0] * len(part)
        yield Batch(range(start + 1, start + 1 + len(part)), part, None, None, Records(b"", none, none, none))


def _most_candidates(n: int) -> int:
    return min(max(_CANDIDATES, _CANDIDATES_EACH * n), _MOST_CANDIDATES + n)


# --- how useful a row is by itself ------------------------------------------------------------------------------------


def usefulness(model: Model, predictions: Predictions) -> Array:
    """Return how much each row would teach the model by itself, shape (n,): one minus the margin, more for rare labels.

    How rare a label is so far is read off the model's answers to its held-out rows.
    """
    useful: Array = 1.0 - _margins(model, predictions)
    if model.record is None or model.thresholds is not None:
        return useful
    counts = 1.0 + np.bincount(model.record.classes, minlength=len(model.labels))
    useful *= predictions.P @ (counts.max() / counts) ** _RARE
    return useful


def _margins(model: Model, predictions: Predictions) -> Array:
    """Return how far each row is from another answer, shape (n,), from 0 to 1.

    With one label a text that is the difference of the two highest probabilities; with several labels the distance of
    the probability nearest to its threshold, as a share of what there is on that side of the threshold.
    """
    P = predictions.P
    if model.thresholds is None:
        two = np.partition(P, -2, axis=1)[:, -2:]
        margin: Array = two[:, 1] - two[:, 0]
        return margin
    nearest: Array = _distances(P, model.thresholds).min(axis=1)
    return nearest


def _distances(P: Array, thresholds: Array) -> Array:
    above = (P - thresholds) / np.maximum(1.0 - thresholds, 1e-9)
    below = (thresholds - P) / np.maximum(thresholds, 1e-9)
    return np.clip(np.where(thresholds <= P, above, below), 0.0, 1.0)


def find_margins(model: Model, predictions: Predictions) -> list[tuple[float, str]]:
    """Return the margin of each row, and in words what the model is in doubt about."""
    P, margins = predictions.P, _margins(model, predictions).round(_ROUNDED).tolist()
    if model.thresholds is not None:
        nearest = _distances(P, model.thresholds).argmin(axis=1).tolist()
        return [
            (margin, f"{DOUBT} {model.labels[j]} ({row[j]:.0%}), given from {model.thresholds[j]:.0%}")
            for margin, row, j in zip(margins, P, nearest, strict=True)
        ]
    ranked = (-P).argsort(axis=1, kind="stable")[:, :2].tolist()
    return [
        (margin, f"{DOUBT} {model.labels[i]} ({row[i]:.0%}) or {model.labels[j]} ({row[j]:.0%})")
        for margin, row, (i, j) in zip(margins, P, ranked, strict=True)
    ]


# --- from all rows to candidates, from candidates to rows -------------------------------------------------------------


def collect_candidates(
    scored: Iterable[tuple[Batch, Array]], most: int, labelled: Sequence[str] = ()
) -> tuple[Batch, Array]:
    """Return the `most` rows of the highest scores, in the table's order, with their scores, shape (m,).

    Of rows with the same text, case and blanks aside, the first is taken; those with a `labelled` text are left out.
    Twice as many rows are held at most, with bytes of their own, however many come.
    """
    barred = set(text_keys(labelled).tolist())
    scores: Array = np.zeros(0)
    parts, least, seen = list[Batch](), -np.inf, set(barred)
    for batch, found in scored:
        places = np.flatnonzero(found > least).tolist()
        fresh = []
        for place, key in zip(places, text_keys([batch.texts[i] for i in places]).tolist(), strict=True):
            if key not in seen:
                seen.add(key)
                fresh.append(place)
        parts.append(Batch.join([batch.select(fresh)]))
        scores = np.append(scores, found[fresh])
        if len(scores) > 2 * most:
            rows, scores = _keep_best(parts, scores, most)
            parts, least, seen = [rows], scores.min(), barred | set(text_keys(rows.texts).tolist())
    return _keep_best(parts, scores, most)


def _keep_best(parts: Sequence[Batch], scores: Array, most: int) -> tuple[Batch, Array]:
    kept = np.sort(np.argsort(-scores, kind="stable")[:most])
    return Batch.join([Batch.join(parts).select(kept.tolist())]), scores[kept]


def spread(texts: Sequence[str], scores: Array, S: Array, n: int, labelled: Sequence[str] = ()) -> list[int]:
    """Return the numbers of up to n of m texts, useful ones that are far from each other, most useful first.

    `scores`, shape (m,): how useful each is by itself, 0 or more. `S`, shape (m, d): averages of word vectors.
    """
    S = S / np.maximum(np.linalg.norm(S, axis=1, keepdims=True), 1e-9)
    C = _word_matrix(texts).scipy
    copies = _Copies.of(texts, labelled)
    distance: Array = np.ones(len(texts))
    free, chosen = copies.free.copy(), list[int]()
    while len(chosen) < n and free.any():
        number = int(np.where(free, scores * distance**2, -1.0).argmax())
        chosen.append(number)
        free[copies.like(number)] = False
        similarity = np.clip(S @ S[number], 0.0, 1.0) + (C @ C[[number]].T).toarray().ravel()
        distance = np.minimum(distance, np.clip(1.0 - similarity / 2, 0.0, 1.0))
    return chosen


def _word_matrix(texts: Sequence[str]) -> SparseRows:
    """Return C, the tf-idf of each text's words, rows of length 1."""
    tokens = tokenize(texts)
    words, _ = count_keys(tokens.keys)
    counts = sum_entries(tokens.text_numbers, KeyIndex(words).rows(tokens.keys), len(tokens), len(words))
    return tf_idf(counts, inverse_document_frequency(np.bincount(counts.columns, minlength=len(words)), len(texts)))


@dataclass(frozen=True)
class _Copies:
    """Which of m texts are the same or nearly so: `first`, shape (m,), and pairs of such firsts, both ways, sorted.

    `free`, shape (m,): which texts have a word and are not like one that is labelled.
    """

    first: Integers
    left: Integers
    right: Integers
    free: BoolArray

    @staticmethod
    def of(texts: Sequence[str], labelled: Sequence[str]) -> "_Copies":
        together, m = [*texts, *labelled], len(texts)
        facts = read_facts(together, None)
        first = same_texts(facts.same, lambda number: spelt_alike(together[number]))
        pairs = near_pairs(facts, first)
        left, right = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
        order = np.argsort(left, kind="stable")
        left, right = left[order], right[order]
        known = first[m:]
        barred = np.concatenate([known, right[np.isin(left, known)]])
        free = ~np.isin(first[:m], barred) & (facts.words[:m] > 0)
        return _Copies(first[:m], left, right, free)

    def like(self, number: int) -> BoolArray:
        """Return which texts are the same as one of them or nearly so, shape (m,)."""
        own = self.first[number]
        start, stop = np.searchsorted(self.left, [own, own + 1])
        return np.isin(self.first, [own, *self.right[start:stop]])
