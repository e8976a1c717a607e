"""Which rows to label next: those that stand for many others which a model is in doubt about.

One pass over the rows draws the candidates by chance. Of these, rows are chosen one after the other, each time the one
that adds most to Σ w_i max_j s(i, j): the sum over the candidates i of their weight times their similarity to the
nearest row j that is chosen or labelled. The weight is how much the model is in doubt: one minus the margin between the
two likeliest labels, or one without a model. So a chosen row is like many that are in doubt, and unlike those that are
labelled (facility location, weighed by uncertainty: Wei, Iyer & Bilmes 2015, "Submodularity in data subset selection
and active learning"). Choosing one by one reaches 1 − 1/e of the largest sum; as what a row adds only falls, few rows
have to be looked at again for each choice (Minoux 1978).

The similarity is the mean of the cosines of S, the averages of word vectors, and of C, the tf-idf of words. Rows nearly
equal to one that is chosen or labelled are skipped.

Letters: ``n`` rows wanted, ``m`` candidates, ``k`` labels, ``d`` the dimension of S.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from textclf.check.duplicates import near_pairs, same_texts
from textclf.check.text_facts import normalize_spelling, read_facts
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.tables.records import Batch, Records
from textclf.text.copies import text_keys
from textclf.text.csr import SparseRows, sum_entries
from textclf.text.key_index import KeyIndex, count_keys
from textclf.text.tokenizer import mix, tokenize
from textclf.text.weighting import inverse_document_frequency, tf_idf
from textclf.types import Array, BoolArray, Integers, Keys
from textclf.vectors import WordVectors
from textclf.vectors.coverage import averaging_features

READ = 20_000
"""Characters of a text that it is chosen by: no person reads megabytes for one label."""
DOUBT = "in doubt:"
LIKE_MANY = "like many others"
"""What the reason for a row begins with where a model chose it, and the reason without a model."""

_CANDIDATES, _TOGETHER = 2500, 500
"""Of so many candidates, so many rows are chosen at most; where more are wanted, there are more candidates."""
_TEXTS_AT_ONCE, _ROWS_AT_ONCE = 4096, 256
_ROUNDED = 6


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


@dataclass(frozen=True)
class Guide:
    """What rows are chosen by: word vectors that texts are compared by, a model, and the texts that are labelled.

    The vectors in a model are of the words of its training alone, and do not do.
    """

    vectors: WordVectors | None
    model: Model | None = None
    labelled: Sequence[str] = ()


def suggest_rows(
    batches: Iterable[Batch], n: int, rng: np.random.Generator, guide: Guide, *, threads: int = 1
) -> Suggestions:
    """Return the n rows to label next, fewer where there are not as many that differ; none is like a labelled one."""
    vectors, model, labelled = guide.vectors, guide.model, [*map(read_start, guide.labelled)]
    rows = draw_rows(batches, _CANDIDATES * _count_groups(n), rng, guide.labelled)
    texts = [*map(read_start, rows.texts)]
    if model is None:
        chosen = rows.select(cover(texts, np.ones(len(rows)), vectors, n, labelled))
        return Suggestions(chosen, [], [], [LIKE_MANY] * len(chosen))
    doubts = 1.0 - find_margins(model, model.predict(texts, threads=threads))
    chosen = rows.select(cover(texts, doubts, vectors, n, labelled))
    predictions = model.predict([*map(read_start, chosen.texts)])
    margins = find_margins(model, predictions).round(_ROUNDED).tolist()
    return Suggestions(chosen, model.cells(predictions), margins, name_doubts(model, predictions))


def read_start(text: str) -> str:
    """Return as much of a text as it is chosen by."""
    return text[:READ]


def seed_draw(seed: int, model: Model | None) -> np.random.Generator:
    """Return the generator of a seed for a model: one of more rows draws other candidates."""
    data = None if model is None else model.card.data
    return np.random.default_rng([seed, 0 if data is None else data.texts])


def batches_of(texts: Sequence[str]) -> Iterable[Batch]:
    """Give texts that are in memory as batches of rows, numbered from 1."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = list(texts[start : start + _TEXTS_AT_ONCE])
        none = [0] * len(part)
        yield Batch(range(start + 1, start + 1 + len(part)), part, None, None, Records(b"", none, none, none))


# --- how much a model is in doubt -------------------------------------------------------------------------------------


def find_margins(model: Model, predictions: Predictions) -> Array:
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


def name_doubts(model: Model, predictions: Predictions) -> list[str]:
    """Return in words what the model is in doubt about, for each row."""
    P, names = predictions.P, model.labels
    if model.thresholds is not None:
        nearest = _distances(P, model.thresholds).argmin(axis=1).tolist()
        return [
            f"{DOUBT} {names[j]} ({row[j]:.0%}), given from {model.thresholds[j]:.0%}"
            for row, j in zip(P, nearest, strict=True)
        ]
    ranked = (-P).argsort(axis=1, kind="stable")[:, :2].tolist()
    return [
        f"{DOUBT} {names[i]} ({row[i]:.0%}) or {names[j]} ({row[j]:.0%})" for row, (i, j) in zip(P, ranked, strict=True)
    ]


# --- from all rows to candidates, from candidates to rows -------------------------------------------------------------


def draw_rows(batches: Iterable[Batch], most: int, rng: np.random.Generator, labelled: Sequence[str] = ()) -> Batch:
    """Return `most` rows drawn by chance, in the table's order; all of them where there are not more.

    Of rows with the same text, case and blanks aside, the first is taken; those with a `labelled` text are left out. A
    text's lot is a hash of it, so the batches make no difference. Twice as many rows are held at most, and a batch,
    with bytes of their own.
    """
    salt = rng.integers(0, 2**64, dtype=np.uint64)
    barred = mix(text_keys(labelled) ^ salt)
    rows, lots = Batch.join([]), np.zeros(0, np.uint64)
    highest = np.uint64(2**64 - 1)
    for batch in batches:
        drawn = mix(text_keys(batch.texts) ^ salt)
        # Sorted: NumPy 2.0 looks whether a table of them would do, and fails for keys of 64 bits.
        places = np.flatnonzero((drawn <= highest) & ~np.isin(drawn, barred, kind="sort"))
        rows = Batch.join([rows, Batch.join([batch.select(places.tolist())])])
        lots = np.append(lots, drawn[places])
        if len(lots) > 2 * most:
            rows, lots = _lowest(rows, lots, most)
            highest = lots.max() if len(lots) == most else highest
    return _lowest(rows, lots, most)[0]


def _lowest(rows: Batch, lots: Keys, most: int) -> tuple[Batch, Keys]:
    """Return the first rows of the `most` lowest lots, in their order."""
    kept = np.sort(np.unique(lots, return_index=True)[1][:most])
    return Batch.join([rows.select(kept.tolist())]), lots[kept]


def cover(
    texts: Sequence[str], weights: Array, vectors: WordVectors | None, n: int, labelled: Sequence[str] = ()
) -> list[int]:
    """Return the numbers of up to n of m texts that stand for the others, those that add most first.

    `weights`, shape (m,): how much it counts that a text is stood for, 0 or more. Where many are wanted, the texts are
    dealt into groups, which are covered one by one.
    """
    m, groups = len(texts), _count_groups(n)
    features = _TextVectors.of(vectors, [*texts, *labelled])
    copies = _Copies.of(texts, labelled)
    free, ranked = copies.free.copy(), list[tuple[int, int]]()
    for group in range(groups):
        rows = np.arange(group, m, groups)
        covered = np.zeros(len(rows), np.float32)
        for start in range(m, m + len(labelled), _TEXTS_AT_ONCE):
            stop = min(start + _TEXTS_AT_ONCE, m + len(labelled))
            covered = np.maximum(covered, features.similarities(rows, np.arange(start, stop)).max(axis=1))
        K, w = features.similarities(rows, rows), weights[rows].astype(np.float32)
        for rank, place in enumerate(islice(add_most(K, w, covered, free[group::groups]), _TOGETHER)):
            ranked.append((rank, int(rows[place])))
            free[copies.like(int(rows[place]))] = False
    return [number for _, number in sorted(ranked)[:n]]


def _count_groups(n: int) -> int:
    return -(-n // _TOGETHER)


def add_most(K: Array, weights: Array, covered: Array, free: BoolArray) -> Iterator[int]:
    """Give numbers of rows, each time the one that adds most to Σ w_i max_j K_ij over the rows j given so far.

    `K`, shape (m, m): similarities. `covered`, shape (m,): the similarity of each row to the nearest one given before.
    `free`, shape (m,): which rows may be given; it may change from one to the next.
    """
    gains = np.zeros(len(K), K.dtype)
    for start in range(0, len(K), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        gains += weights[part] @ np.maximum(K[part] - covered[part, None], 0)
    heap = [(-gain, row, 0) for row, gain in enumerate(gains.tolist())]
    heapq.heapify(heap)
    given = 0
    while heap:
        _, row, known = heapq.heappop(heap)
        if not free[row]:
            continue
        if known == given:
            yield row
            covered, given = np.maximum(covered, K[row]), given + 1
        else:  # what it adds can only have fallen
            heapq.heappush(heap, (-float(weights @ np.maximum(K[row] - covered, 0)), row, given))


@dataclass(frozen=True)
class _TextVectors:
    """What texts are compared by: `S`, shape (m, d), and `C`, shape (m, V), sparse; rows of length 1, or 0."""

    S: Array
    C: Any

    @staticmethod
    def of(vectors: WordVectors | None, texts: Sequence[str]) -> "_TextVectors":
        """Return the averages of the texts' word vectors without their mean, and the tf-idf of their words."""
        C = _word_matrix(texts).scipy.astype(np.float32)
        if vectors is None or not texts:
            return _TextVectors(np.zeros((len(texts), 0), np.float32), C)
        features, E = averaging_features(vectors, texts, "sif")
        S = features.extract(texts).words.times(E)
        S -= S.mean(axis=0)
        S /= np.maximum(np.linalg.norm(S, axis=1, keepdims=True), 1e-9)
        return _TextVectors(S.astype(np.float32), C)

    def similarities(self, rows: Integers, others: Integers) -> Array:
        """Return the mean of both cosines of each row with each of the others, shape (rows, others)."""
        similarities: Array = (self.C[rows] @ self.C[others].T).toarray()
        cosines = self.S[rows] @ self.S[others].T
        similarities += np.maximum(cosines, 0, out=cosines)
        similarities /= 2
        return similarities


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
        first = same_texts(facts.same, lambda number: normalize_spelling(together[number]))
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
