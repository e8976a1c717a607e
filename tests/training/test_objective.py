"""The joint fit ends at the same minimum, with any threads, in any blocks, from any start, and by weights."""

import numpy as np
import oracles
import pytest
from training_problems import fit_here, two_classes

from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import LOSSES, Network, one_hot
from textclf.text.csr import blocks_of
from textclf.training.checkpoint import Checkpoint
from textclf.training.data import Examples
from textclf.training.nbsvm import nbsvm_scales
from textclf.training.objective import FitOptions, Problem, RowsHere, columns_moved

LOSS = LOSSES["cross-entropy", "softmax"]


def exactly(iterations=100, tolerance=1e-11, **options):
    return FitOptions(LbfgsSettings(iterations, tolerance=tolerance), **options)


def test_weights_of_examples_count_as_copies_do():
    examples, E = two_classes(n=30)
    twice = np.concatenate([np.arange(30), np.arange(10)])
    copied = examples.take(twice)
    weighted = Examples(
        examples.words, examples.ngrams, examples.Y, np.where(np.arange(30) < 10, 2.0, 1.0).astype(np.float32)
    )
    network = Network.start((4, 2), "tanh", np.random.default_rng(0), np.float64)
    sought = Problem(network, np.ones((17, 2)), LOSS, l2=0.5)
    fits = []
    for data in (copied, weighted):
        S = data.words.times(E).astype(np.float64)
        data = Examples(data.words, data.ngrams.double(), data.Y.astype(np.float64), data.weights.astype(np.float64))
        fits.append(fit_here(sought, S, data, exactly()))
    np.testing.assert_allclose(fits[0].U, fits[1].U, atol=1e-5)
    np.testing.assert_allclose(fits[0].network.theta, fits[1].network.theta, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_joint_fit_is_the_same_with_any_number_of_threads(threads):
    examples, E = two_classes()
    network = Network.start((4, 2), "relu", np.random.default_rng(0))
    scales = nbsvm_scales(examples.ngrams, examples.Y)
    S = examples.words.times(E)
    sought = Problem(network, scales, LOSS, 0.1)
    fits = [fit_here(sought, S, examples, exactly(20, 1e-3), number) for number in (1, threads)]
    assert fits[0].U.tobytes() == fits[1].U.tobytes()
    assert fits[0].network.theta.tobytes() == fits[1].network.theta.tobytes()


def test_of_two_classes_the_scales_of_one_will_do():
    examples, E = two_classes()
    S, network = examples.words.times(E), Network.start((4, 2), "relu", np.random.default_rng(0))
    scales = nbsvm_scales(examples.ngrams, examples.Y)
    options = exactly(20, 1e-6)
    one, both = (fit_here(Problem(network, each, LOSS, 0.1), S, examples, options) for each in (scales[:, :1], scales))
    np.testing.assert_array_equal(one.U, both.U)
    assert columns_moved(scales, LOSS).shape == (17, 1)
    assert columns_moved(scales, LOSSES["cross-entropy", "sigmoid"]).shape == (17, 2)


def test_a_fit_that_goes_on_from_another_ends_where_one_from_scratch_does():
    examples, E = two_classes()
    network = Network.start((4, 2), "relu", np.random.default_rng(0), np.float64)
    S, scales = examples.words.times(E).astype(np.float64), np.ones((17, 2))
    examples = Examples(
        examples.words, examples.ngrams.double(), examples.Y.astype(np.float64), examples.weights.astype(np.float64)
    )
    first = fit_here(Problem(network, scales, LOSS, 0.1), S, examples, exactly())
    sought = Problem(network, 0.5 * scales, LOSS, 0.5)
    on = fit_here(sought, S, examples, exactly(start=first))
    scratch = fit_here(sought, S, examples, exactly())
    np.testing.assert_allclose(on.U, scratch.U, atol=1e-5)
    np.testing.assert_allclose(on.network.theta, scratch.network.theta, atol=1e-5)
    assert on.losses[: len(first.losses)] == first.losses


@pytest.mark.parametrize("classes", [2, 3])
def test_rows_that_weigh_nothing_are_as_if_they_were_not_there(classes):
    rng = np.random.default_rng(0)
    C = np.where(rng.random((40, 6)) < 0.5, rng.random((40, 6)), 0.0)
    S, Y = rng.normal(size=(40, 3)), one_hot(rng.integers(0, classes, 40), classes, np.float64)
    examples = Examples(oracles.sparse(C), oracles.wide_rows(C, C, rng.random((6, 5))), Y, np.ones(40))
    rows = np.arange(5, 35)
    network = Network.start((3, classes), "relu", rng, np.float64)
    fits = []
    for part, of_part in ((examples.weighing_only(rows), S), (examples.take(rows), S[rows])):
        scales = nbsvm_scales(part.ngrams, part.Y, part.weights)
        fits.append(fit_here(Problem(network, scales, LOSS, 0.5), of_part, part, exactly()))
    np.testing.assert_allclose(fits[0].U, fits[1].U, atol=1e-6)
    np.testing.assert_allclose(fits[0].losses[-1], fits[1].losses[-1], rtol=1e-9)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_fit_in_many_blocks_is_the_fit_in_one_and_the_same_bytes_with_any_threads(threads, monkeypatch):
    examples, E = two_classes(n=400)
    network, S = Network.start((4, 2), "relu", np.random.default_rng(0)), examples.words.times(E)
    scales = nbsvm_scales(examples.ngrams, examples.Y)
    sought = Problem(network, scales, LOSS, 0.1)
    whole = fit_here(sought, S, examples, exactly(20, 1e-6), threads)
    monkeypatch.setattr("textclf.text.csr._SMALLEST_BLOCK", 100)
    assert len(blocks_of([examples.ngrams.ngrams, examples.ngrams.pieces], 2)) > 4
    fits = [fit_here(sought, S, examples, exactly(20, 1e-6), each) for each in (1, threads)]
    assert fits[0].U.tobytes() == fits[1].U.tobytes()
    np.testing.assert_allclose(fits[0].U, whole.U, atol=1e-2)


def test_the_logits_of_rows_in_many_blocks_are_those_of_all_rows_at_once(monkeypatch):
    examples, E = two_classes(n=400)
    network, S = Network.start((4, 2), "relu", np.random.default_rng(0)), examples.words.times(E)
    U = np.random.default_rng(1).normal(size=(17, 2)).astype(np.float32)
    monkeypatch.setattr("textclf.text.csr._SMALLEST_BLOCK", 100)
    rows = RowsHere.of(S, examples, 2)
    assert len(rows.blocks) > 4
    at_once = network.forward(S, wide=examples.ngrams.times(U)).Z[-1]
    np.testing.assert_allclose(rows.logits(network, U), at_once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("pairs", "is_saved"), [(2, True), (3, False)])
def test_a_checkpoint_takes_either_all_steps_of_a_fit_or_none(pairs, is_saved):
    examples, E = two_classes()
    network, S = Network.start((4, 2), "relu", np.random.default_rng(0)), examples.words.times(E)
    saved = []

    class Kept(Checkpoint):
        def save(self, name, make):
            saved.append(len(make().arrays["numbers"]) - 4)

    sought = Problem(network, nbsvm_scales(examples.ngrams, examples.Y), LOSS, 0.1)
    theta = 4 * (len(network.theta) + 17)
    steps = LbfgsSettings(6, tolerance=0.0, memory=pairs)
    fit_here(sought, S, examples, FitOptions(steps, checkpoint=Kept(), largest_saved=6 * theta))
    assert saved == ([1, 2, 2, 2, 2, 2] if is_saved else [])
