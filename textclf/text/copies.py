"""Which texts are copies of another, and how many independent texts rows with copies are worth.

Copies get one answer, so m of them tell little more than one does. An interval, a standard error or a test that counts
each row claims to know more than it does.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from textclf.types import Array, Integers, Keys

_MOST_KEYS = 1 << 20


def group_copies(texts: Sequence[str]) -> Integers:
    """Return for each text the number of the first text that is the same, case and blanks aside; shape (n,).

    >>> group_copies(["Good film.", "Bad film.", "good  film."]).tolist()
    [0, 1, 0]
    """
    return group_keys(text_keys(texts))


def text_keys(texts: Sequence[str]) -> Keys:
    """Return 64 bits of each text, shape (n,), equal where texts are the same, case and blanks aside."""
    return np.fromiter((_key_of(text) for text in texts), np.uint64, len(texts))


def group_keys(keys: Keys) -> Integers:
    """Return for each key the number of the first that is equal, shape (n,)."""
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return firsts[inverse]


def _key_of(text: str) -> int:
    """Return 64 bits of a text; should two texts ever share them, they only share a fold."""
    folded = " ".join(text.casefold().split())
    return int.from_bytes(blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def count_copies(groups: Integers) -> int:
    """Return how many rows repeat an earlier row's text."""
    return int((groups != np.arange(len(groups))).sum())


def copies_of_each(groups: Integers) -> Integers:
    """Return for each row how many rows have its text, itself among them; shape (n,).

    >>> copies_of_each(np.array([0, 1, 0])).tolist()
    [2, 1, 2]
    """
    _, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return sizes[of_row]


def independent_share(groups: Integers | Keys) -> float:
    """Return the share of rows that are as good as independent, where rows of one number are copies of a text.

    n rows in groups of m are worth n² / Σ m² independent ones (Kish 1965, the effective sample size).

    >>> independent_share(np.array([0, 1, 0, 1, 4, 4]))
    0.5
    """
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() / (sizes @ sizes)) if len(sizes) else 1.0


def independent_by_label(groups: Integers, Y: Array) -> Array:
    """Return the share of each label's rows that are as good as independent, shape (k,).

    Y, shape (n, k), is above 0 for the labels of each row; `groups` as in `independent_share`.

    >>> independent_by_label(np.array([0, 0, 2]), np.array([[1, 0], [1, 0], [0, 1]])).tolist()
    [0.5, 1.0]
    """
    rows, labels = np.nonzero(Y > 0)
    return _share_of_each(labels, groups[rows], Y.shape[1])


def _share_of_each(labels: Integers, groups: Integers | Keys, k: int) -> Array:
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(1, k))
    return np.array([independent_share(part) for part in np.split(groups[order], ends)][:k])


class TextCopies:
    """Which rows are copies, and of which label: 16 bytes are kept of each of the first million rows.

    With `labels`, the number of labels, the shares of their rows are known, too.
    """

    def __init__(self, labels: int = 0, most: int = _MOST_KEYS) -> None:
        self._labels, self._most = labels, most
        self._keys: Keys = np.zeros(0, np.uint64)
        self._of_label: tuple[Integers, Keys] = (np.zeros(0, np.int64), np.zeros(0, np.uint64))

    def add(self, texts: Sequence[str], Y: Array | None = None) -> None:
        """Count rows; Y, shape (n, number of labels), is above 0 for the labels that each has."""
        room = self._most - len(self._keys)
        if room <= 0:
            return
        keys = text_keys(texts[:room])
        self._keys = np.concatenate([self._keys, keys])
        if Y is not None:
            rows, labels = np.nonzero(Y[:room] > 0)
            self._add_labels(labels, keys[rows])

    def merge(self, other: "TextCopies") -> None:
        """Add other rows to these."""
        self._keys = np.concatenate([self._keys, other._keys])[: self._most]
        self._add_labels(*other._of_label)

    def _add_labels(self, labels: Integers, keys: Keys) -> None:
        numbers, known = self._of_label
        self._of_label = np.concatenate([numbers, labels]), np.concatenate([known, keys])

    @property
    def independent(self) -> float:
        """The share of the rows that are as good as independent."""
        return independent_share(self._keys)

    @property
    def independent_by_label(self) -> Array:
        """The share of each label's rows that are as good as independent, shape (number of labels,)."""
        return _share_of_each(*self._of_label, self._labels)
