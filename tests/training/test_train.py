"""A training takes its settings, weights and threads as they are meant."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from textclf.settings import Settings
from textclf.training.continual import keep_settings
from textclf.training.resources import Listener, Resources
from textclf.training.train import LabelledTexts, Start, train
from textclf.training.trainer import WithoutPatterns
from textclf.vectors import WordVectors


def test_the_blas_library_of_numpy_has_one_thread_while_a_model_is_trained():
    said = []

    def note(_sentence):  # SciPy brings a BLAS library of its own, for sums too small for threads
        blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
        said.append({library["num_threads"] for library in blas if "numpy" in library["filepath"]})

    data = LabelledTexts(["good film", "bad film"] * 20, ["a", "b"] * 20)
    with threadpool_limits(2, user_api="blas"):
        train(data, Settings(vectors="none", dimension=4, recipe="fast"), None, resources=Resources(Listener(say=note)))
    assert said
    assert all(threads == {1} for threads in said)


def questions(rng, n):
    """Return questions and statements of the same rare words, told apart by how they are built alone."""
    names = ["".join(letters) for letters in rng.choice(list("abcdefghik"), (2 * n, 6))]
    asked = [f"{one.capitalize()} and {two}" for one, two in zip(names[:n], names[n:], strict=True)]
    said = [f"{one} and {two.capitalize()}" for one, two in zip(names[:n], names[n:], strict=True)]
    order = rng.permutation(2 * n)
    texts, labels = asked + said, ["asked"] * n + ["said"] * n
    return [texts[i] for i in order], [labels[i] for i in order]


def test_patterns_are_used_where_validation_rows_ask_for_them_and_else_left_out():
    rng = np.random.default_rng(0)
    texts, labels = questions(rng, 400)
    new_texts, new_labels = questions(rng, 100)
    chosen = Settings(vectors="none", dimension=2, threads=1)
    model = train(LabelledTexts(texts, labels), chosen, None).model
    assert [table.kind for table in model.features.ngrams] == ["words", "patterns", "chars"]
    right = [model.labels[j] == label for j, label in zip(model.predict(new_texts).classes, new_labels, strict=True)]
    assert np.mean(right) > 0.95
    by_chance = train(LabelledTexts(texts, rng.permutation(labels).tolist()), chosen, None).model
    assert [table.kind for table in by_chance.features.ngrams] == ["words", "chars"]
    assert len(by_chance.U) == by_chance.features.height
    assert len(by_chance.card.regularization.ngram_scales) == 2
    without = replace(chosen, pattern_ngrams=0)
    assert len(train(LabelledTexts(texts, labels), without, None).model.features.ngrams) == 2


def test_a_model_without_patterns_says_what_it_said_before_they_were_left_out(monkeypatch):
    texts, labels = questions(np.random.default_rng(0), 400)
    labels = [text.split()[0].lower() for text in texts]
    labels = [label[0] for label in labels]
    said = []
    after = WithoutPatterns.after

    def note(fitted):
        without = after(fitted)
        said.extend([] if without is None else [fitted.model, without.fitted(fitted).model])
        return without

    monkeypatch.setattr(WithoutPatterns, "after", staticmethod(note))
    train(LabelledTexts(texts, labels), Settings(vectors="none", dimension=2, threads=1), None)
    full, pruned = said
    assert len(pruned.U) < len(full.U)
    np.testing.assert_allclose(full.predict(texts).P, pruned.predict(texts).P, atol=1e-6)


def test_a_row_of_weight_two_makes_the_model_that_the_row_twice_makes():
    texts = ["good film", "bad film", "goodish, fine", "badly made", "fine", "so bad..."] * 5
    labels = ["up", "down", "up", "down", "up", "down"] * 5
    weights = [2.0 if number % 4 == 1 else 1.0 for number in range(len(texts))]
    twice = [number for number, weight in enumerate(weights) if weight == 2.0]
    copied = LabelledTexts(texts + [texts[i] for i in twice], labels + [labels[i] for i in twice])
    chosen = Settings(vectors="none", dimension=3, l2=0.5, valid_fraction=0.0, threads=1, pattern_ngrams=2)
    vectors = WordVectors(["good", "bad", "film"], np.eye(3, 4, dtype=np.float32) + 0.1, "few", "0" * 64, "word2vec")
    one, other = (train(data, chosen, vectors).model for data in (LabelledTexts(texts, labels, weights), copied))
    for mine, others in zip(one.features.ngrams, other.features.ngrams, strict=True):
        assert mine.index.keys.tolist() == others.index.keys.tolist()
        np.testing.assert_allclose(mine.idf, others.idf, rtol=1e-6)
    np.testing.assert_allclose(one.predict(texts).P, other.predict(texts).P, atol=2e-3)


def test_the_history_tells_epochs_from_fits_and_what_validation_rows_showed_of_each():
    texts = [f"{word} film {number % 7}" for number in range(40) for word in ("good", "fine", "bad", "ill")]
    labels = ["up", "up", "down", "down"] * 39 + ["down", "up", "down", "up"]
    small = {"vectors": "none", "dimension": 4, "valid_fraction": 0.25, "char_ngrams": (0, 0)}
    for optimizer in ("lbfgs", "adam"):
        trained = train(LabelledTexts(texts, labels), Settings(**small, optimizer=optimizer, epochs=8), None)
        history = trained.model.card.history
        assert [step.number for step in history] == list(range(1, len(history) + 1))
        fits = [step.fit for step in history]
        assert fits == sorted(fits)
        assert fits[0] == (0 if optimizer == "adam" else 1)
        for number in set(fits) - {0}:
            *before, last = [step for step in history if step.fit == number]
            losses = [step.loss for step in (*before, last)]
            assert losses == sorted(losses, reverse=True)
            assert {step.valid_loss for step in before} <= {None}
            assert 0 < last.valid_loss < 1


@pytest.mark.parametrize(
    ("settings", "weighting"),
    [({}, "sif"), ({"optimizer": "adam"}, "mean"), ({"optimizer": "adam", "freeze_vectors": True}, "sif"),
     ({"optimizer": "adam", "weighting": "tfidf"}, "tfidf")],
)  # fmt: skip
def test_words_weigh_alike_where_their_vectors_are_trained_unless_it_is_said_otherwise(settings, weighting):
    assert Settings(**settings).word_weighting == weighting


def test_a_model_goes_on_with_the_weights_that_its_words_had(tmp_path):
    data = LabelledTexts(["good good film", "bad film"] * 20, ["a", "b"] * 20)
    settings = Settings(vectors="none", dimension=4, optimizer="adam", epochs=1)
    model = train(data, settings, None).model
    further = train(data, keep_settings(model, Settings(vectors="none", dimension=4), set()), None, start=Start(model))
    for each in (model, further.model):
        assert np.ptp(each.features.words.weights) == 0.0


@pytest.mark.filterwarnings("error")
def test_a_training_without_regularization_learns_though_some_numbers_stand_in_no_row():
    texts = [f"{mood} film number {number} {mood}ly" for number in range(25) for mood in ("good", "bad")]
    data = LabelledTexts(texts, ["up", "down"] * 25)
    found = train(data, Settings(vectors="none", recipe="fast", l2=0.0), None)
    assert found.model.card.validation.accuracy == 1.0
