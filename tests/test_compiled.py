"""The compiled loops find what NumPy's form finds, on any texts, and a table is labelled alike by both."""

import os
import re
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf import bulk, compiled
from textclf.code_points import class_table, is_space
from textclf.compiled.placing import lay_out
from textclf.compiled.summing import Summing
from textclf.compiled.texts import BLANK
from textclf.compiled.trie import Trie
from textclf.counting import NgramTally
from textclf.dictionary import Dictionary
from textclf.features import Features, NgramTable, WordTable, ngrams
from textclf.recipe import LabelledTexts, train
from textclf.settings import Settings
from textclf.shelf import MEMORY
from textclf.tables import TableOptions, open_table
from textclf.tokenizer import longer_keys, tokenize, tokenize_blocks

# One or two code points of each class, blanks of every width, what is left out, what composes, and what is no text.
HOSTILE = "abI1_ \n\t\x00\x1c\x85\xa0\u2003\u3000.-!?'’áéßİΣς𝒜🙂好かก"
HOSTILE += "\u0301\u0327\u00ad\u200d\ufe0f\U0001f3fd\ud800\ufffe\U0010ffff"
CLASSES = "aé_ \u3000'’\u0301\u200d好!"
hostile_texts = st.lists(st.text(HOSTILE, max_size=30) | st.text(max_size=10), min_size=1, max_size=8)
KINDS = [("words", 1, 2), ("chars", 1, 5)]


def learned_table(blocks, kind):
    """Return the table of all n-grams of a kind in these blocks of texts."""
    found = [ngrams(tokens, *kind) for tokens in blocks]
    tally = NgramTally(kind, Dictionary(np.unique(np.concatenate([keys for _, keys in found]))), 1, MEMORY)
    for tokens, each in zip(blocks, found, strict=True):
        tally.add(*tally.count(len(tokens), each))
    return tally.learned(1).table


def learnt(texts, kinds=KINDS, k=3):
    """Return features of these texts, and E and U with random rows."""
    rng = np.random.default_rng(0)
    blocks = list(tokenize_blocks(texts))
    tables = tuple(learned_table(blocks, kind) for kind in kinds)
    keys = np.unique(np.concatenate([block.keys for block in blocks]))[::2]
    words = WordTable(Dictionary(keys), rng.uniform(0.5, 2.0, len(keys)).astype(np.float32))
    U = rng.normal(size=(sum(len(table.dictionary) for table in tables), k)).astype(np.float32)
    return Features(words, tables), rng.normal(size=(len(keys), k)), U


def assert_same(features, E, U, texts):
    """Hold the compiled sums of these texts against the matrices."""
    found, matrix = Summing(features, E, U).sums(texts), features.extract(texts)
    np.testing.assert_array_equal(found.tokens, matrix.tokens)
    np.testing.assert_array_equal(found.known, matrix.known)
    np.testing.assert_array_equal(found.familiar, matrix.familiar)
    np.testing.assert_allclose(found.words, matrix.words.double().times(E), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.wide, matrix.ngrams.double().times(U), rtol=0, atol=1e-12)


@given(hostile_texts, hostile_texts)
@settings(max_examples=150, deadline=None)
def test_sums_are_those_of_the_matrices_for_any_texts(known, met):
    assert_same(*learnt(known), [*met, *known[:2]])


def test_sums_are_those_of_the_matrices_for_every_sequence_of_classes():
    texts = ["".join(codes) for length in range(5) for codes in product(CLASSES, repeat=length)]
    assert_same(*learnt(texts[::7]), texts)


def test_every_code_point_has_the_class_and_is_the_blank_that_the_tokenizer_says():
    kinds = Summing(*learnt(["a"]))._chars.kinds
    np.testing.assert_array_equal(kinds % BLANK, class_table())
    np.testing.assert_array_equal(kinds >= BLANK, is_space(np.arange(0x110000, dtype=np.uint32)))


@pytest.mark.parametrize("k", [1, 4, 5, 9])
@pytest.mark.parametrize("kinds", [[], [("words", 1, 1)], [("chars", 3, 5)], [("chars", 1, 2), ("words", 2, 3)], KINDS])
def test_any_kinds_of_ngrams_and_any_number_of_classes_are_summed(kinds, k):
    texts = ["The waiter was kind, the soup was cold.", "", "a", "好好 好", " \n ", "soup " * 300]
    assert_same(*learnt(texts, kinds, k), [*texts, "the cold waiter", "…"])


def test_ngrams_left_out_of_the_table_are_left_out_of_the_sums():
    texts = ["the film", "a film about films"]
    features, E, U = learnt(texts)
    words, chars = features.ngrams
    kept = np.arange(len(chars.dictionary)) % 3 > 0
    fewer = NgramTable("chars", 1, 5, Dictionary(chars.dictionary.keys[kept]), chars.idf[kept])
    assert Trie.of(fewer.dictionary, 5) is None
    assert_same(replace(features, ngrams=(words, fewer)), E, U[: len(words.dictionary) + kept.sum()], texts)


@given(hostile_texts)
@settings(max_examples=50, deadline=None)
def test_steps_through_the_trie_lead_to_the_row_of_every_ngram(texts):
    keys = np.unique(ngrams(tokenize(texts), "chars", 1, 4)[1])
    trie = Trie.of(Dictionary(keys), 4)
    assert sorted(trie.rows[trie.rows >= 0].tolist()) == list(range(len(keys)))
    alphabet = np.flatnonzero(trie.letters)[np.argsort(trie.letters[trie.letters > 0])].astype(np.uint32)
    for node in np.flatnonzero(trie.rows >= 0).tolist():
        codes, row = [], trie.rows[node]
        while node:
            codes.insert(0, alphabet[trie.last[node] - 1])
            node = trie.parents[node]
        stem = np.zeros(1, np.uint64)
        for length, code in enumerate(codes):
            key, stem = longer_keys(stem, np.array([code], np.uint32), length)
        assert keys[row] == key[0]


def test_no_two_nodes_of_a_trie_share_a_place():
    trie = Trie.of(Dictionary(np.unique(ngrams(tokenize(["what a film, what a cast"]), "chars", 1, 5)[1])), 5)
    width = int(trie.letters.max()) + 1
    states, bases = lay_out(np.arange(len(trie.rows))[::-1], *trie.children(), trie.last, width)
    assert len(set(states.tolist()) | {0}) == len(trie.rows) + 1
    np.testing.assert_array_equal(states[1:], bases[trie.parents[1:]] + trie.last[1:])


def test_the_key_that_ends_a_dictionary_is_found_only_if_it_is_there():
    end = np.uint64(0xFFFFFFFFFFFFFFFF)
    features, _, U = learnt(["a b"])
    for keys in (np.zeros(0, np.uint64), np.array([end])):
        table = WordTable(Dictionary(keys), np.ones(len(keys), np.float32))
        assert_same(replace(features, words=table), np.ones((len(keys), 3)), U, ["a b"])


TEXTS = ["good film", "the fine film", "bad film", "it's ill", "good good", "the bad bad film", "fine!", "só ill"] * 3


@pytest.fixture(scope="module")
def model():
    return train(
        LabelledTexts(TEXTS, ["up", "up", "down", "down"] * 6), Settings(vectors="none", threads=1), None
    ).model


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "".join(f'"{text} {n % 97}"\n' for n, text in enumerate(TEXTS * 60)), "utf-8")
    return path


def predicted(model, path, *, threads, ahead=True):
    """Return the texts and probabilities of a table's rows."""
    with open_table(path, TableOptions(), labelled=False, batch_rows=700) as table:
        pieces = list(bulk.predict_batches(model, table.batches(), threads=threads, ahead=ahead))
    texts = [text for piece, _ in pieces for text in piece.texts]
    return texts, np.concatenate([predictions.P for _, predictions in pieces])


def test_a_table_is_labelled_alike_with_and_without_the_compiled_loops_at_any_number_of_threads(
    model, rows, monkeypatch
):
    texts, P = predicted(model, rows, threads=2)
    assert texts == [f"{text} {n % 97}" for n, text in enumerate(TEXTS * 60)]
    assert "compiled" not in vars(model)
    monkeypatch.setattr(bulk, "_CHARACTERS_TO_LOAD", 8000)  # in the midst of the table
    monkeypatch.setattr(bulk, "_CHARACTERS_TO_COMPILE", 8000)
    quick = [
        predicted(model, rows, threads=threads, ahead=ahead) for threads, ahead in ((1, True), (2, True), (2, False))
    ]
    assert "compiled" in vars(model)
    np.testing.assert_allclose(quick[0][1], P, rtol=0, atol=1e-13)
    for again in quick:
        assert again[0] == texts
        assert again[1].tobytes() == quick[0][1].tobytes()


def test_hidden_layers_are_summed_too():
    data = LabelledTexts(TEXTS, ["up", "up", "down", "down"] * 6)
    model = train(data, Settings(vectors="none", threads=1, hidden=(6,)), None).model
    quick, slow = model.predict(TEXTS, compiled=True), model.predict(TEXTS)
    np.testing.assert_allclose(quick.P, slow.P, rtol=0, atol=1e-12)
    assert len(model.predict([], compiled=True)) == 0


def test_without_numba_a_table_is_labelled_all_the_same(model, rows, monkeypatch):
    monkeypatch.setattr(bulk, "_CHARACTERS_TO_LOAD", 0)
    monkeypatch.setattr(bulk, "_CHARACTERS_TO_COMPILE", 0)
    monkeypatch.setitem(sys.modules, "numba", None)
    texts, P = predicted(replace(model), rows, threads=2)
    assert len(texts) == len(P) == 1440


def test_loops_that_cannot_be_kept_are_not_used(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert compiled.prepare()
    monkeypatch.setattr(compiled, "loops_folder", lambda: tmp_path / "file" / "compiled")
    assert not compiled.prepare()


def test_loops_are_kept_for_the_sources_that_they_were_made_of_alone():
    assert re.fullmatch("[0-9a-f]{16}", compiled.loops_folder().name)
    assert compiled.loops_folder().parent == Path(os.environ["NUMBA_CACHE_DIR"])


def test_loops_that_would_first_have_to_be_compiled_wait_for_a_larger_table(model, rows, monkeypatch):
    monkeypatch.setattr(bulk, "_CHARACTERS_TO_LOAD", 0)
    monkeypatch.setattr(bulk, "are_kept", lambda: False)
    fresh = replace(model)
    predicted(fresh, rows, threads=1)
    assert "compiled" not in vars(fresh)


def test_a_batch_from_a_pipe_is_answered_before_the_next_is_read(model):
    seen = []

    def batches():
        for number in range(3):
            seen.append(f"read {number}")
            yield _Piece(["good film"])

    for _ in bulk.predict_batches(model, batches(), threads=1, ahead=False):
        seen.append("answered")
    assert seen == ["read 0", "answered", "read 1", "answered", "read 2", "answered"]


class _Piece:
    """The little of a batch that is needed."""

    def __init__(self, texts):
        self.texts = texts

    def __len__(self):
        return len(self.texts)

    def part(self, start, stop):
        return _Piece(self.texts[start:stop])
