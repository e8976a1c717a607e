"""Sparse rows multiply as dense matrices do, bit for bit with any threads, and are cut and stacked."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.storage.quantized import ByteRows
from textclf.text.csr import SparseRows, beside, empty_rows, stack_rows, sum_entries


@st.composite
def matrices(draw, rows=None, columns=None):
    shape = (rows or draw(st.integers(1, 9)), columns or draw(st.integers(1, 7)))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return rng.normal(size=shape) * (rng.random(shape) < 0.4)


@given(matrices(), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_products_are_those_of_dense_matrices_bit_for_bit_with_any_threads(C, d, threads, small):
    E = np.random.default_rng(1).normal(size=(C.shape[1], d))
    rows = oracles.sparse(C)
    with pytest.MonkeyPatch.context() as patch:
        if not small:
            patch.setattr("textclf.text.csr._SMALL", -1)
        S = rows.times(E, threads=threads)
        assert S.tobytes() == rows.times(E).tobytes()
    np.testing.assert_allclose(S, oracles.product(C.tolist(), E.tolist()), atol=1e-12)
    D = np.random.default_rng(2).normal(size=(len(C), d))
    np.testing.assert_allclose(rows.transposed_times(D), oracles.product(C.T.tolist(), D.tolist()), atol=1e-12)
    np.testing.assert_array_equal(rows.slice(1, len(C)).scipy.toarray(), C[1:])
    np.testing.assert_array_equal(rows.take(np.arange(len(C))[::-1]).scipy.toarray(), C[::-1])
    keep = np.arange(C.shape[1]) % 2 == 0
    places = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
    np.testing.assert_array_equal(rows.renumber(places, int(keep.sum())).scipy.toarray(), C[:, keep])


@pytest.mark.parametrize("kind", ["bytes", "float32"])
def test_of_rows_that_would_be_widened_only_those_in_use_are_and_the_product_is_the_same(kind, monkeypatch):
    monkeypatch.setattr("textclf.text.csr._SMALL", -1)
    rng = np.random.default_rng(0)
    C = sum_entries(rng.integers(0, 20, 60), rng.integers(0, 500, 60), 20, 500).double()
    E = rng.normal(size=(500, 3)).astype(np.float32)
    if kind == "bytes":
        E = ByteRows.of(E)
        monkeypatch.setattr(ByteRows, "__array__", lambda *_, **__: pytest.fail("all rows were made"))
        whole = E[np.arange(500)]
    else:
        whole = E
    assert C.times(E).tobytes() == C.times(whole.astype(np.float64)).tobytes()


def test_products_of_some_rows_copy_none_of_them():
    rng = np.random.default_rng(0)
    C = sum_entries(rng.integers(0, 100, 5000), rng.integers(0, 40, 5000), 100, 40)
    part = C.slice(10, 20)  # of which a constructor of SciPy's would make a copy, as it is less than half of all
    part.transposed_times(np.ones((10, 2), np.float32))
    for matrix in (part.scipy, part._transposed_scipy):
        assert np.shares_memory(matrix.data, C.data)
        assert np.shares_memory(matrix.indices, C.columns)


@given(st.lists(matrices(columns=4), min_size=1, max_size=3))
def test_a_stack_has_the_rows_of_its_parts_one_below_the_other(parts):
    stacked = stack_rows([oracles.sparse(part) for part in parts])
    np.testing.assert_array_equal(stacked.scipy.toarray(), np.vstack(parts))


@given(st.data(), st.integers(1, 5))
def test_two_matrices_stand_beside_each_other(data, n):
    left, right = (data.draw(matrices(rows=n)).astype(np.float32) for _ in range(2))
    both = beside(oracles.sparse(left), oracles.sparse(right))
    np.testing.assert_array_equal(both.scipy.toarray(), np.hstack([left, right]))


def test_a_matrix_without_columns_multiplies_to_zeros():
    assert empty_rows(3, 0).times(np.zeros((0, 2), np.float32)).tolist() == [[0.0, 0.0]] * 3


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 5)), max_size=30), st.sampled_from([6, 7, 8, 2**30]))
def test_entries_are_summed_and_those_without_a_column_left_out(pairs, width):
    rows, columns = np.array(pairs, np.int32).reshape(-1, 2).T
    found = sum_entries(rows, columns, 5, width)  # in the widest, a pair takes more than 32 bits
    dense = np.zeros((5, 6))
    for row, column in pairs:
        if column >= 0:
            dense[row, column] += 1
    assert isinstance(found, SparseRows)
    assert found.width == width
    np.testing.assert_array_equal(found.scipy[:, :6].toarray(), dense)
    assert found.data.sum() == dense.sum()
