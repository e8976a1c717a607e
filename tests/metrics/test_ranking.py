"""ROC AUC and average precision are scikit-learn's, exactly while scores are kept, and within what is stated after."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from textclf.metrics import ranking
from textclf.metrics.ranking import Ranking


def scores(n, k, seed, ties=False):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    Z = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[y]
    P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    return np.eye(k)[y] > 0, np.round(P, 1) if ties else P


def witness(has, P):
    auc = [roc_auc_score(has[:, j], P[:, j]) for j in range(has.shape[1])]
    return auc, [average_precision_score(has[:, j], P[:, j]) for j in range(has.shape[1])]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "k", "seed"), [(40, 2, 0), (300, 2, 1), (100, 3, 2), (250, 5, 3)])
def test_figures_are_those_of_scikit_learn(ties, n, k, seed):
    has, P = scores(n, k, seed, ties)
    counted = Ranking(k)
    for part in np.array_split(np.arange(n), 3):
        counted.add(has[part], P[part])
    found = counted.figures()
    auc, precision = witness(has, P)
    np.testing.assert_allclose(found.roc_auc, auc, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.average_precision, precision, rtol=0, atol=1e-12)
    assert found.macro_roc_auc == pytest.approx(np.mean(auc), abs=1e-12)
    assert found.error == 0.0


@pytest.mark.parametrize("k", [2, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_of_many_scores_the_figures_lie_within_the_bound_that_is_stated(k, ties, monkeypatch):
    monkeypatch.setattr(ranking, "MOST_EXACT", 0)
    has, P = scores(4000, k, 3, ties)
    found = Ranking(k)
    found.add(has, P)
    found = found.figures()
    auc, precision = witness(has, P)
    assert (np.abs(found.roc_auc - auc) <= found.auc_error + 1e-12).all()
    assert (np.abs(found.average_precision - precision) <= found.precision_error + 1e-12).all()
    assert found.error < (0.2 if ties else 0.01)


def test_counts_of_several_processes_add_up_whether_scores_were_kept_or_not(monkeypatch):
    has, P = scores(900, 3, 1)
    exact = Ranking(3)
    exact.add(has, P)
    monkeypatch.setattr(ranking, "MOST_EXACT", 1000)
    parts = [slice(0, 600), slice(600, 650), slice(650, 900)]
    counted = [Ranking(3) for _ in parts]
    for each, part in zip(counted, parts, strict=True):
        each.add(has[part], P[part])
    for order in ([0, 1, 2], [1, 0, 2], [1, 2, 0]):
        total = Ranking(3)
        for number in order:
            total.merge(counted[number])
        found = total.figures()
        np.testing.assert_allclose(found.roc_auc, exact.figures().roc_auc, atol=found.error)
    first = Ranking(3)
    first.merge(counted[1])
    np.testing.assert_allclose(first.figures().roc_auc, witness(has[parts[1]], P[parts[1]])[0], atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_precision_at_a_recall_is_that_of_scikit_learns_curve(ties):
    has, P = scores(300, 2, 4, ties)
    counted = Ranking(2)
    for part in np.array_split(np.arange(300), 3):
        counted.add(has[part], P[part])
    precision, recall, thresholds = precision_recall_curve(has[:, 1], P[:, 1])
    for wanted in (0.2, 0.5, 0.9, 0.95, 1.0):
        place = np.flatnonzero(recall[:-1] >= wanted)[-1]  # the highest threshold that does
        expected = thresholds[place], precision[place], recall[place]
        assert counted.curve(1).at_recall(wanted) == pytest.approx(expected, rel=0, abs=1e-12)


def test_of_many_scores_thresholds_are_the_lower_ends_of_cells(monkeypatch):
    monkeypatch.setattr(ranking, "MOST_EXACT", 0)
    has, P = scores(4000, 2, 5)
    counted = Ranking(2)
    counted.add(has, P)
    for wanted in (0.5, 0.9, 1.0):
        threshold, precision, recall = counted.curve(1).at_recall(wanted)
        reached = P[:, 1] >= threshold
        assert wanted <= recall == pytest.approx(has[reached, 1].sum() / has[:, 1].sum(), abs=1e-12)
        assert precision == pytest.approx(has[reached, 1].mean(), abs=1e-12)


def test_a_class_without_rows_or_with_all_has_no_figure():
    counted = Ranking(2)
    counted.add(np.array([[True, False], [True, False]]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    found = counted.figures()
    assert np.isnan(found.roc_auc).all()
    assert found.macro_roc_auc is None
    assert Ranking(2).figures().macro_average_precision is None
