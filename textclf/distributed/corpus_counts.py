"""What the texts of many files hold: counts that are made where a file is read, and that can be added up.

The counts of keys are bounded: of more distinct keys than there is room for, the rarest go, and how much a count may
miss is known (Misra & Gries 1982; merged as Agarwal et al. 2012, "Mergeable summaries", section 3).
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from textclf.tables import Batch
from textclf.text.csr import sum_entries
from textclf.text.features import NgramKind
from textclf.text.key_index import KeyIndex, count_keys, sum_keys
from textclf.text.ngrams import ngrams
from textclf.text.subwords import Spelling, count_texts, piece_keys, subwords
from textclf.text.tokenizer import text_blocks, tokenize
from textclf.types import Integers, Keys

MOST_KEYS = 20_000_000


@dataclass
class HeavyHitters:
    """The distinct keys that stand in texts, in rising order, and how often each does.

    A count is at most `missing` too low, and a key that is not there has at most so many; 0 as long as all have room.
    """

    most: int = MOST_KEYS
    keys: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))
    counts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    missing: int = 0

    def add(self, keys: Keys, counts: Integers) -> None:
        """Add counts of keys that are distinct and in rising order."""
        # Looked up, not sorted together: there are millions here, and each file brings some hundred thousand.
        places = np.searchsorted(self.keys, keys)
        is_new = places == len(self.keys)
        is_new[~is_new] = self.keys[places[~is_new]] != keys[~is_new]
        self.counts[places[~is_new]] += counts[~is_new]
        self.keys = np.insert(self.keys, places[is_new], keys[is_new])
        self.counts = np.insert(self.counts, places[is_new], counts[is_new])
        if len(self.keys) > self.most:
            self._cut()

    def merge(self, other: "HeavyHitters") -> None:
        """Add what others counted."""
        self.add(other.keys, other.counts)
        self.missing += other.missing

    def _cut(self) -> None:
        least = int(np.partition(self.counts, len(self.counts) - self.most - 1)[len(self.counts) - self.most - 1])
        self.counts = self.counts - least
        kept = self.counts > 0
        self.keys, self.counts = self.keys[kept], self.counts[kept]
        self.missing += least


@dataclass
class CorpusCounts:
    """Rows of each label, how often each word stands in the texts, and in how many of them each n-gram.

    `length` is that of all texts together, in characters.
    """

    labels: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    refused: int = 0
    length: int = 0
    words: HeavyHitters = field(default_factory=HeavyHitters)
    texts_of_words: HeavyHitters = field(default_factory=HeavyHitters)
    texts_of_subwords: HeavyHitters = field(default_factory=HeavyHitters)
    ngrams: list[HeavyHitters] = field(default_factory=list)

    def add(self, batch: Batch, kinds: list[NgramKind], *, cased: bool, by_text: bool = False) -> None:
        """Count the rows of a batch; with `cased` words count as they stand, too.

        In how many texts a sub-word stands is told from its pieces, as if no text had two of them. With `by_text` the
        texts that have a word or a sub-word are counted one by one as well.
        """
        self.ngrams = self.ngrams or [HeavyHitters() for _ in kinds]
        self.labels.update(batch.labels or [])
        self.rows += len(batch)
        self.length += sum(map(len, batch.texts))
        for texts in text_blocks(batch.texts):
            tokens = tokenize(texts)
            forms = [tokens, *([tokenize(texts, lower=False)] if cased else [])]
            keys = np.concatenate([form.keys for form in forms])
            self.words.add(*count_keys(keys))
            if by_text:
                numbers = np.concatenate([form.text_numbers for form in forms])
                self.texts_of_words.add(*_text_frequency(len(tokens), numbers, keys))
            for (kind, shortest, longest), found in zip(kinds, self.ngrams, strict=True):
                if kind == "words":
                    found.add(*_text_frequency(len(tokens), *ngrams(tokens, shortest, longest)))
                else:
                    pieces, times = _text_frequency(len(tokens), *piece_keys(tokens))
                    spelling = Spelling.of_tokens(tokens).take(pieces)
                    numbers, keys = subwords(spelling, shortest, longest)
                    found.add(*sum_keys(keys, times[numbers]))
                    if by_text:
                        distinct, _ = count_keys(keys)
                        text_numbers, of_pieces = piece_keys(tokens)
                        C = sum_entries(text_numbers, spelling.index.rows(of_pieces), len(tokens), len(pieces))
                        in_texts = count_texts(C, spelling, KeyIndex(distinct), shortest, longest)
                        self.texts_of_subwords.add(distinct, in_texts)

    def merge(self, other: "CorpusCounts") -> None:
        """Add other rows' counts."""
        self.labels.update(other.labels)
        self.rows += other.rows
        self.refused += other.refused
        self.length += other.length
        self.words.merge(other.words)
        self.texts_of_words.merge(other.texts_of_words)
        self.texts_of_subwords.merge(other.texts_of_subwords)
        self.ngrams = self.ngrams or [HeavyHitters() for _ in other.ngrams]
        for own, others in zip(self.ngrams, other.ngrams, strict=True):
            own.merge(others)


def _text_frequency(n: int, numbers: Integers, keys: Keys) -> tuple[Keys, Integers]:
    """Return the distinct keys of n texts in rising order, and in how many texts each stands."""
    distinct, _ = count_keys(keys)
    entries = sum_entries(numbers, KeyIndex(distinct).rows(keys), n, len(distinct))
    return distinct, np.bincount(entries.columns, minlength=len(distinct)).astype(np.int64)
