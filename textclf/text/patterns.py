"""Patterns: n-grams of a text's pieces in which all but the commonest pieces stand for their shape.

``What is the capital of Malta?`` has `(start) what`, `what is the`, `the a of`, `of Aa ?` among others: *capital* and
*Malta* are rare, so they stand for a word in small letters and for one with a capital. So how a text is built is known
from few rows, where its words are not. The shapes are

* `9`, `99`, `999`, `9999`: digits, four or more of them alike;
* `a9`: letters and digits;
* `AA`: capitals, two or more;
* `Aa`: a word that begins with a capital;
* `a`: any other word;
* `.`: a run of other characters, such as ``...`` or ``:)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from textclf.text.char_classes import END_OF_TEXT
from textclf.text.csr import places_within
from textclf.text.key_index import KeyIndex
from textclf.text.subwords import piece_bounds, piece_keys
from textclf.text.tokenizer import CodePoints, Runs, Tokens, normal_codes
from textclf.types import BoolArray, Integers, Keys

SHAPES = (".", "9", "99", "999", "9999", "a9", "AA", "Aa", "a")
"""How each shape is shown; its number is its place."""
_RUN, _MIXED, _CAPITALS, _CAPITAL, _SMALL = 0, 5, 6, 7, 8
_MOST_DIGITS = 4
SHAPE_KEYS = np.uint64(0x0202020202020202) + np.arange(len(SHAPES), dtype=np.uint64)
"""The keys that stand for the shapes; as good as any."""
MOST_COMMON = 150
"""So many pieces stand for themselves: mostly words such as *the* and *what*, and punctuation."""
_NOWHERE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class OrderedPieces:
    """The pieces of some texts in the order of the texts, with their shapes.

    `keys`, `shapes`, `starts`, `ends`, shape (P,): each piece's key, the number of its shape, and its place in `codes`;
    places are empty where nobody asks for them. `offsets`, shape (n + 1,): text i has pieces
    ``offsets[i]:offsets[i + 1]``.
    """

    keys: Keys
    shapes: npt.NDArray[np.uint8]
    offsets: Integers
    starts: Integers
    ends: Integers
    codes: CodePoints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @staticmethod
    def of(tokens: Tokens, texts: Sequence[str]) -> "OrderedPieces":
        """Return the pieces of texts, given their tokens."""
        starts, ends = piece_bounds(tokens)
        order = np.argsort(starts, kind="stable")
        words = int(tokens.is_word.sum())
        words_before = np.concatenate(([0], np.cumsum(tokens.is_word)))[tokens.offsets]
        shapes = np.full(len(starts), _RUN, np.uint8)
        shapes[:words] = word_shapes(tokens.codes, capitals(texts, tokens.codes), starts[:words], ends[:words])
        return OrderedPieces(
            piece_keys(tokens)[1][order], shapes[order], words_before + tokens.runs.offsets,
            starts[order], ends[order], tokens.codes,
        )  # fmt: skip

    def without_places(self) -> "OrderedPieces":
        """Return the pieces without their places and code points."""
        return replace(self, starts=_NOWHERE, ends=_NOWHERE, codes=self.codes[:0].copy())

    def units(self, common: KeyIndex) -> Tokens:
        """Return what patterns are n-grams of, as tokens: the common pieces with their keys, the others with shapes'.

        >>> from textclf.text.tokenizer import keys_of, tokenize
        >>> texts = ["the Malta of"]
        >>> units = OrderedPieces.of(tokenize(texts), texts).units(KeyIndex(np.sort(keys_of(["of", "the"]))))
        >>> bool(units.keys[0] == keys_of(["the"])[0]), bool(units.keys[1] == SHAPE_KEYS[SHAPES.index("Aa")])
        (True, True)
        """
        keys = np.where(common.rows(self.keys) >= 0, self.keys, SHAPE_KEYS[self.shapes])
        no_runs = Runs(self.keys[:0], np.zeros(len(self) + 1, np.int64), _NOWHERE, _NOWHERE)
        return Tokens(keys, self.offsets, np.ones(len(keys), np.bool_), self.starts, self.ends, self.codes, no_runs)


def common_pieces(keys: Keys, counts: Integers) -> KeyIndex:
    """Return the pieces that stand for themselves, given all and how often each was met; of equals the first keys.

    >>> common_pieces(np.array([3, 5], np.uint64), np.array([2, 9])).keys.tolist()
    [3, 5]
    """
    order = np.lexsort((keys, -counts))[:MOST_COMMON]
    return KeyIndex(np.sort(keys[order]))


def word_shapes(codes: CodePoints, is_capital: BoolArray, starts: Integers, ends: Integers) -> npt.NDArray[np.uint8]:
    """Return the number of each word's shape, given the code points of all and which of them were capitals."""
    lengths = ends - starts

    def count(marked: BoolArray) -> Integers:
        before = np.concatenate(([0], np.cumsum(marked, dtype=np.int32)))
        return before[ends] - before[starts]

    digits, upper = count((codes >= ord("0")) & (codes <= ord("9"))), count(is_capital)
    shapes = np.where(is_capital[starts], np.uint8(_CAPITAL), np.uint8(_SMALL))
    shapes[(upper == lengths) & (lengths > 1)] = _CAPITALS
    shapes[digits > 0] = _MIXED
    whole = digits == lengths
    shapes[whole] = np.minimum(lengths[whole], _MOST_DIGITS)
    return shapes


def capitals(texts: Sequence[str], codes: CodePoints) -> BoolArray:
    """Return which code points of texts in normal form were capitals, shape of `codes`.

    None of a text counts as one whose letters do not stand one for one after lower-casing, as of ``İ``.

    >>> capitals(["Ab"], normal_codes(["Ab"])).tolist()  # the last is the mark after the text
    [True, False, False]
    """
    cased = normal_codes(texts, lower=False)
    ends, cased_ends = np.flatnonzero(codes == END_OF_TEXT), np.flatnonzero(cased == END_OF_TEXT)
    if np.array_equal(ends, cased_ends):
        found: BoolArray = cased != codes
        return found
    begins, cased_begins = (np.concatenate(([0], each[:-1] + 1)) for each in (ends, cased_ends))
    lengths = ends - begins
    same = lengths == cased_ends - cased_begins
    places = places_within(begins[same], lengths[same])
    found = np.zeros(len(codes), np.bool_)
    found[places] = cased[places_within(cased_begins[same], lengths[same])] != codes[places]
    return found
