"""Optimizers take the steps that their papers write down."""

import numpy as np
import oracles
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from textclf.nn.optim import OPTIMIZERS, Adam, GradientDescent, Momentum, RowAdagrad

ORACLES = {"sgd": oracles.gradient_descent, "momentum": oracles.momentum, "adam": oracles.adam}
START = [1.5, -2.0, 0.3, 0.0]
CURVATURE = np.array([1.0, 10.0, 0.1, 3.0])


def slope(theta):
    """Return the gradient of a bowl with a ripple."""
    theta = np.asarray(theta)
    return CURVATURE * theta + 0.5 * np.cos(3.0 * theta)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("steps", [1, 10, 300])
@pytest.mark.parametrize("learning_rate", [0.003, 0.09])
def test_every_step_is_the_recurrence_on_single_numbers(name, steps, learning_rate):
    theta, optimizer = np.array(START), OPTIMIZERS[name](learning_rate)
    for _ in range(steps):
        optimizer.step(theta, slope(theta))
    np.testing.assert_allclose(theta, ORACLES[name](START, slope, learning_rate, steps), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("learning_rate", [0.003, 0.5])
def test_steps_agree_with_those_of_another_implementation(learning_rate):
    pairs = [
        (Adam(learning_rate, epsilon=0.0), lambda theta: AdamOptimizer([theta], learning_rate, epsilon=0.0)),
        (Momentum(learning_rate), lambda theta: SGDOptimizer([theta], learning_rate, nesterov=False)),
    ]
    for ours, make in pairs:
        theta, other = np.array(START), np.array(START)
        theirs = make(other)
        for number in range(10):
            gradient = slope(START) * (1.0 + np.sin(number))
            ours.step(theta, gradient)
            theirs.update_params([other], [gradient])
            np.testing.assert_allclose(theta, other, rtol=1e-12)


def test_adams_recorded_path_is_the_one_worked_by_hand():
    # g = 2 twice at η = 0.1: both corrections cancel, so each step is 0.1 · 2 / (2 + 1e-8); then g = −1:
    # m = 0.9 · 0.38 + 0.1 · (−1) = 0.242, v = 0.999 · 0.007996 + 0.001 · 1 = 0.008988004
    # m̂ = 0.242 / 0.271 = 0.892988930, v̂ = 0.008988004 / 0.002997001 = 2.998999333, step 0.1 · 0.892988930 / 1.731761915
    theta, adam = np.array([1.0]), Adam(0.1)
    path = []
    for gradient in (2.0, 2.0, -1.0):
        adam.step(theta, np.array([gradient]))
        path.append(theta[0])
    assert path == pytest.approx([0.9, 0.8, 0.8 - 0.0892988930 / 1.731761915], abs=2e-9)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_optimizer_that_is_restored_goes_on_as_if_never_stopped(name, dtype):
    straight, optimizer = np.array(START, dtype), OPTIMIZERS[name](0.05)
    for _ in range(7):
        optimizer.step(straight, slope(straight).astype(dtype))
    stopped, first, second = np.array(START, dtype), OPTIMIZERS[name](0.05), OPTIMIZERS[name](0.05)
    for _ in range(3):
        first.step(stopped, slope(stopped).astype(dtype))
    second.restore(first.state())
    first.step(stopped.copy(), slope(stopped).astype(dtype))  # what was handed over is a copy
    for _ in range(4):
        second.step(stopped, slope(stopped).astype(dtype))
    assert stopped.dtype == dtype
    assert stopped.tobytes() == straight.tobytes()


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_state_of_nothing_is_a_fresh_start(name):
    used, fresh = OPTIMIZERS[name](0.05), OPTIMIZERS[name](0.05)
    used.step(np.array(START), slope(START))
    used.restore(fresh.state())
    a, b = np.array(START), np.array(START)
    used.step(a, slope(START))
    fresh.step(b, slope(START))
    assert a.tobytes() == b.tobytes()


def test_row_adagrad_moves_the_rows_of_its_batch_as_the_loop_does():
    rng = np.random.default_rng(0)
    E = rng.normal(size=(6, 3))
    steps = [(np.array([0, 3]), rng.normal(size=(2, 3))), (np.array([3, 5, 1]), rng.normal(size=(3, 3)))]
    slow = oracles.row_adagrad(
        E.tolist(), [list(zip(rows.tolist(), gradient.tolist(), strict=True)) for rows, gradient in steps], 0.1
    )
    untouched = E[[2, 4]].copy()
    optimizer = RowAdagrad(0.1)
    for rows, gradient in steps:
        optimizer.step_rows(E, rows, gradient)
    np.testing.assert_allclose(E, slow, rtol=1e-12)
    assert E[[2, 4]].tobytes() == untouched.tobytes()


def test_gradient_descent_works_in_place():
    theta = np.ones(2)
    GradientDescent(0.5).step(theta, np.array([1.0, -1.0]))
    assert theta.tolist() == [0.5, 1.5]
