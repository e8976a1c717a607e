"""Optimizers take the steps that their papers write down."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from textclf.nn.optim import OPTIMIZERS, Adam, GradientDescent, Momentum, RowAdagrad, lbfgs

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


def quadratic(seed, n):
    """Return ½ (θ − c)ᵀ A (θ − c) and its gradient, A positive definite, and c."""
    rng = np.random.default_rng(seed)
    B, c = rng.normal(size=(n, n)), rng.normal(size=n)
    A = B @ B.T + 0.1 * np.eye(n)
    return lambda theta: (0.5 * (theta - c) @ A @ (theta - c), A @ (theta - c)), c


@given(st.integers(0, 10_000), st.integers(1, 8))
def test_lbfgs_finds_the_minimum_of_a_bowl_and_leaves_its_start(seed, n):
    function, c = quadratic(seed, n)
    start = np.zeros(n)
    found = lbfgs(function, start, iterations=500, tolerance=1e-10)
    np.testing.assert_allclose(found.theta, c, atol=1e-5)
    assert not start.any()
    assert found.loss == function(found.theta)[0]


def rosenbrock(theta):
    x, y = theta
    value = (1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2
    return value, np.array([-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])


def test_lbfgs_goes_down_the_bent_valley_as_scipys_does():
    start = np.array([-1.2, 1.0])
    found = lbfgs(rosenbrock, start, iterations=200, tolerance=1e-9)
    theirs = minimize(rosenbrock, start, jac=True, method="L-BFGS-B", tol=1e-12)
    np.testing.assert_allclose(found.theta, theirs.x, atol=1e-4)
    assert found.evaluations < 2 * theirs.nfev


def test_lbfgs_says_each_step_never_climbs_and_stops_when_it_is_told():
    told = []
    found = lbfgs(rosenbrock, np.array([-1.2, 1.0]), iterations=12, after_iteration=told.append)
    assert [steps.iteration for steps in told] == list(range(1, 13))
    losses = [steps.loss for steps in told]
    assert losses == sorted(losses, reverse=True)
    assert (found.iterations, found.loss) == (12, losses[-1])


def test_lbfgs_goes_on_from_any_of_its_steps_as_if_never_stopped():
    told = []
    start = np.array([-1.2, 1.0])
    found = lbfgs(rosenbrock, start, iterations=200, tolerance=1e-9, after_iteration=told.append)
    for steps in told:
        again = lbfgs(rosenbrock, steps, iterations=200, tolerance=1e-9)
        assert again.theta.tobytes() == found.theta.tobytes()
        assert (again.loss, again.iterations, again.evaluations) == (found.loss, found.iterations, found.evaluations)


def test_lbfgs_at_a_minimum_or_on_a_plain_stays_where_it_is():
    for function in (quadratic(0, 3)[0], lambda theta: (1.0, np.zeros(3))):
        c = quadratic(0, 3)[1]
        found = lbfgs(function, c, iterations=10)
        np.testing.assert_allclose(found.theta, c, atol=1e-12)


def test_gradient_descent_works_in_place():
    theta = np.ones(2)
    GradientDescent(0.5).step(theta, np.array([1.0, -1.0]))
    assert theta.tolist() == [0.5, 1.5]


def test_lbfgs_with_the_curvature_of_each_parameter_takes_fewer_steps_to_the_same_minimum():
    bends = np.logspace(-2, 4, 40)
    target = np.linspace(-1.0, 1.0, 40)

    def bowl(theta):
        return float((0.5 * bends * (theta - target) ** 2).sum()) + 1.0, bends * (theta - target)

    plain, helped = (
        lbfgs(bowl, np.zeros(40), iterations=300, tolerance=1e-9, curvature=curvature)
        for curvature in (None, 3.0 * bends)
    )
    np.testing.assert_allclose(helped.theta, target, atol=1e-6)
    assert helped.iterations < 0.2 * plain.iterations


def test_lbfgs_needs_no_evaluation_to_come_back_where_the_diagonal_promises_too_long_a_step():
    # Forty parameters that pull together: the bowl is forty times as steep along (1, …, 1) as its diagonal says.
    ones, values = np.ones(40), []

    def bowl(theta):
        pull = ones @ theta - 40.0
        values.append(0.5 * pull**2)
        return values[-1], pull * ones

    found = lbfgs(bowl, np.zeros(40), iterations=20, tolerance=1e-6, curvature=np.ones(40))
    assert found.loss < 1e-8
    assert found.evaluations == found.iterations + 1
    assert values == sorted(values, reverse=True)


def test_lbfgs_stops_when_the_next_step_promises_less_than_the_gain_that_is_asked():
    function, c = quadratic(3, 12)
    far, near = (lbfgs(function, np.zeros(12), iterations=300, tolerance=0.0, gain=gain) for gain in (1e-1, 1e-12))
    assert far.iterations < near.iterations
    assert near.loss < far.loss
    assert lbfgs(function, c, iterations=10, gain=1e-3).iterations == 0
