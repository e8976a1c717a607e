"""Which n-grams have rows of U: those that stand in enough of the texts; and C by n-grams of these texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from textclf.arrays import Array, Integers, Keys
from textclf.dictionary import Dictionary
from textclf.features import NgramTable, inverse_document_frequency, tf_idf
from textclf.parallel import in_order
from textclf.shelf import RowStack, Shelf
from textclf.sparse import SparseRows, sum_entries

Kind = tuple[Literal["words", "chars"], int, int]
"""Of words or of characters, the shortest and the longest."""


@dataclass(frozen=True)
class LearnedNgrams:
    """The table of one kind, C of the texts it was learnt of in parts, and their share of n-grams that others have."""

    table: NgramTable
    parts: Iterator[SparseRows]
    familiar: Array


class NgramTally:
    """Counts the n-grams of one kind in texts, and keeps those that stand in at least `least_texts` of them.

    `candidates` holds them all, and others. An n-gram of one training text only says which text it was, so it is worth
    its room only where texts are few.
    """

    def __init__(self, kind: Kind, candidates: Dictionary, least_texts: int, shelf: Shelf) -> None:
        self._kind, self._candidates, self._least = kind, candidates, least_texts
        self._counts = RowStack(shelf, len(candidates))
        self._in_texts = np.zeros(len(candidates), np.int64)
        self._totals: list[Integers] = []

    def count(self, n: int, found: tuple[Integers, Keys]) -> tuple[SparseRows, Integers]:
        """Return how often each candidate stands in each of n texts, and how many n-grams each has in all."""
        numbers, keys = found
        counts = sum_entries(numbers, self._candidates.rows(keys), n, len(self._candidates))
        return counts, np.bincount(numbers, minlength=n)

    def add(self, counts: SparseRows, totals: Integers) -> None:
        """Take up what `count` returned of the next texts."""
        self._counts.add(counts)
        self._in_texts += np.bincount(counts.columns, minlength=counts.width)
        self._totals.append(totals)

    def learned(self, threads: int) -> LearnedNgrams:
        """Return the table, and what it makes of the texts."""
        n = sum(map(len, self._totals))
        parts, keep = self._counts.parts(), self._in_texts >= self._least
        idf = inverse_document_frequency(self._in_texts[keep], n)
        kind, shortest, longest = self._kind
        elsewhere = (self._in_texts > 1).astype(np.float32)
        familiar = [
            np.bincount(part.row_numbers, weights=part.data * elsewhere[part.columns], minlength=len(part))
            / np.maximum(totals, 1)
            for part, totals in zip(parts, self._totals, strict=True)
        ]
        table = NgramTable(kind, shortest, longest, Dictionary(self._candidates.keys[keep]), idf)
        weighted = in_order(lambda part: tf_idf(part.keep_columns(keep), idf), parts, threads)
        return LearnedNgrams(table, weighted, np.concatenate(familiar).astype(np.float32))
