"""Rows are found by their keys, and keys are counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.text.key_index import KeyCounter, KeyIndex, count_keys, sum_keys


@pytest.mark.parametrize("size", [0, 1, 2, 100, 70_000])
@pytest.mark.parametrize("asked", [10, 9000, 300_000])
def test_a_dictionary_finds_what_it_has_and_nothing_else(size, asked):
    rng = np.random.default_rng(size + asked)
    keys = np.unique(rng.integers(0, 2**64, size, dtype=np.uint64))
    if size > 1:
        keys[[0, -1]] = 0, 2**64 - 1
    wanted = rng.integers(0, 2**64, asked, dtype=np.uint64)
    if len(keys):
        wanted[::2] = rng.choice(keys, len(wanted[::2]))
    rows = {key: row for row, key in enumerate(keys.tolist())}
    assert KeyIndex(keys).rows(wanted).tolist() == [rows.get(key, -1) for key in wanted.tolist()]


def test_keys_with_the_same_first_bits_are_told_apart():
    keys = np.arange(5000, dtype=np.uint64)
    assert KeyIndex(keys).rows(np.arange(10_000, dtype=np.uint64)).tolist() == [*range(5000), *[-1] * 5000]


def test_counting_keys_is_counting():
    keys = np.array([5, 2, 5, 9, 2, 5], np.uint64)
    assert [part.tolist() for part in count_keys(keys)] == [[2, 5, 9], [2, 3, 1]]
    assert [part.tolist() for part in count_keys(keys[:0])] == [[], []]


def test_sums_of_keys_are_those_of_the_loop():
    keys, times = np.array([5, 2, 5, 9], np.uint64), np.array([1, 2, 3, 4], np.int32)
    assert [part.tolist() for part in sum_keys(keys, times)] == [[2, 5, 9], [2, 4, 4]]
    assert [part.tolist() for part in sum_keys(keys[:0], times[:0])] == [[], []]


@given(st.lists(st.lists(st.integers(0, 5) | st.integers(2**63, 2**64 - 1), max_size=8), max_size=6), st.booleans())
def test_keys_that_come_in_parts_are_counted_as_those_that_come_at_once(parts, early):
    with pytest.MonkeyPatch.context() as patch:
        if early:
            patch.setattr("textclf.text.key_index._FEWEST_WAITING", 3)
        counter = KeyCounter(2)
        for part in parts:
            counter.add(*count_keys(np.array(part, np.uint64)))
        keys, counts = counter.counts()
    expected = count_keys(np.array([key for part in parts for key in part], np.uint64))
    assert (keys.tolist(), counts.tolist()) == (expected[0].tolist(), expected[1].tolist())
