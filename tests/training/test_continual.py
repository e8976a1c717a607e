"""Going on from a model: the old is held, the new is learnt, and what does not fit is refused in a line."""

import json
from dataclasses import replace

import numpy as np
import oracles
import pytest
from click.testing import CliRunner
from training_problems import fit_here

from textclf.cli import LazyGroup
from textclf.errors import ModelError
from textclf.export.shrink import shrink
from textclf.model.card import ModelCard
from textclf.model.model import Model
from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import LOSSES, OUTPUTS, Network
from textclf.settings import Settings
from textclf.storage.array_store import ArrayStore
from textclf.storage.packed_strings import PackedStrings
from textclf.text.features import Features, WordTable
from textclf.text.key_index import KeyIndex
from textclf.text.weighting import inverse_document_frequency
from textclf.training import trainer as fitting
from textclf.training.checkpoint import CheckpointFile
from textclf.training.continual import (
    EarlierKnowledge,
    _document_frequency,
    curvature,
    grow,
    keep_settings,
    rows_seen,
)
from textclf.training.data import Examples
from textclf.training.objective import FitOptions, Problem
from textclf.training.resources import Resources
from textclf.training.train import LabelledTexts, Start, train
from textclf.training.vocabulary import MOST_UNSEEN_WORDS, Sources
from textclf.vectors import WordVectors

pytestmark = pytest.mark.usefixtures("small_starter")

WORDS = [f"w{i}" for i in range(40)]
VECTORS = WordVectors(WORDS, np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32), "v", "digest", "test")
PLAIN = Settings(recipe="fast", char_ngrams=(0, 0), word_ngrams=1)


def rows(first, labels, n, seed=0):
    """Return n texts of five words: each label has five words of its own, from w`first` on, and all share the last."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(labels), n)
    texts = [" ".join(WORDS[first + 5 * label + i] for i in rng.integers(0, 5, 3)) + " w38 w39" for label in y.tolist()]
    return LabelledTexts(texts, [labels[label] for label in y.tolist()])


OLD, NEW = rows(0, ["a", "b"], 80), rows(10, ["c", "a"], 60, 1)


def accuracy(model, data):
    return np.mean(
        [model.labels[i] == label for i, label in zip(model.predict(data.texts).classes, data.labels, strict=True)]
    )


def go_on(model, data, replay=None, vectors=VECTORS, **settings):
    wanted = Settings(**{"recipe": "fast", **settings})
    return train(data, keep_settings(model, wanted), vectors, start=Start(model, replay)).model


@pytest.fixture(scope="module")
def old():
    return train(OLD, PLAIN, VECTORS).model


def test_new_words_and_labels_are_learnt_and_the_old_are_kept(old):
    new = go_on(old, NEW)
    assert new.labels == ("a", "b", "c")
    assert accuracy(new, NEW) == accuracy(new, OLD) == 1.0
    assert rows_seen(new) == 140
    assert rows_seen(go_on(new, NEW)) == 200
    assert [table.texts for table in new.card.before] == [80]


def test_old_texts_get_the_same_features_and_new_words_vectors_like_the_old(old):
    small = WordVectors(WORDS[:30], VECTORS.matrix[:30], "v", "digest", "test")
    model = train(OLD, PLAIN, small).model
    grown = grow(model, NEW.texts, ("a", "b", "c"), Sources(PLAIN, VECTORS, np.random.default_rng(0)))
    features, E = grown.vocabulary.features, grown.vocabulary.E
    before, after = model.features.extract(OLD.texts), features.extract(OLD.texts)
    rows_before, rows_after = model.features.words.index, features.words.index
    places = rows_after.rows(rows_before.keys)
    np.testing.assert_array_equal(E[places], model.E)
    np.testing.assert_allclose(before.ngrams.times(model.U), after.ngrams.times(grown.earlier.U)[:, :2], atol=1e-6)


@pytest.mark.parametrize("several", [False, True])
def test_subwords_are_gone_on_from_too(several):
    output = "sigmoid" if several else "softmax"
    settings = Settings(char_ngrams=(2, 4), multi_label=several, output=output, l2=0.1)
    first = train(OLD, settings, VECTORS).model
    grown = grow(first, NEW.texts, ("a", "b", "c"), Sources(settings, VECTORS, np.random.default_rng(0)))
    features, U = grown.vocabulary.features, grown.earlier.U
    before, after = first.features.extract(OLD.texts), features.extract(OLD.texts)
    np.testing.assert_allclose(before.ngrams.times(first.U), after.ngrams.times(U)[:, :2], atol=1e-5)
    assert not after.ngrams.times(U)[:, 2].any()
    assert len(features.table("chars").index) > len(first.features.table("chars").index)
    new = go_on(first, NEW)
    assert accuracy(new, NEW) > 0.9
    assert accuracy(new, OLD) > 0.9


def test_a_vector_that_was_left_out_comes_back_where_it_would_have_stood():
    known, seen = rows(0, ["a", "b"], 80), ["w20 w21", "w22 w23"]
    model = train(known, PLAIN, VECTORS).model
    keep = np.isin(np.array(list(model.words)), ["w20", "w21"], invert=True)
    table = model.features.words
    less = replace(
        model,
        features=Features(WordTable(KeyIndex(table.index.keys[keep]), table.weights[keep]), model.features.ngrams),
        words=PackedStrings.of([word for word, kept in zip(model.words, keep, strict=True) if kept]),
        E=model.E[keep],
    )
    grown = grow(less, seen, model.labels, Sources(PLAIN, VECTORS, np.random.default_rng(0)))
    assert list(grown.vocabulary.words) == list(model.words)
    step = np.abs(np.asarray(model.E)).max() / 127  # of a file's 8-bit numbers
    np.testing.assert_allclose(grown.vocabulary.E, model.E, atol=step)
    assert len(WORDS) < MOST_UNSEEN_WORDS


def test_old_rows_that_are_played_again_hold_what_the_pull_alone_forgets(old):
    one_sided = LabelledTexts([text.replace("w39", "") for text in OLD.texts[:40]], ["a"] * 40)
    truth = LabelledTexts(OLD.texts[40:], OLD.labels[40:])
    forgot = go_on(old, one_sided)
    kept = go_on(old, one_sided, LabelledTexts(OLD.texts[:20], OLD.labels[:20]))
    P = [model.predict(truth.texts).P[:, 1][np.array(truth.labels) == "b"].mean() for model in (old, kept, forgot)]
    assert P[0] > P[2]
    assert P[1] > P[2]


def test_how_often_an_ngram_stood_is_told_by_its_idf():
    counts = np.array([1, 2, 50, 1000])
    np.testing.assert_allclose(_document_frequency(inverse_document_frequency(counts, 1000), 1000), counts, rtol=1e-4)


def test_the_curvature_of_the_last_layer_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    network = Network.start((3, 4), "relu", rng, np.float64)
    S, wide = rng.normal(size=(7, 3)), rng.normal(size=(7, 4))
    h, of_output = curvature(network, S, wide, OUTPUTS["softmax"])
    Y, loss, step = np.eye(4)[rng.integers(0, 4, 7)], LOSSES["cross-entropy", "softmax"], 1e-4

    def value(theta):
        return loss.value(Network(network.sizes, network.activation, theta).forward(S, wide=wide).Z[-1], Y).mean()

    for place in range(len(h)):
        move = np.zeros(len(h))
        move[place] = step
        second = (value(network.theta + move) - 2 * value(network.theta) + value(network.theta - move)) / step**2
        assert h[place] == pytest.approx(second, abs=1e-6)
    assert of_output == pytest.approx(h[-4:])
    deep, _ = curvature(Network.start((3, 5, 4), "tanh", rng, np.float64), S, wide, OUTPUTS["softmax"])
    assert len(deep) == 3 * 5 + 5 + 5 * 4 + 4
    assert (deep > 0).all()


def test_the_fit_ends_where_new_loss_and_pull_are_in_balance():
    rng = np.random.default_rng(0)
    S, C, Y = (
        rng.normal(size=(30, 3)).astype(np.float32),
        rng.random((30, 5)),
        np.eye(3, dtype=np.float32)[rng.integers(0, 3, 30)],
    )
    examples = Examples(oracles.sparse(C), oracles.wide_rows(C), Y, np.ones(30, np.float32))
    network = Network.start((3, 3), "relu", rng)
    U, h, h_U = rng.normal(size=(5, 3)).astype(np.float32), rng.random(12) * 50, rng.random((5, 3)) * 50
    is_new, scales = np.zeros((5, 3), bool), np.full((5, 3), 0.7, np.float32)
    is_new[3:] = True
    U[3:] = 0
    loss = LOSSES["cross-entropy", "softmax"]
    sought = EarlierKnowledge(network, U, h, h_U, is_new).held(Problem(network, scales, loss, l2=0.5))
    found = fit_here(sought, S, examples, FitOptions(LbfgsSettings(500, tolerance=1e-9)))
    trace = found.network.forward(S, wide=(C @ found.U).astype(np.float32))
    delta = loss.delta(trace.Z[-1], Y)
    pull = (0.5 + 0.1 * h) * (found.network.theta - network.theta)
    np.testing.assert_allclose(found.network.backward(delta, trace).theta + pull, 0, atol=1e-2)
    cost = np.where(is_new, 0.5 / scales**2, 0.5 + 0.1 * h_U)
    np.testing.assert_allclose(C.T @ delta + cost * (found.U - U), 0, atol=1e-2)


@pytest.mark.parametrize("settings", [{"hidden": (4,)}, {"optimizer": "adam", "epochs": 5}, {"vectors": "none"}])
def test_any_model_can_go_on(settings):
    vectors = None if settings.get("vectors") == "none" else VECTORS
    first = train(OLD, Settings(recipe="fast", **settings), vectors).model
    new = go_on(first, NEW, vectors=vectors)
    assert accuracy(new, NEW) > 0.9
    assert new.network.sizes[:-1] == first.network.sizes[:-1]


def test_a_multi_label_model_keeps_its_thresholds():
    settings = Settings(recipe="fast", multi_label=True, output="sigmoid")
    first = train(LabelledTexts(OLD.texts, [f"{label}|all" if i % 3 else label for i, label in enumerate(OLD.labels)]),
                  settings, VECTORS).model  # fmt: skip
    new = go_on(first, NEW, valid_fraction=0.0)
    assert new.thresholds[[new.labels.index(label) for label in first.labels]] == pytest.approx(first.thresholds)
    assert new.temperature == first.temperature


def test_what_does_not_fit_the_model_is_refused(old):
    other = WordVectors(WORDS, VECTORS.matrix, "other", "another digest", "test")
    with pytest.raises(ModelError, match="vectors: expected those that the model was trained with"):
        go_on(old, NEW, vectors=other)
    with pytest.raises(ModelError, match="multi_label: to continue from the model expected False, found True"):
        keep_settings(old, Settings(multi_label=True, output="sigmoid"), frozenset({"multi_label"}))
    with pytest.raises(ModelError, match="n-grams: their lengths are the model's"):
        keep_settings(old, PLAIN, frozenset({"char_ngrams"}))
    for lacking in (ModelCard(), replace(old.card, data=None), replace(old.card, settings=None)):
        with pytest.raises(ModelError, match="lacks what continuing needs"):
            keep_settings(replace(old, card=lacking), PLAIN)


def run(*arguments):
    return CliRunner().invoke(LazyGroup("textclf"), [str(argument) for argument in arguments])


def test_the_command_goes_on_and_the_same_rows_give_the_same_file(tmp_path):
    def write(name, data):
        lines = [json.dumps({"text": t, "label": label}) for t, label in zip(data.texts, data.labels, strict=True)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    first, second = write("old.jsonl", OLD), write("new.jsonl", NEW)
    little = ["--vectors", "none", "--recipe", "fast"]
    assert run("train", first, "-o", tmp_path / "m", *little).exit_code == 0
    for name in ("m2", "m3"):
        done = run("train", second, "-o", tmp_path / name, "--init-from", tmp_path / "m", "--replay", first)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "m2").read_bytes() == (tmp_path / "m3").read_bytes()
    model = Model.load(tmp_path / "m2")
    assert model.labels == ("a", "b", "c")
    assert accuracy(model, OLD) == 1.0
    assert run("train", second, "-o", tmp_path / "x", "--replay", first).exit_code == 2
    refused = run("train", second, "-o", tmp_path / "x", "--init-from", tmp_path / "m", "--hidden", 8)
    assert str(refused.exception).startswith("hidden: to continue from the model expected none, found 8")
    assert not (tmp_path / "x").exists()


def test_a_model_that_was_made_small_cannot_go_on(old):
    with pytest.raises(ModelError, match="expected one that can continue, found a small one"):
        go_on(shrink(old, "old").model, NEW)


def test_going_on_with_arrays_in_files_finds_the_same_model(old):
    settings = keep_settings(old, Settings(recipe="fast"))
    P = [
        train(NEW, settings, VECTORS, start=Start(old), resources=Resources(store=ArrayStore(budget)))
        .model.predict(OLD.texts)
        .P
        for budget in (None, 0)
    ]
    np.testing.assert_array_equal(P[0], P[1])


def test_settings_of_a_file_that_the_model_cannot_keep_are_refused_too(tmp_path, old):
    old.save(tmp_path / "m")
    (tmp_path / "c.toml").write_text('hidden = "8"\n')
    (tmp_path / "t.csv").write_text("text,label\nw1,a\nw2,b\n")
    more = ["--init-from", tmp_path / "m", "--config", tmp_path / "c.toml"]
    refused = run("train", tmp_path / "t.csv", "-o", tmp_path / "x", *more)
    assert "hidden: to continue from the model expected none, found 8" in str(refused.exception) + refused.output


class Stopped(CheckpointFile):
    """Is stopped, as by Ctrl-C, right after it saved once."""

    def save(self, name, make):
        super().save(name, make)
        raise KeyboardInterrupt


def test_going_on_that_was_stopped_goes_on_to_the_same_bytes_and_only_from_the_same_start(tmp_path, old):
    settings = keep_settings(old, Settings(recipe="fast"))
    few = LabelledTexts(OLD.texts[:20], OLD.labels[:20])
    train(NEW, settings, VECTORS, start=Start(old, few)).model.save(tmp_path / "straight")
    stopped = Stopped(tmp_path / "m")
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(NEW, settings, VECTORS, start=Start(old, few), resources=Resources(checkpoint=stopped))
    stopped.write()
    others = [
        (Start(go_on(old, NEW), few), "model to continue from"),
        (Start(old), "old rows, weights of rows"),
        (None, "model to continue from, old rows, weights of rows"),
    ]

    def again():
        return Resources(checkpoint=CheckpointFile(tmp_path / "m", resume=True))

    for start, named in others:
        with pytest.raises(ModelError, match=rf"found one with other {named}\."):
            train(NEW, settings, VECTORS, start=start, resources=again())
    train(NEW, settings, VECTORS, start=Start(old, few), resources=again()).model.save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == (tmp_path / "straight").read_bytes()


def test_calibration_on_new_rows_takes_no_old_label_for_impossible(old, monkeypatch):
    monkeypatch.setattr(fitting, "fit_calibration", lambda *_: pytest.fail("vector scaling was tried"))
    one_sided = LabelledTexts(OLD.texts[:60], ["a"] * 60)
    new = go_on(old, one_sided, valid_fraction=0.5)
    assert new.card.scaling is None
    assert new.temperature != old.temperature


def test_old_and_new_texts_are_usual_and_an_ngram_of_one_text_makes_that_text_no_more_familiar(old):
    data = LabelledTexts([*NEW.texts, "w1 w2 w99", "w3 w98"], [*NEW.labels, "a", "a"])
    new = go_on(old, data)
    assert new.reference.counts[1].sum() == 80 + 62
    grown = grow(old, data.texts, ("a", "b", "c"), Sources(PLAIN, VECTORS, np.random.default_rng(0)))
    assert grown.vocabulary.features.extract(data.texts).known_shares[-2:].tolist() == [[1.0], [1.0]]
    assert grown.vocabulary.matrix.known_shares[-2:, 0] == pytest.approx([2 / 3, 1 / 2])
