"""What adds to a text's score, and where it stands: word vectors, word n-grams, patterns, and sub-words of pieces.

Every occurrence of a word, n-gram or piece gets an equal part of what it adds to its text. A word n-gram shares it
equally among its tokens, and a pattern among its pieces. The sub-words of a word belong to the word; those of another
piece are shared equally among its characters, which hand their share on to the token that they stand in. What is
between tokens is punctuation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from textclf.text.char_classes import END_OF_TEXT
from textclf.text.csr import SparseRows, places_within
from textclf.text.ngrams import NgramTable, Words, ngrams_by_length
from textclf.text.patterns import SHAPE_KEYS, SHAPES
from textclf.text.subwords import piece_bounds, piece_keys
from textclf.text.tokenizer import Tokens, decode
from textclf.types import Array, BoolArray, Integers

_START = "(start)"  # shown for the start of a text


@dataclass(frozen=True)
class Units:
    """What word n-grams and patterns are made of: tokens, or tokens or pieces with the starts of texts.

    `segments`, shape (u,): the segment that each stands in (see `Segments`). `takes`, shape (u,): whether it gets a
    share of an n-gram that covers it. `fields`, shape (u,): which of its row's passages it is of.
    """

    segments: Integers
    takes: BoolArray
    fields: Integers


@dataclass(frozen=True)
class Segments:
    """Texts cut into segments: of a text of T tokens, what is before the first token, that token, …, what is after all.

    Token t of text i is segment 2 t + 1 + i of `count`, all texts one after the other.
    """

    tokens: Tokens

    @property
    def count(self) -> int:
        """The number of segments of all texts."""
        return 2 * len(self.tokens.keys) + len(self.tokens)

    def of_text(self, number: int) -> slice:
        """Return the segments of one text."""
        first, last = (int(offset) for offset in self.tokens.offsets[number : number + 2])
        return slice(2 * first + number, 2 * last + number + 1)

    def of_tokens(self) -> Units:
        """Return the tokens as units."""
        segments = 2 * np.arange(len(self.tokens.keys)) + 1 + self.tokens.text_numbers
        return Units(segments, np.ones(len(segments), np.bool_), self.tokens.fields)

    def of_words(self) -> Units:
        """Return the tokens and the starts of texts as units; starts take no share."""
        return self._with_starts(self.tokens, self.of_tokens().segments)

    def of_pieces(self, pieces: Tokens) -> Units:
        """Return the pieces, given as tokens, and the starts of texts as units; a piece is where it begins."""
        return self._with_starts(pieces, self.of_codes()[pieces.starts])

    @staticmethod
    def _with_starts(tokens: Tokens, segments: Integers) -> Units:
        words = Words.of(tokens)
        is_start = words.is_start
        of_units = np.zeros(len(is_start), np.int64)
        of_units[~is_start] = segments
        return Units(of_units, ~is_start, words.text_numbers % tokens.passages_a_text)

    def of_codes(self) -> Integers:
        """Return the segment of each code point of the texts, shape of ``tokens.codes``."""
        tokens = self.tokens
        places = np.arange(len(tokens.codes))
        begun = np.searchsorted(tokens.starts, places, side="right")  # how many tokens begin here or before
        is_inside = places < np.append(0, tokens.ends)[begun]
        text_numbers = np.cumsum(tokens.codes == END_OF_TEXT) - (tokens.codes == END_OF_TEXT)
        segments: Integers = 2 * begun + text_numbers - is_inside
        return segments


class Source(Protocol):
    """The entries of a matrix C, what each adds to its text's score (`values`, all occurrences together), and where."""

    kind: str
    matrix: SparseRows
    values: Array

    def counts(self) -> Integers:
        """Return how often each entry occurs, shape of `values`."""

    def shares(self, segments: int) -> Array:
        """Return what this source gives to each segment, shape (segments,)."""

    def strings(self, tokens: Tokens, wanted: Integers) -> list[str]:
        """Return the words, n-grams or pieces of these entries, each taken from where it stands first."""


@dataclass(frozen=True)
class Placed:
    """Where entries of a matrix C stand in the texts, for those of one length n: entry and first unit of each."""

    n: int
    entries: Integers
    starts: Integers


@dataclass
class TokenSource:
    """What word vectors (`kind` is "vector") or word n-grams ("words") add; see `Source`.

    `names`: those of text columns that are kept apart.
    """

    kind: str
    matrix: SparseRows
    values: Array
    placed: list[Placed]
    units: Units
    names: tuple[str, ...] = ()

    def counts(self) -> Integers:
        """Return how often each entry occurs, shape of `values`."""
        return np.bincount(np.concatenate([placed.entries for placed in self.placed]), minlength=len(self.values))

    def shares(self, segments: int) -> Array:
        """Return what this source gives to each segment, shape (segments,)."""
        each = self.values / np.maximum(self.counts(), 1)
        takes, units = self.units.takes, np.zeros(len(self.units.segments))
        taking = np.concatenate(([0], np.cumsum(takes)))
        for placed in self.placed:
            takers = taking[placed.starts + placed.n] - taking[placed.starts]
            share = each[placed.entries] / np.maximum(takers, 1)
            for place in range(placed.n):
                at = placed.starts + place  # distinct, as all are of one length
                gets = takes[at] if place else takes[at] | (takers == 0)
                units[at] += np.where(gets, share, 0.0)
        return np.bincount(self.units.segments, weights=units, minlength=segments).astype(np.float64, copy=False)

    def strings(self, tokens: Tokens, wanted: Integers) -> list[str]:
        """Return the words or n-grams of these entries, each taken from where it stands first."""
        starts, lengths = np.zeros(len(self.values), np.int64), np.zeros(len(self.values), np.int64)
        for placed in self.placed:
            starts[placed.entries[::-1]] = placed.starts[::-1]
            lengths[placed.entries] = placed.n
        found = zip(starts[wanted].tolist(), lengths[wanted].tolist(), strict=True)
        takes, numbers = self.units.takes, np.cumsum(self.units.takes) - 1
        strings = []
        for start, n in found:
            words = self.show(tokens, numbers[start : start + n][takes[start : start + n]])
            string = " ".join(words if takes[start] else [_START, *words])
            strings.append(f"{self.names[self.units.fields[start]]}: {string}" if self.names else string)
        return strings

    def show(self, tokens: Tokens, numbers: Integers) -> list[str]:
        """Return how the units of these numbers, starts of texts left out, are shown."""
        return tokens.strings(numbers)


@dataclass
class PatternSource(TokenSource):
    """What patterns add, of pieces given as tokens; see `Source`."""

    pieces: Tokens | None = None

    def show(self, tokens: Tokens, numbers: Integers) -> list[str]:
        """Return the pieces of these numbers: those that stand for themselves, or their shapes."""
        assert self.pieces is not None
        places = np.searchsorted(SHAPE_KEYS, self.pieces.keys[numbers])
        is_shape = SHAPE_KEYS[np.minimum(places, len(SHAPES) - 1)] == self.pieces.keys[numbers]
        strings = self.pieces.strings(numbers)
        return [
            SHAPES[place] if hidden else string
            for string, place, hidden in zip(strings, places.tolist(), is_shape.tolist(), strict=True)
        ]


@dataclass
class PieceSource:
    """What the sub-words of pieces add, all of a piece together; see `Source`.

    `entries`: the entry of each piece that stands in the texts. `segments`: of each code point (see `Segments`).
    """

    matrix: SparseRows
    values: Array
    tokens: Tokens
    entries: Integers
    segments: Integers
    kind: str = "chars"

    @staticmethod
    def of(matrix: SparseRows, values: Array, segments: Segments) -> "PieceSource":
        """Return the source of these entries of C', whose pieces are in the order of their keys."""
        tokens = segments.tokens
        text_numbers, keys = piece_keys(tokens)
        columns = np.unique(keys, return_inverse=True)[1]
        pairs = matrix.row_numbers.astype(np.int64) << 32 | matrix.columns
        entries = np.searchsorted(pairs, text_numbers.astype(np.int64) << 32 | columns)
        return PieceSource(matrix, values, tokens, entries, segments.of_codes())

    def counts(self) -> Integers:
        """Return how often each entry occurs, shape of `values`."""
        return np.bincount(self.entries, minlength=len(self.values))

    def shares(self, segments: int) -> Array:
        """Return what the pieces give to each segment, shape (segments,)."""
        starts, ends = piece_bounds(self.tokens)
        lengths = ends - starts
        each = (self.values / np.maximum(self.counts(), 1))[self.entries] / np.maximum(lengths, 1)
        shares = np.bincount(
            self.segments[places_within(starts, lengths)], weights=np.repeat(each, lengths), minlength=segments
        )
        return shares.astype(np.float64, copy=False)

    def strings(self, tokens: Tokens, wanted: Integers) -> list[str]:
        """Return the pieces of these entries."""
        starts, ends = piece_bounds(self.tokens)
        firsts = np.zeros(len(self.values), np.int64)
        firsts[self.entries[::-1]] = np.arange(len(self.entries))[::-1]
        return [decode(tokens.codes[starts[i] : ends[i]]) for i in firsts[wanted].tolist()]


@dataclass
class OtherSource:
    """What the columns beside the text add, in no segment of it; `names` are those of D's columns. See `Source`."""

    matrix: SparseRows
    values: Array
    names: Sequence[str]
    kind: str = "column"

    def counts(self) -> Integers:
        """Return how often each entry occurs, shape of `values`."""
        return np.ones(len(self.values), np.int64)

    def shares(self, segments: int) -> Array:
        """Return what the columns give to each segment: nothing."""
        return np.zeros(segments)

    def strings(self, tokens: Tokens, wanted: Integers) -> list[str]:
        """Return the names of these entries' columns, with the value of a category."""
        return [self.names[column] for column in self.matrix.columns[wanted].tolist()]


def place_words(matrix: SparseRows, tokens: Tokens, rows: Integers) -> list[Placed]:
    """Return where the entries of C by words stand, given each token's row of E."""
    return list(_place(matrix, [(1, tokens.text_numbers, rows, np.arange(len(rows)))]))


def place_ngrams(matrix: SparseRows, tokens: Tokens, table: NgramTable) -> list[Placed]:
    """Return where the entries of C by word n-grams, or by patterns of pieces given as tokens, stand."""
    found = enumerate(ngrams_by_length(tokens, table.longest), 1)
    return list(
        _place(
            matrix,
            ((n, each.text_numbers, table.index.rows(each.keys), each.starts)
             for n, each in found if n >= table.shortest),
        )
    )  # fmt: skip


def text_bounds(tokens: Tokens) -> tuple[Integers, Integers]:
    """Return where in ``tokens.codes`` each text begins, and where it ends; shapes (n,)."""
    ends = np.flatnonzero(tokens.codes == END_OF_TEXT)
    return np.concatenate(([0], ends[:-1] + 1)), ends


def _place(matrix: SparseRows, occurrences: Iterable[tuple[int, Integers, Integers, Integers]]) -> Iterator[Placed]:
    """Give the occurrences (length; text, row and first unit of each) that are entries of the matrix."""
    pairs = matrix.row_numbers.astype(np.int64) << 32 | matrix.columns
    for n, text_numbers, rows, starts in occurrences:
        known = np.flatnonzero(rows >= 0)
        entries = np.searchsorted(pairs, text_numbers[known].astype(np.int64) << 32 | rows[known])
        yield Placed(n, entries, starts[known])
