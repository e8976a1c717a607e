"""A cell of labels and the labels that it stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.errors import DataError
from textclf.labels import cut_labels, find_joined_labels, join_labels, label_sets, multi_hot

LABELS = st.text(st.characters() | st.sampled_from('|[]", \t\x85'), min_size=1).filter(str.strip)


@given(st.lists(LABELS, unique=True))
def test_labels_that_are_joined_come_apart_again(labels):
    assert list(cut_labels(join_labels(labels))) == labels


@given(st.text(st.characters() | st.sampled_from("||[ab ")))
def test_any_cell_has_one_spelling_or_is_refused(cell):
    try:
        labels = cut_labels(cell)
    except DataError:
        assert cell.strip().startswith("[")
        return
    assert len(set(labels)) == len(labels)
    assert all(label.strip() for label in labels)
    assert cut_labels(join_labels(labels)) == labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("a|b|c", ("a", "b", "c")),
        (" a | b c|", ("a", "b c")),
        ("b|a|b", ("b", "a")),
        ("", ()),
        (" \t", ()),
        ("|", ()),
        ("[]", ()),
        ('["a", "b|c"]', ("a", "b|c")),
        (' ["x","x"] ', ("x",)),
        ('[" x"]', (" x",)),
        ("a[0]|b", ("a[0]", "b")),
    ],
)
def test_a_cell_is_cut_at_bars_or_read_as_a_list(cell, labels):
    assert cut_labels(cell) == labels


@pytest.mark.parametrize("cell", ["[a", "[1]", '["a", null]', '["a", " "]', '[["a"]]', '["a"] b', "[" * 100_000])
def test_what_begins_like_a_list_and_is_none_is_refused(cell):
    with pytest.raises(DataError, match=r"expected labels such as a\|b or a JSON list"):
        cut_labels(cell)


@pytest.mark.parametrize(
    ("labels", "cell"),
    [((), ""), (("a", "b"), "a|b"), (("a|b",), '["a|b"]'), (("a", "[b"), '["a", "[b"]'), (("a ",), '["a "]')],
)
def test_labels_are_joined_by_bars_where_they_survive_it(labels, cell):
    assert join_labels(labels) == cell


def test_where_a_text_has_one_label_the_cell_is_the_label():
    assert label_sets(["a|b", "[x"], multi_label=False) == [("a|b",), ("[x",)]
    with pytest.raises(DataError, match=r"labels: row 2: expected labels such as .* found '\[x'. Correct the row."):
        label_sets(["a|b", "[x"], multi_label=True)


def test_a_row_of_the_truth_has_a_one_for_each_of_its_labels():
    Y = multi_hot([("b",), (), ("c", "a")], ["a", "b", "c"])
    np.testing.assert_array_equal(Y, [[0, 1, 0], [0, 0, 0], [1, 0, 1]])


@pytest.mark.parametrize(
    ("labels", "joined"),
    [
        ({"neg,travel", "pos,travel", "neg", "pos"}, {"neg,travel": ",", "pos,travel": ","}),
        ({"neg,", "neg", "pos"}, {"neg,": ","}),
        ({"a|b", "a", "b", ","}, {"a|b": "|"}),
        ({"Washington, DC", "Washington", "Paris"}, {}),
        ({"R&D", "R", "law"}, {}),
        ({"tech/other", "sport/other", "tech"}, {}),  # a path, as in many taxonomies
        ({"neg travel", "neg", "travel"}, {"neg travel": " "}),
        ({"neg\ttravel", "neg", "travel"}, {"neg\ttravel": "\t"}),
        ({"neg\ntravel\nfood", "neg", "travel", "food"}, {"neg\ntravel\nfood": "\n"}),
        ({"neg、travel", "neg", "travel"}, {"neg、travel": "、"}),
        ({"neg，travel", "pos，travel", "neg", "pos"}, {"neg，travel": "，", "pos，travel": "，"}),
        ({"neg und travel", "neg", "travel", "refund"}, {"neg und travel": " und "}),
        ({"neg || travel", "neg", "travel"}, {"neg || travel": "||"}),
        ({"neg__travel", "neg", "travel"}, {"neg__travel": "__"}),
        ({"neg - travel", "neg-travel", "neg", "travel"}, {"neg - travel": "-", "neg-travel": "-"}),
        ({"__label__neg __label__travel", "__label__neg", "__label__travel"}, {"__label__neg __label__travel": " "}),
        (
            {"['neg', 'travel']", "['neg']", '["pos"]', "{neg,pos}", "x"},
            {"['neg', 'travel']": ",", "['neg']": ",", '["pos"]': ",", "{neg,pos}": ","},
        ),
        ({"very positive", "positive", "New York", "York", "[UNK]", "c", "c++", "neg.", "neg", "{}"}, {}),
    ],
)
def test_labels_that_look_like_several_are_those_made_of_others(labels, joined):
    assert find_joined_labels(labels) == joined
