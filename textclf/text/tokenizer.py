"""Texts to tokens, whole columns at a time: the one definition of a token, and of a token's 64-bit key.

A text is lower-cased, composed (NFC) and its ’ made '; then a token is

* a run of letters, numbers and their combining marks, with apostrophes between letters inside (``don't``), or
* one ``!``, ``?``, emoji or other symbol, or
* one letter of a script that is written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) with its marks.

All else separates. What each code point is stands in `char_classes`. The work is done on arrays of code points, so one
text and a million take the same path, and a column of 25,000 reviews takes a second and not a quarter of a minute.

The key of a token of code points c₀ … c₋₁ is the polynomial Σ (cᵢ + 1) Bⁱ mod 2⁶⁴, mixed by the finalizer of
splitmix64 (Steele et al. 2014): the same on every machine. Being a polynomial, the key of *any* stretch of text comes
from a running sum in constant time, which makes character n-grams cheap. Two of a million words share a key with
probability 3 · 10⁻⁸; then they share a vector.

Sub-words are made of *pieces*: tokens of the first kind, and runs of other characters between blanks and them, such as
``...``, ``:)`` or a sentence in Han script.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from textclf.storage.packed_strings import PackedStrings
from textclf.storage.row_columns import SEPARATOR as SEPARATOR_OF_CELLS
from textclf.text.char_classes import ALONE, APOSTROPHE, BLANK, END_OF_TEXT, IGNORED, MARK, SEPARATOR, WORD, class_table
from textclf.types import BoolArray, Integers, Keys

NAME = "words-2"
"""Goes into a model file; a tokenizer that cuts texts otherwise must have another name."""

BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
_INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))
_BLOCK = 1 << 19  # code points worked on at a time: fewer blocks cost fewer calls, smaller ones less memory

CodePoints = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Runs:
    """The runs of characters of some texts that are neither in a word nor blank.

    `keys`, shape (R,), and `offsets`, shape (n + 1,), as in `Tokens`; so are `starts` and `ends`.
    """

    keys: Keys
    offsets: Integers
    starts: Integers
    ends: Integers


@dataclass(frozen=True)
class Tokens:
    """The tokens of some texts, one after the other.

    `keys`, shape (T,): the key of each token. `offsets`, shape (n + 1,): text i has
    tokens ``offsets[i]:offsets[i + 1]``. `is_word`, shape (T,): which are words, and no single symbols or letters.
    `starts`, `ends`, shape (T,): each token's place in `codes`, the code points of all texts in normal form.
    `passages`: where each text is a row of m texts that are kept apart, their offsets, shape (n m + 1,); else None.
    """

    keys: Keys
    offsets: Integers
    is_word: BoolArray
    starts: Integers
    ends: Integers
    codes: CodePoints
    runs: Runs
    passages: Integers | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def passages_a_text(self) -> int:
        """How many texts that are kept apart a text consists of."""
        return 1 if self.passages is None else (len(self.passages) - 1) // max(len(self), 1)

    @cached_property
    def fields(self) -> Integers:
        """Which of its row's passages each token stands in, from 0, shape (T,)."""
        if self.passages is None:
            return np.zeros(len(self.keys), np.int32)
        fields = np.arange(len(self.passages) - 1, dtype=np.int32) % self.passages_a_text
        return np.repeat(fields, np.diff(self.passages))

    @cached_property
    def text_numbers(self) -> Integers:
        """The number of each token's text, shape (T,)."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))

    def strings(self, numbers: Iterable[int]) -> list[str]:
        """Return the tokens of these numbers as strings."""
        return [decode(self.codes[self.starts[i] : self.ends[i]]) for i in numbers]


def tokenize(texts: Sequence[str], *, lower: bool = True) -> Tokens:
    """Cut texts into tokens; with ``lower=False`` the letters' case stands, and the cuts are the same.

    >>> tokens = tokenize(["Don't stop!", "お茶"])
    >>> tokens.strings(range(5)), tokens.offsets.tolist()
    (["don't", 'stop', '!', 'お', '茶'], [0, 3, 5])
    """
    blocks = list(tokenize_blocks(texts, lower=lower))
    if len(blocks) == 1:
        return blocks[0]
    return _concatenate(blocks)


def tokenize_apart(texts: Sequence[str], fields: int) -> Tokens:
    """Cut texts into tokens, each of which is so many passages joined by U+001F that are kept apart."""
    tokens = tokenize([passage for text in texts for passage in text.split(SEPARATOR_OF_CELLS)])
    runs = tokens.runs
    codes = tokens.codes.copy()
    ends = np.flatnonzero(codes == END_OF_TEXT)
    codes[ends[np.arange(len(ends)) % fields < fields - 1]] = ord(SEPARATOR_OF_CELLS)
    return replace(
        tokens,
        offsets=tokens.offsets[::fields],
        codes=codes,
        runs=replace(runs, offsets=runs.offsets[::fields]),
        passages=tokens.offsets,
    )


def tokenize_blocks(texts: Sequence[str], *, lower: bool = True) -> Iterator[Tokens]:
    """Cut texts into tokens, a block of consecutive texts at a time, so that memory stays bounded."""
    for part in text_blocks(texts):
        yield _tokenize_block(part, lower)


def text_blocks(texts: Iterable[str], *, parts: int = 1) -> Iterator[Sequence[str]]:
    """Give the texts that are worked on together: consecutive ones, as many as memory near the processor serves.

    With `parts`, so many times fewer: for work that makes so much more of each character.

    >>> [len(block) for block in text_blocks(["a", "b"])]
    [2]
    """
    most = _BLOCK // parts
    if isinstance(texts, PackedStrings):
        start, stop = 0, -1
        while stop < len(texts):
            stop = int(np.searchsorted(texts.offsets, texts.offsets[start] + most))
            yield texts[start:stop]
            start = stop
        return
    block: list[str] = []
    size, is_first = 0, True
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= most:
            yield block
            block, size, is_first = [], 0, False
    if block or is_first:
        yield block


def keys_of(words: Sequence[str]) -> Keys:
    """Return the key of each string taken whole, shape (len(words),): the key that the word has as a token.

    >>> bool(keys_of(["film"])[0] == tokenize(["A film"]).keys[1])
    True
    """
    if not words:
        return np.zeros(0, np.uint64)
    words = list(words)
    codes = _code_points("".join(words))
    lengths = np.array([len(word) for word in words])
    ends = np.cumsum(lengths)
    return stretch_keys(running_sum(codes), ends - lengths, ends)


def combine(first: Keys, second: Keys) -> Keys:
    """Return the keys of pairs, (a, b) and (b, a) told apart: a word n-gram's key is built from left to right.

    >>> a, b = keys_of(["not"]), keys_of(["good"])
    >>> bool(combine(a, b) == combine(b, a))
    False
    """
    return mix(first * BASE + mix(second))


def mix(keys: Keys) -> Keys:
    """Spread every bit of each key over all 64: the finalizer of splitmix64."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def running_sum(codes: CodePoints) -> Keys:
    """Return R, shape (len(codes) + 1,), with R[i] = Σ_{j < i} (cⱼ + 1) Bʲ mod 2⁶⁴."""
    terms = np.empty(len(codes) + 1, np.uint64)
    terms[0] = 0
    np.add(codes, np.uint64(1), out=terms[1:])
    terms[1:] *= _powers(BASE, len(codes))
    return np.add.accumulate(terms, out=terms)


def stretch_keys(R: Keys, starts: Integers, ends: Integers) -> Keys:
    """Return the key of each stretch of code points ``starts[i]:ends[i]``, given their running sum R."""
    # (R[end] − R[start]) B^−start moves the stretch to the origin: the same word has one key wherever it stands.
    return mix((R.take(ends) - R.take(starts)) * _powers(_INVERSE, len(R)).take(starts))


def normal_form(text: str, *, lower: bool = True) -> str:
    """Return the text as it is cut: lower-cased (unless told otherwise), composed (NFC), without ignored characters.

    >>> normal_form("CAFÉ, IT’S")
    "café, it's"
    """
    return decode(_codes_of(text, lower))


def origins(text: str, codes: CodePoints) -> Integers | None:
    """Return where in `text` each code point of its normal form, `codes`, comes from; shape of `codes`.

    None if single characters do not show that: letters were composed, or lower-cased by their neighbours.

    >>> origins("It’s", normal_codes(["It’s"])[:-1]).tolist()
    [0, 1, 2, 3]
    """
    if text.isascii():
        return np.arange(len(codes))
    lowered = [character.lower() for character in text]
    owners = np.repeat(np.arange(len(text)), [len(characters) for characters in lowered])
    single = _code_points("".join(lowered).replace("’", "'"))
    kept = class_table()[single] != IGNORED
    return owners[kept] if np.array_equal(single[kept], codes) else None


def decode(codes: CodePoints) -> str:
    """Return code points as a string; a lone surrogate comes back as U+FFFD."""
    return codes.astype("<u4").tobytes().decode("utf-32-le", errors="replace")


def normal_codes(texts: Sequence[str], *, lower: bool = True) -> CodePoints:
    """Return the code points of these texts in normal form, END_OF_TEXT after each."""
    if isinstance(texts, PackedStrings):
        return _codes_of_bytes(texts, lower)
    joined = "\0".join(texts)
    if joined.isascii() and texts:
        codes = np.empty(len(joined) + 1, np.uint32)
        codes[:-1] = np.frombuffer((joined.lower() if lower else joined).encode("ascii"), np.uint8)
        codes[np.cumsum([len(text) + 1 for text in texts]) - 1] = END_OF_TEXT
        return codes
    # Ends of texts are no letters and compose with none, so all are put in normal form together.
    return _codes_of(_join(texts), lower)


def _codes_of_bytes(strings: PackedStrings, lower: bool) -> CodePoints:
    """Return what `normal_codes` does, without a string of those that are ASCII: in NumPy threads need not wait."""
    encoded = strings.encode_all()
    letters = np.frombuffer(b"\0".join([*encoded, b""]), np.uint8)
    if lower:
        letters = letters | ((letters - _A < _LETTERS).view(np.uint8) << _TO_LOWER)
    codes = letters.astype(np.uint32)
    begins = strings.offsets - strings.offsets[0] + np.arange(len(strings) + 1)
    codes[begins[1:] - 1] = END_OF_TEXT
    others = np.unique(np.searchsorted(begins, np.flatnonzero(letters >= _NOT_ASCII), side="right") - 1).tolist()
    if not others:
        return codes
    # The codes of each other string come to stand where its bytes stood.
    text = _join([encoded[i].decode(errors="replace") for i in others])
    of_others = _codes_of(text, lower)
    parts = np.split(codes, np.stack([begins[others], begins[np.add(others, 1)]], axis=1).ravel())
    parts[1::2] = np.split(of_others, np.flatnonzero(of_others == END_OF_TEXT)[:-1] + 1)
    return np.concatenate(parts)


def _codes_of(text: str, lower: bool) -> CodePoints:
    return _without_ignored(_code_points(_normalize(text, lower)))


_A, _LETTERS, _TO_LOWER, _NOT_ASCII = np.uint8(ord("A")), np.uint8(26), np.uint8(5), np.uint8(0x80)


def _tokenize_block(texts: Sequence[str], lower: bool) -> Tokens:
    codes = normal_codes(texts, lower=lower)
    classes = class_table().take(codes)
    is_word, is_alone, is_mark = _word_places(classes)
    begins_word = is_word.copy()
    begins_word[1:] &= ~is_word[:-1]
    begins = begins_word | (is_alone & ~is_mark)
    inside = is_word | is_alone
    starts = np.flatnonzero(begins)
    ends = np.flatnonzero(inside & ~np.append(inside[1:] & ~begins[1:], False)) + 1
    is_run = ~is_word & (classes != BLANK)
    bounds = np.flatnonzero(np.diff(is_run, prepend=False, append=False))
    run_starts, run_ends = bounds[::2], bounds[1::2]
    text_ends = np.flatnonzero(codes == END_OF_TEXT)
    sums = running_sum(codes)
    return Tokens(
        stretch_keys(sums, starts, ends), _offsets(starts, text_ends), is_word.take(starts), starts, ends, codes,
        Runs(stretch_keys(sums, run_starts, run_ends), _offsets(run_starts, text_ends), run_starts, run_ends),
    )  # fmt: skip


def _offsets(starts: Integers, text_ends: Integers) -> Integers:
    """Return how many of these places come before each text, and before the end of the last, shape (n + 1,)."""
    return np.concatenate(([0], np.searchsorted(starts, text_ends)))


def _word_places(classes: npt.NDArray[np.uint8]) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return which places are inside a word, inside a token of one letter or symbol, and combining marks."""
    is_mark = classes == MARK
    if is_mark.any():
        # A mark is what the last place before it, not itself a mark, is; it never begins a token.
        places = np.where(is_mark, 0, np.arange(len(classes)))
        bases = classes[np.maximum.accumulate(places)]
        bases[bases == MARK] = SEPARATOR  # marks at the very beginning
    else:
        bases = classes
    is_word = bases == WORD
    apostrophes = np.flatnonzero(classes == APOSTROPHE)
    if len(apostrophes):
        inner = apostrophes[(apostrophes > 0) & (apostrophes < len(classes) - 1)]
        inner = inner[is_word[inner - 1] & (classes[inner + 1] == WORD)]
        is_word[inner] = True
    return is_word, bases == ALONE, is_mark


def _normalize(text: str, lower: bool) -> str:
    if lower:
        text = text.lower()
    if text.isascii():
        return text
    # Composed after lower-casing, because lower-casing can leave letters that compose: J̌ has no composed form, ǰ has.
    return unicodedata.normalize("NFC", text).replace("’", "'")


def _join(texts: Sequence[str]) -> str:
    end = chr(END_OF_TEXT)
    joined = end.join(texts) + end if texts else ""
    if joined.count(end) > len(texts):
        joined = end.join(text.replace(end, " ") for text in texts) + end
    return joined


def _code_points(text: str) -> CodePoints:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8).astype(np.uint32)
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), "<u4").astype(np.uint32, copy=False)


def _without_ignored(codes: CodePoints) -> CodePoints:
    ignored = class_table().take(codes) == IGNORED
    return codes[~ignored] if ignored.any() else codes


def _concatenate(blocks: Sequence[Tokens]) -> Tokens:
    before = np.cumsum([0, *(len(block.codes) for block in blocks)])

    def places(arrays: Iterable[Integers]) -> Integers:
        return np.concatenate([array + first for array, first in zip(arrays, before, strict=False)])

    def offsets(arrays: Iterable[Integers]) -> Integers:
        return np.concatenate(([0], np.cumsum(np.concatenate([np.diff(array) for array in arrays]))))

    runs = [block.runs for block in blocks]
    return Tokens(
        np.concatenate([block.keys for block in blocks]),
        offsets(block.offsets for block in blocks),
        np.concatenate([block.is_word for block in blocks]),
        places(block.starts for block in blocks),
        places(block.ends for block in blocks),
        np.concatenate([block.codes for block in blocks]),
        Runs(
            np.concatenate([of_block.keys for of_block in runs]),
            offsets(of_block.offsets for of_block in runs),
            places(of_block.starts for of_block in runs),
            places(of_block.ends for of_block in runs),
        ),
    )


_tables: dict[int, Keys] = {}


def _powers(base: np.uint64, count: int) -> Keys:
    """Return 1, base, base², … of at least `count` terms; kept, and grown by doubling."""
    table = _tables.get(int(base))
    if table is None or len(table) < count:
        table = np.full(max(1024, 1 << (count - 1).bit_length()), base, np.uint64)
        table[0] = 1
        np.multiply.accumulate(table, out=table)
        _tables[int(base)] = table
    return table[:count]
