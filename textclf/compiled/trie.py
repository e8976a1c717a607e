"""N-grams of characters as a trie: each is found by a step from the one that is a character shorter.

The trie is made from the n-grams' keys alone. A longer n-gram can only have a row if the n-gram without its first
character has one, for it stands in every text that has the longer one; so there are few candidates, and the dictionary
tells which of them it has.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.arrays import Integers, Keys
from textclf.dictionary import Dictionary
from textclf.tokenizer import CodePoints, longer_keys

_SPACE = ord(" ")
_AT_ONCE = 1 << 20  # candidates looked up at a time


@dataclass(frozen=True)
class Trie:
    """The n-grams of 1 to `longest` characters that have a row, shorter ones first; node 0 is the empty one.

    `letters`, shape (0x110000,): the number of each code point in the alphabet, 0 for one that no n-gram has.
    `parents`, `last`, `rows`, shape (nodes,): the node without the last character, that character's number, and the
    row, or -1. Nodes of one parent stand together, in the order of their letters.
    """

    letters: npt.NDArray[np.uint32]
    parents: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]

    @staticmethod
    def of(dictionary: Dictionary, longest: int) -> "Trie | None":
        """Return the trie of all rows of a dictionary; None where one has a part that has no row, and is not found."""
        alphabet, rows = _alphabet(dictionary)
        letters = np.zeros(0x110000, np.uint32)
        letters[alphabet] = np.arange(1, len(alphabet) + 1)
        level = _Level(
            longer_keys(np.zeros(len(alphabet), np.uint64), alphabet, 0)[1],
            np.zeros(len(alphabet), np.int32),
            np.arange(1, len(alphabet) + 1, dtype=np.int32),
            rows,
            np.zeros(len(alphabet), np.int32),
        )
        shorter, first, levels = None, 1, [level]
        for n in range(2, longest + 1):
            longer = _longer(dictionary, alphabet, n, level, shorter, first)
            first += len(level.rows)
            shorter, level = level, longer
            levels.append(level)
        rows = np.concatenate([np.full(1, -1, np.int32), *(each.rows for each in levels)])
        if int((rows >= 0).sum()) < len(dictionary):
            return None
        none = np.zeros(1, np.int32)
        return Trie(
            letters,
            np.concatenate([none, *(each.parents for each in levels)]),
            np.concatenate([none, *(each.last for each in levels)]),
            rows,
        )

    def children(self) -> tuple[Integers, Integers]:
        """Return where each node's children begin, and how many it has; each of shape (nodes,)."""
        counts = np.bincount(self.parents[1:], minlength=len(self.parents))
        return np.cumsum(counts) - counts + 1, counts


@dataclass(frozen=True)
class _Level:
    """The n-grams of one length; `stems` are their keys before mixing, `suffixes` their tails, as places in a level."""

    stems: Keys
    parents: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    suffixes: npt.NDArray[np.int32]


def _alphabet(dictionary: Dictionary) -> tuple[CodePoints, npt.NDArray[np.int32]]:
    """Return the code points that have a row, and the blank, which begins and ends texts, and their rows."""
    codes = np.arange(0x110000, dtype=np.uint32)
    rows = dictionary.rows(longer_keys(np.zeros(1, np.uint64), codes, 0)[0])
    kept = rows >= 0
    kept[_SPACE] = True
    return codes[kept], rows[kept].astype(np.int32)


def _longer(
    dictionary: Dictionary, alphabet: CodePoints, n: int, level: _Level, shorter: _Level | None, first: int
) -> _Level:
    """Return the n-grams that go on from those of `level`, whose first node is `first`."""
    # What may follow an n-gram is what follows its tail: `level` has the tail's followers in a row.
    if shorter is None:
        starts, counts = np.zeros(len(level.rows), np.int64), np.full(len(level.rows), len(level.rows))
    else:
        of_each = np.bincount(level.parents - (first - len(shorter.rows)), minlength=len(shorter.rows))
        starts, counts = (np.cumsum(of_each) - of_each)[level.suffixes], of_each[level.suffixes]
    parts = []
    cuts = np.searchsorted(np.cumsum(counts), np.arange(_AT_ONCE, counts.sum() + _AT_ONCE, _AT_ONCE))
    for low, high in zip([0, *(cuts[:-1] + 1)], [*(cuts[:-1] + 1), len(counts)], strict=True):
        stems = np.repeat(np.arange(low, high), counts[low:high])
        within = np.arange(len(stems)) - np.repeat(np.cumsum(counts[low:high]) - counts[low:high], counts[low:high])
        tails = starts[stems] + within
        last = level.last[tails]
        keys, unmixed = longer_keys(level.stems[stems], alphabet[last - 1], n - 1)
        rows = dictionary.rows(keys)
        hits = np.flatnonzero(rows >= 0)
        parts.append((unmixed[hits], (stems[hits] + first).astype(np.int32), last[hits], rows[hits], tails[hits]))
    stems_, parents, lasts, rows_, suffixes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Level(stems_, parents, lasts, rows_.astype(np.int32), suffixes.astype(np.int32))
