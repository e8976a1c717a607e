"""Examples of two classes with words, n-grams and sub-words of their own."""

import numpy as np
import oracles

from textclf.nn.network import one_hot
from textclf.text.subwords import WideRows
from textclf.training.data import Examples
from textclf.training.objective import RowsHere, fit_jointly


def two_classes(n=120, seed=0):
    """Return examples of two classes, each with words of its own, and vectors of the words."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    C = np.zeros((n, 10))
    for i in range(n):
        for word in np.where(rng.random(6) < 0.75, 5 * y[i], 5 * (1 - y[i])) + rng.integers(0, 5, 6):
            C[i, word] += 1 / 6
    words = in_float32(oracles.sparse(C))
    E = rng.normal(size=(10, 4)).astype(np.float32)
    G = rng.random((10, 7)) * (rng.random((10, 7)) < 0.3)
    wide = WideRows(words, words, in_float32(oracles.sparse(G)))
    return Examples(words, wide, one_hot(y, 2), np.ones(n, np.float32)), E


def in_float32(matrix):
    return matrix.with_data(matrix.data.astype(np.float32))


def fit_here(problem, S, examples, options, threads=1):
    """Fit to examples of this process."""
    return fit_jointly(problem, RowsHere.of(S, examples, threads), options)
