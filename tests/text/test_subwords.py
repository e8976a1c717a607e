"""Sub-words are n-grams of a piece's characters; C G U' is computed piece by piece and is what the full product is."""

from collections import Counter

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.storage.quantized import ByteRows
from textclf.text.csr import sum_entries
from textclf.text.features import Features, WordTable
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable
from textclf.text.subwords import (
    KnownPieces,
    PieceFacts,
    Spelling,
    WideRows,
    piece_keys,
    piece_rows,
    stack_wide,
    subword_strings,
    subwords,
    weigh_pieces,
)
from textclf.text.tokenizer import keys_of, normal_form, tokenize

odd_texts = st.lists(st.text("ab'é!.好👍\u0301 \n", max_size=12), min_size=1, max_size=5)


def pieces_of(text):
    """Return the pieces of a text, each as often as it stands there."""
    tokens = tokenize([text])
    spelling = Spelling.of_tokens(tokens)
    return spelling.strings(piece_keys(tokens)[1])


def table_of(strings, idf, shortest=2, longest=3):
    """Return a table of these sub-words, `_` for the marks, and the row of each."""
    keys = keys_of([string.replace("_", " ") for string in strings])
    index = KeyIndex(np.sort(keys))
    rows = dict(zip(strings, index.rows(keys).tolist(), strict=True))
    by_row = np.zeros(len(strings), np.float32)
    by_row[list(rows.values())] = idf
    return NgramTable("chars", shortest, longest, index, by_row), rows


def no_words(table):
    return Features(WordTable(KeyIndex(np.zeros(0, np.uint64)), np.zeros(0, np.float32)), (table,))


def test_the_subwords_of_a_piece_have_marks_for_its_start_and_its_end():
    assert subword_strings("ab", 2, 3) == ["_a", "ab", "b_", "_ab", "ab_"]
    assert subword_strings("a", 1, 5) == ["a", "_a", "a_", "_a_"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Good film", ["good", "film"]),
        ("Don't! I didn’t...", ["don't", "i", "didn't", "!", "..."]),
        ("rock 'n' roll", ["rock", "n", "roll", "'", "'"]),
        ("好看的电影 film", ["film", "好看的电影"]),
        ("好看 的电影", ["好看", "的电影"]),
        ("great👍🏽👍 :-) ok", ["great", "ok", "👍👍", ":-)"]),
        ("a...b", ["a", "b", "..."]),
        ("wow 👍!", ["wow", "👍!"]),
        ("tab\tline\nnul\x00end", ["tab", "line", "nul", "end"]),
        ("3.5/10", ["3", "5", "10", ".", "/"]),
        ("Cafe\u0301 \u0301", ["café", "\u0301"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_a_piece_is_a_word_or_a_run_of_other_characters_between_blanks_and_words(text, pieces):
    assert sorted(pieces_of(text)) == sorted(pieces)


@given(odd_texts)
def test_pieces_hold_every_character_that_is_no_blank_once_and_stay_within_their_texts(texts):
    numbers, keys = piece_keys(tokenize(texts))
    for number, text in enumerate(texts):
        assert sorted("".join(pieces_of(text))) == sorted("".join(normal_form(text).split()))
        assert Counter(keys[numbers == number].tolist()) == Counter(piece_keys(tokenize([text]))[1].tolist())


@given(odd_texts, st.integers(1, 3), st.integers(0, 3))
def test_subwords_are_those_of_the_strings_and_cross_no_piece(texts, shortest, more):
    spelling = Spelling.of_tokens(tokenize(texts))
    numbers, keys = subwords(spelling, shortest, shortest + more)
    for number, piece in enumerate(spelling.strings(spelling.index.keys)):
        strings = subword_strings(piece, shortest, shortest + more)
        expected = keys_of([string.replace("_", " ") for string in strings])
        assert sorted(keys[numbers == number].tolist()) == sorted(expected.tolist())


@given(odd_texts, odd_texts)
def test_spellings_are_merged_and_taken_by_key(texts, others):
    one, two = (Spelling.of_tokens(tokenize(each)) for each in (texts, others))
    both = Spelling.merge([one, two])
    assert both.index.keys.tolist() == sorted({*one.index.keys.tolist(), *two.index.keys.tolist()})
    assert both.strings(one.index.keys) == one.strings(one.index.keys)
    taken = both.take(two.index.keys)
    assert taken.strings(two.index.keys) == two.strings(two.index.keys)


def test_the_subwords_of_three_words_are_those_that_a_hand_writes_down(monkeypatch):
    monkeypatch.setattr("textclf.text.subwords._PIECES_AT_ONCE", 2)
    table, rows = table_of(["_a", "aa", "ab", "ab_"], [1.0, 2.0, 3.0, 0.5])
    spelling = Spelling.of_tokens(tokenize(["ab aaab ba"]))
    G, facts = piece_rows(spelling, table)
    by_word = {
        "ab": {"_a": 1.0, "ab": 9.0, "ab_": 0.25},
        "aaab": {"_a": 1.0, "aa": 2 * 4.0, "ab": 9.0, "ab_": 0.25},
        "ba": {},
    }
    words = spelling.strings(spelling.index.keys)
    for number, word in enumerate(words):
        expected = np.zeros(4)
        for string, value in by_word[word].items():
            expected[rows[string]] = value
        np.testing.assert_allclose(G.scipy.toarray()[number], expected)
        assert facts.squares[number] == pytest.approx((expected**2).sum())
    assert {word: (k, n) for word, k, n in zip(words, facts.known, facts.total, strict=True)} == {
        "ab": (3, 5), "aaab": (5, 9), "ba": (0, 5),
    }  # fmt: skip
    common = np.zeros(4, np.bool_)
    common[rows["aa"]] = True
    assert dict(zip(words, piece_rows(spelling, table, common)[1].known, strict=True)) == {"ab": 0, "aaab": 2, "ba": 0}


def test_a_piece_weighs_one_plus_the_logarithm_of_its_count_over_the_length_of_the_whole_row():
    counts = sum_entries(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]), 3, 3)
    facts = PieceFacts(np.array([4.0, 9.0, 0.0], np.float32), np.array([1, 2, 0]), np.array([2, 2, 5]))
    weighed, share = weigh_pieces(counts, facts)
    a, b = 1 + np.log(2), 1.0
    length = np.hypot(a * 2, b * 3)
    np.testing.assert_allclose(weighed.scipy.toarray(), [[a / length, b / length, 0], [0] * 3, [0] * 3], rtol=1e-6)
    np.testing.assert_allclose(share, [(2 * 1 + 2) / (2 * 2 + 2), 0.0, 0.0], rtol=1e-6)


def test_pieces_that_share_no_subword_make_a_row_of_length_one():
    table, _ = table_of(["_a", "_b", "cd"], [1.0, 2.0, 3.0])
    wide = no_words(table).extract(["a b b cd", "nothing", ""]).ngrams
    CG = (wide.pieces.scipy @ wide.G.scipy).toarray()
    np.testing.assert_allclose(np.linalg.norm(CG, axis=1), [1, 0, 0], rtol=1e-6)


@st.composite
def wide_rows(draw):
    """Return C, C' and G of random numbers as one matrix, and the same dense: C and C' G side by side."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    n, v, p, s = (draw(st.integers(1, 6)) for _ in range(4))
    C, pieces, G = (rng.normal(size=shape) * (rng.random(shape) < 0.5) for shape in ((n, v), (n, p), (p, s)))
    return WideRows(*map(oracles.sparse, (C, pieces, G))), np.hstack([C, pieces @ G]), (C, pieces, G)


@given(wide_rows(), st.integers(1, 3), st.integers(1, 3))
def test_products_by_pieces_are_those_of_the_full_matrix(drawn, m, threads):
    wide, dense, (C, pieces, G) = drawn
    rng = np.random.default_rng(0)
    U, D = rng.normal(size=(dense.shape[1], m)), rng.normal(size=(len(dense), m))
    assert (len(wide), wide.width) == dense.shape
    np.testing.assert_allclose(wide.times(U, threads=threads), dense @ U, atol=1e-12)
    np.testing.assert_allclose(wide.transposed_times(D), dense.T @ D, atol=1e-12)
    np.testing.assert_allclose(wide.squares(D), np.vstack([(C**2).T @ D, (G**2).T @ ((pieces**2).T @ D)]), atol=1e-12)
    rows = np.arange(len(dense))[::-1]
    np.testing.assert_allclose(wide.take(rows).times(U), (dense @ U)[::-1], atol=1e-12)
    np.testing.assert_allclose(wide.slice(1, len(dense)).times(U), (dense @ U)[1:], atol=1e-12)
    np.testing.assert_allclose(stack_wide([wide, wide.take(rows)]).times(U), np.vstack([dense @ U, (dense @ U)[::-1]]))
    assert wide.entries == len(wide.ngrams.data) + len(wide.pieces.data)


@given(wide_rows())
def test_squares_are_those_of_the_full_matrix_where_no_two_pieces_share_a_subword(drawn):
    wide, _, (C, pieces, G) = drawn
    first = np.zeros_like(G)
    owners = np.arange(G.shape[1]) % len(G)
    first[owners, np.arange(G.shape[1])] = G[owners, np.arange(G.shape[1])]
    apart = WideRows(wide.ngrams, wide.pieces, oracles.sparse(first))
    ones = np.ones((len(wide), 1))
    np.testing.assert_allclose(apart.squares(ones), (np.hstack([C, pieces @ first]) ** 2).T @ ones, atol=1e-12)


@pytest.mark.parametrize("in_bytes", [False, True])
def test_words_that_are_known_as_pieces_add_what_their_subwords_do(in_bytes):
    table, _ = table_of(["_a", "aa", "ab", "ab_", "b!"], [1.0, 2.0, 3.0, 0.5, 1.5])
    U = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    rows = ByteRows.of(U) if in_bytes else U
    words = ["ab", "Aaab", "ba", "", "zz"]
    known = KnownPieces.of(words, table, rows)
    spelling = Spelling.of_tokens(tokenize(words))
    G, facts = piece_rows(spelling, table)
    for number, word in enumerate(words):
        if word:
            row = spelling.index.rows(keys_of([word.lower()]))[0]
            np.testing.assert_allclose(known.R[number], (G.scipy.toarray() @ np.asarray(rows))[row], rtol=1e-5)
            assert known.facts.squares[number] == facts.squares[row]
            assert known.facts.total[number] == facts.total[row]


def test_no_words_are_no_known_pieces():
    table, _ = table_of(["_a"], [1.0])
    assert KnownPieces.of([], table, np.ones((1, 2), np.float32)).R.shape == (0, 2)
