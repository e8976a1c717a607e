"""The lines after a training say how sure the figures are, what is weakest, and what to do next."""

import numpy as np

from textclf.cli.evaluation_text import training_text
from textclf.metrics.multi_label import MultiLabelTally
from textclf.metrics.single_label import Tally


def single(right, n=200, rare=100):
    """Return the figures of n rows of class a, b or the rare one, of which so large a share is answered rightly."""
    y = np.repeat([0, 1, 2], [n // 2, n // 2, rare])
    given = np.where(np.arange(len(y)) % 100 < 100 * right, y, (y + 1) % 3)
    counted = Tally(["a", "b", "rare"])
    counted.add(y, np.eye(3)[given], words=y + 1, known=y + 1)
    return counted.evaluation()


def test_a_good_model_is_to_be_evaluated_on_other_rows():
    found = single(0.9)
    first, weakest, following = training_text(found, "m", "t.csv")
    low, high = found.intervals.accuracy
    assert first == f"  95% interval of accuracy: {low:.3f} to {high:.3f}"
    assert weakest.startswith("  weakest class: ")
    assert following == "  next: textclf evaluate m TEST.csv, on rows that are not in t.csv"


def test_a_model_no_better_than_the_baseline_is_not_to_be_trusted():
    assert "not significantly better than the baseline" in training_text(single(0.3), "m", "t.csv")[-1]


def test_a_weak_class_of_few_rows_wants_more():
    assert training_text(single(0.9, rare=9), "m", "t.csv")[1].startswith("  weakest class: ")
    y = np.repeat([0, 1, 2], [100, 100, 9])
    given = np.where(y == 2, np.arange(209) % 2, y)
    counted = Tally(["a", "b", "rare"])
    counted.add(y, np.eye(3)[given], words=y + 1, known=y + 1)
    lines = training_text(counted.evaluation(), "m", "t.csv")
    assert lines[1:] == [
        "  weakest class: 'rare', F1 0.0000 (9 texts)",
        "  next: add rows of 'rare': 9 texts to validate on say little",
    ]


def test_lines_of_several_labels_speak_of_exact_matches():
    Y = np.tile(np.eye(3), (40, 1))
    counted = MultiLabelTally(["a", "b", "c"], np.full(3, 0.5))
    counted.add_rows(Y, np.where(Y > 0, 0.9, 0.1), words=np.ones(120, int), known=np.ones(120, int))
    first, _, following = training_text(counted.evaluation(), "m", "t.csv")
    assert first.startswith("  exact match 1.0000 (95% interval 0.969 to 1.000); baseline 0.3333")
    assert "textclf evaluate m TEST.csv" in following
