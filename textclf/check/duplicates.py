"""Find texts that are the same, and all pairs that are nearly so.

How near two texts are is the Jaccard similarity of their sets of shingles: |A ∩ B| / |A ∪ B|. All pairs of at least
`SIMILARITY` t are found by prefix filtering (Bayardo, Ma & Srikant 2007; with several shared shingles: Wang, Li & Feng
2012): with the shingles of every text in one order, the rarest first, such a pair shares at least k of the first
|A| − ⌈t |A|⌉ + k of each. So only texts that share k *rare* shingles are compared, and, unlike with MinHash, nothing is
left to chance. The one exception bounds the work on texts that are all made from one template: of a shingle that stands
in the prefixes of more than `MOST_NEIGHBOURS` texts, each text is held against that many next ones in length, and fewer
when there are more than `MOST_MEETINGS` to hold against each other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.check.text_facts import Facts, Shingles
from textclf.text.csr import SparseRows, sum_entries
from textclf.text.key_index import KeyIndex, count_keys
from textclf.types import Array, Integers, Keys

SIMILARITY = 0.75
"""From here on two texts are near-duplicates."""
MOST_NEIGHBOURS = 100
MOST_MEETINGS = 20_000_000  # each takes some 50 bytes; 50,000 film reviews come to a twentieth of this
SIZE_OF_A_SHARE, MOST_SHARES = 6, 16
"""How many prefix shingles a pair must share: one for each so many shingles of the smaller text, up to so many."""
_PAIRS = 1 << 14  # pairs compared at a time


@dataclass(frozen=True)
class Pairs:
    """Pairs of text numbers, `left` < `right`, and how similar they are."""

    left: Integers
    right: Integers
    similarity: Array

    def __len__(self) -> int:
        return len(self.left)


def same_texts(same: Keys, spelt: Callable[[int], str]) -> Integers:
    """Return for each text the number of the first text that is the same, shape (n,).

    `spelt` gives what the same texts have in common: texts whose keys agree are compared by it, so that no two
    different texts are ever taken for one.
    """
    _, firsts, inverse = np.unique(same, return_index=True, return_inverse=True)
    first: Integers = firsts[inverse]
    known: dict[int, str] = {}
    for number in np.flatnonzero(first != np.arange(len(first))).tolist():
        original = int(first[number])
        if original not in known:
            known[original] = spelt(original)
        if spelt(number) != known[original]:
            first[number] = number
    return first


def near_pairs(facts: Facts, first: Integers) -> Pairs:
    """Return all pairs of at least `SIMILARITY` among the texts that are the first of their kind."""
    originals = first == np.arange(len(first))
    found = [_pairs(_choose(shingles, originals), len(first)) for shingles in (facts.short, facts.long)]
    left, right = (np.concatenate([getattr(pairs, side) for pairs in found]) for side in ("left", "right"))
    similarity = np.concatenate([pairs.similarity for pairs in found])
    # A pair of middle length is compared by both kinds of shingles: the higher similarity counts.
    order = np.lexsort((-similarity, right, left))
    left, right, similarity = left[order], right[order], similarity[order]
    fresh = np.append(True, (left[1:] != left[:-1]) | (right[1:] != right[:-1]))[: len(left)]
    return Pairs(left[fresh], right[fresh], similarity[fresh])


def _choose(shingles: Shingles, texts: npt.NDArray[np.bool_]) -> Shingles:
    kept = texts[shingles.texts]
    return Shingles(shingles.texts[kept], shingles.keys[kept])


def _pairs(shingles: Shingles, n: int) -> Pairs:
    sets = _by_rarity(shingles, n)
    left, right = _candidates(sets)
    similarity = _similarities(sets, left, right)
    near = similarity >= SIMILARITY
    return Pairs(left[near], right[near], similarity[near])


def _by_rarity(shingles: Shingles, n: int) -> SparseRows:
    """Return each text's set of shingles as a row of ones; the columns go from the rarest shingle to the commonest."""
    keys, _ = count_keys(shingles.keys)
    sets = sum_entries(shingles.texts, KeyIndex(keys).rows(shingles.keys), n, len(keys))
    order = np.argsort(np.bincount(sets.columns, minlength=len(keys)), kind="stable")
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    return sum_entries(sets.row_numbers, rank[sets.columns], n, len(keys))


def _candidates(sets: SparseRows) -> tuple[Integers, Integers]:
    """Return the pairs of texts that are near in length and share enough shingles of their prefixes."""
    sizes = np.diff(sets.offsets)
    must_share = np.clip(sizes // SIZE_OF_A_SHARE, 1, MOST_SHARES)
    prefixes = sizes - np.ceil(SIMILARITY * sizes - 1e-9).astype(np.int64) + must_share
    rows = sets.row_numbers
    in_prefix = np.arange(len(rows)) - sets.offsets[rows] < prefixes[rows]
    shared = np.bincount(sets.columns, minlength=sets.width) > 1
    entries = np.flatnonzero(in_prefix & shared[sets.columns])
    columns, rows = sets.columns[entries], rows[entries]
    order = np.lexsort((rows, sizes[rows], columns))
    columns, rows = columns[order], rows[order]
    here, found = np.arange(len(rows)), [np.zeros(0, np.uint64)]
    for distance in range(1, MOST_NEIGHBOURS + 1):
        here = here[here < len(rows) - distance]
        # The texts of a shingle rise in size: once the next one is too large, so are all after it.
        is_near = sizes[rows[here]] >= SIMILARITY * sizes[rows[here + distance]]
        here = here[is_near & (columns[here] == columns[here + distance])]
        if not len(here) or sum(map(len, found)) > MOST_MEETINGS:
            break
        one, other = rows[here].astype(np.uint64), rows[here + distance].astype(np.uint64)
        found.append((np.minimum(one, other) << np.uint64(32)) | np.maximum(one, other))
    pairs, counts = count_keys(np.concatenate(found))
    left, right = (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    enough = counts >= np.minimum(must_share[left], must_share[right])
    return left[enough], right[enough]


def _similarities(sets: SparseRows, left: Integers, right: Integers) -> Array:
    sizes = np.diff(sets.offsets)
    shared = np.zeros(len(left))
    matrix = sets.with_data(np.ones(len(sets.data), np.float32)).scipy
    for part in range(math.ceil(len(left) / _PAIRS)):
        some = slice(part * _PAIRS, (part + 1) * _PAIRS)
        shared[some] = matrix[left[some]].multiply(matrix[right[some]]).sum(axis=1)
    return shared / (sizes[left] + sizes[right] - shared)
