"""Word n-grams and sub-words get rows by how many texts have them, and training sees what labelling will see."""

import math

import numpy as np
import pytest

from textclf.settings import Settings
from textclf.storage.array_store import ArrayStore
from textclf.text.features import Features, WordTable
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import ngrams
from textclf.text.subwords import Spelling, subword_strings
from textclf.text.tokenizer import keys_of, tokenize
from textclf.training.ngram_counts import TextCounts, count_ngrams, count_pieces, learn_ngrams, learn_subwords
from textclf.training.vocabulary import CHAR_NGRAMS, Sources, learn_vocabulary

NO_WORDS = WordTable(KeyIndex(np.zeros(0, np.uint64)), np.zeros(0, np.float32))


def counted(texts, kind, budget=None, weights=None):
    """Return the counts of these texts, taken up in two parts, and how all pieces are spelled."""
    tokens = tokenize(texts)
    spelling = Spelling.of_tokens(tokens)
    if kind[0] == "chars":
        words = tokens.is_word
        spelling = spelling.take(np.unique(np.concatenate([tokens.keys[words], tokens.runs.keys])))
        index = spelling.index
    else:
        index = KeyIndex(np.unique(ngrams(tokens, kind[1], kind[2])[1]))
    found = TextCounts(kind, index, ArrayStore(budget), weights)
    for part in (texts[:2], texts[2:]):
        cut = tokenize(part)
        found.add(*(count_pieces(found, cut) if kind[0] == "chars" else count_ngrams(found, cut)))
    return found, spelling


@pytest.mark.parametrize("budget", [None, 0])
def test_tf_idf_rows_are_those_of_the_formula_and_of_a_new_text_alike(budget):
    texts = ["a a b", "a c", "b d", "a"]
    kind = ("words", 1, 1)
    learned = learn_ngrams(counted(texts, kind, budget)[0], 2, 2)
    table = learned.table
    assert sorted(table.index.keys.tolist()) == sorted(keys_of(["a", "b"]).tolist())
    idf = {"a": math.log(5 / 4) + 1, "b": math.log(5 / 3) + 1}
    a, b = (1 + math.log(2)) * idf["a"], idf["b"]
    length = math.hypot(a, b)
    column = dict(zip(["a", "b"], table.index.rows(keys_of(["a", "b"])).tolist(), strict=True))
    dense = learned.C.scipy.toarray()
    np.testing.assert_allclose(dense[0, [column["a"], column["b"]]], [a / length, b / length], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(learned.known_shares, [2 / 3, 1 / 2, 0, 1])  # of what more than two texts have
    again = Features(NO_WORDS, (table,)).extract(texts)
    np.testing.assert_array_equal(again.ngrams.ngrams.scipy.toarray(), dense)


@pytest.mark.parametrize("budget", [None, 0])
@pytest.mark.parametrize("least", [1, 2])
def test_what_subwords_add_in_training_is_what_they_add_to_a_new_text(budget, least):
    texts = ["film films!! film", "good... 好看", "", "good film :-)", "!! filming"]
    kind = ("chars", 2, 4)
    found, spelling = counted(texts, kind, budget)
    learned = learn_subwords(found, spelling, least, 2)
    U = np.random.default_rng(0).normal(size=(len(learned.table.index), 3))
    in_training = learned.C.double().times(learned.G.double().times(U))
    new = Features(NO_WORDS, (learned.table,)).extract(texts)
    np.testing.assert_allclose(in_training, new.ngrams.double().times(U), atol=1e-7)
    assert (learned.known_shares <= new.known_shares[:, 0]).all()
    assert learned.known_shares[2] == 0.0


def test_in_how_many_texts_a_subword_stands_is_the_sum_over_its_pieces_but_no_more_than_there_are():
    texts = ["film", "films film", "filmed", "good"]
    kind = ("chars", 2, 5)
    table = learn_subwords(*counted(texts, kind), 3, 1).table
    pieces = {"film": 2, "films": 1, "filmed": 1, "good": 1}
    expected = {}
    for piece, times in pieces.items():
        for string in set(subword_strings(piece, 2, 5)):
            expected[string] = expected.get(string, 0) + times
    wanted = {string: min(times, 4) for string, times in expected.items() if times >= 3}
    rows = table.index.rows(keys_of([string.replace("_", " ") for string in wanted]))
    assert sorted(rows.tolist()) == list(range(len(table.index)))
    np.testing.assert_allclose(table.idf[rows], [math.log(5 / (1 + df)) + 1 for df in wanted.values()], rtol=1e-6)


@pytest.mark.parametrize("kind", [("words", 1, 2), ("chars", 2, 4)])
def test_a_text_of_weight_two_counts_as_two_texts(kind):
    texts = ["good film", "bad film", "so so good"]
    weights = np.array([2.0, 1.0, 1.0])
    learn = learn_subwords if kind[0] == "chars" else learn_ngrams
    tables = []
    for some, of_rows in ((texts, weights), ([*texts, texts[0]], None)):
        found, spelling = counted(some, kind, weights=of_rows)
        more = (spelling,) if kind[0] == "chars" else ()
        tables.append(learn(found, *more, 2, 1).table)
    assert tables[0].index.keys.tolist() == tables[1].index.keys.tolist()
    np.testing.assert_allclose(tables[0].idf, tables[1].idf, rtol=1e-6)


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
    learned = learn_vocabulary(texts, Sources(settings, None, np.random.default_rng(0)))
    rows = learned.features.ngrams[0].index.rows(keys_of([f"rare{times}" for times in range(1, 6)]))
    assert (rows >= 0).tolist() == [times >= least for times in range(1, 6)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("budget", [0, 3000])
def test_a_vocabulary_is_the_same_whatever_the_threads_and_wherever_arrays_lie(threads, budget, monkeypatch):
    monkeypatch.setattr("textclf.text.tokenizer._BLOCK", 300)
    texts = [f"text {i} of some {i % 7} others... 好 :-)" for i in range(100)]

    def learned(threads, store):
        settings = Settings(vectors="none", dimension=2, threads=threads)
        return learn_vocabulary(texts, Sources(settings, None, np.random.default_rng(0), store))

    one, other = learned(1, ArrayStore()), learned(threads, ArrayStore(budget))
    assert [(table.kind, table.shortest, table.longest) for table in one.features.ngrams][1] == ("chars", *CHAR_NGRAMS)
    for mine, others in zip(one.features.ngrams, other.features.ngrams, strict=True):
        assert mine.index.keys.tobytes() == others.index.keys.tobytes()
        assert mine.idf.tobytes() == others.idf.tobytes()
    wide, others = one.matrix.ngrams, other.matrix.ngrams
    for mine, theirs in ((wide.ngrams, others.ngrams), (wide.pieces, others.pieces), (wide.G, others.G)):
        assert mine.data.tobytes() == theirs.data.tobytes()
        assert mine.columns.tobytes() == theirs.columns.tobytes()
    assert one.matrix.known_shares.tobytes() == other.matrix.known_shares.tobytes()
    assert list(one.words) == list(other.words)
