"""What can be read off each text: its key, its words, its scripts, and the shingles that near-duplicates share."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.text.char_classes import END_OF_TEXT, is_space
from textclf.text.key_index import KeyIndex
from textclf.text.tokenizer import (
    Tokens,
    combine,
    keys_of,
    normal_form,
    running_sum,
    stretch_keys,
    tokenize,
    tokenize_blocks,
)
from textclf.types import Integers, Keys

CHARS = 5
"""Texts of up to `MOST_SHORT` tokens are compared by their stretches of so many characters."""
WORDS = 2
"""Texts of at least `LEAST_LONG` tokens are compared by their stretches of so many tokens."""
LEAST_LONG, MOST_SHORT = 40, 60  # 40 / 60 is below the least similarity: two near texts always share a kind of shingle
_BLANK = ord(" ")

EMPTY = keys_of([""])[0]
"""The key of a text of blanks alone."""

OTHER, NO_SCRIPT = 0, 1
"""Code points that are no letter and no digit, and those that are but belong to no script."""

_SAME_SCRIPT = {
    "HIRAGANA": "CJK",
    "KATAKANA": "CJK",
    "KATAKANA-HIRAGANA": "CJK",
    "IDEOGRAPHIC": "CJK",
    "BOPOMOFO": "CJK",
    "HALFWIDTH": "CJK",
    "FULLWIDTH": "LATIN",
}
_NOT_SCRIPTS = {"MODIFIER", "FEMININE", "MASCULINE", "MICRO", "KELVIN", "ANGSTROM", "OHM", "DOUBLE-STRUCK", "SCRIPT"}
_NOT_SCRIPTS |= {"BLACK-LETTER", "MATHEMATICAL", "TURNED", "INFORMATION", "EULER", "PLANCK", "ALEF", "BET", "GIMEL"}


@dataclass(frozen=True)
class Shingles:
    """Which texts hold which stretches: entry by entry a text's number and a key, repeats included."""

    texts: Integers
    keys: Keys


@dataclass(frozen=True)
class Facts:
    """What was read off n texts.

    `same`, shape (n,): equal for texts that are the same in normal form, runs of blanks being one blank.
    `tokens`, `words`, `known`, shape (n,): how many tokens, how many of them with a letter or a digit, and how many
    of these are in the vectors or are numbers. `of_script`, shape (n, number of `scripts`): how many begin with a
    letter of each (so that a Han character, which is a token, weighs as much as a Latin word).
    `short`, `long`: shingles of characters of the short texts, of tokens of the long ones.
    """

    same: Keys
    tokens: Integers
    words: Integers
    known: Integers
    of_script: Integers
    scripts: tuple[str, ...]
    short: Shingles
    long: Shingles


@dataclass(frozen=True)
class KnownWords:
    """The keys of the words that vectors have; with `cased` a word is looked up as it stands, then lower-cased."""

    index: KeyIndex
    cased: bool


class Scripts:
    """The script of each code point met so far: a letter's is the first word of its Unicode name."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._of: npt.NDArray[np.int16] = np.full(0x110000, -1, np.int16)

    def of(self, codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int16]:
        """Return OTHER, NO_SCRIPT, or 2 + the place of the script in `names`, for each code point."""
        found = self._of[codes]
        if (found < 0).any():
            for code in np.unique(codes[found < 0]).tolist():
                self._of[code] = self._classify(chr(code))
            found = self._of[codes]
        return found

    def _classify(self, letter: str) -> int:
        category = unicodedata.category(letter)
        if category[0] not in "LN":
            return OTHER
        first = unicodedata.name(letter, "").split(" ")[0]
        name = _SAME_SCRIPT.get(first, first)
        if category[0] == "N" or not name or name in _NOT_SCRIPTS:
            return NO_SCRIPT
        if name not in self.names:
            self.names.append(name)
        return 2 + self.names.index(name)


def read_facts(texts: Sequence[str], known: KnownWords | None) -> Facts:
    """Read all facts off the texts, a block of texts at a time."""
    scripts = Scripts()
    parts, first = [], 0
    for tokens in tokenize_blocks(texts):
        cased = tokenize(texts[first : first + len(tokens)], lower=False) if known and known.cased else None
        parts.append(_block_facts(tokens, cased, known, scripts, first))
        first += len(tokens)
    width = len(scripts.names)  # which later blocks may have made larger than it was for the first
    of_script = [np.pad(part.of_script, ((0, 0), (0, width - part.of_script.shape[1]))) for part in parts]
    return Facts(
        np.concatenate([part.same for part in parts]),
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate(of_script),
        tuple(scripts.names),
        _join([part.short for part in parts]),
        _join([part.long for part in parts]),
    )


def normalize_spelling(text: str) -> str:
    """Return what two texts that are the same have in common: the normal form, blanks outside off, runs made one."""
    return " ".join("".join(_blanks_for_controls(normal_form(text))).split())


def _blanks_for_controls(text: str) -> Iterator[str]:
    return (" " if ord(letter) < _BLANK else letter for letter in text)


def _block_facts(tokens: Tokens, cased: Tokens | None, known: KnownWords | None, scripts: Scripts, first: int) -> Facts:
    n = len(tokens)
    kinds = scripts.of(tokens.codes[tokens.starts])
    is_word = kinds > OTHER
    is_known = (_known(tokens, cased, known) | (kinds == NO_SCRIPT)) & is_word  # no vectors know all numbers
    counts = np.diff(tokens.offsets)
    width = len(scripts.names)
    has_script = kinds > NO_SCRIPT
    places = tokens.text_numbers[has_script].astype(np.int64) * width + (kinds[has_script] - 2)
    of_script = np.bincount(places, minlength=n * width).reshape(n, width)
    return Facts(
        _same_keys(tokens),
        counts,
        np.bincount(tokens.text_numbers[is_word], minlength=n),
        np.bincount(tokens.text_numbers[is_known], minlength=n),
        of_script,
        tuple(scripts.names),
        _short_shingles(tokens, counts, first),
        _long_shingles(tokens, counts, first),
    )


def _known(tokens: Tokens, cased: Tokens | None, known: KnownWords | None) -> npt.NDArray[np.bool_]:
    if known is None:
        return np.zeros(len(tokens.keys), np.bool_)
    found = known.index.rows(tokens.keys) >= 0
    if cased is not None and len(cased.keys) == len(tokens.keys):
        found |= known.index.rows(cased.keys) >= 0
    return found


def _same_keys(tokens: Tokens) -> Keys:
    """Return one key for each text, taken of its characters with outer blanks off and runs of blanks made one."""
    codes = tokens.codes
    blank = is_space(codes)
    after_blank = np.append(False, blank[:-1])
    codes = np.where(blank, np.uint32(_BLANK), codes)[~(blank & after_blank)]
    end = codes == END_OF_TEXT
    outer = (codes == _BLANK) & (np.append(True, end[:-1]) | np.append(end[1:], True))
    codes = codes[~outer]
    ends = np.flatnonzero(codes == END_OF_TEXT)
    starts = np.append(0, ends + 1)[: len(ends)]
    return stretch_keys(running_sum(codes), starts, ends)


def _short_shingles(tokens: Tokens, counts: Integers, first: int) -> Shingles:
    """Return the stretches of `CHARS` characters of short texts, their tokens joined by one blank."""
    chosen = (counts > 0) & (counts <= MOST_SHORT)
    of_token = np.flatnonzero(chosen[tokens.text_numbers])
    lengths = tokens.ends[of_token] - tokens.starts[of_token] + 1  # and the blank
    stops = np.cumsum(lengths)
    if not len(stops):
        return Shingles(np.zeros(0, np.int64), np.zeros(0, np.uint64))
    places = np.arange(stops[-1]) + np.repeat(tokens.starts[of_token] - (stops - lengths), lengths)
    codes = tokens.codes[np.minimum(places, len(tokens.codes) - 1)]
    codes[stops - 1] = _BLANK
    owners = np.repeat(tokens.text_numbers[of_token], lengths)
    starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    text_stops = np.append(starts[1:], len(owners))
    stop_of = np.repeat(text_stops, text_stops - starts)
    whole = np.arange(len(owners)) + CHARS <= stop_of
    whole[starts] = True  # a text shorter than a shingle is one
    begins = np.flatnonzero(whole)
    keys = stretch_keys(running_sum(codes), begins, np.minimum(begins + CHARS, stop_of[begins]))
    return Shingles(owners[begins] + first, keys)


def _long_shingles(tokens: Tokens, counts: Integers, first: int) -> Shingles:
    keys, owners = tokens.keys[:-1], tokens.text_numbers
    chosen = (owners[:-1] == owners[1:]) & (counts[owners[:-1]] >= LEAST_LONG)
    return Shingles(owners[:-1][chosen] + first, combine(keys[chosen], tokens.keys[1:][chosen]))


def _join(parts: Sequence[Shingles]) -> Shingles:
    return Shingles(np.concatenate([part.texts for part in parts]), np.concatenate([part.keys for part in parts]))
