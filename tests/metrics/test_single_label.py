"""Figures are those of scikit-learn and of the formulas, whether counted at once or in batches."""

import json
import re

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from textclf.analysis.evaluate import Measurement
from textclf.cli.evaluation_text import measurement_text
from textclf.metrics.single_label import Tally, losses

LABELS = ["a", "b", "c", "d"]


@st.composite
def outcomes(draw):
    """Draw true classes y, shape (n,), and probabilities P, shape (n, 4)."""
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return rng.integers(0, draw(st.integers(1, 4)), n), rng.dirichlet(np.ones(4), n)


def tally(y, P, words=None, known=None):
    counted = Tally(LABELS)
    ones = np.ones(len(y), np.int64)
    counted.add(y, P, words=ones if words is None else words, known=ones if known is None else known)
    return counted


@given(outcomes())
def test_figures_are_those_of_scikit_learn(drawn):
    y, P = drawn
    found, predicted = tally(y, P).evaluation(), P.argmax(axis=1)
    occurring = sorted({*y.tolist(), *predicted.tolist()})
    assert found.n == len(y)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, predicted))
    expected = metrics.f1_score(y, predicted, average="macro", labels=occurring, zero_division=0.0)
    assert found.macro_f1 == pytest.approx(expected)
    assert found.log_loss == pytest.approx(metrics.log_loss(y, P, labels=range(4)))
    assert found.brier == pytest.approx(((P - np.eye(4)[y]) ** 2).sum(axis=1).mean())
    np.testing.assert_array_equal(found.matrix, metrics.confusion_matrix(y, predicted, labels=range(4)))
    scores = metrics.precision_recall_fscore_support(y, predicted, labels=range(4), zero_division=0.0)
    ours = [[*vars(found.per_class[label]).values()] for label in LABELS]
    np.testing.assert_allclose(ours, np.transpose(scores))


@given(outcomes(), st.integers(0, 30))
def test_batches_add_up_to_the_whole(drawn, cut):
    y, P = drawn
    words = np.arange(len(y)) + 1
    known = np.arange(len(y)) % 2
    whole = tally(y, P, words, known).evaluation()
    first, second = tally(y[:cut], P[:cut], words[:cut], known[:cut]), tally(y[cut:], P[cut:], words[cut:], known[cut:])
    first.merge(second)
    parts = first.evaluation()
    np.testing.assert_array_equal(parts.matrix, whole.matrix)
    assert (parts.log_loss, parts.brier) == pytest.approx((whole.log_loss, whole.brier))
    assert parts.known_words == whole.known_words
    assert parts.empty == whole.empty == (known == 0).sum()
    assert whole.known_words == known.sum() / words.sum()


@pytest.mark.parametrize(("k", "n", "seed"), [(2, 200, 0), (4, 300, 1), (9, 400, 2), (3, 30, 3)])
def test_agreement_and_ranking_are_those_of_scikit_learn(k, n, seed):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    Z = rng.normal(size=(n, k)) + np.eye(k)[y]
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    counted = Tally([str(j) for j in range(k)])
    for part in (slice(0, n // 2), slice(n // 2, n)):
        counted.add(y[part], P[part], words=y[part], known=y[part])
    found, given = counted.evaluation(), P.argmax(axis=1)
    exact = {"rel": 0, "abs": 1e-12}
    assert found.mcc == pytest.approx(metrics.matthews_corrcoef(y, given), **exact)
    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(y, given), **exact)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(y, given), **exact)
    one_hot = np.eye(k)[y]
    assert found.ranking.macro_roc_auc == pytest.approx(metrics.roc_auc_score(one_hot, P, average="macro"), **exact)
    expected = metrics.average_precision_score(one_hot, P, average="macro")
    assert found.ranking.macro_average_precision == pytest.approx(expected, **exact)
    values = found.as_dict()
    assert values["roc_auc"] == found.ranking.macro_roc_auc
    assert values["per_class"]["0"]["roc_auc"] == pytest.approx(metrics.roc_auc_score(y == 0, P[:, 0]), **exact)
    if k > 5:
        assert found.top_3_accuracy == pytest.approx(metrics.top_k_accuracy_score(y, P, k=3), **exact)
    else:
        assert found.top_3_accuracy is None
    json.dumps(values, allow_nan=False)


def test_one_class_alone_has_the_figures_that_it_can_have():
    found = tally(np.array([1, 1]), np.eye(4)[[1, 1]]).evaluation()
    assert (found.mcc, found.kappa, found.balanced_accuracy, found.ranking.macro_roc_auc) == (0.0, None, 1.0, None)
    json.dumps(found.as_dict(), allow_nan=False)
    text = measurement_text(Measurement(found, [], None, None))
    assert "balanced accuracy 1.0000, Matthews correlation 0.0000\ncalibration error" in text


def test_intervals_hold_the_figure_and_are_as_wide_as_the_rows_are_few():
    rng = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        y = rng.integers(0, 4, n)
        P = np.eye(4)[np.where(rng.random(n) < 0.7, y, rng.integers(0, 4, n))]
        found = tally(y, P).evaluation()
        intervals = found.intervals
        for value, (low, high) in ((found.accuracy, intervals.accuracy), (found.macro_f1, intervals.macro_f1)):
            assert 0 <= low < value < high <= 1
        low, high = intervals.recall["a"]
        assert low < found.per_class["a"].recall < high
        assert found.intervals.macro_f1 == tally(y, P).evaluation().intervals.macro_f1
        widths.append([high - low for low, high in (intervals.accuracy, intervals.macro_f1)])
    np.testing.assert_allclose(np.divide(*widths), 4.0, rtol=0.25)


def test_the_interval_of_macro_f1_is_that_of_resampled_rows():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 300)
    given = np.where(rng.random(300) < 0.7, y, rng.integers(0, 3, 300))
    found = tally(y, np.eye(4)[given]).evaluation().intervals.macro_f1
    samples = []
    for _ in range(1000):
        rows = rng.integers(0, 300, 300)
        samples.append(oracles.macro_f1(y[rows], given[rows], 3))
    assert oracles.macro_f1(y, given, 3) == pytest.approx(metrics.f1_score(y, given, average="macro"))
    np.testing.assert_allclose(found, np.quantile(samples, [0.025, 0.975]), atol=0.012)


def test_a_truth_that_got_no_probability_costs_much_and_not_everything():
    assert losses(np.array([0]), np.array([[0.0, 1.0]]))[0] == pytest.approx(-np.log(1e-15))


def test_the_majority_is_the_commonest_truth():
    P = np.eye(4)[[3, 3, 3]]
    assert tally(np.array([1, 1, 0]), P).evaluation().majority == ("b", pytest.approx(2 / 3))


def test_confusions_come_commonest_first_and_never_of_a_class_with_itself():
    y = np.array([0, 0, 0, 1, 2, 2])
    P = np.eye(4)[[1, 1, 0, 1, 0, 3]]
    found = tally(y, P).evaluation()
    assert found.commonest_confusions(2) == [("a", "b", 2), ("c", "a", 1)]
    assert len(found.commonest_confusions(100)) == 3


def test_of_many_classes_the_commonest_confusions_are_listed():
    labels = [f"class {number}" for number in range(40)]
    counted = Tally(labels)
    y = np.arange(40)
    said = np.where(y < 2, 3, y)
    for predicted, expected in ((y, "no errors"), (said, "class 0")):
        counted = Tally(labels)
        counted.add(y, np.eye(40)[predicted], words=y + 1, known=y)
        text = measurement_text(Measurement(counted.evaluation(), [], None, None))
        assert text.splitlines()[-1 if predicted is y else -2].startswith(expected)
    assert re.search(
        r"most frequent confusions: true +predicted +texts\nclass 0 +class 3 +1\nclass 1 +class 3 +1$", text
    )
    assert "1 text without a known word" in text
