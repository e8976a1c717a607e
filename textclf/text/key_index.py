"""A set of keys, each with its row: which row of E, or of any table, a word or an n-gram has."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from textclf.storage.parallel import in_order
from textclf.types import Integers, Keys, ShortKeys, run_starts

_FEW = 4096  # below this many look-ups, a binary search costs less than making the index
_RANGE_BITS = 4
_RANGES_BEGIN = np.arange(1, 1 << _RANGE_BITS, dtype=np.uint64) << np.uint64(64 - _RANGE_BITS)  # but the first
_NO_KEYS, _NO_TIMES = np.zeros(0, np.uint64), np.zeros(0, np.int32)
_FEWEST_WAITING, _MANY_WAITING = 1 << 19, 1 << 20
_BLOCK = 1 << 16  # look-ups done at a time: their arrays stay in the processor's cache


@dataclass(frozen=True)
class KeyIndex:
    """Distinct keys in rising order, shape (V,): a key's row is its place among them.

    Keys of 32 bits are the first halves of 64-bit ones: a stranger is then taken for one of V with probability V / 2³².
    """

    keys: Keys | ShortKeys

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, keys: Keys) -> Integers:
        """Return the row of each 64-bit key, or -1 for a key that is not there; shape of `keys`.

        >>> KeyIndex(np.array([3, 7, 9], np.uint64)).rows(np.array([9, 4, 3], np.uint64)).tolist()
        [2, -1, 0]
        """
        if not len(self.keys):
            return np.full(len(keys), -1, np.int32)
        wanted = short_keys(keys) if self.keys.dtype == np.uint32 else keys
        if len(wanted) < _FEW:
            places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            return np.where(self.keys[places] == wanted, places, -1).astype(np.int32)
        rows = np.empty(len(wanted), np.int32)
        for start in range(0, len(wanted), _BLOCK):
            rows[start : start + _BLOCK] = self._rows_by_index(wanted[start : start + _BLOCK])
        return rows

    def _rows_by_index(self, keys: Keys | ShortKeys) -> Integers:
        # Keys are as good as random, so the first bits of one tell its place to within a few rows (a radix index):
        # twelve million look-ups among 600,000 keys take a twelfth of the time that binary search takes.
        # What is looked at again is picked by numbers, not by flags: in NumPy that takes half the time.
        firsts, shift = self.radix
        last = len(self.keys) - 1
        rows: Integers = firsts.take((keys >> shift).astype(np.intp))
        found = self.keys.take(rows)
        search = np.flatnonzero(found != keys)
        places, found, keys = rows.take(search), found.take(search), keys.take(search)
        rows[search] = -1
        while len(further := np.flatnonzero((found < keys) & (places < last))):
            search, places, keys = search.take(further), places.take(further) + np.int32(1), keys.take(further)
            found = self.keys.take(places)
            hit = np.flatnonzero(found == keys)
            rows[search.take(hit)] = places.take(hit)
        return rows

    @cached_property
    def radix(self) -> tuple[Integers, Any]:
        """The first place of each leading bit pattern, at most the last of all, and the shift that gives patterns."""
        kind: Any = self.keys.dtype.type
        bits = max(len(self.keys) - 1, 1).bit_length() + 1
        shift = kind(8 * self.keys.itemsize - bits)
        firsts, most = np.empty(1 << bits, np.int32), max(len(self.keys) - 1, 0)
        for start in range(0, len(firsts), _BLOCK):
            patterns = np.arange(start, min(start + _BLOCK, len(firsts)), dtype=kind) << shift
            firsts[start : start + _BLOCK] = np.minimum(np.searchsorted(self.keys, patterns), most)
        return firsts, shift


def short_keys(keys: Keys | ShortKeys) -> ShortKeys:
    """Return the first 32 bits of each key; keys that are short already are given back.

    >>> short_keys(np.array([5 << 32], np.uint64)).tolist()
    [5]
    """
    return keys.astype(np.uint32) if keys.dtype == np.uint32 else (keys >> np.uint64(32)).astype(np.uint32)


def count_keys(keys: Keys) -> tuple[Keys, Integers]:
    """Return the distinct keys in rising order and how often each stands there.

    >>> keys, counts = count_keys(np.array([7, 3, 7], np.uint64))
    >>> keys.tolist(), counts.tolist()
    ([3, 7], [1, 2])
    """
    # By sorting, which runs on whole vector registers: on millions of distinct keys much faster than np.unique's table.
    ordered = np.sort(keys)
    starts = run_starts(ordered)
    return ordered.take(starts), np.diff(starts, append=len(ordered)).astype(np.int32)  # in 32 bits: they are many


def sum_keys(keys: Keys, times: Integers) -> tuple[Keys, Integers]:
    """Return the distinct keys in rising order, and the sum of each one's times.

    >>> keys, sums = sum_keys(np.array([7, 3, 7], np.uint64), np.array([1, 5, 2]))
    >>> keys.tolist(), sums.tolist()
    ([3, 7], [5, 3])
    """
    order = np.argsort(keys)
    keys = keys.take(order)
    starts = run_starts(keys)
    return keys.take(starts), np.add.reduceat(times.take(order), starts) if len(keys) else times


class KeyCounter:
    """Counts keys that come part by part, each range of them by itself: a sixteenth, as keys are random enough.

    >>> counter = KeyCounter()
    >>> counter.add(*count_keys(np.array([7, 3, 7], np.uint64)))
    >>> [array.tolist() for array in counter.counts()]
    [[3, 7], [1, 2]]
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._seen = [count_keys(_NO_KEYS)] * (1 << _RANGE_BITS)
        # Copied into one array, since large ones that come and go at different times leave gaps in the memory.
        self._waiting, self._times, self._many = _NO_KEYS, _NO_TIMES, 0
        self._bounds: list[Integers] = []
        """Where each range of the waiting keys begins, and the last ends, for each part."""

    def add(self, keys: Keys, times: Integers) -> None:
        """Count each of these keys so many times: distinct ones in rising order, as `count_keys` returns them.

        Whoever makes the keys counts those of a part, on a thread of its own.
        """
        end = self._many + len(keys)
        if end > len(self._waiting):
            self._settle()
            end = len(keys)
            if len(self._waiting) < (wanted := max(self._most_waiting(), end)):
                self._waiting, self._times = np.empty(wanted, np.uint64), np.empty(wanted, times.dtype)
        self._waiting[self._many : end], self._times[self._many : end] = keys, times
        self._bounds.append(self._many + np.concatenate(([0], np.searchsorted(keys, _RANGES_BEGIN), [len(keys)])))
        self._many = end

    def counts(self) -> tuple[Keys, Integers]:
        """Return the distinct keys in rising order and how often each was given."""
        self._settle()
        keys, counts = zip(*self._seen, strict=True)
        return np.concatenate(keys), np.concatenate(counts)

    def _most_waiting(self) -> int:
        """Return how many keys wait: all that were seen are copied when those are taken up."""
        seen = sum(len(keys) for keys, _ in self._seen)
        return max(_FEWEST_WAITING, min(4 * seen, _MANY_WAITING), seen // 2)

    def _settle(self) -> None:
        """Take up the waiting keys."""
        for number, settled in enumerate(in_order(self._settled, range(len(self._seen)), self._threads)):
            self._seen[number] = settled
        self._bounds, self._many = [], 0

    def _settled(self, number: int) -> tuple[Keys, Integers]:
        """Return the keys of a range that were given before or wait, and their counts."""
        if not self._bounds:
            return self._seen[number]
        ranges = [slice(bounds[number], bounds[number + 1]) for bounds in self._bounds]
        waiting = [np.concatenate([array[each] for each in ranges]) for array in (self._waiting, self._times)]
        return _together(self._seen[number], sum_keys(*waiting))


def _together(some: tuple[Keys, Integers], others: tuple[Keys, Integers]) -> tuple[Keys, Integers]:
    """Return the keys of both in rising order, and the sums of their counts."""
    (keys, counts), (added, times) = some, others
    if not len(keys):
        return others
    places = np.searchsorted(keys, added)
    known = keys[np.minimum(places, len(keys) - 1)] == added
    news = np.flatnonzero(~known)
    sums = counts.copy()
    sums[places[known]] += times[known]
    return np.insert(keys, places.take(news), added.take(news)), np.insert(sums, places.take(news), times.take(news))
