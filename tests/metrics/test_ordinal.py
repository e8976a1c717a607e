"""Figures of ordered labels are those of scikit-learn; labels that are no numbers have no order."""

import numpy as np
import pytest
from sklearn import metrics

from textclf.analysis.evaluate import Measurement
from textclf.cli.evaluation_text import measurement_text
from textclf.labels import order_labels
from textclf.metrics.single_label import Tally, measure_order


@pytest.mark.parametrize("labels", [("1", "2", "3", "4", "5"), ("0", "1", "10", "2"), ("-1", "-0.5", "2.5")])
def test_figures_are_those_of_scikit_learn_whatever_the_order_of_the_strings(labels):
    rng = np.random.default_rng(len(labels))
    y, given = rng.integers(0, len(labels), (2, 200))
    values = np.array([float(label) for label in labels])
    rank = np.searchsorted(np.sort(values), values)
    found = measure_order(order_labels(labels), metrics.confusion_matrix(y, given, labels=range(len(labels))))
    exact = {"rel": 0, "abs": 1e-12}
    assert found.mean_absolute_error == pytest.approx(metrics.mean_absolute_error(values[y], values[given]), **exact)
    assert found.within_one == pytest.approx((np.abs(rank[y] - rank[given]) <= 1).mean(), **exact)
    expected = metrics.cohen_kappa_score(rank[y], rank[given], weights="quadratic")
    assert found.quadratic_kappa == pytest.approx(expected, **exact)


@pytest.mark.parametrize(
    "labels", [("a", "b", "c"), ("0", "1"), ("1", "1.0", "2"), ("1", "2", "nan"), tuple("0123456789") * 3]
)
def test_labels_that_are_no_grades_have_no_such_figures(labels):
    assert order_labels(labels) is None


def test_the_figures_stand_in_what_people_and_programs_read():
    counted = Tally(["1", "2", "3"])
    counted.add(np.array([0, 1, 2]), np.eye(3)[[0, 1, 0]], words=np.ones(3, int), known=np.ones(3, int))
    found = counted.evaluation()
    assert found.as_dict()["ordinal"]["mean_absolute_error"] == pytest.approx(2 / 3)
    text = measurement_text(Measurement(found, [], None, None))
    assert "ordered labels: mean absolute error 0.6667, within one step 66.7%, quadratic kappa 0.0000" in text
    one = Tally(["1", "2", "3"])
    one.add(np.array([1]), np.eye(3)[[1]], words=np.ones(1, int), known=np.ones(1, int))
    assert one.evaluation().as_dict()["ordinal"]["quadratic_kappa"] is None
