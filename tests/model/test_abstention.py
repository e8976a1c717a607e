"""Thresholds keep their promise, and are given up where no promise can be kept."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from textclf.errors import ModelError
from textclf.model.abstention import ConfidenceRecord, precision_bound, record_confidence, selective_threshold


def rows(n, seed, k=2):
    """Return confidences, and answers that are right as often as their confidence says."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(1 / k, 1.0, n)
    return confidence, rng.random(n) < confidence


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_the_promise_is_kept_in_at_least_95_of_100_draws(target):
    new_confidence, new_right = rows(200_000, 10_000)
    kept = 0
    for seed in range(100):
        threshold = selective_threshold(*rows(1000, seed), target, 0.05)
        answered = new_confidence >= threshold
        kept += not answered.any() or new_right[answered].mean() >= target
    assert kept >= 95


def test_more_rows_answer_more():
    coverage = [(rows(20_000, 1)[0] >= selective_threshold(*rows(n, 0), 0.9, 0.05)).mean() for n in (300, 3000, 30_000)]
    assert coverage[0] < coverage[1] < coverage[2] < 0.4


def test_a_promise_that_few_rows_cannot_support_is_not_made():
    assert selective_threshold(np.ones(200), np.ones(200, bool), 0.99, 0.05) == math.inf
    assert selective_threshold(np.ones(1000), np.ones(1000, bool), 0.99, 0.05) == 1.0
    assert selective_threshold(np.zeros(0), np.zeros(0, bool), 0.5, 0.05) == math.inf
    assert selective_threshold(np.full(500, 0.9), np.zeros(500, bool), 0.5, 0.05) == math.inf


def test_rows_of_equal_confidence_are_answered_together():
    confidence = np.repeat([0.9, 0.8, 0.7], 400)
    right = np.repeat([True, True, False], 400)
    assert selective_threshold(confidence, right, 0.95, 0.05) == pytest.approx(0.8)


@pytest.mark.parametrize(("hits", "n"), [(1, 3), (50, 60), (299, 300), (300, 300)])
def test_the_bound_is_the_share_that_would_show_so_many_hits_with_the_chance_of_doubt(hits, n):
    bound = precision_bound(hits, n, 0.05)
    assert binom.sf(hits - 1, n, bound) == pytest.approx(0.05)
    assert precision_bound(0, n, 0.05) == 0.0


def test_a_class_with_many_rows_has_a_threshold_of_its_own():
    confidence, right = rows(4000, 3)
    classes = np.arange(4000) % 2
    right = np.where(classes == 0, True, right)
    record = ConfidenceRecord(confidence, classes, right, np.zeros(0))
    own = record.thresholds(0.9, 2)
    assert own[0] < 0.6 < own[1]
    shared = ConfidenceRecord(confidence[:600], classes[:600] + 2, right[:600], np.zeros(0)).thresholds(0.9, 4)
    assert len(set(shared.tolist())) == 1


def test_a_record_knows_what_share_of_known_ngrams_is_usual():
    P = np.array([[0.9, 0.1]] * 1000)
    known_shares = np.linspace(0.0, 1.0, 1000)[:, None]
    record = record_confidence(P, np.zeros(1000, int), P.argmax(axis=1), known_shares, np.arange(1000))
    assert record.least_known_share == pytest.approx([0.05], abs=1e-3)
    assert record.right.all()
    large = record_confidence(
        np.tile(P, (50, 1)),
        np.zeros(50_000, int),
        np.zeros(50_000, int),
        np.tile(known_shares, (50, 1)),
        np.arange(50_000),
    )
    assert len(large.confidence) == 20_000
    assert large.copies is None


def test_copies_of_the_rows_allow_no_further_promise():
    confidence, right = rows(700, 3)
    P = np.column_stack([confidence, 1 - confidence])
    y, shares = np.where(right, P.argmax(axis=1), P.argmin(axis=1)), np.zeros((700, 0))
    once = record_confidence(P, y, P.argmax(axis=1), shares, np.arange(700))
    copied = record_confidence(
        np.repeat(P, 9, axis=0), np.repeat(y, 9), np.repeat(P.argmax(axis=1), 9), np.zeros((6300, 0)),
        np.repeat(np.arange(700), 9),
    )  # fmt: skip
    assert (copied.copies == 9).all()
    for target in (0.8, 0.9, 0.95):
        assert copied.coverage(target, 2) <= once.coverage(target, 2) + 0.01
        if np.isinf(once.thresholds(target, 2)).all():
            assert np.isinf(copied.thresholds(target, 2)).all()
    careless = replace(copied, copies=None)
    assert max(careless.coverage(target, 2) - once.coverage(target, 2) for target in (0.8, 0.9, 0.95)) > 0.02


def test_copies_count_once_where_a_recall_is_promised():
    p = np.sort(np.random.default_rng(1).random(100) / 2 + 0.5).astype(np.float32)
    once = ConfidenceRecord(p, np.ones(100, int), np.ones(100, bool), np.zeros(0))
    thrice = ConfidenceRecord(np.repeat(p, 3), np.ones(300, int), np.ones(300, bool), np.zeros(0), np.full(300, 3))
    assert thrice.recall_threshold(0.9, 1, "b") == once.recall_threshold(0.9, 1, "b")
    with pytest.raises(ModelError, match=r"expected 149 held-out texts of 'b' to promise it, found 100\."):
        thrice.recall_threshold(0.98, 1, "b")


def test_where_no_class_can_be_promised_alone_all_are_promised_together():
    confidence = np.full(900, 0.9)
    classes = np.arange(900) % 2
    right = np.ones(900, bool)
    right[:3] = False
    record = ConfidenceRecord(confidence, classes, right, np.zeros(0))
    assert precision_bound(448, 450, 0.0125 / 9) < 0.985 < precision_bound(897, 900, 0.025 / 10)
    together = record.thresholds(0.985, 3)
    assert together == pytest.approx(np.full(3, 0.9))


def test_a_class_that_alone_cannot_be_promised_is_not_answered_while_another_is():
    classes = np.repeat([0, 1], 1000)
    right = np.append(np.ones(1000, bool), np.arange(1000) % 3 > 0)
    thresholds = ConfidenceRecord(np.full(2000, 0.9), classes, right, np.zeros(0)).thresholds(0.95, 2)
    assert thresholds.tolist() == [0.9, math.inf]
