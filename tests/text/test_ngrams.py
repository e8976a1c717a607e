"""Word n-grams are runs of tokens within a text, of which its start may be the first."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable, Words, ngram_matrix, ngrams, ngrams_by_length
from textclf.text.tokenizer import keys_of, tokenize

START = "the start of a text"
words_of_texts = st.lists(st.text("ab é!好 \n", max_size=12), min_size=1, max_size=6)


def slow_ngrams(text, shortest, longest):
    tokens = tokenize([text])
    parts = [START, *tokens.strings(range(len(tokens.keys)))]
    grams = Counter(tuple(parts[i : i + n]) for n in range(shortest, longest + 1) for i in range(len(parts) - n + 1))
    grams.pop((START,), None)  # by itself the start of a text is none
    return grams


@given(words_of_texts, st.integers(1, 3), st.integers(0, 3))
def test_ngrams_are_those_of_the_loop_and_stay_within_their_texts(texts, shortest, more):
    numbers, keys = ngrams(tokenize(texts), shortest, shortest + more)
    distinct = set()
    for number, text in enumerate(texts):
        found = Counter(keys[numbers == number].tolist())
        slow = slow_ngrams(text, shortest, shortest + more)
        assert sorted(found.values()) == sorted(slow.values())
        assert Counter(ngrams(tokenize([text]), shortest, shortest + more)[1].tolist()) == found
        distinct |= set(slow)
    assert len(set(keys.tolist())) == len(distinct)


@given(words_of_texts)
def test_where_an_ngram_is_said_to_begin_stand_the_words_of_its_key(texts):
    tokens = tokenize(texts)
    for n, found in enumerate(ngrams_by_length(tokens, 3), 1):
        named = {}
        for key, start in zip(found.keys.tolist(), found.starts.tolist(), strict=True):
            units = Words.of(tokens).keys[start : start + n]
            assert named.setdefault(key, units.tolist()) == units.tolist()
        assert len({tuple(units) for units in named.values()}) == len(named)


def test_the_order_of_words_tells_bigrams_apart():
    _, one = ngrams(tokenize(["not good"]), 2, 2)
    _, two = ngrams(tokenize(["good not"]), 2, 2)
    assert not set(one.tolist()) & set(two.tolist())


def test_a_word_that_begins_a_text_is_told_from_the_same_word_elsewhere():
    numbers, keys = ngrams(tokenize(["what is it", "it is what"]), 2, 2)
    one, two = (set(keys[numbers == number].tolist()) for number in (0, 1))
    assert (len(one), len(two), len(one & two)) == (3, 3, 0)
    assert ngrams(tokenize(["", "what"]), 2, 3)[0].tolist() == [1]


def test_texts_get_tf_idf_of_the_ngrams_that_have_a_row_and_the_share_that_is_known():
    keys = np.sort(keys_of(["a", "b"]))
    idf = np.where(keys == keys_of(["a"])[0], 1.5, 2.0).astype(np.float32)
    C, share = ngram_matrix(tokenize(["a a b c", "c", ""]), NgramTable("words", 1, 1, KeyIndex(keys), idf))
    a, b = (1 + np.log(2)) * 1.5, 2.0
    found = C.scipy.toarray()
    by_word = found[:, KeyIndex(keys).rows(keys_of(["a", "b"]))]
    np.testing.assert_allclose(by_word, [[a / np.hypot(a, b), b / np.hypot(a, b)], [0, 0], [0, 0]], rtol=1e-6)
    assert share.tolist() == [0.75, 0.0, 0.0]
    marked = keys == keys_of(["a"])[0]
    assert ngram_matrix(tokenize(["a a b c"]), NgramTable("words", 1, 1, KeyIndex(keys), idf), marked)[1] == [0.5]
