"""Random inputs for hypothesis whose shapes agree by construction."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from textclf.nn.network import ACTIVATIONS, Network, parameter_count


def numbers(largest):
    """Return a strategy for float64 numbers of −largest … largest."""
    return st.floats(-largest, largest, allow_subnormal=False)


@st.composite
def logits(draw, largest=50.0):
    """Draw weighted sums Z, shape (n, k)."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 5)))
    return draw(hnp.arrays(np.float64, shape, elements=numbers(largest)))


@st.composite
def networks_and_inputs(draw):
    """Draw a network of 0 to 3 hidden layers, all parameters random, with X, shape (n, n_0), and wide, shape (n, k)."""
    sizes = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=5)))
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    activation = ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))]
    network = Network(sizes, activation, rng.normal(size=parameter_count(sizes)))
    return network, rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1]))


@st.composite
def class_numbers(draw):
    """Draw the class of each of n rows, classes of very different sizes, in any order."""
    counts = draw(st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any))
    y = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(y)


@st.composite
def counts_and_truth(draw):
    """Draw n-gram weights C, shape (n, V), some rows and columns empty, and one-hot Y, shape (n, k), k at least 2."""
    n, V, k = draw(st.integers(1, 8)), draw(st.integers(1, 6)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    C = rng.uniform(0.1, 2.0, (n, V)) * (rng.random((n, V)) < 0.5)
    return C, np.eye(k)[rng.integers(0, k, n)]
