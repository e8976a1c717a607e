"""Averaged vectors are standardized wherever they lie."""

import numpy as np
import oracles
import pytest
from training_problems import two_classes

from textclf.storage.array_store import IN_MEMORY, ArrayStore
from textclf.text.csr import stack_rows
from textclf.training.minibatch import Standardizer
from textclf.training.trainer import mean_vectors


def test_standardized_vectors_give_texts_mean_zero_and_the_length_that_is_asked_for():
    examples, E = two_classes()
    E[:, 3] = 2.0  # a number that never varies
    raw = mean_vectors(examples.words, E, IN_MEMORY, 1)
    standard = Standardizer.of_rows(raw, length=3.0)
    S = examples.words.times(standard.transform(E))
    np.testing.assert_allclose(S.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose((S**2).sum(axis=1).mean(), 9.0, rtol=1e-4)
    np.testing.assert_allclose(S.std(axis=0), raw.std(axis=0) / standard.spread, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(S[:, 3], 0.0, atol=1e-5)


@pytest.mark.parametrize("budget", [None, 0])
def test_averages_of_standardized_vectors_have_mean_zero_and_a_text_without_words_has_zeros(budget):
    examples, E = two_classes()
    no_words = oracles.sparse(np.zeros((1, 10))).with_data(np.zeros(0, np.float32))
    C, store = stack_rows([examples.words, no_words, examples.words]), ArrayStore(budget)
    raw = mean_vectors(C, E, store, 1)
    standard = Standardizer.of_rows(raw, np.r_[np.ones(200), np.zeros(len(C) - 200)], length=0.5)
    found = mean_vectors(C, standard.transform(E), store, 1)
    np.testing.assert_allclose(found[:200].mean(axis=0), 0.0, atol=0.01)  # the one without words stays where it is
    assert not found[len(examples)].any()
