"""The expected calibration error is that of the definition, whatever the batches."""

import numpy as np
import pytest

from textclf.metrics.calibration_error import Reliability


def drawn(n=30_000, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.4, 1.0, n)
    return confidence, rng.random(n) < np.clip(confidence - shift, 0, 1)


def by_definition(confidence, right, bins=15):
    order = np.argsort(confidence)
    parts = np.array_split(order, bins)
    return sum(len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts) / len(confidence)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.2])
def test_the_error_is_that_of_bins_with_equally_many_rows(shift):
    confidence, right = drawn(shift=shift)
    reliability = Reliability()
    reliability.add(confidence, right)
    assert reliability.ece == pytest.approx(by_definition(confidence, right), abs=3e-3)
    assert reliability.ece == pytest.approx(shift, abs=0.015)
    assert len(reliability.bins()) == 15


def test_counts_of_parts_add_up():
    confidence, right = drawn(1000)
    whole, one, two = Reliability(), Reliability(), Reliability()
    whole.add(confidence, right)
    one.add(confidence[:300], right[:300])
    two.add(confidence[300:], right[300:])
    one.merge(two)
    np.testing.assert_allclose(one.counts, whole.counts)


def test_no_rows_have_no_error_and_certainty_has_a_bin():
    assert Reliability().ece == 0.0
    sure = Reliability()
    sure.add(np.ones(4), np.array([True, True, True, False]))
    assert sure.ece == pytest.approx(0.25)
    assert [each.n for each in sure.bins()] == [4]
