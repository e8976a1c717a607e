"""Whether rows break a promised precision is an exact test, said in words and in JSON."""

import numpy as np
import pytest
from scipy.stats import binomtest

from textclf.analysis.evaluate import Answered, Measurement, PositiveFigures
from textclf.cli.evaluation_text import measurement_text
from textclf.metrics.single_label import Tally


def text_of(answered):
    counted = Tally(["a", "b"])
    counted.add(np.array([0, 1]), np.eye(2), words=np.ones(2, int), known=np.ones(2, int))
    return measurement_text(Measurement(counted.evaluation(), [], None, answered))


def test_answers_far_below_the_promise_break_it_and_that_is_said():
    answered = Answered(0.95, 7532, 5491, round(5491 * 0.9356))
    assert answered.p_value == pytest.approx(
        binomtest(answered.right, answered.answered, 0.95, alternative="less").pvalue, rel=1e-9
    )
    assert answered.as_dict()["is_broken"] is True
    assert "significantly below the promise" in text_of(answered)


@pytest.mark.parametrize(("answered", "right"), [(100, 96), (100, 92), (3, 2), (5491, 5200)])
def test_what_chance_may_do_breaks_no_promise(answered, right):
    found = Answered(0.95, 7532, answered, right)
    assert found.as_dict()["is_broken"] is False
    assert "below the promise" not in text_of(found)


def test_without_answers_nothing_is_broken():
    found = Answered(0.95, 100, 0, 0)
    assert (found.p_value, found.is_broken) == (None, False)


def test_a_recall_far_below_the_promise_breaks_it():
    found = PositiveFigures("b", 0.3, 0.5, 0.81, 0.6, (), 0.9, binomtest(81, 100, 0.9, alternative="less").pvalue)
    assert found.as_dict()["is_broken"] is True
    assert not PositiveFigures("b", 0.3, 0.5, 0.81, 0.6, ()).is_broken
