"""The network computes what the lecture derives: gradients against numeric ones, against loops, and by hand."""

import math
from itertools import product as combinations

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import logits, networks_and_inputs
from training_problems import fit_here

from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import (
    ACTIVATIONS,
    LOSSES,
    OUTPUTS,
    Network,
    glorot,
    he,
    layer_views,
    log_softmax,
    one_hot,
    parameter_count,
    sigmoid,
    softmax,
)
from textclf.nn.optim import Adam
from textclf.text.weighting import weighted_mean
from textclf.training import objective
from textclf.training.data import Examples

DEPTHS = [(4, 3), (4, 5, 3), (4, 5, 3, 3), (4, 6, 5, 4, 3)]
EVERY = list(combinations(sorted(ACTIVATIONS), sorted(LOSSES), DEPTHS))


def started(sizes, activation, seed=0):
    """Return a float64 network with random weights and biases, and a generator for inputs."""
    rng = np.random.default_rng(seed)
    network = Network.start(sizes, activation, rng, np.float64)
    for layer in network.layers:
        layer.b[:] = rng.normal(0.0, 0.5, layer.b.shape)
    return network, rng


class Problem:
    """A whole loss: texts C over vectors E, n-grams and sub-words N with rows U, example weights, L2; its gradients."""

    def __init__(self, activation, names, sizes, *, l2=0.03, n=7):
        self.network, rng = started(sizes, activation)
        self.loss, self.l2 = LOSSES[names], l2
        words, grams, pieces, subwords, k = 9, 6, 5, 8, sizes[-1]
        C = rng.uniform(0.1, 1.0, (n, words)) * (rng.random((n, words)) < 0.4)
        C[2] = 0.0  # a text without a known word
        self.C = weighted_mean(oracles.sparse(C), np.ones(words))
        self.C = self.C.with_data(self.C.data.astype(np.float64))
        self.N = oracles.wide_rows(
            *(
                rng.uniform(0.1, 1.0, shape) * (rng.random(shape) < 0.5)
                for shape in ((n, grams), (n, pieces), (pieces, subwords))
            )
        )
        self.E = rng.normal(size=(words, sizes[0]))
        self.U = rng.normal(size=(grams + subwords, k))
        self.Y = np.eye(k)[rng.integers(0, k, n)]
        self.weights = rng.uniform(0.5, 2.0, n)

    def value(self):
        trace = self.network.forward(self.C.times(self.E), wide=self.N.times(self.U))
        return self.weights @ self.loss.value(trace.Z[-1], self.Y) + self.network.penalty(self.l2)

    def gradients(self):
        trace = self.network.forward(self.C.times(self.E), wide=self.N.times(self.U))
        delta = self.weights[:, None] * self.loss.delta(trace.Z[-1], self.Y)
        found = self.network.backward(delta, trace, l2=self.l2)
        return {"theta": found.theta, "E": self.C.transposed_times(found.dX), "U": self.N.transposed_times(delta)}

    def parameters(self):
        return {"theta": self.network.theta, "E": self.E, "U": self.U}


@pytest.mark.parametrize(("activation", "names", "sizes"), EVERY)
def test_every_gradient_agrees_with_the_numeric_one(activation, names, sizes):
    problem = Problem(activation, names, sizes)
    gradients = problem.gradients()
    for name, parameter in problem.parameters().items():
        numeric = oracles.numeric_gradient(problem.value, parameter)
        assert oracles.relative_error(gradients[name], numeric) < 1e-7, name


@pytest.mark.parametrize("part", ["theta", "E", "U"])
@pytest.mark.parametrize("sizes", DEPTHS)
def test_a_gradient_that_is_a_thousandth_wrong_is_refused(part, sizes):
    problem = Problem("tanh", ("cross-entropy", "softmax"), sizes)
    numeric = oracles.numeric_gradient(problem.value, problem.parameters()[part])
    assert oracles.relative_error(problem.gradients()[part] * 1.001, numeric) > 1e-4


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_one_layer_whose_weights_gradient_is_a_thousandth_wrong_is_refused(layer):
    problem = Problem("sigmoid", ("squared-error", "sigmoid"), (4, 5, 3, 3))
    numeric = oracles.numeric_gradient(problem.value, problem.network.theta)
    gradient = problem.gradients()["theta"]
    assert oracles.relative_error(gradient, numeric) < 1e-7
    layer_views(gradient, problem.network.sizes)[layer].W[:] *= 1.001
    assert oracles.relative_error(gradient, numeric) > 1e-7


def test_the_joint_fit_minimizes_what_it_says():
    # The loss that a joint fit reports is checked against the sum written out; its gradient by where the fit ends.
    problem = Problem("tanh", ("cross-entropy", "softmax"), (4, 3), n=12)
    S, scales = problem.C.times(problem.E), np.full_like(problem.U, 0.7)
    examples = Examples(problem.C, problem.N, problem.Y, problem.weights)
    sought = objective.Problem(problem.network, scales, problem.loss, l2=0.2)
    fit = fit_here(sought, S, examples, objective.FitOptions(LbfgsSettings(400, tolerance=1e-14)))

    def value():
        trace = fit.network.forward(S, wide=problem.N.times(fit.U))
        cost = problem.weights @ problem.loss.value(trace.Z[-1], problem.Y)
        return cost + fit.network.penalty(0.2) + 0.5 * 0.2 * ((fit.U / scales) ** 2).sum()

    assert fit.losses[-1] * examples.weights.sum() == pytest.approx(value(), rel=1e-12)
    for parameter in (fit.network.theta, fit.U):
        assert np.abs(oracles.numeric_gradient(value, parameter)).max() < 1e-5


def test_the_lectures_network_takes_the_step_that_was_worked_by_hand():
    # x = (1, 2), W1 = [[0.1, 0.2], [-0.3, 0.4]], b1 = (0, 0.1), W2 = [[0.5, -0.6]], b2 = 0.2, y = 1
    # z1 = (0.1 + 0.4, -0.3 + 0.8 + 0.1)             = (0.5, 0.6)
    # a1 = (1 / (1 + e^-0.5), 1 / (1 + e^-0.6))      = (0.622459331, 0.645656306)
    # z2 = 0.5 · 0.622459331 − 0.6 · 0.645656306 + 0.2 = 0.123835882
    # ŷ  = 1 / (1 + e^-0.123835882)                  = 0.530919467
    # L  = ½ (1 − 0.530919467)²                      = 0.110018273
    # δ2 = (ŷ − 1) ŷ (1 − ŷ) = −0.469080533 · 0.249043987 = −0.116821686
    # dW2 = δ2 a1 = (−0.072716749, −0.075426658)
    # δ1 = W2ᵀ δ2 ⊙ a1 (1 − a1) = (−0.058410843 · 0.235003712, 0.070093011 · 0.228784240) = (−0.013726765, 0.016036176)
    # dW1 = δ1 xᵀ = [[−0.013726765, −0.027453530], [0.016036176, 0.032072352]]
    theta = np.array([0.1, 0.2, -0.3, 0.4, 0.0, 0.1, 0.5, -0.6, 0.2])
    network = Network((2, 2, 1), ACTIVATIONS["sigmoid"], theta)
    loss = LOSSES["squared-error", "sigmoid"]
    X, Y = np.array([[1.0, 2.0]]), np.array([[1.0]])
    trace = network.forward(X)
    near = {"rel": 0.0, "abs": 1e-8}
    assert trace.Z[0][0] == pytest.approx([0.5, 0.6], **near)
    assert trace.A[1][0] == pytest.approx([0.622459331, 0.645656306], **near)
    assert trace.Z[1][0] == pytest.approx([0.123835882], **near)
    assert sigmoid(trace.Z[1])[0] == pytest.approx([0.530919467], **near)
    assert loss.value(trace.Z[1], Y) == pytest.approx([0.110018273], **near)
    delta = loss.delta(trace.Z[1], Y)
    assert delta[0] == pytest.approx([-0.116821686], **near)
    hidden, last = network.backward(delta, trace).layers
    assert last.W[0] == pytest.approx([-0.072716749, -0.075426658], **near)
    assert last.b == pytest.approx([-0.116821686], **near)
    assert hidden.W.ravel() == pytest.approx([-0.013726765, -0.027453530, 0.016036176, 0.032072352], **near)
    assert hidden.b == pytest.approx([-0.013726765, 0.016036176], **near)


@given(networks_and_inputs(), st.sampled_from(sorted(LOSSES)))
def test_forward_and_backward_agree_with_loops_over_single_neurons(drawn, names):
    network, X, wide = drawn
    loss = LOSSES[names]
    layers = [(layer.W.tolist(), layer.b.tolist()) for layer in network.layers]
    Y = np.eye(network.sizes[-1])[np.arange(len(X)) % network.sizes[-1]]
    trace = network.forward(X, wide=wide)
    A, Z = oracles.forward(layers, X.tolist(), network.activation.name, wide.tolist())
    for found, slow in zip((*trace.A, *trace.Z), (*A, *Z), strict=True):
        np.testing.assert_allclose(found, slow, rtol=1e-11, atol=1e-12)
    slow_loss = [oracles.loss(z, y, *names) for z, y in zip(Z[-1], Y.tolist(), strict=True)]
    np.testing.assert_allclose(loss.value(trace.Z[-1], Y), slow_loss, rtol=1e-9, atol=1e-9)
    delta = loss.delta(trace.Z[-1], Y)
    slow_delta = [oracles.output_delta(z, y, *names) for z, y in zip(Z[-1], Y.tolist(), strict=True)]
    np.testing.assert_allclose(delta, slow_delta, rtol=1e-9, atol=1e-9)
    found = network.backward(delta, trace, l2=0.1)
    gradients, dX = oracles.backward(layers, A, Z, delta.tolist(), network.activation.name, 0.1)
    for layer, (dW, db) in zip(found.layers, gradients, strict=True):
        np.testing.assert_allclose(layer.W, dW, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.b, db, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.dX, dX, rtol=1e-10, atol=1e-12)


def test_back_propagation_through_dropout_uses_the_masks_of_its_forward_pass():
    network, rng = started((4, 6, 5, 3), "tanh")
    X, Y = rng.normal(size=(5, 4)), np.eye(3)[[0, 1, 2, 0, 1]]
    loss = LOSSES["cross-entropy", "softmax"]
    trace = network.forward(X, dropout=0.4, rng=np.random.default_rng(3))
    assert trace.masks[0] is None

    def value():
        return loss.value(network.forward(X, dropout=0.4, rng=np.random.default_rng(3)).Z[-1], Y).sum()

    found = network.backward(loss.delta(trace.Z[-1], Y), trace)
    assert oracles.relative_error(found.theta, oracles.numeric_gradient(value, network.theta)) < 1e-7
    assert oracles.relative_error(found.dX, oracles.numeric_gradient(value, X)) < 1e-7


def test_dropout_silences_its_share_and_keeps_the_mean():
    network, _ = started((3, 400, 2), "sigmoid")
    X = np.ones((200, 3))
    whole = network.forward(X).A[1]
    dropped = network.forward(X, dropout=0.3, rng=np.random.default_rng(0)).A[1]
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean() == pytest.approx(whole.mean(), rel=0.01)


@given(logits())
def test_softmax_rows_are_probabilities_that_a_shift_does_not_change(Z):
    P = softmax(Z)
    assert (P >= 0).all()
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(softmax(Z + 17.0), P, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(log_softmax(Z), np.log(P), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(P, [oracles.output(z, "softmax") for z in Z.tolist()], rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("names", sorted(LOSSES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_enormous_weighted_sums_give_finite_losses_and_gradients(names, dtype, size):
    Z = np.array([[size, -size, 0.0], [0.0, size, size]], dtype)
    Y = np.array([[0, 1, 0], [1, 0, 0]], dtype)
    loss = LOSSES[names]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.isfinite(loss.value(Z, Y)).all()
        assert np.isfinite(loss.delta(Z, Y)).all()
        assert np.isfinite(OUTPUTS[names[1]](Z)).all()
    assert loss.delta(Z, Y).dtype == dtype


def xor_accuracy(hidden):
    """Train on XOR for 2,000 Adam steps and return the accuracy."""
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([0, 1, 1, 0])
    network = Network.start((2, *hidden, 2), "tanh", np.random.default_rng(1), np.float64)
    loss, adam = LOSSES["cross-entropy", "softmax"], Adam(0.05)
    for _ in range(2000):
        trace = network.forward(X)
        adam.step(network.theta, network.backward(loss.delta(trace.Z[-1], one_hot(y, 2)), trace).theta)
    return (network.forward(X).Z[-1].argmax(axis=1) == y).mean()


def test_xor_needs_a_hidden_layer():
    assert xor_accuracy(()) <= 0.75
    assert xor_accuracy((8,)) == 1.0


def test_rows_of_a_batch_do_not_see_each_other():
    network, rng = started((5, 7, 4), "relu")
    X = rng.normal(size=(20, 5))
    together = network.forward(X).Z[-1]
    alone = np.concatenate([network.forward(row[None]).Z[-1] for row in X])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_forward_leaves_its_inputs_and_backward_its_network_as_they_were():
    network, rng = started((5, 7, 4), "relu")
    X, wide = rng.normal(size=(6, 5)), rng.normal(size=(6, 4))
    before = X.copy(), wide.copy(), network.theta.copy()
    trace = network.forward(X, wide=wide, dropout=0.5, rng=rng)
    delta = rng.normal(size=(6, 4))
    kept = delta.copy()
    network.backward(delta, trace, l2=0.1)
    for now, then in zip((X, wide, network.theta, delta), (*before, kept), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(("activation", "variance"), [("relu", he), ("tanh", glorot), ("sigmoid", glorot)])
def test_a_start_has_the_variance_that_its_activation_asks_for_and_zero_biases(activation, variance):
    network = Network.start((300, 200, 100), activation, np.random.default_rng(0))
    hidden, last = network.layers
    assert hidden.W.var() == pytest.approx(variance(300, 200), rel=0.03)
    assert last.W.var() == pytest.approx(glorot(200, 100), rel=0.03)
    assert not hidden.b.any()
    assert not last.b.any()
    assert network.theta.dtype == np.float32
    assert math.isclose(network.penalty(2.0), (hidden.W**2).sum() + (last.W**2).sum(), rel_tol=1e-5)


def test_layers_are_views_into_the_one_vector_of_parameters():
    sizes = (3, 4, 2)
    theta = np.arange(float(parameter_count(sizes)))
    network = Network(sizes, ACTIVATIONS["relu"], theta)
    assert [layer.W.shape for layer in network.layers] == [(4, 3), (2, 4)]
    assert np.concatenate([part.ravel() for layer in network.layers for part in (layer.W, layer.b)]).tolist() == [
        float(i) for i in range(26)
    ]
    network.layers[1].b[:] = -1.0
    assert theta[-2:].tolist() == [-1.0, -1.0]


def test_work_in_float32_stays_in_float32():
    network = Network.start((4, 5, 3), "sigmoid", np.random.default_rng(0))
    X, Y = np.ones((2, 4), np.float32), one_hot(np.array([0, 2]), 3)
    for loss in LOSSES.values():
        trace = network.forward(X)
        delta = loss.delta(trace.Z[-1], Y)
        gradients = network.backward(delta, trace, l2=0.1)
        for array in (*trace.A, *trace.Z, delta, gradients.theta, gradients.dX, loss.value(trace.Z[-1], Y)):
            assert array.dtype == np.float32


def test_the_gradient_of_the_parameters_is_the_same_without_that_of_the_input():
    rng = np.random.default_rng(3)
    network = Network.start((4, 5, 3), "tanh", rng)
    trace = network.forward(rng.normal(size=(6, 4)).astype(np.float32), dropout=0.5, rng=rng)
    delta = rng.normal(size=(6, 3)).astype(np.float32)
    whole, without = network.backward(delta, trace), network.backward(delta, trace, to_input=False)
    np.testing.assert_array_equal(without.theta, whole.theta)
    assert without.dX.shape == (0, 4)
