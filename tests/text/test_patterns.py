"""Patterns are n-grams of pieces, of which only the commonest stand for themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.text.char_classes import END_OF_TEXT
from textclf.text.key_index import KeyIndex
from textclf.text.patterns import MOST_COMMON, SHAPE_KEYS, SHAPES, OrderedPieces, capitals, common_pieces
from textclf.text.subwords import piece_keys
from textclf.text.tokenizer import decode, keys_of, normal_codes, tokenize

texts_of_all_kinds = st.lists(st.text("aB9é İßΣ!.,'’好\u0301\n", max_size=14), min_size=1, max_size=5)


def pieces_of(texts):
    return OrderedPieces.of(tokenize(texts), texts)


def shown(pieces):
    return [
        (SHAPES[shape], decode(pieces.codes[start:end]))
        for shape, start, end in zip(pieces.shapes, pieces.starts, pieces.ends, strict=True)
    ]


def test_pieces_stand_in_the_order_of_the_text_with_their_shapes():
    found = shown(pieces_of(["What is NASA's No. 7, b2b (12 345 12345)?"]))
    assert found == [
        ("Aa", "what"), ("a", "is"), ("Aa", "nasa's"), ("Aa", "no"), (".", "."), ("9", "7"), (".", ","), ("a9", "b2b"),
        (".", "("), ("99", "12"), ("999", "345"), ("9999", "12345"), (".", ")?"),
    ]  # fmt: skip
    assert shown(pieces_of(["NASA I É"])) == [("AA", "nasa"), ("Aa", "i"), ("Aa", "é")]


def test_a_text_whose_letters_change_their_number_has_no_capitals_and_others_keep_theirs():
    found = shown(pieces_of(["A İ", "B b"]))
    assert [shape for shape, _ in found] == ["a", "a", "Aa", "a"]


@given(texts_of_all_kinds)
def test_each_text_has_the_pieces_that_it_has_alone(texts):
    together = pieces_of(texts)
    for number, text in enumerate(texts):
        part = slice(together.offsets[number], together.offsets[number + 1])
        alone = pieces_of([text])
        np.testing.assert_array_equal(together.keys[part], alone.keys)
        np.testing.assert_array_equal(together.shapes[part], alone.shapes)
        np.testing.assert_array_equal(np.sort(alone.keys), np.sort(piece_keys(tokenize([text]))[1]))
        assert (np.diff(alone.starts) > 0).all()


@given(texts_of_all_kinds)
def test_capitals_are_the_letters_that_lower_casing_changes(texts):
    codes = normal_codes(texts)
    found = capitals(texts, codes)
    ends = np.flatnonzero(codes == END_OF_TEXT)
    for text, begin, end in zip(texts, [0, *(ends[:-1] + 1)], ends, strict=True):
        cased, lowered = (normal_codes([text], lower=lower)[:-1] for lower in (False, True))
        expected = cased != lowered if len(cased) == len(lowered) else np.zeros(len(lowered), np.bool_)
        np.testing.assert_array_equal(found[begin:end], expected)


def test_common_pieces_stand_for_themselves_and_the_others_for_their_shapes():
    texts = ["the Malta of 1964 ?"]
    units = pieces_of(texts).units(KeyIndex(np.sort(keys_of(["the", "of", "?"]))))
    expected = [*keys_of(["the"]), SHAPE_KEYS[7], *keys_of(["of"]), SHAPE_KEYS[4], *keys_of(["?"])]
    assert units.keys.tolist() == expected
    assert units.offsets.tolist() == [0, 5]


@pytest.mark.parametrize("least", [0, 7])
def test_the_commonest_are_chosen_by_count_and_of_equals_those_with_the_lowest_keys(least):
    keys = np.arange(10, 10 + 2 * MOST_COMMON, dtype=np.uint64)
    counts = np.full(len(keys), least + 1)
    counts[-3:] = 9
    expected = [*range(10, 10 + MOST_COMMON - 3), *keys[-3:].tolist()]
    assert common_pieces(keys, counts).keys.tolist() == expected
