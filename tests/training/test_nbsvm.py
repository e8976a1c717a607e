"""N-grams may move as freely as naive Bayes tells."""

import numpy as np
import oracles
from hypothesis import given
from strategies import counts_and_truth

from textclf.training.nbsvm import FLOOR, SMOOTHING, nbsvm_scales


@given(counts_and_truth())
def test_scales_are_the_log_count_ratios_of_the_loop(drawn):
    C, Y = drawn
    found = nbsvm_scales(oracles.wide_rows(C), Y)
    if C.any():
        np.testing.assert_allclose(found, oracles.nbsvm_scales(C.tolist(), Y.tolist(), FLOOR, SMOOTHING), rtol=1e-5)
