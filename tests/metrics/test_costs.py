"""Costs of rows are sums over the rows, whatever the batches, and their interval is that of resampled rows."""

import numpy as np
import pytest

from textclf.metrics.single_label import CostTally

C = np.array([[0.0, 10.0, 2.0], [1.0, 0.0, 1.0], [3.0, 1.0, -1.0]])
LABELS = ("a", "b", "c")


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(3), n)
    y = (rng.random((n, 1)) > P.cumsum(axis=1)).sum(axis=1)
    return y, P


def tally(y, P, abstain=0.8):
    counted, expected = CostTally(C, abstain), P @ C
    counted.add(y, expected.argmin(axis=1), expected.min(axis=1) <= abstain, P, expected)
    return counted


def cost_of_rows(y, P, abstain=0.8):
    expected = P @ C
    return np.where(expected.min(axis=1) <= abstain, C[y, expected.argmin(axis=1)], abstain)


def test_costs_are_those_of_the_rows_one_by_one():
    y, P = rows()
    found, each = tally(y, P).figures(LABELS), cost_of_rows(y, P)
    assert found.per_1000 == pytest.approx(1000 * each.mean())
    assert found.likeliest == pytest.approx(1000 * C[y, P.argmax(axis=1)].mean())
    assert found.expected == pytest.approx(1000 * np.minimum((P @ C).min(axis=1), 0.8).mean())
    assert found.abstained == ((P @ C).min(axis=1) > 0.8).mean() > 0
    constants = [C[y, j].mean() for j in range(3)]
    assert (found.cheapest, found.constant) == (LABELS[np.argmin(constants)], pytest.approx(1000 * min(constants)))
    assert found.per_1000 < min(found.likeliest, found.constant)
    assert found.as_dict()["interval"] == list(found.interval)


def test_the_interval_is_that_of_resampled_rows():
    y, P = rows()
    each, rng = cost_of_rows(y, P), np.random.default_rng(1)
    means = 1000 * each[rng.integers(0, len(y), (4000, len(y)))].mean(axis=1)
    np.testing.assert_allclose(tally(y, P).figures(LABELS).interval, np.quantile(means, [0.025, 0.975]), rtol=0.06)


def test_copies_of_the_rows_make_the_interval_no_narrower():
    y, P = rows()
    copied = tally(np.repeat(y, 9), np.repeat(P, 9, axis=0)).figures(LABELS, 1 / 9)
    assert copied.interval == pytest.approx(tally(y, P).figures(LABELS).interval)


def test_counts_of_parts_add_up():
    y, P = rows()
    whole, first = tally(y, P), tally(y[:150], P[:150])
    first.merge(tally(y[150:], P[150:]))
    assert first.figures(LABELS).per_1000 == pytest.approx(whole.figures(LABELS).per_1000)
    assert first.figures(LABELS).expected == pytest.approx(whole.figures(LABELS).expected)


def test_without_abstaining_every_row_has_the_cost_of_its_label():
    y, P = rows()
    expected = P @ C
    counted = CostTally(C, None)
    counted.add(y, expected.argmin(axis=1), np.ones(len(y), bool), P, expected)
    found = counted.figures(LABELS)
    assert found.abstained == 0
    assert found.per_1000 == pytest.approx(1000 * C[y, expected.argmin(axis=1)].mean())
