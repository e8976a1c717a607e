"""Many classes of few rows each: U holds the commonest word n-grams alone, and the rest goes on as ever."""

import numpy as np
import pytest

from textclf.cli import run
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.text.csr import blocks_of, sum_entries
from textclf.training.regularization import UNUSED
from textclf.training.train import LabelledTexts, train

CLASSES = 60
RNG = np.random.default_rng(3)
TEXTS = [
    f"report number {RNG.integers(10_000)} of group{i % CLASSES} about matter{i % CLASSES} and {RNG.integers(10_000)}"
    for i in range(5 * CLASSES)
]
LABELS = [f"c{i % CLASSES}" for i in range(5 * CLASSES)]
SETTINGS = Settings(vectors="none", dimension=4, threads=1, valid_fraction=0.0)


def trained(settings=SETTINGS):
    return train(LabelledTexts(TEXTS, LABELS), settings, None).model


def test_where_classes_are_many_the_commonest_word_ngrams_have_to_do(monkeypatch):
    whole = trained()
    assert [table.kind for table in whole.features.ngrams] == ["words", "chars"]
    monkeypatch.setattr("textclf.training.vocabulary.MOST_WEIGHTS", 250 * CLASSES)
    model = trained()
    (table,) = model.features.ngrams
    assert table.kind == "words"
    assert len(table.index) == 250
    assert set(table.index.keys.tolist()) < set(whole.features.table("words").index.keys.tolist())
    given = model.predict(["a report of group7 about matter7", "a report of group31 about matter31"])
    assert [model.labels[i] for i in given.classes] == ["c7", "c31"]


def test_a_model_that_continues_has_no_more_of_them_than_one_from_scratch(tmp_path, monkeypatch):
    rows = [f'"{text}",{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    monkeypatch.setattr("textclf.training.vocabulary.MOST_WEIGHTS", 250 * CLASSES)
    out = str(tmp_path / "m.safetensors")
    given = ["--vectors", "none", "--dimension", "4", "--quiet"]
    assert run(["train", str(tmp_path / "t.csv"), "-o", out, *given]) == 0
    before = Model.load(tmp_path / "m.safetensors").features.table("words")
    renamed = [row.replace("matter", "subject").replace("group", "team") for row in rows]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *renamed]) + "\n", "utf-8")
    again = str(tmp_path / "again.safetensors")
    assert run(["train", str(tmp_path / "t.csv"), "--init-from", out, "-o", again, "--quiet"]) == 0
    after = Model.load(tmp_path / "again.safetensors").features.table("words")
    assert len(before.index) < len(after.index) <= len(before.index) + 250


def test_many_files_keep_as_few(tmp_path, monkeypatch):
    monkeypatch.setattr("textclf.training.vocabulary.MOST_WEIGHTS", 250 * CLASSES)
    (tmp_path / "parts").mkdir()
    for number in range(2):
        rows = [f'"{text}",{label}' for text, label in zip(TEXTS[number::2], LABELS[number::2], strict=True)]
        (tmp_path / "parts" / f"p{number}.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    out = tmp_path / "m.safetensors"
    assert run(["train", str(tmp_path / "parts"), "-o", str(out), "--l2", "0.1", "--quiet"]) == 0
    (table,) = Model.load(out).features.ngrams
    assert table.kind == "words"
    assert len(table.index) == 250


def test_regularization_is_not_chosen_where_that_would_take_minutes(monkeypatch):
    settings = Settings(vectors="none", dimension=4, threads=1, valid_fraction=0.4)
    monkeypatch.setattr("textclf.training.trainer.AUTO_WORK", 1)
    assert UNUSED not in trained(settings).card.regularization.ngram_scales
    monkeypatch.setattr("textclf.training.trainer._MOST_SAMPLE_WORK", 1)
    assert trained(settings).card.regularization.l2 == 0.15


@pytest.mark.parametrize("k", [2, 3000])
def test_a_block_of_many_classes_has_few_rows(k):
    n = 12_000
    C = sum_entries(np.arange(n), np.zeros(n, np.int64), n, 5)
    blocks = blocks_of([C], k)
    assert [blocks[0].start, blocks[-1].stop] == [0, n]
    assert max(rows.stop - rows.start for rows in blocks) * k <= 1 << 23


def test_a_table_of_many_classes_is_labelled_as_sentence_by_sentence(monkeypatch):
    model = trained()
    texts = TEXTS[:300]
    whole = model.predict(texts).P
    monkeypatch.setattr("textclf.model.model._MOST_OF_WORDS", 10)
    np.testing.assert_allclose(trained().predict(texts).P, whole, atol=1e-12)
