"""Mini-batches train network and vectors, the best epoch is kept, and patience ends it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_problems import two_classes

from textclf.errors import TrainingError
from textclf.nn.network import LOSSES, Network
from textclf.training.data import Examples
from textclf.training.minibatch import EpochSettings, TrainedNetwork, minibatches, train_network

LOSS = LOSSES["cross-entropy", "softmax"]


def settings(**changes):
    return EpochSettings(
        **{
            "loss": LOSS, "epochs": 8, "batch_size": 16, "optimizer": "adam", "learning_rate": 0.02,
            "vector_rate": 0.02, "dropout": 0.0, "word_dropout": 0.0, "l2": 0.0, "patience": 100, **changes,
        }
    )  # fmt: skip


def run(chosen, valid=None, activation="tanh", seed=3):
    examples, E = two_classes()
    network = Network.start((4, 6, 2), activation, np.random.default_rng(0))
    return train_network(TrainedNetwork(network, E), examples, valid, chosen, np.random.default_rng(seed))


@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 100))
def test_minibatches_hold_every_example_once(n, size, seed):
    batches = list(minibatches(n, size, np.random.default_rng(seed)))
    assert all(len(batch) == size for batch in batches[:-1])
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
def test_training_lowers_the_loss_and_learns_the_classes(optimizer):
    examples, _ = two_classes()
    found = run(settings(optimizer=optimizer, learning_rate=0.02 if optimizer == "adam" else 0.2, epochs=30))
    losses = [epoch.loss for epoch in found.history]
    assert losses[-1] < 0.5 * losses[0]
    predicted = found.network.forward(examples.words.times(found.E)).Z[-1].argmax(axis=1)
    assert (predicted == examples.Y.argmax(axis=1)).mean() > 0.9


def test_one_epoch_of_gradient_descent_is_the_sum_over_its_batches_by_hand():
    examples, E = two_classes(n=20)
    network = Network.start((4, 2), "tanh", np.random.default_rng(0), np.float64)
    chosen = settings(optimizer="sgd", learning_rate=0.3, vector_rate=0.0, epochs=1, batch_size=8, l2=0.01)
    found = train_network(TrainedNetwork(network, E), examples, None, chosen, np.random.default_rng(5))
    by_hand = Network(network.sizes, network.activation, network.theta.copy())
    for rows in minibatches(20, 8, np.random.default_rng(5)):
        trace = by_hand.forward(examples.words.take(rows).times(E))
        delta = LOSS.delta(trace.Z[-1], examples.Y[rows]) / len(rows)
        by_hand.theta[:] -= 0.3 * by_hand.backward(delta, trace, l2=0.01).theta
    np.testing.assert_allclose(found.network.theta, by_hand.theta, rtol=1e-6)
    assert found.E is E


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_mini_batches_take_steps_as_long_in_whatever_weights_are_counted(optimizer):
    examples, E = two_classes(n=20)
    network = Network.start((4, 2), "tanh", np.random.default_rng(0), np.float64)
    found = []
    for unit in (1, 256):
        weighed = replace(examples, weights=examples.weights * unit)
        chosen = settings(optimizer=optimizer, epochs=3, batch_size=8)
        start = TrainedNetwork(network, E)
        found.append(train_network(start, weighed, None, chosen, np.random.default_rng(5)).network.theta)
    np.testing.assert_array_equal(found[0], found[1])


def test_the_same_generator_gives_the_same_bytes():
    chosen = settings(dropout=0.3, word_dropout=0.3)
    one, two, other = run(chosen), run(chosen), run(chosen, seed=4)
    assert one.network.theta.tobytes() == two.network.theta.tobytes() != other.network.theta.tobytes()
    assert one.E.tobytes() == two.E.tobytes()
    assert one.history == two.history


def test_the_best_weights_are_kept_and_patience_ends_it():
    valid, _ = two_classes(n=30, seed=1)
    valid = Examples(valid.words, valid.ngrams, valid.Y[:, ::-1].copy(), valid.weights)  # learning makes these worse
    found = run(settings(epochs=50, patience=3), valid)
    assert found.best_epoch == int(np.argmin([epoch.valid_loss for epoch in found.history])) + 1
    assert len(found.history) == found.best_epoch + 3
    short = run(settings(epochs=50, patience=1), valid)
    assert short.network.theta.tobytes() == found.network.theta.tobytes()


def test_vectors_learn_only_when_they_are_to_and_callers_keep_theirs():
    _, E = two_classes()
    assert run(settings(vector_rate=0.0)).E.tobytes() == E.tobytes()
    assert run(settings()).E.tobytes() != E.tobytes()
    assert two_classes()[1].tobytes() == E.tobytes()


def test_a_loss_that_is_not_finite_is_said_with_its_epoch_and_rate():
    message = r"epoch \d+: the loss is not finite. Lower --learning-rate .now 1e\+30"
    with pytest.raises(TrainingError, match=message):
        run(settings(optimizer="sgd", learning_rate=1e30, epochs=20), activation="relu")
