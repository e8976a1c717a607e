"""Copies of a text are found whatever their case and blanks, and count about once."""

import numpy as np
import pytest

from textclf.text.copies import TextCopies, copies_of_each, group_copies, independent_by_label, independent_share


def test_rows_in_groups_of_three_are_worth_a_third_of_independent_ones():
    assert independent_share(np.repeat(np.arange(200), 3)) == pytest.approx(1 / 3)
    assert independent_share(np.arange(5)) == 1.0
    assert independent_share(np.zeros(0, np.int64)) == 1.0


def test_each_label_has_the_share_of_its_own_rows():
    groups = group_copies(["a", "A", " a ", "b", "c", "d"])
    Y = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 1], [0, 1]])
    assert independent_by_label(groups, Y).tolist() == [pytest.approx(1 / 3), 1.0]
    assert copies_of_each(groups).tolist() == [3, 3, 3, 1, 1, 1]


def test_what_is_counted_in_batches_and_merged_is_what_is_counted_at_once():
    draw = np.random.default_rng(1)
    texts, Y = [f"text {n}" for n in draw.integers(0, 40, 200)], draw.integers(0, 2, (200, 3))
    first, second = TextCopies(3), TextCopies(3)
    first.add(texts[:50], Y[:50])
    first.add(texts[50:120], Y[50:120])
    second.add(texts[120:], Y[120:])
    first.merge(second)
    groups = group_copies(texts)
    assert first.independent == pytest.approx(independent_share(groups))
    assert first.independent_by_label == pytest.approx(independent_by_label(groups, Y))
    assert TextCopies(2).independent_by_label.tolist() == [1.0, 1.0]


def test_of_very_many_rows_the_first_are_looked_at():
    copies = TextCopies(most=3)
    copies.add(["a", "b"])
    copies.add(["c", "c", "c"])
    assert copies.independent == 1.0
