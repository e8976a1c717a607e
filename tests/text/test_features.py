"""Texts become matrices as the equations say: averages of vectors, word n-grams, sub-words by piece."""

import numpy as np
import pytest

from textclf.text.features import Features, WordTable, stack_texts
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable, ngrams
from textclf.text.subwords import Spelling, subwords
from textclf.text.tokenizer import keys_of, tokenize

TEXTS = ["good good film", "bad film", "", "unheard of", "Good!  "]


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


def test_cased_vectors_are_looked_up_as_the_word_stands_and_then_lower_cased():
    words, numbers = ["Us", "us", "good"], np.array([[1.0], [2.0], [4.0]])
    words_table, keys = table(words, cased=True)
    S = Features(words_table, ()).extract(["Us", "us", "US", "Good"]).words.times(vectors(words, keys, numbers))
    assert S[:, 0].tolist() == [1.0, 2.0, 2.0, 4.0]


WORDS = ["Us", "us", "good", "film", "US", "don't", "!"]
MANY = ["Us us US good", "don't!! good-good", "US", "好看的电影 us", "", "strangers 👍 only", "film us Film"]


def whole_features(texts, words=WORDS, *, cased):
    """Return features with all word n-grams and all sub-words of these texts, and a U for them."""
    tokens, rng = tokenize(texts), np.random.default_rng(0)
    found = {"words": ngrams(tokens, 1, 2)[1], "chars": subwords(Spelling.of_tokens(tokens), 2, 5)[1]}
    tables = []
    for kind, keys in found.items():
        keys = np.unique(keys)
        idf = rng.uniform(0.5, 3.0, len(keys)).astype(np.float32)
        tables.append(NgramTable(kind, 1 if kind == "words" else 2, 2 if kind == "words" else 5, KeyIndex(keys), idf))
    U = rng.normal(size=(sum(len(each.index) for each in tables), 3))
    return Features(table(words, cased=cased)[0], tuple(tables)), U


@pytest.mark.parametrize("cased", [False, True])
def test_known_words_that_are_not_spelled_out_change_nothing(cased):
    features, U = whole_features(MANY[:4], cased=cased)
    by_row = np.argsort(KeyIndex(features.words.index.keys).rows(keys_of(WORDS)))
    known = features.known_pieces([WORDS[place] for place in by_row], U)
    slow, quick = features.extract(MANY), features.extract(MANY, known=known)
    np.testing.assert_allclose(quick.ngrams.times(U), slow.ngrams.times(U), atol=1e-6)
    np.testing.assert_allclose(quick.known_shares, slow.known_shares, atol=1e-7)
    halves = stack_texts([features.extract(part, known=known) for part in (MANY[:3], MANY[3:])])
    np.testing.assert_allclose(halves.ngrams.times(U), quick.ngrams.times(U), atol=1e-12)


def test_texts_cut_in_many_blocks_are_as_texts_cut_at_once(monkeypatch):
    features, U = whole_features(MANY, cased=True)
    whole = features.extract(MANY)
    monkeypatch.setattr("textclf.text.tokenizer._BLOCK", 8)
    parts = features.extract(MANY)
    np.testing.assert_allclose(parts.ngrams.times(U), whole.ngrams.times(U), atol=1e-12)
    np.testing.assert_array_equal(parts.words.scipy.toarray(), whole.words.scipy.toarray())
    np.testing.assert_array_equal(parts.known_shares, whole.known_shares)


def test_the_tables_of_each_kind_are_found_by_name():
    features, U = whole_features(MANY, cased=False)
    assert (features.table("words"), features.table("chars")) == features.ngrams
    words_alone = Features(features.words, features.ngrams[:1])
    assert words_alone.table("chars") is None
    assert words_alone.known_pieces(WORDS, U) is None
    assert Features(features.words, ()).table("words") is None
