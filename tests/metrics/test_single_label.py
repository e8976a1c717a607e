"""Figures are those of scikit-learn and of the formulas, whether counted at once or in batches."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from textclf.analysis.evaluate import Measurement
from textclf.cli.render.evaluation_text import measurement_text
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
    for predicted, expected in ((y, "no text is labelled wrongly"), (said, "class 0")):
        counted = Tally(labels)
        counted.add(y, np.eye(40)[predicted], words=y + 1, known=y)
        text = measurement_text(Measurement(counted.evaluation(), [], None, None))
        assert text.splitlines()[-1 if predicted is y else -2].startswith(expected)
    assert re.search(r"commonest confusions: truth +predicted +texts\nclass 0 +class 3 +1\nclass 1 +class 3 +1$", text)
    assert "1 texts have no known word" in text
