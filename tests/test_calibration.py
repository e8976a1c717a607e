"""The temperature makes probabilities mean what they say, and changes no label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.calibration import fit_temperature
from textclf.network import LOSSES, one_hot, sigmoid, softmax

SOFTMAX = LOSSES["cross-entropy", "softmax"]


def drawn(n=4000, k=3, seed=0):
    """Return weighted sums, and classes drawn from the probabilities that they say."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(0.0, 2.0, (n, k))
    y = np.array([rng.choice(k, p=p) for p in softmax(Z)])
    return Z, y


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0, 5.0])
def test_the_temperature_undoes_what_the_sums_were_multiplied_by(factor):
    Z, y = drawn()
    T, loss = fit_temperature(Z * factor, one_hot(y, 3), np.ones(len(y)), SOFTMAX)
    assert pytest.approx(factor, rel=0.06) == T
    assert loss <= SOFTMAX.value(Z, one_hot(y, 3)).mean() + 1e-3


def test_confidence_after_scaling_is_how_often_it_is_right():
    Z, y = drawn()
    Z *= 4.0
    T, _ = fit_temperature(Z[:2000], one_hot(y[:2000], 3), np.ones(2000), SOFTMAX)

    def gap(P):
        return abs(P.max(axis=1).mean() - (P.argmax(axis=1) == y[2000:]).mean())

    assert gap(softmax(Z[2000:] / T)) < 0.03 < gap(softmax(Z[2000:]))


@given(st.integers(0, 1000), st.integers(1, 30))
def test_the_temperature_lowers_the_loss_or_leaves_it(seed, n):
    rng = np.random.default_rng(seed)
    Z, y = rng.normal(0.0, 3.0, (n, 4)), rng.integers(0, 4, n)
    weights = rng.uniform(0.0, 2.0, n)
    T, loss = fit_temperature(Z, one_hot(y, 4), weights, SOFTMAX)
    assert 1 / 8 <= T <= 8
    assert loss <= np.average(SOFTMAX.value(Z, one_hot(y, 4)), weights=weights) + 1e-6


def test_a_few_rows_that_are_all_right_do_not_make_the_model_certain():
    Z = np.array([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
    T, _ = fit_temperature(Z, np.eye(2)[[0, 1, 0]], np.ones(3), SOFTMAX)
    assert 0.7 < T < 1.0


def test_without_rows_nothing_changes():
    assert fit_temperature(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), SOFTMAX) == (1.0, 0.0)
    assert fit_temperature(np.ones((2, 2)), np.eye(2), np.zeros(2), SOFTMAX) == (1.0, 0.0)


def test_sigmoid_outputs_are_scaled_by_their_own_loss():
    rng = np.random.default_rng(0)
    Z = rng.normal(0.0, 2.0, (4000, 1))
    Y = (rng.random(Z.shape) < sigmoid(Z)).astype(float)
    T, _ = fit_temperature(3.0 * Z, Y, np.ones(4000), LOSSES["cross-entropy", "sigmoid"])
    assert pytest.approx(3.0, rel=0.1) == T
