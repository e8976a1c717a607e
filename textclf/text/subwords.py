"""Sub-words: the character n-grams of a word, which are a property of the word and not of the text.

A *piece* is a word, or a run of other characters (see `tokenizer`). Its sub-words are the n-grams of its characters,
with a mark for its start and one for its end: ``film`` has `_f`, `fi`, `il`, `lm`, `m_` among others (Bojanowski et al.
2017, section 3.2, of the words of a text instead of those of a corpus). In matrix form:

    Z = … + C G U'          dU' = Gᵀ (Cᵀ δ)

C, shape (n, P), holds what each piece weighs in each text, G, shape (P, V'), how often each sub-word stands in each
piece, times the square of its idf: one idf for the sub-word, and one for the words that it stands for. The product
C G, the sub-words of each text, is never made: G U' is one row of k numbers a piece.

Row i of C is (1 + log count) / √Σ ((1 + log count) ‖g‖)² over the pieces g of text i, so that a row of C G would have
length 1 if its pieces shared no sub-word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from textclf.storage.quantized import ByteRows
from textclf.text.char_classes import END_OF_TEXT
from textclf.text.csr import SparseRows, offsets_of, places_within, stack_rows, sum_entries
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable
from textclf.text.tokenizer import CodePoints, Tokens, decode, normal_codes, running_sum, stretch_keys
from textclf.text.weighting import log_counts
from textclf.types import Array, BoolArray, Integers, Keys

MARK = ord(" ")
"""Stands before and after a piece, of which no blank is part."""
_PIECES_AT_ONCE = 1 << 15
_TEXTS_AT_ONCE = 1 << 10


@dataclass(frozen=True)
class Spelling:
    """Distinct pieces, and how they are spelled: `index` has their keys, `codes` their characters one after the other.

    `offsets`, shape (P + 1,): piece i has the characters ``codes[offsets[i]:offsets[i + 1]]``.
    """

    index: KeyIndex
    codes: CodePoints
    offsets: Integers

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @staticmethod
    def of_stretches(keys: Keys, codes: CodePoints, starts: Integers, ends: Integers) -> "Spelling":
        """Return the spelling of these stretches of code points, whose keys may stand there more than once."""
        distinct, firsts = np.unique(keys, return_index=True)
        starts, lengths = starts[firsts], ends[firsts] - starts[firsts]
        return Spelling(KeyIndex(distinct), codes[places_within(starts, lengths)], offsets_of(lengths))

    @staticmethod
    def of_tokens(tokens: Tokens) -> "Spelling":
        """Return the spelling of all tokens and pieces of some texts."""
        runs = tokens.runs
        keys = np.concatenate([tokens.keys, runs.keys])
        starts, ends = np.concatenate([tokens.starts, runs.starts]), np.concatenate([tokens.ends, runs.ends])
        return Spelling.of_stretches(keys, tokens.codes, starts, ends)

    @staticmethod
    def of_pieces(tokens: Tokens, wanted: Integers) -> "Spelling":
        """Return the spelling of the pieces of these numbers among those of some texts."""
        starts, ends = piece_bounds(tokens)
        return Spelling.of_stretches(piece_keys(tokens)[1][wanted], tokens.codes, starts[wanted], ends[wanted])

    @staticmethod
    def merge(parts: Sequence["Spelling"]) -> "Spelling":
        """Return the spelling of what any of the parts, of which there is at least one, spells."""
        begins = np.cumsum([0, *(len(part.codes) for part in parts)])
        return Spelling.of_stretches(
            np.concatenate([part.index.keys.astype(np.uint64) for part in parts]),
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.offsets[:-1] + begin for part, begin in zip(parts, begins, strict=False)]),
            np.concatenate([part.offsets[1:] + begin for part, begin in zip(parts, begins, strict=False)]),
        )

    def parts(self) -> Iterator["Spelling"]:
        """Give the pieces some ten thousand at a time, at least one part: each makes thirty sub-words or more."""
        for first in range(0, max(len(self), 1), _PIECES_AT_ONCE):
            last = min(first + _PIECES_AT_ONCE, len(self))
            begin, end = self.offsets[first], self.offsets[last]
            offsets = self.offsets[first : last + 1] - begin
            yield Spelling(KeyIndex(self.index.keys[first:last]), self.codes[begin:end], offsets)

    def strings(self, keys: Keys) -> list[str]:
        """Return how these keys, all of which are known, are spelled."""
        rows = self.index.rows(keys)
        bounds = zip(self.offsets[rows].tolist(), self.offsets[rows + 1].tolist(), strict=True)
        return [decode(self.codes[start:end]) for start, end in bounds]

    def take(self, keys: Keys) -> "Spelling":
        """Return the spelling of these keys alone, all of which are known."""
        rows = self.index.rows(keys)
        return Spelling.of_stretches(keys, self.codes, self.offsets[rows], self.offsets[rows + 1])


def subwords(spelling: Spelling, shortest: int, longest: int) -> tuple[Integers, Keys]:
    """Return all sub-words: for each the number of its piece, and its key; the marks alone are none.

    >>> from textclf.text.tokenizer import tokenize
    >>> pieces, keys = subwords(Spelling.of_tokens(tokenize(["ab"])), 2, 3)
    >>> len(keys)  # _a, ab, b_, _ab, ab_
    5
    """
    pieces, starts, ends, sums = _mark(spelling)
    numbers, keys = [], []
    for n in range(shortest, longest + 1):
        at, of_piece = _places_of_length(pieces, starts, ends, n)
        numbers.append(of_piece)
        keys.append(stretch_keys(sums, at, at + n))
    return np.concatenate(numbers), np.concatenate(keys)


def subword_strings(piece: str, shortest: int, longest: int) -> list[str]:
    """Return the sub-words of one piece as strings, `_` for the marks.

    >>> subword_strings("ab", 2, 3)
    ['_a', 'ab', 'b_', '_ab', 'ab_']
    """
    marked = f"_{piece}_"
    return [
        marked[i : i + n]
        for n in range(shortest, longest + 1)
        for i in range(len(marked) - n + 1)
        if n > 1 or 0 < i < len(marked) - 1
    ]


def _mark(spelling: Spelling) -> tuple[Integers, Integers, Integers, Keys]:
    """Return each piece's number, where it begins and ends among the marked pieces, and their running sum."""
    count = len(spelling)
    numbers = np.arange(count)
    codes = np.insert(spelling.codes, np.repeat(spelling.offsets, 2)[1:-1], np.uint32(MARK))
    starts = spelling.offsets[:-1] + 2 * numbers
    ends = spelling.offsets[1:] + 2 * numbers + 2
    return numbers, starts, ends, running_sum(codes)


def _places_of_length(pieces: Integers, starts: Integers, ends: Integers, n: int) -> tuple[Integers, Integers]:
    """Return where the n-grams of one length begin, and the number of each one's piece."""
    first = starts + 1 if n == 1 else starts
    counts = np.maximum(ends - first - n + 1 - (n == 1), 0)
    return places_within(first, counts), np.repeat(pieces, counts).astype(np.int32)


def count_texts(C: SparseRows, spelling: Spelling, index: KeyIndex, shortest: int, longest: int) -> Integers:
    """Return in how many texts each sub-word of `index` stands, shape (V',); C says which of the pieces each text has.

    A text counts once, however many of its pieces have the sub-word.
    """
    parts = []
    for part in spelling.parts():
        numbers, keys = subwords(part, shortest, longest)
        parts.append(sum_entries(numbers, index.rows(keys), len(part), len(index)))
    G, counts = stack_rows(parts).scipy, np.zeros(len(index), np.int64)
    for start in range(0, len(C), _TEXTS_AT_ONCE):
        product = C.slice(start, min(start + _TEXTS_AT_ONCE, len(C))).scipy @ G
        counts += np.bincount(product.indices, minlength=len(index))
    return counts


@dataclass(frozen=True)
class PieceFacts:
    """What pieces weigh by: ‖g‖² of each, and how many sub-words it has, and how many of them are known; shapes (P,).

    Only sub-words that have a row of U are known.
    """

    squares: Array
    known: Integers
    total: Integers

    @staticmethod
    def join(parts: Sequence["PieceFacts"]) -> "PieceFacts":
        """Return the facts of the pieces of all parts, in their order."""
        return PieceFacts(*map(np.concatenate, zip(*(vars(part).values() for part in parts), strict=True)))

    def take(self, rows: Integers) -> "PieceFacts":
        """Return the facts of these pieces, in this order."""
        return PieceFacts(self.squares[rows], self.known[rows], self.total[rows])


def piece_rows(spelling: Spelling, table: NgramTable, common: BoolArray | None = None) -> tuple[SparseRows, PieceFacts]:
    """Return G of these pieces, shape (P, V'), and what they weigh by.

    With `common`, shape (V',), only the sub-words of the marked rows count as known.
    """
    parts = []
    for part in spelling.parts():
        numbers, keys = subwords(part, table.shortest, table.longest)
        rows = table.index.rows(keys)
        counts = sum_entries(numbers, rows, len(part), len(table.index))
        G = counts.with_data((counts.data * table.idf.take(counts.columns) ** 2).astype(np.float32))
        squares = np.bincount(G.row_numbers, weights=G.data**2, minlength=len(G)).astype(np.float32)
        is_known = rows >= 0 if common is None else np.append(common, False)[rows]  # a row of -1 is the last
        known, total = (np.bincount(each, minlength=len(part)) for each in (numbers[is_known], numbers))
        parts.append((G, PieceFacts(squares, known, total)))
    return stack_rows([G for G, _ in parts]), PieceFacts.join([facts for _, facts in parts])


@dataclass(frozen=True)
class KnownPieces:
    """The words that E has rows for, as pieces, and what each adds: R = G U', shape (V, k)."""

    R: Array
    facts: PieceFacts

    @staticmethod
    def of(words: Sequence[str], table: NgramTable, U: Array | ByteRows) -> "KnownPieces":
        """Return what these words add by the sub-words of the table, which have the rows U."""
        codes = normal_codes(words)
        ends = np.flatnonzero(codes == END_OF_TEXT)
        starts = np.concatenate(([0], ends[:-1] + 1))
        keys = stretch_keys(running_sum(codes), starts, ends)
        spelling = Spelling.of_stretches(keys, codes, starts, ends)
        G, facts = piece_rows(spelling, table)
        rows = spelling.index.rows(keys)
        return KnownPieces(G.double().times(U)[rows], facts.take(rows))


def piece_keys(tokens: Tokens) -> tuple[Integers, Keys]:
    """Return all pieces of some texts: for each the number of its text, and its key.

    >>> from textclf.text.tokenizer import tokenize
    >>> numbers, keys = piece_keys(tokenize(["Good, ok!!", "fine"]))
    >>> numbers.tolist()  # good, ok, fine; then the comma and !!
    [0, 0, 1, 0, 0]
    """
    runs = np.repeat(np.arange(len(tokens), dtype=np.int32), np.diff(tokens.runs.offsets))
    return (
        np.concatenate([tokens.text_numbers[tokens.is_word], runs]),
        np.concatenate([tokens.keys[tokens.is_word], tokens.runs.keys]),
    )


def piece_bounds(tokens: Tokens) -> tuple[Integers, Integers]:
    """Return where each of these pieces starts and ends in ``tokens.codes``, in the order of `piece_keys`."""
    is_word, runs = tokens.is_word, tokens.runs
    starts = np.concatenate([tokens.starts[is_word], runs.starts])
    return starts, np.concatenate([tokens.ends[is_word], runs.ends])


def weigh_pieces(counts: SparseRows, facts: PieceFacts) -> tuple[SparseRows, Array]:
    """Return C' of the pieces' counts, and the share of each text's sub-words that is known, shape (n,).

    A text without any known sub-word has zeros in C', and one without sub-words a share of 0.
    """
    data, numbers, columns = log_counts(counts.data), counts.row_numbers, counts.columns

    def sums(weights: Array) -> Array:
        of_texts: Array = np.bincount(numbers, weights=weights, minlength=len(counts)).astype(np.float64, copy=False)
        return of_texts

    lengths = np.sqrt(sums(data**2 * facts.squares.take(columns)))
    weighed = (data / np.where(lengths > 0, lengths, np.inf).take(numbers)).astype(np.float32)
    known, total = (sums(counts.data * each.take(columns)) for each in (facts.known, facts.total))
    return counts.with_data(weighed), (known / np.maximum(total, 1)).astype(np.float32)


@dataclass(frozen=True)
class WideRows:
    """What goes straight to the last sum: C U + C' G U', of word n-grams and sub-words; C' G is not made.

    `ngrams`: C, shape (n, V). `pieces`: C', shape (n, P). `G`: shape (P', V'), of the last P' pieces. `known`: what
    the pieces before those add, which are there when the matrix is multiplied by one U only.
    As a matrix it has n rows and V + V' columns; U has the rows of the word n-grams, then those of the sub-words.
    """

    ngrams: SparseRows
    pieces: SparseRows
    G: SparseRows
    known: KnownPieces | None = None

    def __len__(self) -> int:
        return len(self.ngrams)

    @property
    def entries(self) -> int:
        """The number of entries of C and C'."""
        return len(self.ngrams.data) + len(self.pieces.data)

    @property
    def width(self) -> int:
        """V + V', the number of rows of U."""
        return self.ngrams.width + self.G.width

    def times(self, U: Array | ByteRows, *, threads: int = 1) -> Array:
        """Return C U + C' G U', shape (n, m)."""
        U_ngrams, R = self.spread(U)
        product = self.ngrams.times(U_ngrams, threads=threads)
        product += self.pieces.times(R, threads=threads)
        return product

    def spread(self, U: Array | ByteRows) -> tuple[Array | ByteRows, Array]:
        """Return the rows of U that word n-grams have, and R = G U', one row a piece."""
        R = self.G.times(U[self.ngrams.width :])
        return U[: self.ngrams.width], R if self.known is None else np.concatenate([self.known.R, R])

    def transposed_times(self, D: Array) -> Array:
        """Return Cᵀ D and below it Gᵀ (C'ᵀ D), shape (V + V', m)."""
        return self.gather(self.ngrams.transposed_times(D), self.pieces.transposed_times(D))

    def gather(self, of_ngrams: Array, of_pieces: Array) -> Array:
        """Return Cᵀ D and below it Gᵀ (C'ᵀ D), given Cᵀ D and C'ᵀ D."""
        return np.concatenate([of_ngrams, self.G.transposed_times(of_pieces)])

    def gather_squares(self, of_ngrams: Array, of_pieces: Array) -> Array:
        """Return what `gather` does of sums of squares, as if no two pieces of a text shared a sub-word."""
        return np.concatenate([of_ngrams, self.G.with_data(self.G.data**2).transposed_times(of_pieces)])

    def squares(self, D: Array) -> Array:
        """Return what `transposed_times` does, of the squares of all entries; see `gather_squares`."""
        by_columns = (C.with_data(C.data**2).transposed_times(D) for C in (self.ngrams, self.pieces))
        return self.gather_squares(*by_columns)

    def double(self) -> "WideRows":
        """Return the matrix in float64."""
        return replace(self, ngrams=self.ngrams.double(), pieces=self.pieces.double(), G=self.G.double())

    def take(self, rows: Integers) -> "WideRows":
        """Return these rows, in this order."""
        return replace(self, ngrams=self.ngrams.take(rows), pieces=self.pieces.take(rows))

    def slice(self, start: int, stop: int) -> "WideRows":
        """Return rows start … stop - 1 without copying their entries."""
        return replace(self, ngrams=self.ngrams.slice(start, stop), pieces=self.pieces.slice(start, stop))


def stack_wide(parts: Sequence[WideRows]) -> WideRows:
    """Return the rows of all parts, in their order; a piece that stands in several has a row of G in each."""
    if len(parts) == 1:
        return parts[0]
    known = parts[0].known
    first = 0 if known is None else len(known.R)
    before = np.cumsum([0, *(len(part.G) for part in parts)])
    pieces = []
    for part, shift in zip(parts, before.tolist(), strict=False):
        columns = part.pieces.columns
        columns = np.where(columns < first, columns, columns + shift).astype(np.int32)
        pieces.append(replace(part.pieces, columns=columns, width=first + int(before[-1])))
    G = stack_rows([part.G for part in parts])
    return WideRows(stack_rows([part.ngrams for part in parts]), stack_rows(pieces), G, known)
