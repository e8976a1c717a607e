"""Compiled steps of training change parameters to the same bits as NumPy's form, on one thread or on two."""

import sys
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from textclf import compiled, fitting
from textclf.compiled import hastening, stepping
from textclf.compiled.passes import move
from textclf.compiled.stepping import CompiledSteps, compiled_steps
from textclf.examples import Examples
from textclf.network import LOSSES, Network, one_hot
from textclf.optim import Adam, GradientDescent
from textclf.recipe import LabelledTexts, train
from textclf.settings import Settings
from textclf.sparse import SparseRows
from textclf.stepping import PlainSteps
from textclf.training import EpochSettings, train_network

N, WORDS, PER_TEXT = 300, 40, 5


@pytest.fixture(autouse=True)
def as_in_training(monkeypatch):
    """Run BLAS in one thread, as `train` does, and share the smallest batches too."""
    monkeypatch.setattr(stepping, "_SHARED_WORK", 0)
    with threadpool_limits(1, user_api="blas"):
        yield


def examples(k, *, several=False):
    """Return texts of random words and labels, each weighing something else."""
    rng = np.random.default_rng(0)
    columns = rng.integers(0, WORDS, N * PER_TEXT).astype(np.int32)
    C = SparseRows(
        np.arange(0, len(columns) + 1, PER_TEXT, dtype=np.int32), columns,
        np.full(len(columns), 1 / PER_TEXT, np.float32), WORDS,
    )  # fmt: skip
    Y = (rng.random((N, k)) < 0.3).astype(np.float32) if several else one_hot(rng.integers(0, k, N), k)
    return Examples(C, C, Y, rng.uniform(0.1, 2.0, N).astype(np.float32))


def trained(sizes, activation, hasten, loss=("cross-entropy", "softmax"), dtype=np.float32, **changes):
    """Return the network after four epochs, of which the last three take other steps if there are any."""
    chosen = EpochSettings(
        **{
            "epochs": 4, "batch_size": 128, "optimizer": "adam", "learning_rate": 0.01, "vector_rate": 0.0,
            "dropout": 0.0, "word_dropout": 0.0, "l2": 0.0, "patience": 9, **changes,
        }
    )  # fmt: skip
    E = np.random.default_rng(2).normal(size=(WORDS, sizes[0])).astype(np.float32)
    return train_network(
        Network.start(sizes, activation, np.random.default_rng(1), dtype), E,
        examples(sizes[-1], several=loss[1] == "sigmoid"), None, LOSSES[loss], chosen, np.random.default_rng(3),
        hasten=hasten,
    )  # fmt: skip


def plainly(_):
    """Give no other steps."""


def on(threads):
    """Give compiled steps on so many threads."""
    return lambda _: partial(compiled_steps, threads=threads)


@pytest.fixture
def units(monkeypatch):
    """Note how batches were shared: -1 is NumPy's form, 0 one thread, more two."""
    found = set()
    unit_of = CompiledSteps._unit_of

    def noted(self, n):
        unit = unit_of(self, n)
        found.add(unit)
        return unit

    monkeypatch.setattr(CompiledSteps, "_unit_of", noted)
    return found


PROBLEMS = {
    "relu": {"sizes": (60, 48, 4), "activation": "relu"},
    "tanh": {"sizes": (60, 48, 4), "activation": "tanh"},
    "sigmoid": {"sizes": (60, 48, 4), "activation": "sigmoid"},
    "deep": {"sizes": (60, 50, 40, 3), "activation": "relu", "dropout": 0.3, "l2": 0.01},
    "deep tanh": {"sizes": (61, 48, 37, 2), "activation": "tanh", "dropout": 0.3, "l2": 0.01},
    "no hidden layer": {"sizes": (60, 4), "activation": "relu"},
    "momentum": {"sizes": (60, 48, 4), "activation": "relu", "optimizer": "momentum", "l2": 0.01},
    "gradient descent": {"sizes": (60, 48, 4), "activation": "sigmoid", "optimizer": "sgd"},
    "squared error": {"sizes": (60, 48, 9), "activation": "relu", "loss": ("squared-error", "softmax")},
    "several labels": {"sizes": (60, 48, 5), "activation": "relu", "loss": ("cross-entropy", "sigmoid")},
    "vectors learn": {"sizes": (60, 48, 4), "activation": "relu", "vector_rate": 0.1, "word_dropout": 0.2},
    "many classes": {"sizes": (60, 48, 40), "activation": "relu"},
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_compiled_steps_come_to_the_same_bits_on_any_number_of_threads(name, units):
    plain = trained(**PROBLEMS[name], hasten=plainly)
    assert not units
    for threads in (1, 2, 4):
        found = trained(**PROBLEMS[name], hasten=on(threads))
        assert found.network.theta.tobytes() == plain.network.theta.tobytes(), threads
        assert found.E.tobytes() == plain.E.tobytes()
        assert found.history == plain.history
    assert units, "no compiled step was taken"
    assert -1 not in units, "NumPy's form was compared with itself"


def test_large_batches_are_shared_by_two_threads_where_there_are_two_cores(units, monkeypatch):
    monkeypatch.setattr(stepping, "_cores", lambda: 2)
    before = set(threading.enumerate())
    trained(**PROBLEMS["relu"], hasten=on(2))
    assert all(unit > 0 for unit in units)
    assert set(threading.enumerate()) <= before
    units.clear()
    monkeypatch.setattr(stepping, "_cores", lambda: 1)
    trained(**PROBLEMS["relu"], hasten=on(2))
    assert units == {0}


def test_a_thread_is_ended_when_an_epoch_breaks_off():
    network = Network.start((8, 48, 3), "relu", np.random.default_rng(0))
    steps = compiled_steps(network, 64, 0.0, 0.0, threads=2)
    S = np.ones((100, 8), np.float32)
    before = set(threading.enumerate())

    def break_off():
        with steps.epoch():
            steps.forward(S, np.arange(64), np.random.default_rng(0))
            raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        break_off()
    assert set(threading.enumerate()) <= before


def test_where_halves_of_a_product_differ_from_the_whole_one_thread_does_it(units, monkeypatch):
    monkeypatch.setattr(stepping, "_UNITS", (5, 7))  # BLAS takes more rows than one at a time
    plain = trained(**PROBLEMS["relu"], hasten=plainly)
    found = trained(**PROBLEMS["relu"], hasten=on(2))
    assert found.network.theta.tobytes() == plain.network.theta.tobytes()


def test_where_nothing_comes_out_alike_steps_are_numpys(units, monkeypatch):
    monkeypatch.setattr(CompiledSteps, "_is_exact", lambda self, unit: False)
    plain = trained(**PROBLEMS["deep tanh"], hasten=plainly)
    assert trained(**PROBLEMS["deep tanh"], hasten=on(2)).network.theta.tobytes() == plain.network.theta.tobytes()
    assert units == {-1}


@pytest.mark.parametrize("problem", [{"sizes": (60, 1, 4)}, {"sizes": (60, 48, 4), "dtype": np.float64}])
def test_networks_that_the_loops_do_not_know_take_numpys_steps(problem):
    network = Network.start(problem["sizes"], "relu", np.random.default_rng(0), problem.get("dtype", np.float32))
    assert isinstance(compiled_steps(network, 64, 0.0, 0.0, threads=1), PlainSteps)


def test_a_blas_that_is_not_known_leaves_numpys_steps(monkeypatch):
    monkeypatch.setattr(stepping, "find_functions", lambda: None)
    network = Network.start((8, 4, 2), "relu", np.random.default_rng(0))
    assert isinstance(compiled_steps(network, 64, 0.0, 0.0, threads=1), PlainSteps)


def test_the_trial_sees_a_difference_in_the_last_bit(monkeypatch):
    network = Network.start((8, 48, 3), "relu", np.random.default_rng(0))
    steps = compiled_steps(network, 64, 0.0, 0.0, threads=1)
    steps._n = 64
    assert steps._is_exact(0)
    backward = Network.backward

    def off_by_one_bit(*arguments, **options):
        gradients = backward(*arguments, **options)
        gradients.theta[5] = np.nextafter(gradients.theta[5], np.float32(9))
        return gradients

    monkeypatch.setattr(Network, "backward", off_by_one_bit)
    assert not steps._is_exact(0)


def test_adams_loop_moves_every_number_to_the_same_bits():
    rng = np.random.default_rng(0)
    n = 100_003
    theta = (rng.normal(size=n) * 10.0 ** rng.uniform(-20, 10, n)).astype(np.float32)
    ours, plain, optimizer = theta.copy(), Adam(3e-3), Adam(3e-3)
    for _ in range(5):
        gradient = (rng.normal(size=n) * 10.0 ** rng.uniform(-25, 15, n)).astype(np.float32)
        gradient[::7] = 0.0
        plain.step(theta, gradient)
        epsilon, rate = optimizer.advance(ours)
        numbers = np.array([0.0, optimizer.beta1, optimizer.beta2, epsilon, rate], np.float32)
        move(ours, gradient, optimizer.moments[0], optimizer.moments[1], numbers)
    assert ours.tobytes() == theta.tobytes()
    assert optimizer.moments[:2].tobytes() == plain.moments[:2].tobytes()


def test_a_step_may_be_taken_outside_an_epoch():
    networks = [Network.start((8, 48, 3), "relu", np.random.default_rng(0)) for _ in range(2)]
    S = np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32)
    for make, network in zip((PlainSteps, partial(compiled_steps, threads=2)), networks, strict=True):
        steps = make(network, 64, 0.0, 0.0)
        Z = steps.forward(S, np.arange(64), np.random.default_rng(0))
        steps.backward(Z / 64, GradientDescent(0.1), to_input=False)
    assert networks[0].theta.tobytes() == networks[1].theta.tobytes()


# --- when they are taken -------------------------------------------------------------------------------------------


def test_short_trainings_do_not_ask_for_numba(monkeypatch):
    monkeypatch.setattr(hastening, "prepare", lambda _: pytest.fail("the loops were loaded"))
    assert hastening.quicker_steps(0.5, threads=2) is None


def test_loops_that_must_be_compiled_first_are_worth_more_seconds(monkeypatch):
    monkeypatch.setattr(hastening, "are_kept", lambda _: False)
    assert hastening.quicker_steps(10.0, threads=2) is None
    assert hastening.quicker_steps(1e3, threads=2) is not None


def test_without_numba_there_are_no_other_steps(monkeypatch):
    monkeypatch.setattr(hastening, "are_available", lambda: False)
    assert hastening.quicker_steps(1e9, threads=2) is None
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "textclf.compiled.passes", None)
    assert not compiled.prepare("passes")


def texts(n=200):
    """Return texts that a word tells apart."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(30)]
    labels = ["a" if i % 2 else "b" for i in range(n)]
    return LabelledTexts(
        [" ".join([*rng.choice(words, 5), "yes" if label == "a" else "no"]) for label in labels], labels
    )


SETTINGS = Settings(
    vectors="none", dimension=12, hidden=(24,), optimizer="adam", epochs=4, recipe="fast", freeze_vectors=True,
    word_dropout=0.0,
)  # fmt: skip


def test_a_model_is_the_same_whatever_steps_it_was_trained_by(monkeypatch):
    asked = []

    def always(seconds, *, threads):
        asked.append(seconds)
        return partial(compiled_steps, threads=threads)

    plain = train(texts(), SETTINGS, None).model
    monkeypatch.setattr(fitting, "quicker_steps", always)
    for threads in (1, 2):
        found = train(texts(), replace(SETTINGS, threads=threads), None).model
        assert found.network.theta.tobytes() == plain.network.theta.tobytes()
    assert len(asked) == 2


def test_training_without_a_hidden_layer_never_asks_for_compiled_steps(monkeypatch):
    monkeypatch.setattr(fitting, "quicker_steps", lambda *_, **__: pytest.fail("asked"))
    train(texts(), replace(SETTINGS, hidden=()), None)
    train(texts(), Settings(vectors="none", dimension=12, recipe="fast"), None)
