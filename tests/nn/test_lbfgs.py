"""L-BFGS finds minima, says each step, and goes on from any of them as if never stopped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from textclf.nn.lbfgs import LbfgsSettings, Pair, lbfgs, two_loop


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
    found = lbfgs(function, start, LbfgsSettings(500, tolerance=1e-10))
    np.testing.assert_allclose(found.theta, c, atol=1e-5)
    assert not start.any()
    assert found.loss == function(found.theta)[0]


def rosenbrock(theta):
    x, y = theta
    value = (1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2
    return value, np.array([-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])


def test_lbfgs_goes_down_the_bent_valley_as_scipys_does():
    start = np.array([-1.2, 1.0])
    found = lbfgs(rosenbrock, start, LbfgsSettings(200, tolerance=1e-9))
    theirs = minimize(rosenbrock, start, jac=True, method="L-BFGS-B", tol=1e-12)
    np.testing.assert_allclose(found.theta, theirs.x, atol=1e-4)
    assert found.evaluations < 2 * theirs.nfev


def test_lbfgs_says_each_step_never_climbs_and_stops_when_it_is_told():
    told = []
    found = lbfgs(rosenbrock, np.array([-1.2, 1.0]), LbfgsSettings(12), after_iteration=told.append)
    assert [steps.iteration for steps in told] == list(range(1, 13))
    losses = [steps.loss for steps in told]
    assert losses == sorted(losses, reverse=True)
    assert (found.iterations, found.loss) == (12, losses[-1])


def test_lbfgs_goes_on_from_any_of_its_steps_as_if_never_stopped():
    told, settings = [], LbfgsSettings(200, tolerance=1e-9)
    start = np.array([-1.2, 1.0])
    found = lbfgs(rosenbrock, start, settings, after_iteration=told.append)
    for steps in told:
        again = lbfgs(rosenbrock, steps, settings)
        assert again.theta.tobytes() == found.theta.tobytes()
        assert (again.loss, again.iterations, again.evaluations) == (found.loss, found.iterations, found.evaluations)


def test_lbfgs_at_a_minimum_or_on_a_plain_stays_where_it_is():
    for function in (quadratic(0, 3)[0], lambda theta: (1.0, np.zeros(3))):
        c = quadratic(0, 3)[1]
        found = lbfgs(function, c, LbfgsSettings(10))
        np.testing.assert_allclose(found.theta, c, atol=1e-12)


def test_lbfgs_with_the_curvature_of_each_parameter_takes_fewer_steps_to_the_same_minimum():
    bends = np.logspace(-2, 4, 40)
    target = np.linspace(-1.0, 1.0, 40)

    def bowl(theta):
        return float((0.5 * bends * (theta - target) ** 2).sum()) + 1.0, bends * (theta - target)

    plain, helped = (
        lbfgs(bowl, np.zeros(40), LbfgsSettings(300, tolerance=1e-9), curvature=curvature)
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

    found = lbfgs(bowl, np.zeros(40), LbfgsSettings(20, tolerance=1e-6), curvature=np.ones(40))
    assert found.loss < 1e-8
    assert found.evaluations == found.iterations + 1
    assert values == sorted(values, reverse=True)


def test_lbfgs_stops_when_the_next_step_promises_less_than_the_gain_that_is_asked():
    function, c = quadratic(3, 12)
    far, near = (lbfgs(function, np.zeros(12), LbfgsSettings(300, tolerance=0.0, gain=gain)) for gain in (1e-1, 1e-12))
    assert far.iterations < near.iterations
    assert near.loss < far.loss
    assert lbfgs(function, c, LbfgsSettings(10, gain=1e-3)).iterations == 0


@pytest.mark.parametrize("diagonal", [None, np.array([1.0, 4.0, 0.5, 2.0])])
def test_the_two_loops_are_the_product_with_the_inverse_hessian_written_out(diagonal):
    rng = np.random.default_rng(1)
    bends = np.array([1.0, 5.0, 0.3, 2.0])
    steps = rng.normal(size=(3, 4))
    history = [Pair(s, bends * s, 1.0 / float(s @ (bends * s))) for s in steps]
    last, start = history[-1], np.ones(4) if diagonal is None else diagonal
    H = np.diag((1.0 / start) / (last.rho * last.y @ (last.y / start)))
    for pair in history:  # Nocedal & Wright 2006, eq. 7.16
        V = np.eye(4) - pair.rho * np.outer(pair.y, pair.s)
        H = V.T @ H @ V + pair.rho * np.outer(pair.s, pair.s)
    gradient = rng.normal(size=4)
    kept = gradient.copy()
    np.testing.assert_allclose(two_loop(gradient, history, diagonal), H @ gradient, rtol=1e-10)
    np.testing.assert_array_equal(gradient, kept)


@pytest.mark.parametrize("memory", [1, 3])
def test_no_more_steps_are_remembered_than_is_said(memory):
    told = []
    lbfgs(rosenbrock, np.array([-1.2, 1.0]), LbfgsSettings(9, memory=memory), after_iteration=told.append)
    assert [len(steps.history) for steps in told] == [min(number, memory) for number in range(1, 10)]
