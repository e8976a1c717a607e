"""What adds to a text's score, and where it stands: word vectors, and the n-grams of each table.

Every occurrence of a word or n-gram gets an equal part of what it adds to its text. That is shared equally among the
tokens that an n-gram of words covers, and among the characters of one of characters, blanks left out: a blank only
marks where a word begins or ends. Characters hand their share on to the token that they stand in; what is between
tokens is punctuation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.text.csr import SparseRows
from textclf.text.features import Characters, NgramTable, Words, ngrams_by_length
from textclf.text.tokenizer import END_OF_TEXT, Tokens, decode
from textclf.types import Array, Integers

_SPACE = ord(" ")
_START = "(start)"  # shown for the start of a text


@dataclass(frozen=True)
class Units:
    """What n-grams are made of: tokens, tokens with the starts of texts, or characters.

    `segments`, shape (u,): the segment that each stands in (see `Segments`). `takes`, shape (u,): whether it gets a
    share of an n-gram that covers it. `characters`: None when the units are words.
    """

    segments: Integers
    takes: npt.NDArray[np.bool_]
    characters: Characters | None = None


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
        return Units(segments, np.ones(len(segments), np.bool_))

    def of_words(self) -> Units:
        """Return the tokens and the starts of texts as units; starts take no share."""
        is_start = Words.of(self.tokens).is_start
        segments = np.zeros(len(is_start), np.int64)
        segments[~is_start] = self.of_tokens().segments
        return Units(segments, ~is_start)

    def of_characters(self) -> Units:
        """Return the characters as units; blanks take no share."""
        tokens, characters = self.tokens, Characters.of(self.tokens)
        begun = np.zeros(len(tokens.codes) + 1, np.int64)
        begun[tokens.starts] = 1
        begun = np.cumsum(begun)[characters.places]  # how many tokens begin here or before
        begun[0] = 0  # the blank before the first text
        ends = np.append(0, tokens.ends)[begun]
        segments = 2 * begun + np.cumsum(characters.is_end) - 1 - (characters.places < ends)
        return Units(np.where(characters.is_end, 0, segments), characters.codes != _SPACE, characters)


@dataclass(frozen=True)
class Placed:
    """Where entries of a matrix C stand in the texts, for those of one length n: entry and first unit of each."""

    n: int
    entries: Integers
    starts: Integers


@dataclass(frozen=True)
class Source:
    """The entries of a matrix C, what each adds to its text's score (`values`, all occurrences together), and where.

    `kind` is that of the table, or "vector" for the vectors of words.
    """

    kind: str
    matrix: SparseRows
    values: Array
    placed: list[Placed]
    units: Units

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
        characters = self.units.characters
        if characters is not None:
            return [decode(characters.codes[start : start + n]) for start, n in found]
        takes, numbers = self.units.takes, np.cumsum(self.units.takes) - 1
        strings = []
        for start, n in found:
            words = tokens.strings(numbers[start : start + n][takes[start : start + n]])
            strings.append(" ".join(words if takes[start] else [_START, *words]))
        return strings


def place_words(matrix: SparseRows, tokens: Tokens, rows: Integers) -> list[Placed]:
    """Return where the entries of C by words stand, given each token's row of E."""
    return list(_place(matrix, [(1, tokens.text_numbers, rows, np.arange(len(rows)))]))


def place_ngrams(matrix: SparseRows, tokens: Tokens, table: NgramTable) -> list[Placed]:
    """Return where the entries of this table's part of C by n-grams stand."""
    found = enumerate(ngrams_by_length(tokens, table.kind, table.longest), 1)
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


def columns(matrix: SparseRows, first: int, stop: int) -> SparseRows:
    """Return columns first … stop - 1 of a matrix."""
    keep = (matrix.columns >= first) & (matrix.columns < stop)
    offsets = np.concatenate(([0], np.cumsum(keep)))[matrix.offsets]
    return SparseRows(offsets, matrix.columns[keep] - first, matrix.data[keep], stop - first)


def _place(matrix: SparseRows, occurrences: Iterable[tuple[int, Integers, Integers, Integers]]) -> Iterator[Placed]:
    """Give the occurrences (length; text, row and first unit of each) that are entries of the matrix."""
    pairs = matrix.row_numbers.astype(np.int64) << 32 | matrix.columns
    for n, text_numbers, rows, starts in occurrences:
        known = np.flatnonzero(rows >= 0)
        entries = np.searchsorted(pairs, text_numbers[known].astype(np.int64) << 32 | rows[known])
        yield Placed(n, entries, starts[known])
