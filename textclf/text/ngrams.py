"""Word n-grams: runs of consecutive tokens of a text, of which the start of the text may be the first."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from textclf.text.csr import SparseRows, sum_entries
from textclf.text.key_index import KeyIndex
from textclf.text.tokenizer import Tokens, combine
from textclf.text.weighting import share_of_texts, tf_idf
from textclf.types import Array, BoolArray, Integers, Keys

NGRAM_NAMES = {"words": "word n-grams", "patterns": "patterns", "chars": "sub-words"}
"""What people call each kind of n-grams."""
START = np.uint64(0x0101010101010101)
"""Stands for the start of a text in word n-grams; as good a key as any."""


@dataclass(frozen=True)
class NgramTable:
    """The word n-grams, the patterns or the sub-words that have a row in U, with the idf of each, shape (V,).

    ``kind`` is "words" (n consecutive tokens, of which the start of the text may be the first of two and more),
    "patterns" (the same of pieces, of which only the `common` ones stand for themselves, see `patterns`) or "chars"
    (sub-words: n consecutive characters of a piece, see `subwords`); `shortest` ≤ n ≤ `longest`.
    """

    kind: str
    shortest: int
    longest: int
    index: KeyIndex
    idf: Array
    common: KeyIndex = field(default_factory=lambda: KeyIndex(np.zeros(0, np.uint64)))

    @property
    def name(self) -> str:
        """What people call n-grams of this kind."""
        return NGRAM_NAMES[self.kind]


@dataclass(frozen=True)
class NgramsOfLength:
    """All word n-grams of one n: the number of each one's text, its key, and the number of its first `Words` unit."""

    text_numbers: Integers
    keys: Keys
    starts: Integers


@dataclass(frozen=True)
class Words:
    """The units of word n-grams: before the tokens of each text stands a mark for its start.

    `keys`, `text_numbers`, `is_start`, shape (T + n,): the key of each, the text (or passage) that it is of, and which
    are marks.
    """

    keys: Keys
    text_numbers: Integers
    is_start: BoolArray

    @staticmethod
    def of(tokens: Tokens) -> "Words":
        """Return the words of these texts, or of their passages, where texts consist of several."""
        offsets = tokens.offsets if tokens.passages is None else tokens.passages
        numbers = np.arange(len(offsets) - 1, dtype=np.int32)
        keys = np.insert(tokens.keys, offsets[:-1], START)
        is_start = np.zeros(len(keys), np.bool_)
        is_start[offsets[:-1] + numbers] = True
        return Words(keys, np.repeat(numbers, np.diff(offsets) + 1), is_start)


def ngrams(tokens: Tokens, shortest: int, longest: int) -> tuple[Integers, Keys]:
    """Return all word n-grams: for each the number of its text, and its key.

    >>> from textclf.text.tokenizer import tokenize
    >>> numbers, keys = ngrams(tokenize(["not good", "good"]), 1, 2)
    >>> numbers.tolist()  # not, good; good; START not, not good; START good
    [0, 0, 1, 0, 0, 1]
    """
    found = list(ngrams_by_length(tokens, longest))[shortest - 1 :]
    return np.concatenate([each.text_numbers for each in found]), np.concatenate([each.keys for each in found])


def ngrams_by_length(tokens: Tokens, longest: int) -> Iterator[NgramsOfLength]:
    """Give the 1-grams, the 2-grams, …; of two words and more, the start of the text may be the first.

    Where texts consist of passages, no n-gram reaches across two, and those of the second and later ones have keys of
    their own.
    """
    words, m = Words.of(tokens), tokens.passages_a_text
    keys = words.keys
    of_words = np.flatnonzero(~words.is_start)
    yield NgramsOfLength(tokens.text_numbers, _mark_field(tokens.keys, words.text_numbers[of_words], m), of_words)
    for n in range(2, longest + 1):
        # An n-gram is the (n-1)-gram at the same place and the token after it, where that is of the same text.
        keys = combine(keys[: len(words.keys) - n + 1], words.keys[n - 1 :])
        numbers = words.text_numbers[: len(keys)]
        starts = np.flatnonzero(numbers == words.text_numbers[n - 1 :])
        numbers = numbers.take(starts)
        yield NgramsOfLength(numbers // m if m > 1 else numbers, _mark_field(keys.take(starts), numbers, m), starts)


def _mark_field(keys: Keys, passages: Integers, m: int) -> Keys:
    """Return the keys of n-grams for the field of their passage, which is one of m in its text."""
    if m == 1:
        return keys
    fields = (passages % m).astype(np.uint64)
    return np.where(fields > 0, combine(keys, fields), keys)


def ngram_matrix(tokens: Tokens, table: NgramTable, common: BoolArray | None = None) -> tuple[SparseRows, Array]:
    """Return the tf-idf of the word n-grams in each text, rows of length 1, and the share of each text's that is known.

    With `common`, shape (V,), those of the marked rows alone count as known.
    """
    text_numbers, keys = ngrams(tokens, table.shortest, table.longest)
    rows = table.index.rows(keys)
    counts = sum_entries(text_numbers, rows, len(tokens), len(table.index))
    known = rows >= 0 if common is None else np.append(common, False)[rows]  # a row of -1 is the last
    return tf_idf(counts, table.idf), share_of_texts(text_numbers, known, len(tokens))
