"""Words and n-grams weigh what their papers say."""

import math

import numpy as np

from textclf.text.csr import sum_entries
from textclf.text.weighting import inverse_document_frequency, log_counts, tf_idf, weighted_mean, word_weights


def test_sif_and_idf_weigh_as_their_papers_say():
    occurrences, frequency = np.array([90, 9, 1]), np.array([50, 9, 1])
    sif = word_weights("sif", occurrences, frequency, 100)
    np.testing.assert_allclose(sif, [1e-3 / (1e-3 + p) for p in (0.9, 0.09, 0.01)], rtol=1e-6)
    idf = word_weights("tfidf", occurrences, frequency, 100)
    np.testing.assert_allclose(idf, [math.log(101 / (1 + df)) + 1 for df in (50, 9, 1)], rtol=1e-6)
    assert word_weights("mean", occurrences, frequency, 100).tolist() == [1.0, 1.0, 1.0]


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
