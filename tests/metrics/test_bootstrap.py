"""Intervals hold what they promise, and tests of two classifiers are those of the textbooks."""

import numpy as np
import oracles
import pytest
from scipy.stats import norm
from sklearn import metrics

from textclf.metrics.bootstrap import (
    Interval,
    RowPatterns,
    holm,
    mcnemar,
    standard_error,
    unseen,
)


def draw(n, k, m, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    given = np.where(rng.random((n, m)) < 0.7, y[:, None], rng.integers(0, k, (n, m)))
    return y, given


def test_figures_of_all_rows_are_those_of_scikit_learn():
    y, given = draw(200, 5, 3)
    patterns = RowPatterns.of(y, given, 6)  # the last class does not occur
    for j in range(3):
        counts = patterns.counts(patterns.rows[None], j)
        assert counts.accuracy[0] == pytest.approx(metrics.accuracy_score(y, given[:, j]))
        assert counts.macro_f1[0] == pytest.approx(metrics.f1_score(y, given[:, j], average="macro"))


def test_resampled_kinds_are_resampled_rows():
    y, given = draw(400, 3, 1)
    patterns = RowPatterns.of(y, given, 3)
    drawn = np.concatenate(list(patterns.resample(np.random.default_rng(0), 4000)))
    assert (drawn.sum(axis=1) == 400).all()
    figures = patterns.counts(drawn, 0)
    rows = np.random.default_rng(1).integers(0, 400, (4000, 400))
    accuracy = (given[rows, 0] == y[rows]).mean(axis=1)
    macro_f1 = [oracles.macro_f1(y[r], given[r, 0], 3) for r in rows[:1000]]
    for samples, slow in ((figures.accuracy, accuracy), (figures.macro_f1, macro_f1)):
        assert samples.mean() == pytest.approx(np.mean(slow), abs=0.003)
        assert samples.std() == pytest.approx(np.std(slow), rel=0.08)


def test_blocks_of_resamples_add_up(monkeypatch):
    monkeypatch.setattr("textclf.metrics.bootstrap._AT_ONCE", 100)
    patterns = RowPatterns.of(*draw(50, 2, 1), 2)
    blocks = list(patterns.resample(np.random.default_rng(0), 101))
    assert len(blocks) > 1
    assert sum(map(len, blocks)) == 101


def test_an_interval_cuts_off_a_fortieth_on_either_side():
    samples = norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    interval = Interval.of(0.0, samples)
    assert interval.low == pytest.approx(-1.96, abs=0.001)
    assert interval.high == pytest.approx(1.96, abs=0.001)
    assert not interval.is_point
    assert Interval.of(1.0, np.ones(10)).is_point


def test_intervals_of_accuracy_hold_the_truth_as_often_as_they_promise():
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        right = (rng.random(200) < 0.8).astype(int)
        patterns = RowPatterns.of(np.ones(200, int), right[:, None], 2)
        samples = np.concatenate(list(patterns.resample(rng, 500)))
        interval = Interval.of(right.mean(), patterns.counts(samples, 0).accuracy)
        held += interval.low <= 0.8 <= interval.high
    assert 0.91 <= held / 300 <= 0.98


# 2 · (1 + 5) / 2⁵ = 0.375; 2 · (1 + 10 + 45) / 2¹⁰ = 0.109375
@pytest.mark.parametrize(("first", "second", "p"), [(0, 0, 1.0), (4, 1, 0.375), (1, 4, 0.375), (8, 2, 0.109375)])
def test_mcnemar_by_hand(first, second, p):
    assert mcnemar(first, second) == pytest.approx(p)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_what_no_row_showed_may_still_be_a_few_in_n():
    assert (1 - unseen(100)) ** 100 == pytest.approx(0.025)
    assert unseen(100) == pytest.approx(0.0362, abs=1e-4)


def test_copies_count_about_once_in_a_standard_error_and_in_intervals():
    rng = np.random.default_rng(1)
    values = rng.normal(size=200)
    assert standard_error(values) == pytest.approx(values.std() / np.sqrt(200))
    assert standard_error(values, np.arange(200)) == pytest.approx(standard_error(values))
    copied, groups = np.repeat(values, 3), np.repeat(np.arange(200), 3)
    assert standard_error(copied, groups) == pytest.approx(standard_error(values))
    assert standard_error(copied) < 0.6 * standard_error(values)


def test_a_resample_takes_a_text_with_all_its_rows():
    y, given, groups = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 3, 4, 5])
    patterns = RowPatterns.of(y, given[:, None], 2, groups)
    drawn = np.concatenate(list(patterns.resample(np.random.default_rng(1), 1000)))
    # Rows 1 to 3 are one text: two of pattern (0, 0) for each of (1, 0). Texts 4 and 6 are alike.
    assert (drawn[:, 0] == 2 * drawn[:, 2]).all()
    assert (drawn[:, 0] / 2 + drawn[:, 1] + drawn[:, 3] == 4).all()
    assert drawn[:, 3].mean() == pytest.approx(2, abs=0.1)


def test_copies_of_all_rows_leave_the_resampled_figures_as_they_are():
    y, given = draw(300, 3, 2)
    once = RowPatterns.of(y, given, 3)
    thrice = RowPatterns.of(np.repeat(y, 3), np.repeat(given, 3, axis=0), 3, np.repeat(np.arange(300), 3))
    of_once, of_thrice = (
        np.concatenate([each.counts(rows, 0).macro_f1 for rows in each.resample(np.random.default_rng(1))])
        for each in (once, thrice)
    )
    assert of_thrice == pytest.approx(of_once)
