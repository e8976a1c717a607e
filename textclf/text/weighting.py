"""What words and n-grams weigh in a text: means of word vectors, and tf-idf."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.settings import Weighting
from textclf.text.csr import SparseRows
from textclf.types import Array, BoolArray, Integers

_SIF_A = 1e-3  # Arora et al. 2017, eq. 3: a / (a + p(w)), a between 1e-4 and 1e-3
_PRIOR_TOKENS = 3_000
_ZIPF_SHIFT = 2.7


def word_weights(
    weighting: Weighting, occurrences: npt.NDArray[Any], n: int, expected: npt.NDArray[Any] | None = None
) -> Array:
    """Return the weight of one occurrence of each word, shape (V,), from counts over the n training texts.

    `expected`, shape (V,): pseudo-counts that the probabilities of SIF start from, as `expected_counts` returns them.

    >>> word_weights("sif", np.array([90, 10]), n=10).round(4)
    array([0.0011, 0.0099], dtype=float32)
    """
    if weighting == "tfidf":
        return inverse_document_frequency(np.minimum(occurrences, n), n)
    if weighting == "sif":
        counts = occurrences if expected is None else occurrences + expected
        probability = counts / max(float(counts.sum()), 1.0)
        return (_SIF_A / (_SIF_A + probability)).astype(np.float32)
    return np.ones(len(occurrences), np.float32)


def expected_counts(ranks: Integers, words: int) -> npt.NDArray[np.float64]:
    """Return how often words of these ranks stand in 3,000 tokens of a language with so many words, shape (V,).

    By the Zipf–Mandelbrot law, p ∝ 1 / (rank + 2.7), rank 1 being the commonest word: files of pretrained vectors list
    the commonest words first. A few training texts say little about how common words are: without these counts, *the*
    would weigh more in a new text than a rare word that stands once in the training texts.
    """
    total = (1.0 / (np.arange(1, words + 1) + _ZIPF_SHIFT)).sum()
    expected: npt.NDArray[np.float64] = _PRIOR_TOKENS / total / (ranks + _ZIPF_SHIFT)
    return expected


def weighted_mean(counts: SparseRows, weights: Array) -> SparseRows:
    """Return C, in which each row's entries, count times the word's weight, sum to 1 (an empty row stays empty).

    >>> C = SparseRows(np.array([0, 2]), np.array([0, 1]), np.array([1.0, 3.0]), width=2)
    >>> weighted_mean(C, np.array([1.0, 1.0])).data
    array([0.25, 0.75], dtype=float32)
    """
    data = counts.data * weights[counts.columns]
    totals = np.bincount(counts.row_numbers, weights=data, minlength=len(counts))
    return counts.with_data((data / totals[counts.row_numbers]).astype(np.float32))


def tf_idf(counts: SparseRows, idf: Array) -> SparseRows:
    """Return (1 + log count) · idf, each row scaled to length 1 (Manning et al. 2008, section 6.4: "ltc").

    >>> C = SparseRows(np.array([0, 2]), np.array([0, 1]), np.array([1.0, 1.0]), width=2)
    >>> tf_idf(C, np.array([3.0, 4.0])).data
    array([0.6, 0.8], dtype=float32)
    """
    data = log_counts(counts.data) * idf.take(counts.columns)
    numbers = counts.row_numbers
    lengths = np.sqrt(np.bincount(numbers, weights=data * data, minlength=len(counts)))
    return counts.with_data((data / lengths.take(numbers)).astype(np.float32))


def log_counts(counts: Array) -> Array:
    """Return 1 + log c of counts c ≥ 1, float32.

    >>> log_counts(np.array([1.0, 2.0, 3.0])).round(2)
    array([1.  , 1.69, 2.1 ], dtype=float32)
    """
    # Counts are few different numbers: a table of their logarithms takes a fifth of the time.
    logs = np.ones(int(counts.max(initial=1.0)) + 1, np.float32)
    logs[1:] += np.log(np.arange(1, len(logs), dtype=np.float32))
    return logs.take(counts.astype(np.int32))


def inverse_document_frequency(document_frequency: npt.NDArray[Any], n: float) -> Array:
    """Return log((1 + n) / (1 + df)) + 1 for each row, shape (V,), float32; counts may be weighted, so no integers.

    >>> inverse_document_frequency(np.array([1, 99]), n=99).round(2)
    array([4.91, 1.  ], dtype=float32)
    """
    idf: Array = (np.log((1.0 + n) / (1.0 + document_frequency)) + 1.0).astype(np.float32)
    return idf


def share_of_texts(text_numbers: Integers, marked: BoolArray, n: int) -> Array:
    """Return the share of each text's n-grams that are marked, shape (n,); 0 for a text without any.

    >>> share_of_texts(np.array([0, 0, 1]), np.array([True, False, True]), n=3)
    array([0.5, 1. , 0. ], dtype=float32)
    """
    of_all = np.bincount(text_numbers, minlength=n)
    share: Array = (np.bincount(text_numbers[marked], minlength=n) / np.maximum(of_all, 1)).astype(np.float32)
    return share
