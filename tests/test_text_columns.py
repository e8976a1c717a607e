"""Several text columns: joined to one text, or kept apart where the validation rows have it."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hostile import accepted, refused
from programs import load_program

from textclf import TextClassifier, load
from textclf.errors import ModelError, TextclfError
from textclf.explain import ExplainSettings, explain
from textclf.export import shrink
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.storage.row_columns import RowColumns
from textclf.text.tokenizer import tokenize, tokenize_apart
from textclf.training.train import LabelledTexts, Start, train
from textclf.training.vocabulary import Sources, learn_vocabulary

COLUMNS = RowColumns(("subject", "body"))
SETTINGS = Settings(vectors="none", dimension=6, l2=0.1, columns="apart", char_ngrams=(0, 0))
WORDS = {"cat": ["paw", "purr", "mouse"], "dog": ["bark", "leash", "bone"]}


def made_rows(n=200, seed=1):
    """Return rows whose label is told by the body, while the subject has words of either class by chance."""
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for _ in range(n):
        label, other = rng.choice(["cat", "dog"], 2)
        rows.append("\x1f".join(" ".join(rng.choice([*WORDS[name], "the", "a"], 6)) for name in (other, label)))
        labels.append(str(label))
    return rows, labels


@pytest.fixture(scope="module")
def data():
    return LabelledTexts(*made_rows(), columns=COLUMNS)


@pytest.fixture(scope="module")
def model(data):
    return train(data, SETTINGS, None).model


def accuracy(model):
    rows, labels = made_rows(300, seed=2)
    return np.mean([said == label for said, label in zip(model.cells(model.predict(rows)), labels, strict=True)])


def test_tokens_of_passages_are_those_of_the_joined_text_and_know_where_they_stand():
    texts = ["Good film!\x1fa bad, long end", "\x1fonly a body", "e\u0301\x1f"]
    apart, joined = tokenize_apart(texts, 2), tokenize(texts)
    for name in ("keys", "offsets", "is_word", "codes"):
        np.testing.assert_array_equal(getattr(apart, name), getattr(joined, name))
    np.testing.assert_array_equal(apart.runs.keys, joined.runs.keys)
    assert apart.fields.tolist() == [0] * 3 + [1] * 4 + [1] * 3 + [0]


def test_joined_columns_are_one_text(data):
    joined = train(data, replace(SETTINGS, columns="joined"), None).model
    text = [row.replace("\x1f", " ") for row in data.texts]
    one = train(LabelledTexts(text, data.labels), replace(SETTINGS, columns="joined"), None).model
    np.testing.assert_array_equal(joined.predict(data.texts).P, one.predict(text).P)


def test_each_text_has_its_own_average_and_no_word_ngram_reaches_across(model, data):
    features = model.features
    matrix = features.extract(data.texts)
    assert matrix.words.width == 2 * len(features.words.index)
    by_itself = replace(features, columns=RowColumns(), is_apart=False)
    for field in (0, 1):
        texts = [row.split("\x1f")[field] for row in data.texts]
        expected = by_itself.extract(texts)
        of_field = matrix.words.unfold(2).take(np.arange(field, 2 * len(texts), 2))
        np.testing.assert_array_equal(of_field.scipy.toarray(), expected.words.scipy.toarray())
    row, other = (features.extract([text]).ngrams.ngrams for text in ("paw bark\x1f", "paw\x1fbark"))
    assert set(row.columns) & set(other.columns), "paw in the first column"
    assert set(row.columns) - set(other.columns), "bark is another word in the second one"


def test_training_and_prediction_see_the_same_matrices(data):
    learned = learn_vocabulary(data.texts, Sources(SETTINGS, None, np.random.default_rng(1)), passages=2)
    features = replace(learned.features, columns=COLUMNS, is_apart=True)
    found = features.extract(data.texts)
    np.testing.assert_array_equal(found.words.scipy.toarray(), learned.matrix.words.scipy.toarray())
    np.testing.assert_array_equal(found.ngrams.ngrams.scipy.toarray(), learned.matrix.ngrams.ngrams.scipy.toarray())


def test_validation_keeps_columns_apart_where_that_pays(model, data):
    chosen = train(data, replace(SETTINGS, columns="auto"), None).model
    joined = train(data, replace(SETTINGS, columns="joined"), None).model
    assert chosen.features.is_apart
    assert accuracy(chosen) > 0.97 > 0.95 > accuracy(joined)
    alike = LabelledTexts([f"{text}\x1f{text}" for text, _ in (row.split("\x1f")[::-1] for row in data.texts)],
                          data.labels, columns=COLUMNS)  # fmt: skip
    assert not train(alike, replace(SETTINGS, columns="auto"), None).model.features.is_apart
    with pytest.raises(TextclfError, match="expected joined, as adam trains the vectors"):
        replace(SETTINGS, optimizer="adam")


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, hidden=(4,)),
        replace(SETTINGS, char_ngrams=(2, 3)),
        replace(SETTINGS, pattern_ngrams=3),
        replace(SETTINGS, pattern_ngrams=3, columns="joined", char_ngrams=(2, 3)),
    ],
)
def test_a_file_and_docs_reader_give_the_same_answers_and_explanations_add_up(settings, data, tmp_path, monkeypatch):
    monkeypatch.setattr("textclf.text.patterns.MOST_COMMON", 3)
    columns = replace(COLUMNS, categories=("size",))
    rows = [row if i % 2 else row.title() for i, row in enumerate(data.texts)]
    rows = [f"{row}\x1f{'small' if i % 3 else 'large'}" for i, row in enumerate(rows)]
    model = train(LabelledTexts(rows, data.labels, columns=columns), settings, None).model
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert (loaded.features.columns, loaded.features.is_apart) == (columns, settings.columns == "apart")
    np.testing.assert_array_equal(loaded.predict(rows).P, model.predict(rows).P)
    np.testing.assert_allclose(loaded.predict(rows[:3]).P, model.predict(rows).P[:3], rtol=1e-12)
    odd = [
        *rows[:4],
        "\x1fpaw bark\x1flarge",
        "paw\x1f\x1f",
        "The PAW 42!\x1f\u0301Bark :) 1984\x1flarge",
        "Paw\x1fİ Bark\x1f",
    ]
    said = [list(each.values()) for each in load_program("docs/reference/reader.py").predict(tmp_path / "model", odd)]
    np.testing.assert_allclose(said, loaded.predict(odd).P, rtol=1e-5)
    for explanation in explain(model, odd):
        added = explanation.contributions.sum() + explanation.between.sum()
        added += sum(part.contribution for part in explanation.columns)
        assert explanation.base + added == pytest.approx(explanation.score, abs=1e-3)


def test_an_explanation_says_in_which_column_a_word_stands(model):
    why = explain(model, ["paw the bark\x1fbark bone"])[0]
    assert why.columns_of_tokens == ["subject"] * 3 + ["body"] * 2
    assert {"subject: bark", "body: bark"} <= {word.string for word in why.words}
    assert any(one.string == "body: bark" for one in why.ngrams)
    said = why.as_dict()
    assert said["text"] == "paw the bark\nbark bone"
    assert [token["column"] for token in said["tokens"]] == why.columns_of_tokens
    left_out = explain(model, ["paw the bark\x1fbark bone"], ExplainSettings(method="leave-one-out"))[0]
    assert abs(left_out.contributions[4]) > abs(left_out.contributions[1])


def test_small_models_and_continued_ones_keep_columns_apart(model, data):
    small = shrink(model, "0" * 64).model
    assert np.mean(small.predict(data.texts).classes == model.predict(data.texts).classes) > 0.97
    settings = replace(SETTINGS, columns="auto", l2=None)
    more = LabelledTexts(["a collar\x1fcollar collar", "the fur\x1ffur fur"] * 4, ["dog", "cat"] * 4, columns=COLUMNS)
    newer = train(more, settings, None, start=Start(model, data)).model
    assert newer.features.is_apart
    assert newer.cells(newer.predict(more.texts[:2])) == ["dog", "cat"]
    assert accuracy(newer) > 0.9
    five = replace(model, features=replace(model.features, columns=RowColumns(("a", "b", "c", "d", "e"))))
    with pytest.raises(ModelError, match=r"model.sizes: expected as many inputs for each text column"):
        five.save(Path("model"))


def test_commands_name_several_columns_once(tmp_path):
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["subject", "body", "label"])
        for row, label in zip(*made_rows(120), strict=True):
            writer.writerow([*row.split("\x1f"), label])
    model = tmp_path / "model"
    named = ("--text-column", "subject", "--text-column", "body")
    said = accepted("train", table, "-o", model, *named, "--vectors", "none", "--l2", 0.1).err
    assert "text columns: kept apart" in said
    assert json.loads(accepted("evaluate", model, table, "--json").out)["accuracy"] > 0.9
    assert "body: " in accepted("explain", model, "-i", table).out
    accepted("predict", model, "-i", table, "-o", tmp_path / "out.jsonl")
    accepted("check", table, *named, "--vectors", "none")
    table.write_text(table.read_text().replace("subject,body", "title,text"))
    refused("no column 'subject'", "predict", model, "-i", table)
    renamed = accepted("predict", model, "-i", table, "--text-column", "title", "--text-column", "text").out
    assert renamed.count("\n") == 121
    refused("expected 2, as the model reads, found 1", "predict", model, "-i", table, "--text-column", "text")
    refused("several --text-column go with one table", "train", tmp_path / "*.csv", "-o", model, *named, code=2)


def test_the_estimator_takes_a_table_or_an_array_of_texts(data, tmp_path):
    cells = [row.split("\x1f") for row in data.texts]
    fast = {"vectors": "none", "l2": 0.1, "columns": "apart"}
    classifier = TextClassifier(text_columns=[0, 1], **fast).fit(np.array(cells), data.labels)
    assert classifier.score(np.array(cells), data.labels) > 0.9
    table = {"subject": [subject for subject, _ in cells], "body": [body for _, body in cells]}
    named = TextClassifier(text_columns=["subject", "body"], **fast).fit(table, data.labels)
    named.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").predict_proba(table), classifier.predict_proba(np.array(cells))
    )
    assert named.explain({"subject": "paw", "body": "bark"}).columns_of_tokens == ["subject", "body"]
