"""Texts to numbers: C, the weight of each word and n-gram in each text, and the sentence features S = C E.

There are two matrices C, because words are used twice:

* by words: row i holds what each known word weighs in text i, so that **S = C E** is the (weighted) mean of the
  text's word vectors, the input layer of the network;
* by n-grams: row i holds the n-grams of words and of characters in text i, weighted by tf-idf, each kind scaled to
  length 1; their rows of U, one number a class, are added straight to the logits.

Either way back-propagation ends in the same product: dE = Cᵀ dS and dU = Cᵀ δ.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from textclf.settings import Weighting
from textclf.text.char_classes import is_space
from textclf.text.csr import SparseRows, stack_columns, stack_rows, sum_entries
from textclf.text.key_index import KeyIndex
from textclf.text.tokenizer import (
    END_OF_TEXT,
    CodePoints,
    Tokens,
    combine,
    running_sum,
    stretch_keys,
    tokenize,
    tokenize_blocks,
)
from textclf.types import Array, Integers, Keys

_SIF_A = 1e-3  # Arora et al. 2017, eq. 3: a / (a + p(w)), a between 1e-4 and 1e-3
_SPACE = ord(" ")
Marks = npt.NDArray[np.bool_]
Kind = tuple[Literal["words", "chars"], int, int]
"""Of n-grams: of words or of characters, the shortest and the longest."""
START = np.uint64(0x0101010101010101)  # stands for the start of a text in n-grams of words; as good a key as any


@dataclass(frozen=True)
class WordTable:
    """The words that have a row in E, and what one occurrence of each weighs in a text's mean.

    `weights`, shape (V,): 1 for the plain mean, the word's idf for tf-idf, a / (a + p(w)) for SIF.
    With `cased`, a word is looked up as it stands first, and lower-cased when it is not found.
    """

    index: KeyIndex
    weights: Array
    cased: bool = False

    def rows_of(self, tokens: Tokens, cased: Tokens | None) -> Integers:
        """Return each token's row of E, or -1; `cased` holds the same tokens as they stand, for cased vectors."""
        rows = self.index.rows(tokens.keys)
        if cased is not None and len(cased.keys) == len(tokens.keys):
            as_it_stands = self.index.rows(cased.keys)
            rows = np.where(as_it_stands >= 0, as_it_stands, rows)
        return rows


@dataclass(frozen=True)
class NgramTable:
    """The n-grams of one kind that have a row in U, with the idf of each, shape (V,).

    ``kind`` is "words" (n consecutive tokens, of which the start of the text may be the first of two and more) or
    "chars" (n consecutive characters of the text in normal form, runs of blanks made one blank, and one blank before
    and after, which by itself is no n-gram); `shortest` ≤ n ≤ `longest`.
    """

    kind: Literal["words", "chars"]
    shortest: int
    longest: int
    index: KeyIndex
    idf: Array

    def entries(self, tokens: Tokens) -> tuple[Integers, Keys]:
        """Return the n-grams of these texts: for each the number of its text, and its key."""
        return ngrams(tokens, self.kind, self.shortest, self.longest)


@dataclass(frozen=True)
class NgramsOfLength:
    """All n-grams of one kind and one n: for each the number of its text, and its key.

    `begins` tells at which units (`Words` or `Characters`) they begin: a mask over the units, or the units' numbers.
    """

    text_numbers: Integers
    keys: Keys
    begins: npt.NDArray[Any]

    @property
    def starts(self) -> Integers:
        """The number of each n-gram's first unit: made when asked for, which training does not."""
        starts: Integers = self.begins.nonzero()[0] if self.begins.dtype == np.bool_ else self.begins
        return starts


@dataclass(frozen=True)
class Words:
    """The units of n-grams of words: before the tokens of each text stands a mark for its start.

    `keys`, `text_numbers`, `is_start`, shape (T + n,): the key of each, the text that it is of, and which are marks.
    """

    keys: Keys
    text_numbers: Integers
    is_start: npt.NDArray[np.bool_]

    @staticmethod
    def of(tokens: Tokens) -> "Words":
        """Return the words of these texts."""
        numbers = np.arange(len(tokens), dtype=np.int32)
        keys = np.insert(tokens.keys, tokens.offsets[:-1], START)
        is_start = np.zeros(len(keys), np.bool_)
        is_start[tokens.offsets[:-1] + numbers] = True
        return Words(keys, np.repeat(numbers, np.diff(tokens.offsets) + 1), is_start)


@dataclass(frozen=True)
class Characters:
    """The units of n-grams of characters: texts in normal form, their blanks squeezed, with one blank between them.

    `codes`, shape (m,): the code points. `is_end`, shape (m,): which are the blanks between texts.
    """

    codes: CodePoints
    is_end: npt.NDArray[np.bool_]
    _kept: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]

    @staticmethod
    def of(tokens: Tokens) -> "Characters":
        """Return the characters of these texts."""
        codes = np.concatenate(([np.uint32(END_OF_TEXT)], tokens.codes))
        is_end = codes == END_OF_TEXT
        blank = is_space(codes) | is_end
        # Of a run of blanks the first is kept; one beside the end of a text is not, for the end, which is always kept,
        # is the blank after it and before the next.
        kept = is_end | ~blank
        kept[1:] |= ~blank[:-1]
        codes, is_end, blank = codes[kept], is_end[kept], blank[kept]
        of_these = is_end | ~blank | ~np.append(is_end[1:], False)
        codes, is_end, blank = codes[of_these], is_end[of_these], blank[of_these]
        codes[blank] = _SPACE
        return Characters(codes, is_end, (kept, of_these))

    @property
    def places(self) -> Integers:
        """Where each stands in ``Tokens.codes``, shape (m,); the blank before the first text stands at -1."""
        kept, of_these = self._kept
        places: Integers = np.flatnonzero(kept)[of_these] - 1
        return places


@dataclass(frozen=True)
class TextMatrix:
    """What `Features.extract` makes of n texts.

    `words`: C by words, shape (n, V). `ngrams`: C by n-grams, all kinds side by side.
    `tokens`, `known`, shape (n,): how many words each text has, and how many of them have a row in E.
    `familiar`, shape (n, kinds): the share of the text's n-grams of each kind that other texts of training have.
    """

    words: SparseRows
    ngrams: SparseRows
    tokens: Integers
    known: Integers
    familiar: Array

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Integers) -> "TextMatrix":
        """Return the rows of these texts, in this order."""
        return TextMatrix(
            self.words.take(rows), self.ngrams.take(rows), self.tokens[rows], self.known[rows], self.familiar[rows]
        )

    def slice(self, start: int, stop: int) -> "TextMatrix":
        """Return rows start … stop - 1 without copying their entries."""
        rows = slice(start, stop)
        C, ngrams = self.words.slice(start, stop), self.ngrams.slice(start, stop)
        return TextMatrix(C, ngrams, self.tokens[rows], self.known[rows], self.familiar[rows])


@dataclass(frozen=True)
class Features:
    """All that turns texts into matrices; it holds no vector, only rows' numbers and weights."""

    words: WordTable
    ngrams: tuple[NgramTable, ...]

    def extract(self, texts: Sequence[str], elsewhere: Sequence[Marks] | None = None) -> TextMatrix:
        """Return the matrices of these texts, made a block of texts at a time.

        `elsewhere`, where these are texts of training: which n-grams of each kind count as familiar, shape (V,); else
        all that have a row do.
        """
        return self.extract_tokens(tokenize_blocks(texts), texts, elsewhere)

    def extract_tokens(
        self, blocks: Iterable[Tokens], texts: Sequence[str], elsewhere: Sequence[Marks] | None = None
    ) -> TextMatrix:
        """Return the matrices of texts that are already cut into `blocks`; `elsewhere` as `extract` says."""
        parts = []
        first = 0
        for tokens in blocks:
            cased = tokenize(texts[first : first + len(tokens)], lower=False) if self.words.cased else None
            parts.append(self._extract_block(tokens, cased, elsewhere or [None] * len(self.ngrams)))
            first += len(tokens)
        return stack_texts(parts)

    def _extract_block(self, tokens: Tokens, cased: Tokens | None, elsewhere: Sequence[Marks | None]) -> TextMatrix:
        rows = self.words.rows_of(tokens, cased)
        counts = sum_entries(tokens.text_numbers, rows, len(tokens), len(self.words.index))
        known = np.bincount(tokens.text_numbers[rows >= 0], minlength=len(tokens))
        ngrams = [ngram_matrix(tokens, table, marks) for table, marks in zip(self.ngrams, elsewhere, strict=True)]
        return TextMatrix(
            weighted_mean(counts, self.words.weights),
            stack_columns([matrix for matrix, _ in ngrams], len(tokens)),
            np.diff(tokens.offsets),
            known,
            side_by_side([familiar for _, familiar in ngrams], len(tokens)),
        )


def stack_texts(parts: Sequence[TextMatrix]) -> TextMatrix:
    """Return the matrices of all parts' texts, in their order."""
    return TextMatrix(
        stack_rows([part.words for part in parts]),
        stack_rows([part.ngrams for part in parts]),
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.familiar for part in parts]),
    )


def weighted_mean(counts: SparseRows, weights: Array) -> SparseRows:
    """Return C, in which each row's entries, count times the word's weight, sum to 1 (an empty row stays empty)."""
    data = counts.data * weights[counts.columns]
    totals = np.bincount(counts.row_numbers, weights=data, minlength=len(counts))
    return counts.with_data((data / totals[counts.row_numbers]).astype(np.float32))


def ngram_matrix(tokens: Tokens, table: NgramTable, elsewhere: Marks | None = None) -> tuple[SparseRows, Array]:
    """Return the tf-idf of the n-grams in each text, rows of length 1, and the share of each text's that are known.

    With `elsewhere`, shape (V,), those of the marked rows alone count as known.
    """
    text_numbers, keys = table.entries(tokens)
    rows = table.index.rows(keys)
    counts = sum_entries(text_numbers, rows, len(tokens), len(table.index))
    known = rows >= 0 if elsewhere is None else np.append(elsewhere, False)[rows]  # a row of -1 is the last
    return tf_idf(counts, table.idf), share_of_texts(text_numbers, known, len(tokens))


def share_of_texts(text_numbers: Integers, marked: npt.NDArray[np.bool_], n: int) -> Array:
    """Return the share of each text's n-grams that are marked, shape (n,); 0 for a text without any."""
    of_all = np.bincount(text_numbers, minlength=n)
    share: Array = (np.bincount(text_numbers[marked], minlength=n) / np.maximum(of_all, 1)).astype(np.float32)
    return share


def side_by_side(columns: Sequence[Array], n: int) -> Array:
    """Return arrays of shape (n,) as the columns of one, shape (n, number of arrays)."""
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0), np.float32)


def tf_idf(counts: SparseRows, idf: Array) -> SparseRows:
    """Return (1 + log count) · idf, each row scaled to length 1 (Manning et al. 2008, section 6.4: "ltc")."""
    logs = log_counts(int(counts.data.max(initial=1.0)))
    data = logs.take(counts.data.astype(np.int32)) * idf.take(counts.columns)
    numbers = counts.row_numbers
    lengths = np.sqrt(np.bincount(numbers, weights=data * data, minlength=len(counts)))
    return counts.with_data((data / lengths.take(numbers)).astype(np.float32))


def log_counts(most: int) -> Array:
    """Return 1 + log c for c = 0 … `most`, shape (most + 1,), float32; 0 for c = 0."""
    logs = np.zeros(most + 1, np.float32)
    logs[1:] = 1.0 + np.log(np.arange(1, most + 1, dtype=np.float32))
    return logs


def inverse_document_frequency(document_frequency: npt.NDArray[Any], n: float) -> Array:
    """Return log((1 + n) / (1 + df)) + 1 for each row, shape (V,), float32; counts may be weighted, so no integers."""
    idf: Array = (np.log((1.0 + n) / (1.0 + document_frequency)) + 1.0).astype(np.float32)
    return idf


def word_weights(weighting: Weighting, occurrences: Integers, document_frequency: Integers, n: int) -> Array:
    """Return what one occurrence of each word weighs, shape (V,), from counts over the n training texts."""
    if weighting == "tfidf":
        return inverse_document_frequency(document_frequency, n)
    if weighting == "sif":
        probability = occurrences / max(int(occurrences.sum()), 1)
        return (_SIF_A / (_SIF_A + probability)).astype(np.float32)
    return np.ones(len(occurrences), np.float32)


def ngrams(tokens: Tokens, kind: Literal["words", "chars"], shortest: int, longest: int) -> tuple[Integers, Keys]:
    """Return all n-grams of one kind: for each the number of its text, and its key."""
    # Where they begin is let go at once: kept for all lengths, it would take room that costs time.
    found = [(of_length.text_numbers, of_length.keys) for of_length in ngrams_by_length(tokens, kind, longest)]
    found = found[shortest - 1 :]
    return np.concatenate([numbers for numbers, _ in found]), np.concatenate([keys for _, keys in found])


def ngrams_by_length(tokens: Tokens, kind: Literal["words", "chars"], longest: int) -> Iterable[NgramsOfLength]:
    """Give the 1-grams, the 2-grams, … of one kind, and where they begin among the `Words`, or the `Characters`."""
    return _word_ngrams(tokens, longest) if kind == "words" else _char_ngrams(tokens, longest)


def _word_ngrams(tokens: Tokens, longest: int) -> Iterable[NgramsOfLength]:
    """Yield the 1-grams, the 2-grams, … of words; of two words and more, the start of the text may be the first."""
    words = Words.of(tokens)
    numbers, keys = words.text_numbers, words.keys
    yield NgramsOfLength(tokens.text_numbers, tokens.keys, ~words.is_start)
    for n in range(2, longest + 1):
        # An n-gram is the (n-1)-gram at the same place and the token after it, where that is of the same text.
        keys = combine(keys[: len(words.keys) - n + 1], words.keys[n - 1 :])
        numbers = words.text_numbers[: len(keys)]
        whole = np.flatnonzero(numbers == words.text_numbers[n - 1 :])
        yield NgramsOfLength(numbers.take(whole), keys.take(whole), whole)


def _char_ngrams(tokens: Tokens, longest: int) -> Iterable[NgramsOfLength]:
    """Yield the 1-grams, the 2-grams, … of characters."""
    characters = Characters.of(tokens)
    is_end = characters.is_end
    sums = running_sum(characters.codes)
    first_text = np.cumsum(is_end, dtype=np.int32) - np.int32(1)  # of an n-gram that starts here
    last_text = first_text - is_end  # of one that ends here
    last_text[1:][is_end[1:] & is_end[:-1]] = -1  # a text of blanks alone has none
    for n in range(1, longest + 1):
        ends_there = last_text[n - 1 :]
        starts = np.flatnonzero(first_text[: len(ends_there)] == ends_there)
        yield NgramsOfLength(first_text.take(starts), stretch_keys(sums, starts, starts + n), starts)
