"""Texts are cut the same way everywhere, for ever: what a token is, and what its key is."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.storage.packed_strings import PackedStrings
from textclf.text.char_classes import (
    ALONE,
    APOSTROPHE,
    BLANK,
    END_OF_TEXT,
    IGNORED,
    MARK,
    SEPARATOR,
    WORD,
    class_table,
    is_space,
)
from textclf.text.tokenizer import keys_of, normal_codes, normal_form, text_blocks, tokenize, tokenize_blocks

UNSPACED = (
    "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR",
    "HALFWIDTH KATAKANA",
)  # fmt: skip


def class_of(code):
    """Return a code point's class by the rule that made the table."""
    character = chr(code)
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    joins = code in (0x200C, 0x200D, 0xAD) or 0x1F3FB <= code <= 0x1F3FF
    if joins or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return IGNORED
    if character in "'’":
        return APOSTROPHE
    if category[0] == "M":
        return MARK
    if character in "!?！？" or category in ("So", "Sc") or (category[0] == "L" and name.startswith(UNSPACED)):
        return ALONE
    if character.isspace() or code <= 0x20 or code == END_OF_TEXT:
        return BLANK
    return WORD if category[0] in "LN" else SEPARATOR


def test_the_table_of_code_points_follows_its_rule():
    table = class_table()
    assert len(table) == 0x110000
    if unicodedata.unidata_version == "14.0.0":
        assert table.tolist() == [class_of(code) for code in range(0x110000)]
    else:
        # Another Unicode adds characters and moves a few: those that both know agree all but a handful.
        known = [code for code in range(0x110000) if table[code] != SEPARATOR]
        assert sum(table[code] != class_of(code) for code in known) < 100


def test_white_space_is_pythons():
    codes = np.array([code for code in range(0x110000) if not 0xD800 <= code < 0xE000], np.uint32)
    wide = codes > 0x20
    assert is_space(codes)[wide].tolist() == [chr(code).isspace() for code in codes[wide].tolist()]


def words(text, **options):
    tokens = tokenize([text], **options)
    return tokens.strings(range(len(tokens.keys)))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A film that stays with you.", ["a", "film", "that", "stays", "with", "you"]),
        ("Don't! I didn’t...", ["don't", "!", "i", "didn't"]),
        ("rock 'n' roll, the dogs' bowl", ["rock", "n", "roll", "the", "dogs", "bowl"]),
        ("What?! No!!", ["what", "?", "!", "no", "!", "!"]),
        ("3.5 stars, 10/10", ["3", "5", "stars", "10", "10"]),
        ("Cafe\u0301 = CAFÉ", ["café", "café"]),
        ("İstanbul STRASSE ΣΟΦΟΣ", ["i̇stanbul", "strasse", "σοφος"]),
        ("酒店很好", ["酒", "店", "很", "好"]),
        ("ดีมาก", ["ดี", "ม", "า", "ก"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("great 👍🏽👍", ["great", "👍", "👍"]),
        ("👩\u200d👧 ❤\ufe0f", ["👩", "👧", "❤"]),
        ("so\u00adft hy-phen under_score", ["soft", "hy", "phen", "under", "score"]),
        ("5€ or $5", ["5", "€", "or", "$", "5"]),
        ("tab\tline\nret\x0bnul\x00\x85end", ["tab", "line", "ret", "nul", "end"]),
        ("", []),
        (" .,;- ", []),
    ],
)
def test_a_text_is_cut_into_the_words_that_a_reader_sees(text, tokens):
    assert words(text) == tokens
    assert len(words(text, lower=False)) == len(tokens)


def test_case_stands_when_it_is_wanted():
    assert words("The BBC's", lower=False) == ["The", "BBC's"]


def test_keys_are_the_same_on_every_machine_and_for_ever():
    # Models store keys: were one of these to change, no word of an old model would be known any more.
    assert keys_of(["good", "don't", "é", "好", ""]).tolist() == RECORDED


RECORDED = [892906926050492219, 4091831415843553218, 8278062457674268280, 15852652296183787061, 0]


def test_a_word_has_one_key_wherever_it_stands():
    tokens = tokenize(["good", "so good", "good " * 500 + "good", "x" * 3000 + " good"])
    key = keys_of(["good"])[0]
    assert (tokens.keys == key).sum() == 1 + 1 + 501 + 1
    assert (tokenize(["doog"]).keys != key).all()


texts = st.lists(st.text(st.characters(exclude_categories=()), max_size=30), max_size=6)


@given(texts)
def test_texts_do_not_see_each_other(columns):
    together = tokenize(columns)
    assert len(together) == len(columns)
    for number, text in enumerate(columns):
        alone = tokenize([text])
        assert together.keys[together.offsets[number] : together.offsets[number + 1]].tolist() == alone.keys.tolist()


@given(texts, st.integers(1, 40))
def test_blocks_cut_as_one_piece_does(columns, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textclf.text.tokenizer._BLOCK", size)
        blocks = list(tokenize_blocks(columns))
        joined = tokenize(columns)
    whole = tokenize(columns)
    assert np.concatenate([block.keys for block in blocks]).tolist() == whole.keys.tolist() == joined.keys.tolist()
    assert sum(map(len, blocks)) == len(columns)
    numbers = range(len(whole.keys))
    assert joined.strings(numbers) == whole.strings(numbers)
    assert joined.offsets.tolist() == whole.offsets.tolist()


letters = st.sampled_from("aZ é İΣσ\u0301\u0345'’\0\xad中🎉\ufffd\U0010ffff") | st.characters(exclude_categories=["Cs"])


@given(st.lists(st.text(letters, max_size=12), max_size=6), st.booleans(), st.integers(1, 20))
def test_packed_strings_have_the_code_points_that_single_ones_have(columns, lower, size):
    packed = PackedStrings.of(columns)
    expected = [code for text in columns for code in normal_codes([text], lower=lower).tolist()]
    assert normal_codes(packed, lower=lower).tolist() == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textclf.text.tokenizer._BLOCK", size)
        blocks = list(text_blocks(packed))
    assert [text for block in blocks for text in block] == columns
    assert all(len("".join(block).encode()) >= size for block in blocks[:-1])
    assert blocks


@given(st.text(max_size=30))
def test_a_tokens_key_is_the_key_of_its_string(text):
    tokens = tokenize([text])
    assert keys_of(tokens.strings(range(len(tokens.keys)))).tolist() == tokens.keys.tolist()


@given(st.text(max_size=30))
def test_composed_and_decomposed_texts_are_cut_alike(text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert tokenize([composed.lower()]).keys.tolist() == tokenize([decomposed.lower()]).keys.tolist()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_the_normal_form_is_its_own_normal_form_for_plain_letters(text):
    plain = "".join(letter for letter in text if letter.isascii())
    assert normal_form(normal_form(plain)) == normal_form(plain) == plain.lower()
