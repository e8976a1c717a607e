"""Which word n-grams and sub-words have rows of U: those that stand in enough of the texts; and C of these texts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.storage.array_store import ArrayStore
from textclf.storage.parallel import in_order
from textclf.text.csr import CsrBuilder, SparseRows, sum_entries
from textclf.text.features import NgramKind
from textclf.text.key_index import KeyCounter, KeyIndex, sum_keys
from textclf.text.ngrams import NgramTable, ngrams
from textclf.text.subwords import Spelling, count_texts, piece_keys, piece_rows, subwords, weigh_pieces
from textclf.text.tokenizer import Tokens
from textclf.text.weighting import inverse_document_frequency, tf_idf
from textclf.types import Array, BoolArray, Integers

_ONE = np.int32(1)  # of the kind that it is added to, with which `add.at` is thirty times as quick


class TextCounts:
    """How often each n-gram of one kind stands in each text, and in how many texts it stands; arrays in the store.

    With `weights`, a text of weight 2 counts as two texts.
    """

    def __init__(self, kind: NgramKind, index: KeyIndex, store: ArrayStore, weights: Array | None = None) -> None:
        self.kind, self.index, self.store, self._weights = kind, index, store, weights
        self._counts = CsrBuilder(store, len(index))
        self._in_texts = np.zeros(len(index), np.int32)
        self._weighed = np.zeros(len(index) if weights is not None else 0)
        self._totals: list[Integers] = []
        self._seen = 0

    def count(self, n: int, numbers: Integers, keys: npt.NDArray[Any]) -> tuple[SparseRows, Integers]:
        """Return how often each key stands in each of n texts, and how many keys, known or not, each text has."""
        counts = sum_entries(numbers, self.index.rows(keys), n, len(self.index))
        return counts, np.bincount(numbers, minlength=n).astype(np.int32)

    def add(self, counts: SparseRows, totals: Integers) -> None:
        """Keep what `count` returned of the next texts."""
        self._counts.add(counts)
        self._totals.append(totals)
        self.add_frequencies(counts)

    def add_frequencies(self, counts: SparseRows) -> None:
        """Add the next texts to `frequency`, without keeping how often each of them has a key."""
        # Not by bincount, which would go through all keys for each block.
        np.add.at(self._in_texts, counts.columns, _ONE)
        if self._weights is not None:
            of_rows = self._weights[self._seen : self._seen + len(counts)][counts.row_numbers]
            np.add.at(self._weighed, counts.columns, of_rows)
        self._seen += len(counts)

    @property
    def counts(self) -> SparseRows:
        """How often each key stands in each text, shape (n, number of keys)."""
        return self._counts.whole()

    @property
    def totals(self) -> Integers:
        """How many keys each text has, shape (n,)."""
        return np.concatenate(self._totals)

    @property
    def texts(self) -> float:
        """How many texts there are, by their weights."""
        return float(self._seen) if self._weights is None else float(self._weights.sum())

    @property
    def frequency(self) -> npt.NDArray[Any]:
        """In how many texts each key stands: a weight below 1 makes a text count less, but drops no key."""
        return self._in_texts if self._weights is None else np.maximum(self._weighed, self._in_texts)

    @property
    def in_texts(self) -> Integers:
        """In how many texts each key stands, whatever they weigh."""
        return self._in_texts

    @property
    def weighed_frequency(self) -> npt.NDArray[Any]:
        """In how many texts each key stands, each counted by its weight."""
        return self._in_texts if self._weights is None else self._weighed


@dataclass(frozen=True)
class LearnedNgrams:
    """The word n-grams that have a row, C of the texts they were learnt of, and the share of each that others have."""

    table: NgramTable
    C: SparseRows
    known_shares: Array


def learn_ngrams(found: TextCounts, least: int, threads: int, min_texts: int = 1) -> LearnedNgrams:
    """Return the word n-grams that stand in at least `least` texts by their weights, and in `min_texts` of any weight.

    An n-gram of one training text only says which text it was, so it is worth its room only where texts are few.
    """
    table, keep = ngram_table(found, least, min_texts)
    places = np.where(keep, np.cumsum(keep, dtype=np.int32) - np.int32(1), np.int32(-1))
    # What the model would know of a text that it had not seen: so many other texts must have the n-gram.
    common = found.frequency > least

    def weigh(counts: SparseRows) -> tuple[SparseRows, Array]:
        return tf_idf(counts.renumber(places, len(table.index)), table.idf), known_counts(counts, common)

    C, known = CsrBuilder(found.store, len(table.index)), []
    for weighed, of_texts in in_order(weigh, found.counts.batches(), threads):
        C.add(weighed)
        known.append(of_texts)
    known_shares = (np.concatenate(known) / np.maximum(found.totals, 1)).astype(np.float32)
    return LearnedNgrams(table, C.whole(), known_shares)


def ngram_table(found: TextCounts, least: int, min_texts: int = 1) -> tuple[NgramTable, BoolArray]:
    """Return the table of those n-grams that `learn_ngrams` keeps, and which of all they are."""
    keep = (found.frequency >= least) & (found.in_texts >= min_texts)
    idf = inverse_document_frequency(found.weighed_frequency[keep], found.texts)
    return NgramTable(*found.kind, KeyIndex(found.index.keys[keep]), idf), keep


@dataclass(frozen=True)
class LearnedSubwords:
    """The sub-words that have a row, C' and G of the texts they were learnt of, and the share that others have."""

    table: NgramTable
    C: SparseRows
    G: SparseRows
    known_shares: Array


def learn_subwords(
    found: TextCounts, spelling: Spelling, least: int, threads: int, min_texts: int = 1
) -> LearnedSubwords:
    """Return the sub-words that stand in at least `least` texts, given the counts of pieces and their `spelling`.

    The document frequency of a sub-word is the sum over its pieces, as if no text had two of them. From 2 `min_texts`
    on, the texts with it are counted one by one as well, and must be so many, whatever they weigh.
    """
    table, frequency = subword_table(found, spelling, least, threads, min_texts)
    G, facts = piece_rows(spelling, table, frequency > least)
    C, shares = CsrBuilder(found.store, len(spelling)), []
    for weighed, share in in_order(lambda counts: weigh_pieces(counts, facts), found.counts.batches(), threads):
        C.add(weighed)
        shares.append(share)
    return LearnedSubwords(table, C.whole(), G, np.concatenate(shares))


def subword_table(
    found: TextCounts, spelling: Spelling, least: int, threads: int, min_texts: int = 1
) -> tuple[NgramTable, Integers]:
    """Return the table of those sub-words that `learn_subwords` keeps, and in how many texts each stands."""
    _, shortest, longest = found.kind
    counter, done = KeyCounter(threads), 0
    # By weights, they may be more than 32 bits hold.
    times = found.frequency if found.frequency.dtype == np.int32 else np.rint(found.frequency)
    for part in spelling.parts():
        numbers, keys = subwords(part, shortest, longest)
        counter.add(*sum_keys(keys, times[done : done + len(part)][numbers]))
        done += len(part)
    keys, frequency = counter.counts()
    keep = frequency >= least
    keys, frequency = keys[keep], np.minimum(frequency[keep], found.texts)
    if min_texts > 1:
        in_texts = count_texts(found.counts, spelling, KeyIndex(keys), shortest, longest)
        keys, frequency = keys[in_texts >= min_texts], frequency[in_texts >= min_texts]
    return NgramTable(*found.kind, KeyIndex(keys), inverse_document_frequency(frequency, found.texts)), frequency


def count_pieces(found: TextCounts, tokens: Tokens) -> tuple[SparseRows, Integers]:
    """Return how often each piece stands in each text, and how many pieces each has."""
    return found.count(len(tokens), *piece_keys(tokens))


def count_ngrams(found: TextCounts, tokens: Tokens) -> tuple[SparseRows, Integers]:
    """Return how often each word n-gram stands in each text, and how many each has."""
    _, shortest, longest = found.kind
    return found.count(len(tokens), *ngrams(tokens, shortest, longest))


def known_counts(counts: SparseRows, marked: BoolArray) -> Array:
    """Return how many of each text's n-grams are in the `marked` columns, shape (n,)."""
    weights = counts.data * marked[counts.columns]
    known: Array = np.bincount(counts.row_numbers, weights=weights, minlength=len(counts)).astype(
        np.float64, copy=False
    )
    return known
