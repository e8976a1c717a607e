"""Parameters are found as the settings say: splits, batches, early stopping, and the joint fit."""

from dataclasses import replace

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import class_numbers, counts_and_truth
from threadpoolctl import threadpool_info, threadpool_limits

from textclf.errors import TrainingError
from textclf.metrics.multi_label import new_tally
from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import LOSSES, Network, one_hot
from textclf.settings import Settings
from textclf.storage.array_store import IN_MEMORY, ArrayStore
from textclf.text.csr import blocks_of, stack_rows
from textclf.text.subwords import WideRows
from textclf.training.data import Examples, deal, group_copies, group_keys, split, text_keys
from textclf.training.minibatch import EpochSettings, Standardizer, minibatches, train_network
from textclf.training.nbsvm import nbsvm_scales
from textclf.training.objective import FitOptions, Problem, columns_moved, fit_jointly
from textclf.training.train import LabelledTexts, train
from textclf.training.trainer import Listener, mean_vectors, standardize
from textclf.vectors import WordVectors

LOSS = LOSSES["cross-entropy", "softmax"]


def problem(n=120, seed=0):
    """Return examples of two classes, each with words of its own, and vectors of the words."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    C = np.zeros((n, 10))
    for i in range(n):
        for word in np.where(rng.random(6) < 0.75, 5 * y[i], 5 * (1 - y[i])) + rng.integers(0, 5, 6):
            C[i, word] += 1 / 6
    words = in_float32(oracles.sparse(C))
    E = rng.normal(size=(10, 4)).astype(np.float32)
    G = rng.random((10, 7)) * (rng.random((10, 7)) < 0.3)
    wide = WideRows(words, words, in_float32(oracles.sparse(G)))
    return Examples(words, wide, one_hot(y, 2), np.ones(n, np.float32)), E


def in_float32(matrix):
    return matrix.with_data(matrix.data.astype(np.float32))


def exactly(iterations=300, tolerance=1e-14, **options):
    return FitOptions(LbfgsSettings(iterations, tolerance=tolerance), **options)


def settings(**changes):
    return EpochSettings(
        **{
            "epochs": 8, "batch_size": 16, "optimizer": "adam", "learning_rate": 0.02, "vector_rate": 0.02,
            "dropout": 0.0, "word_dropout": 0.0, "l2": 0.0, "patience": 100, **changes,
        }
    )  # fmt: skip


def run(chosen, valid=None, activation="tanh", seed=3):
    examples, E = problem()
    network = Network.start((4, 6, 2), activation, np.random.default_rng(0))
    return train_network(network, E, examples, valid, LOSS, chosen, np.random.default_rng(seed))


@given(class_numbers(), st.floats(0.0, 0.5), st.integers(0, 100))
def test_a_split_shares_every_class_that_is_large_enough_and_loses_no_row(y, fraction, seed):
    train, valid = split(y, fraction, np.random.default_rng(seed))
    assert sorted([*train.tolist(), *valid.tolist()]) == list(range(len(y)))
    for number in np.unique(y):
        n, held = (y == number).sum(), (y[valid] == number).sum()
        assert n - held >= min(n, 2)
        if n >= 4 and fraction > 0:
            assert held == min(max(round(n * fraction), 1), n - 2)


def test_no_validation_is_wanted_and_none_is_made():
    train, valid = split(np.arange(40) % 2, 0.0, np.random.default_rng(0))
    assert (len(train), len(valid)) == (40, 0)


@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 100))
def test_minibatches_hold_every_example_once(n, size, seed):
    batches = list(minibatches(n, size, np.random.default_rng(seed)))
    assert all(len(batch) == size for batch in batches[:-1])
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
def test_training_lowers_the_loss_and_learns_the_classes(optimizer):
    examples, _ = problem()
    found = run(settings(optimizer=optimizer, learning_rate=0.02 if optimizer == "adam" else 0.2, epochs=30))
    losses = [epoch.loss for epoch in found.history]
    assert losses[-1] < 0.5 * losses[0]
    predicted = found.network.forward(examples.words.times(found.E)).Z[-1].argmax(axis=1)
    assert (predicted == examples.Y.argmax(axis=1)).mean() > 0.9


def test_one_epoch_of_gradient_descent_is_the_sum_over_its_batches_by_hand():
    examples, E = problem(n=20)
    network = Network.start((4, 2), "tanh", np.random.default_rng(0), np.float64)
    chosen = settings(optimizer="sgd", learning_rate=0.3, vector_rate=0.0, epochs=1, batch_size=8, l2=0.01)
    found = train_network(network, E, examples, None, LOSS, chosen, np.random.default_rng(5))
    by_hand = Network(network.sizes, network.activation, network.theta.copy())
    for rows in minibatches(20, 8, np.random.default_rng(5)):
        trace = by_hand.forward(examples.words.take(rows).times(E))
        delta = LOSS.delta(trace.Z[-1], examples.Y[rows]) / len(rows)
        by_hand.theta[:] -= 0.3 * by_hand.backward(delta, trace, l2=0.01).theta
    np.testing.assert_allclose(found.network.theta, by_hand.theta, rtol=1e-6)
    assert found.E is E


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_mini_batches_take_steps_as_long_in_whatever_weights_are_counted(optimizer):
    examples, E = problem(n=20)
    network = Network.start((4, 2), "tanh", np.random.default_rng(0), np.float64)
    found = []
    for unit in (1, 256):
        weighed = replace(examples, weights=examples.weights * unit)
        chosen = settings(optimizer=optimizer, epochs=3, batch_size=8)
        found.append(train_network(network, E, weighed, None, LOSS, chosen, np.random.default_rng(5)).network.theta)
    np.testing.assert_array_equal(found[0], found[1])


def test_the_same_generator_gives_the_same_bytes():
    chosen = settings(dropout=0.3, word_dropout=0.3)
    one, two, other = run(chosen), run(chosen), run(chosen, seed=4)
    assert one.network.theta.tobytes() == two.network.theta.tobytes() != other.network.theta.tobytes()
    assert one.E.tobytes() == two.E.tobytes()
    assert one.history == two.history


def test_the_best_weights_are_kept_and_patience_ends_it():
    valid, _ = problem(n=30, seed=1)
    valid = Examples(valid.words, valid.ngrams, valid.Y[:, ::-1].copy(), valid.weights)  # learning makes these worse
    found = run(settings(epochs=50, patience=3), valid)
    assert found.best_epoch == int(np.argmin([epoch.valid_loss for epoch in found.history])) + 1
    assert len(found.history) == found.best_epoch + 3
    short = run(settings(epochs=50, patience=1), valid)
    assert short.network.theta.tobytes() == found.network.theta.tobytes()


def test_vectors_learn_only_when_they_are_to_and_callers_keep_theirs():
    _, E = problem()
    assert run(settings(vector_rate=0.0)).E.tobytes() == E.tobytes()
    assert run(settings()).E.tobytes() != E.tobytes()
    assert problem()[1].tobytes() == E.tobytes()


def test_a_loss_that_is_not_finite_is_said_with_its_epoch_and_rate():
    message = r"epoch \d+: the loss is not finite. Lower --learning-rate .now 1e\+30"
    with pytest.raises(TrainingError, match=message):
        run(settings(optimizer="sgd", learning_rate=1e30, epochs=20), activation="relu")


def test_weights_of_examples_count_as_copies_do():
    examples, E = problem(n=30)
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
        fits.append(fit_jointly(sought, S, data, exactly()))
    np.testing.assert_allclose(fits[0].U, fits[1].U, atol=1e-5)
    np.testing.assert_allclose(fits[0].network.theta, fits[1].network.theta, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_joint_fit_is_the_same_with_any_number_of_threads(threads):
    examples, E = problem()
    network = Network.start((4, 2), "relu", np.random.default_rng(0))
    scales = nbsvm_scales(examples.ngrams, examples.Y, floor=0.3, smoothing=0.3)
    S = examples.words.times(E)
    sought = Problem(network, scales, LOSS, 0.1)
    fits = [fit_jointly(sought, S, examples, exactly(20, 1e-3, threads=number)) for number in (1, threads)]
    assert fits[0].U.tobytes() == fits[1].U.tobytes()
    assert fits[0].network.theta.tobytes() == fits[1].network.theta.tobytes()


@given(counts_and_truth())
def test_scales_are_the_log_count_ratios_of_the_loop(drawn):
    C, Y = drawn
    found = nbsvm_scales(oracles.wide_rows(C), Y, floor=0.3, smoothing=0.3)
    if C.any():
        np.testing.assert_allclose(found, oracles.nbsvm_scales(C.tolist(), Y.tolist(), 0.3, 0.3), rtol=1e-5)


def test_standardized_vectors_give_texts_mean_zero_and_equal_spread():
    examples, E = problem()
    E[:, 3] = 2.0  # a number that never varies
    raw = mean_vectors(examples.words, E, IN_MEMORY, 1)
    standard = Standardizer.of_rows(raw, length=3.0)
    S = examples.words.times(standard.transform(E))
    np.testing.assert_allclose(S.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(S[:, :3].std(axis=0), 1.5, rtol=1e-4)  # length / √d
    np.testing.assert_allclose(S[:, 3], 0.0, atol=1e-5)


def test_of_two_classes_the_scales_of_one_will_do():
    examples, E = problem()
    S, network = examples.words.times(E), Network.start((4, 2), "relu", np.random.default_rng(0))
    scales = nbsvm_scales(examples.ngrams, examples.Y, floor=0.3, smoothing=0.3)
    options = exactly(20, 1e-6)
    one, both = (
        fit_jointly(Problem(network, each, LOSS, 0.1), S, examples, options) for each in (scales[:, :1], scales)
    )
    np.testing.assert_array_equal(one.U, both.U)
    assert columns_moved(scales, LOSS).shape == (17, 1)
    assert columns_moved(scales, LOSSES["cross-entropy", "sigmoid"]).shape == (17, 2)


@pytest.mark.parametrize("budget", [None, 0])
def test_averaged_vectors_are_standardized_as_the_vectors_they_are_made_of(budget, monkeypatch):
    monkeypatch.setattr("textclf.training.trainer._ROWS_AT_ONCE", 50)
    examples, E = problem()
    no_words = oracles.sparse(np.zeros((1, 10))).with_data(np.zeros(0, np.float32))
    C, store = stack_rows([examples.words, no_words, examples.words]), ArrayStore(budget)
    raw = mean_vectors(C, E, store, 1)
    standard = Standardizer.of_rows(raw, np.r_[np.ones(200), np.zeros(len(C) - 200)], length=0.5)
    found = standardize(raw, C, standard, store)
    np.testing.assert_allclose(found, C.times(standard.transform(E)), atol=1e-6)
    np.testing.assert_allclose(found[:200].mean(axis=0), 0.0, atol=0.01)  # the one without words stays where it is
    assert not found[len(examples)].any()


def test_a_fit_that_goes_on_from_another_ends_where_one_from_scratch_does():
    examples, E = problem()
    network = Network.start((4, 2), "relu", np.random.default_rng(0), np.float64)
    S, scales = examples.words.times(E).astype(np.float64), np.ones((17, 2))
    examples = Examples(
        examples.words, examples.ngrams.double(), examples.Y.astype(np.float64), examples.weights.astype(np.float64)
    )
    first = fit_jointly(Problem(network, scales, LOSS, 0.1), S, examples, exactly())
    sought = Problem(network, 0.5 * scales, LOSS, 0.5)
    on = fit_jointly(sought, S, examples, exactly(start=first))
    scratch = fit_jointly(sought, S, examples, exactly())
    np.testing.assert_allclose(on.U, scratch.U, atol=1e-5)
    np.testing.assert_allclose(on.network.theta, scratch.network.theta, atol=1e-5)
    assert on.losses[: len(first.losses)] == first.losses


@given(class_numbers(), st.integers(2, 6), st.integers(0, 100))
def test_folds_share_out_every_class_and_are_of_one_size(y, folds, seed):
    fold = deal(y, folds, np.random.default_rng(seed))
    for number in np.unique(y):
        rows = fold[y == number]
        if len(rows) == 1:
            assert rows.tolist() == [-1]  # no other fold could know this class
        else:
            assert np.ptp(np.bincount(rows, minlength=folds)) <= 1
    assert np.ptp(np.bincount(fold[fold >= 0], minlength=folds)) <= 1


texts_of_few_kinds = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60)


@given(texts_of_few_kinds, st.integers(2, 5), st.integers(0, 20))
def test_no_row_is_judged_by_a_model_that_saw_its_text_or_never_saw_its_class(rows, folds, seed):
    y = np.array([label for _, label in rows])
    groups = group_copies([f"text {number}" for number, _ in rows])
    fold = deal(y, folds, np.random.default_rng(seed), groups=groups)
    for number in np.unique(fold[fold >= 0]):
        out, rest = fold == number, fold != number
        assert not set(groups[out]) & set(groups[rest])
        assert set(y[out]) <= set(y[rest])
    for fraction in (0.1, 0.4):
        train_rows, valid_rows = split(y, fraction, np.random.default_rng(seed), groups=groups)
        assert sorted([*train_rows, *valid_rows]) == list(range(len(y)))
        assert not set(groups[train_rows]) & set(groups[valid_rows])
        assert set(y[valid_rows]) <= set(y[train_rows])


def test_no_row_is_judged_that_has_a_label_of_no_other_fold_beside_common_ones():
    Y = np.tile([[1, 0, 0], [0, 1, 0]], (20, 1))
    Y[7] = [1, 1, 1]
    y = np.where(Y[:, 0] > 0, 0, 1)  # as if another label of that row were its rarest
    for seed in range(5):
        assert deal(y, 5, np.random.default_rng(seed), Y=Y)[7] == -1
        assert 7 in split(y, 0.5, np.random.default_rng(seed), Y=Y)[0]


def test_texts_are_copies_whatever_their_case_and_blanks():
    assert group_copies(["Good  film", " good film", "goodfilm", "good\tFILM\n", "\ud800"]).tolist() == [0, 0, 2, 0, 4]


def test_files_that_are_split_one_by_one_hold_out_the_same_texts():
    rng = np.random.default_rng(0)
    texts = [f"text {number}" for number in range(1000)]
    held_out = []
    for _ in range(2):
        rows = rng.permutation(1000)[:900]
        keys = text_keys([texts[row] for row in rows])
        _, valid = split(rows % 2, 0.1, rng, groups=group_keys(keys), keys=keys)
        assert len(valid) == 90
        held_out.append({texts[rows[row]] for row in valid} | {texts[row] for row in set(range(1000)) - set(rows)})
    assert len(held_out[0] & held_out[1]) > 80


def test_copies_of_training_rows_in_a_validation_table_are_told():
    texts, labels = reviews(100)
    said = []
    valid = LabelledTexts([texts[0].upper(), *reviews(9, seed=1)[0]], labels[:10])
    train(LabelledTexts(texts, labels), FAST, None, valid=valid, listener=Listener(say=said.append))
    assert any(sentence.startswith("1 of 10 validation rows have the text of a training row") for sentence in said)


def test_one_text_in_half_of_all_rows_is_not_all_that_is_validated_on():
    groups = np.concatenate([np.zeros(50, int), np.arange(50, 100)])
    for seed in range(5):
        _, valid = split(np.zeros(100, int), 0.1, np.random.default_rng(seed), groups=groups)
        assert len(valid) == 10
        assert valid.min() >= 50


def reviews(n, seed=0):
    """Return texts of two classes that share most of their words, so that a tenth or so is labelled wrongly."""
    rng = np.random.default_rng(seed)
    labels = ["good" if number % 2 else "bad" for number in range(n)]
    texts = [
        " ".join(f"w{word}" for word in rng.integers(0, 400, 8) + 60 * (label == "good")) for label in labels
    ]  # fmt: skip
    return texts, labels


FAST = Settings(vectors="none", dimension=8, recipe="fast", char_ngrams=(0, 0))


def measured(data, texts, labels, settings=FAST):
    """Return the temperature, and calibration error and accuracy on other rows, of a model of the data."""
    found = train(data, settings, None)
    tally = new_tally(found.model.labels, None)
    predictions = found.model.predict(texts)
    tally.add_rows(
        one_hot(np.array([found.model.labels.index(label) for label in labels]), len(found.model.labels)),
        predictions.P, words=predictions.tokens, known=predictions.known,
    )  # fmt: skip
    return found, tally.evaluation()


@pytest.mark.parametrize("typos", [("postive",), ("postive", "negatve", "good.")])
@pytest.mark.parametrize("target", [None, 0.8])
def test_a_mistyped_label_in_1000_rows_leaves_temperature_and_calibration_as_they_were(typos, target):
    texts, labels = reviews(1000)
    unseen = reviews(1000, seed=1)
    settings = replace(FAST, target_precision=target)
    sound, before = measured(LabelledTexts(texts, labels), *unseen, settings)
    wrong = [*typos, *labels[len(typos) :]]
    found, after = measured(LabelledTexts(texts, wrong), *unseen, settings)
    assert found.model.temperature == pytest.approx(sound.model.temperature, rel=0.1)
    assert after.reliability.ece == pytest.approx(before.reliability.ece, abs=0.02)
    assert after.log_loss == pytest.approx(before.log_loss, abs=0.02)
    assert found.validation.n == 1000 - len(typos)
    assert found.held_out_rows.tolist() == list(range(len(typos), 1000))


def test_copies_do_not_leak_into_validation_and_are_told():
    texts, labels = reviews(400)
    copies = [text.upper() if number else text for number in range(3) for text in texts]
    said = []
    listener = Listener(say=said.append)
    found = train(LabelledTexts(copies, labels * 3), FAST, None, listener=listener)
    _, test = measured(LabelledTexts(copies, labels * 3), *reviews(1000, seed=1))
    assert found.validation.accuracy == pytest.approx(test.accuracy, abs=0.05)
    assert test.reliability.ece < 0.1
    assert any(sentence.startswith("800 of 1,200 rows repeat the text of an earlier row") for sentence in said)
    found = train(LabelledTexts(copies, labels * 3), replace(FAST, optimizer="adam", epochs=20), None)
    assert found.validation.accuracy == pytest.approx(test.accuracy, abs=0.1)


@pytest.mark.parametrize("weight", [2e7, 1e9, 1e12])
def test_large_weights_fit_what_small_ones_fit(weight):
    texts, labels = reviews(300)
    settings = replace(FAST, l2=0.15, valid_fraction=0.0)
    P = [
        train(LabelledTexts(texts, labels, [each] * 300), settings, None).model.predict(texts).P
        for each in (1.0, weight)
    ]
    assert np.isfinite(P[1]).all()
    assert (P[1].argmax(axis=1) == P[0].argmax(axis=1)).mean() > 0.95


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
        scales = nbsvm_scales(part.ngrams, part.Y, part.weights, floor=0.3, smoothing=0.3)
        fits.append(fit_jointly(Problem(network, scales, LOSS, 0.5), of_part, part, exactly()))
    np.testing.assert_allclose(fits[0].U, fits[1].U, atol=1e-6)
    np.testing.assert_allclose(fits[0].losses[-1], fits[1].losses[-1], rtol=1e-9)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_fit_in_many_blocks_is_the_fit_in_one_and_the_same_bytes_with_any_threads(threads, monkeypatch):
    examples, E = problem(n=400)
    network, S = Network.start((4, 2), "relu", np.random.default_rng(0)), examples.words.times(E)
    scales = nbsvm_scales(examples.ngrams, examples.Y, floor=0.3, smoothing=0.3)
    sought = Problem(network, scales, LOSS, 0.1)
    whole = fit_jointly(sought, S, examples, exactly(20, 1e-6, threads=threads))
    monkeypatch.setattr("textclf.text.csr._SMALLEST_BLOCK", 100)
    assert len(blocks_of([examples.ngrams.ngrams, examples.ngrams.pieces])) > 4
    fits = [fit_jointly(sought, S, examples, exactly(20, 1e-6, threads=each)) for each in (1, threads)]
    assert fits[0].U.tobytes() == fits[1].U.tobytes()
    np.testing.assert_allclose(fits[0].U, whole.U, atol=1e-2)


def test_the_blas_library_of_numpy_has_one_thread_while_a_model_is_trained():
    said = []

    def note(_sentence):  # SciPy brings a BLAS library of its own, for sums too small for threads
        blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
        said.append({library["num_threads"] for library in blas if "numpy" in library["filepath"]})

    data = LabelledTexts(["good film", "bad film"] * 20, ["a", "b"] * 20)
    with threadpool_limits(2, user_api="blas"):
        train(data, Settings(vectors="none", dimension=4, recipe="fast"), None, listener=Listener(say=note))
    assert said
    assert all(threads == {1} for threads in said)


def test_a_row_of_weight_two_makes_the_model_that_the_row_twice_makes():
    texts = ["good film", "bad film", "goodish, fine", "badly made", "fine", "so bad..."] * 5
    labels = ["up", "down", "up", "down", "up", "down"] * 5
    weights = [2.0 if number % 4 == 1 else 1.0 for number in range(len(texts))]
    twice = [number for number, weight in enumerate(weights) if weight == 2.0]
    copied = LabelledTexts(texts + [texts[i] for i in twice], labels + [labels[i] for i in twice])
    chosen = Settings(vectors="none", dimension=3, l2=0.5, valid_fraction=0.0, threads=1, recipe="auto")
    vectors = WordVectors(["good", "bad", "film"], np.eye(3, 4, dtype=np.float32) + 0.1, "few", "0" * 64, "word2vec")
    one, other = (train(data, chosen, vectors).model for data in (LabelledTexts(texts, labels, weights), copied))
    for mine, others in zip(one.features.ngrams, other.features.ngrams, strict=True):
        assert mine.index.keys.tolist() == others.index.keys.tolist()
        np.testing.assert_allclose(mine.idf, others.idf, rtol=1e-6)
    np.testing.assert_allclose(one.predict(texts).P, other.predict(texts).P, atol=2e-3)
