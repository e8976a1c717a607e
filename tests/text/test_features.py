"""Texts become matrices as the equations say: averages, n-grams, tf-idf; rows are found by their keys."""

import math
from collections import Counter

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.settings import Settings
from textclf.storage.array_store import ArrayStore
from textclf.text.csr import SparseRows, stack_columns, stack_rows, sum_entries
from textclf.text.features import Features, WordTable, ngrams, word_weights
from textclf.text.key_index import KeyIndex, count_keys
from textclf.text.tokenizer import keys_of, normal_form, tokenize
from textclf.training.ngram_counts import NgramCounts
from textclf.training.vocabulary import learn_vocabulary

TEXTS = ["good good film", "bad film", "", "unheard of", "Good!  "]
words_of_texts = st.lists(st.text("ab é!好 \n", max_size=12), min_size=1, max_size=6)


def table(words, weights=None, *, cased=False):
    keys = np.sort(keys_of(words))
    weights = np.ones(len(words)) if weights is None else weights
    by_key = dict(zip(keys_of(words).tolist(), weights, strict=True))
    return WordTable(KeyIndex(keys), np.array([by_key[key] for key in keys.tolist()], np.float32), cased), keys


def vectors(words, keys, numbers):
    """Return E with each word's vector in the row of its key."""
    E = np.zeros((len(words), numbers.shape[1]))
    E[KeyIndex(keys).rows(keys_of(words))] = numbers
    return E


def test_a_sentence_feature_is_the_mean_of_the_known_words_vectors():
    words, numbers = ["good", "film", "bad"], np.array([[1.0, 0.0], [0.0, 2.0], [-4.0, 4.0]])
    words_table, keys = table(words)
    matrix = Features(words_table, ()).extract(TEXTS)
    S = matrix.words.times(vectors(words, keys, numbers))
    np.testing.assert_allclose(S, [[2 / 3, 2 / 3], [-2.0, 3.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], rtol=1e-6)
    assert matrix.tokens.tolist() == [3, 2, 0, 2, 2]
    assert matrix.known.tolist() == [3, 2, 0, 0, 1]


def test_weights_make_it_a_weighted_mean():
    words_table, keys = table(["good", "film"], [3.0, 1.0])
    S = (
        Features(words_table, ())
        .extract(["good film", "film"])
        .words.times(vectors(["good", "film"], keys, np.array([[1.0], [0.0]])))
    )
    np.testing.assert_allclose(S[:, 0], [0.75, 0.0], rtol=1e-6)


def test_sif_and_idf_weigh_as_their_papers_say():
    occurrences, frequency = np.array([90, 9, 1]), np.array([50, 9, 1])
    sif = word_weights("sif", occurrences, frequency, 100)
    np.testing.assert_allclose(sif, [1e-3 / (1e-3 + p) for p in (0.9, 0.09, 0.01)], rtol=1e-6)
    idf = word_weights("tfidf", occurrences, frequency, 100)
    np.testing.assert_allclose(idf, [math.log(101 / (1 + df)) + 1 for df in (50, 9, 1)], rtol=1e-6)
    assert word_weights("mean", occurrences, frequency, 100).tolist() == [1.0, 1.0, 1.0]


def test_cased_vectors_are_looked_up_as_the_word_stands_and_then_lower_cased():
    words, numbers = ["Us", "us", "good"], np.array([[1.0], [2.0], [4.0]])
    words_table, keys = table(words, cased=True)
    S = Features(words_table, ()).extract(["Us", "us", "US", "Good"]).words.times(vectors(words, keys, numbers))
    assert S[:, 0].tolist() == [1.0, 2.0, 2.0, 4.0]


START = "the start of a text"


def slow_ngrams(text, kind, low, high):
    tokens = tokenize([text])
    if kind == "words":
        parts = [START, *tokens.strings(range(len(tokens.keys)))]
    else:
        squeezed = " ".join("".join(" " if c.isspace() or c < "\x20" else c for c in normal_form(text)).split(" "))
        squeezed = " ".join(squeezed.split())
        parts = list(f" {squeezed} ") if squeezed else []
    grams = Counter(tuple(parts[i : i + n]) for n in range(low, high + 1) for i in range(len(parts) - n + 1))
    if kind == "chars" and low == 1 and parts:
        grams[" ",] -= 2  # the blanks before and after a text say nothing by themselves
    grams.pop((START,), None)  # nor does the start of a text
    return +grams


@given(words_of_texts, st.sampled_from(["words", "chars"]), st.integers(1, 3), st.integers(0, 3))
def test_ngrams_are_those_of_the_loop_and_stay_within_their_texts(texts, kind, low, more):
    numbers, keys = ngrams(tokenize(texts), kind, low, low + more)
    key_of = {}
    for number, text in enumerate(texts):
        found = Counter(keys[numbers == number].tolist())
        slow = slow_ngrams(text, kind, low, low + more)
        assert sorted(found.values()) == sorted(slow.values())
        alone = ngrams(tokenize([text]), kind, low, low + more)[1]
        assert Counter(alone.tolist()) == found
        key_of |= dict.fromkeys(slow)
    assert len(set(keys.tolist())) == len(key_of)


def test_the_order_of_words_tells_bigrams_apart():
    _, one = ngrams(tokenize(["not good"]), "words", 2, 2)
    _, two = ngrams(tokenize(["good not"]), "words", 2, 2)
    assert not set(one.tolist()) & set(two.tolist())


def test_a_word_that_begins_a_text_is_told_from_the_same_word_elsewhere():
    numbers, keys = ngrams(tokenize(["what is it", "it is what"]), "words", 2, 2)
    one, two = (set(keys[numbers == number].tolist()) for number in (0, 1))
    assert (len(one), len(two), len(one & two)) == (3, 3, 0)
    assert ngrams(tokenize(["", "what"]), "words", 2, 3)[0].tolist() == [1]


@pytest.mark.parametrize("room", [None, 0])
def test_tf_idf_rows_are_those_of_the_formula_and_of_a_new_text_alike(room):
    texts = ["a a b", "a c", "b d", "a"]
    tally = NgramCounts(("words", 1, 1), KeyIndex(np.sort(keys_of(["a", "b", "c", "d"]))), 2, ArrayStore(room))
    for part in (texts[:2], texts[2:]):
        tally.add(*tally.count(2, ngrams(tokenize(part), "words", 1, 1)))
    learned = tally.learned(2)
    table, matrix = learned.table, stack_rows(list(learned.parts))
    assert sorted(table.index.keys.tolist()) == sorted(keys_of(["a", "b"]).tolist())
    idf = {"a": math.log(5 / 4) + 1, "b": math.log(5 / 3) + 1}
    a, b = (1 + math.log(2)) * idf["a"], idf["b"]
    length = math.hypot(a, b)
    column = dict(zip(["a", "b"], table.index.rows(keys_of(["a", "b"])).tolist(), strict=True))
    dense = matrix.scipy.toarray()
    np.testing.assert_allclose(dense[0, [column["a"], column["b"]]], [a / length, b / length], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), 1.0, rtol=1e-6)
    again = Features(WordTable(KeyIndex(np.zeros(0, np.uint64)), np.zeros(0, np.float32)), (table,)).extract(texts)
    np.testing.assert_array_equal(again.ngrams.scipy.toarray(), dense)


@pytest.mark.parametrize(
    ("n", "length", "least"),
    [(999, 9, 1), (1000, 9, 2), (10_000, 9, 2), (999, 700, 1), (1000, 700, 3), (10_000, 700, 5)],
)
def test_an_ngram_has_a_row_if_enough_texts_have_it_which_are_more_of_many_long_ones(n, length, least):
    texts = ["filler " * (length // 7)] * n
    for times in range(1, 6):
        for number in range(times):
            texts[-1 - number] += f" rare{times}"
    settings = Settings(recipe="fast", vectors="none", dimension=2, word_ngrams=1)
    learned = learn_vocabulary(texts, settings, None, np.random.default_rng(0))
    rows = learned.features.ngrams[0].index.rows(keys_of([f"rare{times}" for times in range(1, 6)]))
    assert (rows >= 0).tolist() == [times >= least for times in range(1, 6)]


# --- dictionaries and sparse rows ----------------------------------------------------------------------------------


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
    np.testing.assert_array_equal(rows.renumbered(places, int(keep.sum())).scipy.toarray(), C[:, keep])


def test_products_of_some_rows_copy_none_of_them():
    rng = np.random.default_rng(0)
    C = sum_entries(rng.integers(0, 100, 5000), rng.integers(0, 40, 5000), 100, 40)
    part = C.slice(10, 20)  # of which a constructor of SciPy's would make a copy, as it is less than half of all
    part.transposed_times(np.ones((10, 2), np.float32))
    for matrix in (part.scipy, part._transposed_scipy):
        assert np.shares_memory(matrix.data, C.data)
        assert np.shares_memory(matrix.indices, C.columns)


@given(st.data(), st.integers(1, 5))
def test_stacks_lie_side_by_side_and_one_below_the_other(data, n):
    parts = [data.draw(matrices(rows=n)).astype(np.float32) for _ in range(data.draw(st.integers(1, 3)))]
    beside = stack_columns([oracles.sparse(part) for part in parts], n)
    np.testing.assert_allclose(beside.scipy.toarray(), np.hstack(parts))
    below = [data.draw(matrices(columns=4)) for _ in range(data.draw(st.integers(1, 3)))]
    np.testing.assert_array_equal(
        stack_rows([oracles.sparse(part) for part in below]).scipy.toarray(), np.vstack(below)
    )


def test_a_stack_of_nothing_has_its_rows_and_no_column():
    empty = stack_columns([], 3)
    assert (len(empty), empty.width, len(empty.data)) == (3, 0, 0)
    assert empty.times(np.zeros((0, 2), np.float32)).tolist() == [[0.0, 0.0]] * 3


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
