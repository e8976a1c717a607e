"""Rows are set aside and dealt into folds, each class by itself, and none is lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import class_numbers

from textclf.training.data import RowsByClass, deal, split


@given(class_numbers(), st.floats(0.0, 0.5), st.integers(0, 100))
def test_a_split_shares_every_class_that_is_large_enough_and_loses_no_row(y, fraction, seed):
    train, valid = split(RowsByClass(y), fraction, np.random.default_rng(seed))
    assert sorted([*train.tolist(), *valid.tolist()]) == list(range(len(y)))
    for number in np.unique(y):
        n, held = (y == number).sum(), (y[valid] == number).sum()
        assert n - held >= min(n, 2)
        if n >= 4 and fraction > 0:
            assert held == min(max(round(n * fraction), 1), n - 2)


def test_no_validation_is_wanted_and_none_is_made():
    train, valid = split(RowsByClass(np.arange(40) % 2), 0.0, np.random.default_rng(0))
    assert (len(train), len(valid)) == (40, 0)


@given(class_numbers(), st.integers(2, 6), st.integers(0, 100))
def test_folds_share_out_every_class_and_are_of_one_size(y, folds, seed):
    fold = deal(RowsByClass(y), folds, np.random.default_rng(seed))
    for number in np.unique(y):
        of_class = fold[y == number]
        if len(of_class) > 1:  # one row of a class alone is in no fold
            assert np.ptp(np.bincount(of_class, minlength=folds)) <= 1
        else:
            assert of_class.tolist() == [-1]
    assert np.ptp(np.bincount(fold[fold >= 0], minlength=folds)) <= 1
