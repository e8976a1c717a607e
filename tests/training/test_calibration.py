"""The temperature makes probabilities mean what they say, and changes no label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.model.card import Scaling
from textclf.nn.network import LOSSES, one_hot, sigmoid, softmax
from textclf.training import calibration
from textclf.training.calibration import CalibrationRows, fit_calibration, fit_temperature, fit_vector

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


def skewed(n, seed=0):
    """Return weighted sums that overrate one class and underrate another, and classes drawn from the right ones."""
    Z, y = drawn(n, seed=seed)
    return Scaling((1.5, 1.0, 0.7), (0.8, 0.0, -0.6)).apply(Z), y


def calibrated(Z, y):
    return fit_calibration(CalibrationRows(Z, one_hot(y, 3), np.ones(len(y))), SOFTMAX, np.random.default_rng(0))


def test_vector_scaling_is_chosen_where_classes_are_off_by_different_amounts_and_lowers_the_loss():
    Z, y = skewed(6000)
    found = calibrated(Z[:3000], y[:3000])
    assert found.scaling is not None
    T, _ = fit_temperature(Z[:3000], one_hot(y[:3000], 3), np.ones(3000), SOFTMAX)
    losses = [SOFTMAX.value(scaled, one_hot(y[3000:], 3)).mean() for scaled in (found.apply(Z[3000:]), Z[3000:] / T)]
    assert losses[0] < losses[1] - 0.01


def test_vector_scaling_is_seldom_chosen_where_one_temperature_is_enough():
    chosen = sum(calibrated(*drawn(600, seed=seed)).scaling is not None for seed in range(20))
    assert chosen <= 4


def test_few_rows_are_calibrated_by_the_temperature_alone():
    Z, y = skewed(50)
    assert calibrated(Z, y).scaling is None
    few = fit_vector(Z[:3], one_hot(y[:3], 3), np.ones(3), SOFTMAX)
    assert few.scaling is not None
    assert np.abs(np.log(few.scaling.factors)).max() < 0.5


def test_of_very_many_rows_some_are_drawn_and_say_the_same(monkeypatch):
    Z, y = drawn(20_000, k=2)
    looked_at = []
    fit = calibration.fit_temperature
    monkeypatch.setattr(calibration, "fit_temperature", lambda Z, *rest: looked_at.append(len(Z)) or fit(Z, *rest))
    monkeypatch.setattr(calibration, "_MOST_ROWS_A_NUMBER", 1000)
    found = fit_calibration(CalibrationRows(Z * 2.0, one_hot(y, 2), np.ones(len(y))), SOFTMAX, np.random.default_rng(0))
    assert looked_at[0] == 5000  # of the numbers T, and a factor and a bias for each class
    assert found.temperature == pytest.approx(2.0, rel=0.06)


def test_what_vector_scaling_finds_is_a_minimum_of_the_loss_and_what_holds_it_near_none():
    Z, y = skewed(2000)
    Y = one_hot(y, 3)

    def cost(T, a, b):
        held = 4 * np.log(T) ** 2 + 16 * ((np.log(a) ** 2).sum() + ((b / T) ** 2).sum())
        return SOFTMAX.value((Z * a + b) / T, Y).sum() + held / 2

    found = fit_vector(Z, Y, np.ones(len(y)), SOFTMAX)
    T, a, b = found.temperature, np.array(found.scaling.factors), np.array(found.scaling.biases)
    lowest = cost(T, a, b)
    for step in (-0.03, 0.03):
        assert cost(T * (1 + step), a, b) > lowest
        for j in range(3):
            one = np.eye(3)[j] * step
            assert cost(T, a * (1 + one), b) > lowest
            assert cost(T, a, b + one) > lowest


def test_scaling_is_undone():
    scaling = Scaling((1.5, 0.5), (0.1, -0.2))
    Z = np.array([[1.0, 2.0], [-3.0, 0.0]])
    assert scaling.undo(scaling.apply(Z)) == pytest.approx(Z)
