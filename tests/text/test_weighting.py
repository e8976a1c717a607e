"""Words and n-grams weigh what their papers say."""

import math

import numpy as np

from textclf.text.csr import sum_entries
from textclf.text.weighting import (
    expected_counts,
    inverse_document_frequency,
    log_counts,
    tf_idf,
    weighted_mean,
    word_weights,
)


def test_sif_and_idf_weigh_as_their_papers_say():
    occurrences = np.array([190, 9, 1])
    sif = word_weights("sif", occurrences, 100)
    np.testing.assert_allclose(sif, [1e-3 / (1e-3 + p) for p in (0.95, 0.045, 0.005)], rtol=1e-6)
    idf = word_weights("tfidf", occurrences, 100)
    np.testing.assert_allclose(idf, [math.log(101 / (1 + df)) + 1 for df in (100, 9, 1)], rtol=1e-6)
    assert word_weights("mean", occurrences, 100).tolist() == [1.0, 1.0, 1.0]


def test_few_texts_leave_sif_to_the_ranks_of_words_and_many_texts_decide_it():
    ranks = np.array([1, 100, 40_000])
    expected = expected_counts(ranks, 60_000)
    few, many = (word_weights("sif", times * np.array([0, 1, 0]), 1, expected) for times in (1, 1_000_000))
    assert few[0] < few[1] < few[2], "a common word weighs less, though the texts lack it"
    assert many[1] < 0.01 < many[0], "but of many texts their own counts count"


def test_expected_counts_of_all_words_are_those_of_3000_tokens():
    expected = expected_counts(np.arange(1, 60_001), 60_000)
    assert abs(expected.sum() - 3_000) < 1e-6
    assert (np.diff(expected) < 0).all()


def test_counts_weigh_one_plus_their_logarithm():
    np.testing.assert_allclose(log_counts(np.array([1, 2, 7, 1.0])), [1, 1 + math.log(2), 1 + math.log(7), 1])
    assert log_counts(np.zeros(0)).dtype == np.float32


def test_rows_of_a_mean_sum_to_one_and_those_of_tf_idf_are_of_length_one():
    counts, weights = (
        sum_entries(np.array([0, 0, 0, 2]), np.array([0, 0, 1, 1]), 3, 2),
        np.array([1.0, 3.0], np.float32),
    )
    mean, tfidf = weighted_mean(counts, weights).scipy.toarray(), tf_idf(counts, weights).scipy.toarray()
    np.testing.assert_allclose(mean, [[2 / 5, 3 / 5], [0, 0], [0, 1]], rtol=1e-6)
    a, b = 1 + math.log(2), 3.0
    np.testing.assert_allclose(tfidf, [[a / math.hypot(a, b), b / math.hypot(a, b)], [0, 0], [0, 1]], rtol=1e-6)


def test_idf_takes_weighed_counts_too():
    np.testing.assert_allclose(
        inverse_document_frequency(np.array([0.5, 3]), 7.5), np.log(8.5 / np.array([1.5, 4])) + 1
    )
