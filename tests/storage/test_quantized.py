"""Rows in 8 bits are near the numbers they stand for, and short keys find what long ones do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from textclf.storage.quantized import ByteRows, few_values, row_arrays, value_arrays
from textclf.text.csr import SparseRows
from textclf.text.key_index import KeyIndex, count_keys, short_keys


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 4)), elements=st.floats(-900, 900, width=32)))
def test_a_number_is_off_by_half_a_step_of_its_rows_scale_at_most(matrix):
    rows = ByteRows.of(matrix)
    assert rows.shape == matrix.shape
    # The scale itself has 11 bits: where it was rounded down, the largest number is off by a 2,000th more.
    allowed = 0.5 * rows.scales.astype(np.float64)[:, None] + np.abs(matrix) / 1000 + 1e-5
    assert (np.abs(np.asarray(rows) - matrix) <= allowed).all()


def test_rows_that_are_taken_are_those_of_the_whole():
    rows = ByteRows.of(np.random.default_rng(0).normal(size=(6, 3)))
    chosen = np.array([4, 0, 4])
    np.testing.assert_array_equal(rows[chosen], np.asarray(rows)[chosen])
    np.testing.assert_array_equal(rows.astype(np.float64), np.asarray(rows).astype(np.float64))
    assert rows[chosen].dtype == np.float32


def test_making_bytes_of_bytes_changes_nothing():
    rows = ByteRows.of(np.random.default_rng(0).normal(size=(50, 3)))
    again = ByteRows.of(np.asarray(rows))
    np.testing.assert_array_equal(again.codes, rows.codes)
    np.testing.assert_array_equal(again.scales, rows.scales)


@pytest.mark.parametrize("times", [1, 9000])  # NumPy's product, and scipy's
def test_a_product_with_bytes_is_that_with_the_numbers(times):
    matrix = SparseRows(np.arange(times + 1) * 2, np.tile([0, 2], times), np.ones(2 * times), 3)
    rows = ByteRows.of(np.random.default_rng(0).normal(size=(3, 4)))
    np.testing.assert_allclose(matrix.times(rows), matrix.times(np.asarray(rows)), rtol=1e-12)


def test_up_to_256_values_stay_and_of_more_the_nearest_of_256_are_taken():
    few = np.linspace(0, 1, 256, dtype=np.float32)
    np.testing.assert_array_equal(few_values(few), few)
    many = np.linspace(1, 11, 5000, dtype=np.float32)
    nearest = few_values(many)
    assert len(np.unique(nearest)) <= 256
    assert np.abs(nearest - many).max() <= 10 / 255 / 2 + 1e-5
    np.testing.assert_array_equal(few_values(nearest), nearest)


def test_values_are_stored_as_they_are_or_as_numbers_of_the_distinct_ones():
    values = np.array([2.5, 1.0, 2.5], np.float32)
    assert list(value_arrays("idf", values, small=False)) == ["idf"]
    stored = value_arrays("idf", values, small=True)
    assert stored["idf"].dtype == np.uint8
    np.testing.assert_array_equal(stored["idf.values"][stored["idf"]], values)
    assert list(row_arrays("E", np.zeros((2, 2), np.float32))) == ["E"]
    assert list(row_arrays("E", ByteRows.of(np.zeros((2, 2))))) == ["E", "E.scales"]


@pytest.mark.parametrize("wanted", [100, 20_000])  # below and above what a binary search is for
def test_keys_of_32_bits_find_what_those_of_64_do(wanted):
    rng = np.random.default_rng(3)
    keys, _ = count_keys(rng.integers(0, 2**64, 3000, np.uint64))
    keys[-1] = 2**64 - 1
    asked = np.concatenate([rng.choice(keys, wanted), rng.integers(0, 2**64, wanted, np.uint64), keys[-1:]])
    long, short = KeyIndex(keys), KeyIndex(short_keys(keys))
    assert (long.rows(asked) >= 0).sum() > wanted
    np.testing.assert_array_equal(short.rows(asked), long.rows(asked))
    assert short_keys(short.keys).tolist() == short.keys.tolist()
