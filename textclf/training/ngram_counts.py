"""Which n-grams have rows of U: those that stand in enough of the texts; and C by n-grams of these texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.storage.array_store import ArrayBuilder, ArrayStore
from textclf.storage.memory import let_go
from textclf.storage.parallel import in_order
from textclf.text.csr import CsrBuilder, SparseRows, sum_entries
from textclf.text.features import Kind, NgramTable, inverse_document_frequency, tf_idf
from textclf.text.key_index import KeyIndex
from textclf.types import Array, Integers, Keys

Flags = npt.NDArray[np.bool_]
_ONE = np.int32(1)  # of the kind that it is added to, with which `add.at` is thirty times as quick


@dataclass(frozen=True)
class LearnedNgrams:
    """The table of one kind, C of the texts it was learnt of in parts, and their share of n-grams that others have."""

    table: NgramTable
    parts: Iterator[SparseRows]
    familiar: Array


class NgramCounts:
    """Counts the n-grams of one kind in texts, and keeps those that stand in at least `least_texts` of them.

    `candidates` holds them all, and others. An n-gram of one training text only says which text it was, so it is worth
    its room only where texts are few. With `weights`, a text of weight 2 counts as two texts.
    """

    def __init__(
        self, kind: Kind, candidates: KeyIndex, least_texts: int, store: ArrayStore, weights: Array | None = None
    ) -> None:
        self._kind, self._candidates, self._least, self._shelf = kind, candidates, least_texts, store
        self._counts = CsrBuilder(store, len(candidates))
        self._in_texts = np.zeros(len(candidates), np.int32)
        self._totals = ArrayBuilder(store)
        self._weights, self._weighed = weights, np.zeros(len(candidates) if weights is not None else 0)
        self._seen = 0

    def count(self, n: int, found: tuple[Integers, Keys]) -> tuple[SparseRows, Integers]:
        """Return how often each candidate stands in each of n texts, and how many n-grams each has in all."""
        numbers, keys = found
        counts = sum_entries(numbers, self._candidates.rows(keys), n, len(self._candidates))
        return counts, np.bincount(numbers, minlength=n)

    def add(self, counts: SparseRows, totals: Integers) -> None:
        """Take up what `count` returned of the next texts."""
        self._counts.add(counts)
        # Not by bincount, which would go through all candidates for each block.
        np.add.at(self._in_texts, counts.columns, _ONE)
        if self._weights is not None:
            of_rows = self._weights[self._seen : self._seen + len(counts)][counts.row_numbers]
            np.add.at(self._weighed, counts.columns, of_rows)
        self._totals.add(totals)
        self._seen += len(counts)

    def learned(self, threads: int) -> LearnedNgrams:
        """Return the table, and what it makes of the texts."""
        parts = self._counts.parts()
        table, keep = self._table()
        idf = table.idf
        places = np.where(keep, np.cumsum(keep, dtype=np.int32) - np.int32(1), np.int32(-1))
        # What the model would know of a text that it had not seen: so many other texts must have the n-gram.
        elsewhere = (self._in_so_many() > self._least).astype(np.float32)
        pairs = zip(parts, self._totals.cut([len(part) for part in parts]), strict=True)
        familiar = list(in_order(lambda pair: _share(pair[0], elsewhere, pair[1]), pairs, threads))

        def weigh(part: SparseRows) -> SparseRows:
            weighted = tf_idf(part.renumbered(places, len(idf)), idf)
            let_go(part.columns, part.data)
            return weighted

        # Each part is dropped as it is weighed, so that what is counted and what is weighed are never both there whole.
        weighted = in_order(weigh, (parts.pop(0) for _ in range(len(parts))), threads)
        return LearnedNgrams(table, weighted, np.concatenate(familiar))

    def added(self, known: KeyIndex) -> tuple[NgramTable, Array]:
        """Return the table, and which share of each text's n-grams has rows for its sake alone, shape (n,).

        Those are n-grams that too few other texts have, and that are not among the `known` ones.
        """
        parts = self._counts.parts()
        table, keep = self._table()
        alone = keep & (self._in_so_many() <= self._least) & (known.rows(self._candidates.keys.astype(np.uint64)) < 0)
        totals = self._totals.cut([len(part) for part in parts])
        shares = [_share(part, alone.astype(np.float32), n) for part, n in zip(parts, totals, strict=True)]
        return table, np.concatenate(shares)

    def _table(self) -> tuple[NgramTable, Flags]:
        frequency: npt.NDArray[Any] = self._in_texts
        n = float(self._seen)
        if self._weights is not None:
            frequency, n = self._weighed, float(self._weights.sum())
        keep = self._in_so_many() >= self._least
        idf = inverse_document_frequency(frequency[keep], n)
        keys = self._shelf.kept(self._candidates.keys[keep])
        return NgramTable(*self._kind, KeyIndex(keys), self._shelf.kept(idf)), keep

    def _in_so_many(self) -> npt.NDArray[Any]:
        """Return in how many texts each candidate stands: a weight below 1 makes a text count less, but drops none."""
        return self._in_texts if self._weights is None else np.maximum(self._weighed, self._in_texts)


def _share(counts: SparseRows, marked: Array, totals: Integers) -> Array:
    """Return the share of each text's n-grams, of which it has `totals`, that are in the `marked` columns."""
    found = np.bincount(counts.row_numbers, weights=counts.data * marked[counts.columns], minlength=len(counts))
    let_go(counts.columns, counts.data)
    share: Array = (found / np.maximum(totals, 1)).astype(np.float32)
    return share
