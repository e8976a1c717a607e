"""A training takes its settings, weights and threads as they are meant."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from textclf.settings import Settings
from textclf.training.resources import Listener, Resources
from textclf.training.train import LabelledTexts, train
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
