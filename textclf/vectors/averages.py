"""Averages of word vectors as they stand in their source, S = C E, before anything is trained."""

from collections.abc import Sequence

import numpy as np

from textclf.settings import Weighting
from textclf.text.features import Features, WordTable
from textclf.text.key_index import KeyIndex, count_keys
from textclf.text.tokenizer import keys_of, tokenize_blocks
from textclf.text.weighting import expected_counts, word_weights
from textclf.types import Array
from textclf.vectors.word_vectors import WordVectors


def averaging_features(vectors: WordVectors, texts: Sequence[str], weighting: Weighting) -> tuple[Features, Array]:
    """Return what makes C of texts, its words weighed as common as they are in these texts, and E, shape (V, d)."""
    keys, places = np.unique(keys_of(vectors.words), return_index=True)
    index = KeyIndex(keys)
    seen = [block.keys for block in tokenize_blocks(texts, lower=not vectors.is_cased)]
    words, occurrences = count_keys(np.concatenate([*seen, np.zeros(0, np.uint64)]))
    rows = index.rows(words)
    counts = np.zeros(len(keys), np.int64)
    counts[rows[rows >= 0]] = occurrences[rows >= 0]
    n = max(len(texts), 1)
    weights = word_weights(weighting, counts, n, expected_counts(places + 1, len(vectors.words)))
    E = np.ascontiguousarray(vectors.matrix[places], np.float32)
    return Features(WordTable(index, weights, vectors.is_cased), ()), E
