"""A set of 64-bit keys, each with its row: which row of E, or of any table, a word or an n-gram has."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from textclf.arrays import Integers, Keys
from textclf.parallel import in_order

_FEW = 4096  # below this many look-ups, a binary search costs less than making the index
_RANGE_BITS = 2
_MOST_WAITING = 1 << 26  # keys that wait to be counted: more are counted before more come
_BLOCK = 1 << 18  # look-ups done at a time: their arrays stay in the processor's cache


@dataclass(frozen=True)
class Dictionary:
    """Distinct keys in rising order, shape (V,): a key's row is its place among them."""

    keys: Keys

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, keys: Keys) -> Integers:
        """Return the row of each key, or -1 for a key that is not there; shape of `keys`."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int32)
        if len(keys) < _FEW:
            places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            return np.where(self.keys[places] == keys, places, -1).astype(np.int32)
        rows = np.empty(len(keys), np.int32)
        for start in range(0, len(keys), _BLOCK):
            rows[start : start + _BLOCK] = self._rows_by_index(keys[start : start + _BLOCK])
        return rows

    def _rows_by_index(self, keys: Keys) -> Integers:
        # Keys are as good as random, so the first bits of one tell its place to within a few rows (a radix index):
        # twelve million look-ups among 600,000 keys take a twelfth of the time that binary search takes.
        firsts, shift, table = self._index
        places = firsts[keys >> shift]
        found = table[places]
        rows = np.where(found == keys, places, np.int32(-1))
        search = np.flatnonzero(found < keys)
        places, keys = places[search], keys[search]
        while len(search):
            places += np.int32(1)
            found = table[places]
            hit = found == keys
            rows[search[hit]] = places[hit]
            further = found < keys
            search, places, keys = search[further], places[further], keys[further]
        rows[rows == len(self.keys)] = -1  # the sentinel is a key that a caller may ask for, but not one of ours
        return rows

    @cached_property
    def _index(self) -> tuple[Integers, np.uint64, Keys]:
        """The first place of each leading bit pattern, the shift that gives it, and the keys with a sentinel."""
        bits = max(len(self.keys) - 1, 1).bit_length() + 1
        shift = np.uint64(64 - bits)
        patterns = np.arange(1 << bits, dtype=np.uint64) << shift
        firsts = np.searchsorted(self.keys, patterns).astype(np.int32)
        return firsts, shift, np.append(self.keys, np.uint64(0xFFFFFFFFFFFFFFFF))


def count_keys(keys: Keys) -> tuple[Keys, Integers]:
    """Return the distinct keys in rising order and how often each stands there."""
    # By sorting, which runs on whole vector registers: on millions of distinct keys much faster than np.unique's table.
    ordered = np.sort(keys)
    if not len(ordered):
        return ordered, np.zeros(0, np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[starts], np.diff(starts, append=len(ordered))


class KeyCounter:
    """Counts keys that come part by part."""

    def __init__(self) -> None:
        self._seen: Keys = np.zeros(0, np.uint64)
        self._counts: Integers = np.zeros(0, np.int64)
        self._waiting: list[Keys] = []
        self._many = 0

    def add(self, keys: Keys) -> None:
        """Count these keys."""
        self._waiting.append(keys)
        self._many += len(keys)
        if self._many > _MOST_WAITING:
            self._settle(1)

    def counts(self, threads: int = 1) -> tuple[Keys, Integers]:
        """Return the distinct keys in rising order and how often each was given."""
        self._settle(threads)
        return self._seen, self._counts

    def _settle(self, threads: int) -> None:
        """Take up the waiting keys, a range of keys at a time: a fourth of all, as keys are as good as random."""
        found = list(in_order(lambda part: count_keys(self._of_range(part)), range(1 << _RANGE_BITS), threads))
        keys, counts = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        self._waiting, self._many = [], 0
        if len(self._seen):
            both = np.concatenate([self._seen, keys])
            order = np.argsort(both, kind="stable")
            counts = np.concatenate([self._counts, counts])[order]
            both = both[order]
            starts = np.flatnonzero(np.concatenate(([True], both[1:] != both[:-1])))
            keys, counts = both[starts], np.add.reduceat(counts, starts)
        self._seen, self._counts = keys, counts

    def _of_range(self, part: int) -> Keys:
        shift = np.uint64(64 - _RANGE_BITS)
        return np.concatenate([keys[keys >> shift == part] for keys in self._waiting] or [np.zeros(0, np.uint64)])
