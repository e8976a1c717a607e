"""The confusion matrix is legible at any number of classes, and its errors are dealt out fairly."""

import numpy as np
import pytest

from textclf.analysis.evaluate import WrongRow
from textclf.metrics.single_label import Tally
from textclf.report.figures import group_errors, list_confusions, order_by_confusion, show_matrix


def evaluation_of(matrix, labels=None):
    matrix = np.array(matrix)
    k = len(matrix)
    tally = Tally(labels or [f"class {i}" for i in range(k)])
    y, given = (np.repeat(places.ravel(), matrix.ravel()) for places in np.indices(matrix.shape))
    ones = np.ones(len(y), int)
    tally.add(y, np.eye(k)[given], words=ones, known=ones)
    return tally.evaluation()


def test_classes_that_are_confused_stand_side_by_side_the_worst_first():
    matrix = np.diag([9, 9, 9, 9])
    matrix[1, 3] = 5
    matrix[0, 2] = 2
    assert order_by_confusion("abcd", matrix).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("labels", "order"), [(("10", "9", "1"), [2, 1, 0]), (("b", "a"), [0, 1])], ids=["grades", "two"]
)
def test_grades_and_two_labels_stay_in_their_order(labels, order):
    matrix = np.ones((len(labels), len(labels)), int)
    matrix[0, -1] = 7
    assert order_by_confusion(labels, matrix).tolist() == order


@pytest.mark.parametrize(
    ("k", "size", "shown"), [(2, "large", 2), (20, "middle", 20), (77, "small", 77), (400, "small", 150)]
)
def test_the_more_classes_the_less_stands_in_a_cell(k, size, shown):
    rng = np.random.default_rng(k)
    counts = np.diag(rng.integers(1, 20, k)) + (rng.random((k, k)) < 0.05)
    found = show_matrix(evaluation_of(counts), {})
    assert found.size == size
    assert [row.label for row in found.rows] == found.labels
    assert len(found.labels) == shown
    by_label = {row.label: row for row in found.rows}
    for i, j in np.argwhere(counts)[:50].tolist():
        if {f"class {i}", f"class {j}"} <= by_label.keys():
            cell = by_label[f"class {i}"].cells[found.labels.index(f"class {j}")]
            assert cell.count == counts[i, j]
            assert cell.share == pytest.approx(counts[i, j] / counts[i].sum())
            assert cell.shade[0] == ("h" if i == j else "m")


def test_cells_and_confusions_lead_to_their_examples():
    matrix = np.diag([5] * 9)
    matrix[2, 4] = 3
    evaluation = evaluation_of(matrix)
    anchors = {("class 2", "class 4"): "e1"}
    cells = [cell for row in show_matrix(evaluation, anchors).rows for cell in row.cells if cell]
    assert {cell.anchor for cell in cells if cell.shade.startswith("m")} == {"e1"}
    assert {cell.anchor for cell in cells if cell.shade.startswith("h")} == {None}
    (pair,) = list_confusions(evaluation, anchors, 10)
    assert (pair.truth, pair.predicted, pair.count, pair.share, pair.anchor) == ("class 2", "class 4", 3, 3 / 8, "e1")


def wrong_row(number, truth, predicted, confidence):
    return WrongRow(number, truth, predicted, confidence, confidence, "text")


def test_the_most_frequent_confusion_comes_first_and_shows_sure_and_unsure_rows():
    rows = [wrong_row(i, "a", "b", i / 100) for i in range(100)] + [wrong_row(200, "b", "a", 0.99)]
    common, rare = group_errors(rows, by_loss=False)
    assert (common.truth, common.predicted, common.count, common.anchor) == ("a", "b", 100, "e1")
    confidences = [row.confidence for row in common.rows]
    assert len(confidences) == 18
    assert confidences == sorted(confidences, reverse=True)
    assert (confidences[0], confidences[-1]) == (0.99, 0.0)
    assert [row.row for row in rare.rows] == [200]
    assert group_errors(rows, by_loss=True)[0].count == 100
    worst = wrong_row(201, "c", "a", 1.5)
    assert group_errors([*rows, worst], by_loss=True)[0].rows == [worst]


def test_of_very_many_confusions_the_first_show_several_rows_and_the_others_one():
    rows = [wrong_row(i, f"{i % 300:03}", "x", 0.5) for i in range(1500)]
    groups = group_errors(rows, by_loss=False)
    assert [len(group.rows) for group in groups] == [3] * 20 + [1] * 180
