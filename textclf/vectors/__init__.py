"""Pretrained word vectors: read through gensim, checked before and after, converted once and mapped from the disk."""

from textclf.vectors.open import cached_entries, clear_cache, open_vectors, starter_path
from textclf.vectors.scan import VectorsFormat, scan
from textclf.vectors.word2vec import check_format, save_word2vec, to_grid, train_vectors
from textclf.vectors.word_vectors import WordVectors, nearest

__all__ = [
    "VectorsFormat",
    "WordVectors",
    "cached_entries",
    "check_format",
    "clear_cache",
    "nearest",
    "open_vectors",
    "save_word2vec",
    "scan",
    "starter_path",
    "to_grid",
    "train_vectors",
]
