"""What many texts' words and n-grams sum up to, in one compiled pass, without the matrices C in between."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textclf.arrays import Array, Integers
from textclf.code_points import class_table, is_space
from textclf.compiled.counting import Chars, Lookup, Words
from textclf.compiled.loops import Results, Sums, sum_texts
from textclf.compiled.placing import lay_out
from textclf.compiled.texts import BLANK
from textclf.compiled.trie import Trie
from textclf.dictionary import Dictionary
from textclf.features import Features, NgramTable, log_counts
from textclf.tokenizer import END_OF_TEXT, normal_codes

_SPACE = ord(" ")
_NONE = Dictionary(np.zeros(0, np.uint64))
_COUNTED = {"words": 2, "chars": 4}  # where `Results.counted` has the n-grams of each kind


@dataclass(frozen=True)
class TextSums:
    """Of n texts: C E or C E Wᵀ, what n-grams add to the logits, shape (n, k), and what `TextMatrix` counts."""

    words: Array
    wide: Array
    tokens: Integers
    known: Integers
    familiar: Array


class Summing:
    """A model's features with E, or E Wᵀ, and U, in the order in which the loops want them."""

    def __init__(self, features: Features, E: Array, U: Array) -> None:
        self._kinds = [table.kind for table in features.ngrams]
        self._d, self._k = E.shape[1], U.shape[1]
        tables: dict[str, tuple[NgramTable, Array]] = {}
        first = 0
        for table in features.ngrams:
            tables[table.kind] = table, U[first : first + len(table.dictionary)]
            first += len(table.dictionary)
        self._words, of_words = _words(features, *tables.get("words", (_no_table("words"), U[:0])))
        self._chars, of_chars = _chars(*tables.get("chars", (_no_table("chars"), U[:0])))
        of_E = _rows(features.words.weights, E.astype(np.float64)).ravel()
        self._sums = Sums(of_E, of_words, *of_chars, log_counts(0))

    def sums(self, texts: Sequence[str]) -> TextSums:
        """Return the sums of these texts; at least one must be given."""
        codes = np.require(normal_codes(texts), requirements="W")  # loops are compiled anew for arrays of another kind
        offsets = np.append(0, np.flatnonzero(codes == END_OF_TEXT) + 1)
        longest = int(np.diff(offsets).max())
        n = len(texts)
        results = Results(np.zeros((n, _wide(self._d))), np.zeros((n, _wide(self._k))), np.zeros((n, 6), np.int64))
        sums = self._sums._replace(logs=log_counts(longest))
        sum_texts(codes, offsets, self._words, self._chars, sums, results)
        counted = results.counted
        familiar = np.zeros((n, len(self._kinds)), np.float32)
        for column, kind in enumerate(self._kinds):
            total, known = counted[:, _COUNTED[kind]], counted[:, _COUNTED[kind] + 1]
            familiar[:, column] = known / np.maximum(total, 1)
        return TextSums(results.S[:, : self._d], results.wide[:, : self._k], counted[:, 0], counted[:, 1], familiar)


def _words(features: Features, table: NgramTable, U: Array) -> tuple[Words, Array]:
    words = features.words
    lookup, ngrams = _lookup(words.dictionary), _lookup(table.dictionary)
    return Words(lookup, ngrams, table.shortest, table.longest), _rows(table.idf, U).ravel()


def _lookup(dictionary: Dictionary) -> Lookup:
    # With the highest number as a last key, so that no search runs past it.
    return Lookup(*dictionary.index, np.append(dictionary.keys, np.iinfo(dictionary.keys.dtype).max))


def _chars(table: NgramTable, U: Array) -> tuple[Chars, tuple[Array, int]]:
    """Return the n-grams of characters as a trie, or, where not all are found by steps, as the dictionary they are.

    And `Sums.of_chars`, with `Sums.char_width`.
    """
    codes = np.arange(0x110000, dtype=np.uint32)
    kinds = (class_table() + BLANK * is_space(codes)).astype(np.uint8)
    trie = Trie.of(table.dictionary, table.longest)
    lookup = _lookup(table.dictionary)
    if trie is None:
        none = np.zeros(0, np.uint32)
        space, no_state = np.uint32(_SPACE), np.uint32(0)
        chars = Chars(kinds, codes, space, none, 0, no_state, lookup, table.shortest, table.longest)
        rows = _rows(table.idf, U)
        return chars, (rows.ravel(), rows.shape[1])
    firsts, counts = trie.children()
    has_row = np.flatnonzero(trie.rows >= 0)
    idf = np.zeros(len(trie.rows), np.float32)
    idf[has_row] = table.idf[trie.rows[has_row]]
    width = len(np.flatnonzero(trie.letters)) + 1
    # Children of common n-grams are placed first, so that what is met often stands together.
    states, bases = lay_out(np.argsort(idf, kind="stable"), firsts, counts, trie.last, width)
    size = int(bases.max()) + width
    by_state = np.zeros(size, np.float32)
    by_state[states] = idf
    U_by_state = np.zeros((size, U.shape[1]), np.float32)
    U_by_state[states[has_row]] = U[trie.rows[has_row]]
    rows = _rows(by_state, U_by_state)
    table_of_states = _aligned(size, 2 + rows.shape[1])
    table_of_states[:, 2 : 2 + rows.shape[1]] = rows
    cells = table_of_states.view(np.uint32)
    cells[:, 1] = 0xFFFFFFFF  # the check of a place that no state has: not even 0 may lead there
    cells[states, 0] = bases
    cells[states[1:], 1] = states[trie.parents[1:]]
    blank = trie.letters[_SPACE]
    without_row = states[blank] if trie.rows[blank] < 0 else np.uint32(0)
    row = cells.shape[1]
    chars = Chars(kinds, trie.letters, blank, cells.ravel(), row, without_row, lookup, table.shortest, table.longest)
    return chars, (table_of_states.ravel()[2:], row)


def _aligned(rows: int, columns: int) -> Array:
    """Return zeros whose rows, of 8 columns or a multiple, begin where lines of the cache do, or half-way."""
    columns = -(-columns // 8) * 8
    room = np.zeros(rows * columns + 16, np.float32)
    first = -(room.ctypes.data // 4) % 16
    return room[first : first + rows * columns].reshape(rows, columns)


def _no_table(kind: str) -> NgramTable:
    return NgramTable("words" if kind == "words" else "chars", 1, 0, _NONE, np.zeros(0, np.float32))


def _wide(columns: int) -> int:
    """Return the next multiple of 4."""
    return -(-columns // 4) * 4


def _rows(weights: Array, matrix: Array) -> Array:
    """Return the rows of a matrix, each after its weight and padded with zeros to a multiple of 4."""
    rows = np.zeros((len(matrix), 1 + _wide(matrix.shape[1])), matrix.dtype)
    rows[:, 0] = weights
    rows[:, 1 : 1 + matrix.shape[1]] = matrix
    return rows
