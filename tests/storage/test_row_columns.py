"""Columns beside the text: read, learnt, remembered by the model, explained, and refused where they are not there."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from hostile import accepted, refused
from programs import load_program

from textclf import TextClassifier
from textclf.errors import DataError, TrainingError
from textclf.explain import ExplainSettings, explain
from textclf.export import shrink
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.storage.row_columns import RowColumns, parse_number
from textclf.tables import TableOptions, read_examples
from textclf.training.train import LabelledTexts, Start, train

COLUMNS = RowColumns(("text",), ("colour",), ("price", "weight"))
FAST = Settings(vectors="none", dimension=8, recipe="fast", l2=0.1, char_ngrams=(2, 3))


def made_rows(n=240, seed=1):
    """Return rows whose label is told by a category and a number, and not by the text."""
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for i in range(n):
        price, colour = rng.normal(50, 20), rng.choice(["red", "blue"])
        score = (price - 50) / 10 + (3 if colour == "red" else -3)
        text = " ".join(rng.choice(["bag", "fine", "old", "new", "box"], 5))
        rows.append(COLUMNS.pack([text, colour, "" if i % 10 == 0 else f"{price:.3f}", "7"]))
        labels.append("buy" if score > 0 else "leave")
    return rows, labels


@pytest.fixture(scope="module")
def rows_and_labels():
    return made_rows()


@pytest.fixture(scope="module")
def model(rows_and_labels):
    return train(LabelledTexts(*rows_and_labels, columns=COLUMNS), FAST, None).model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a table to train on and a model of it."""
    folder = tmp_path_factory.mktemp("columns")
    with (folder / "train.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", *COLUMNS.names, "label"])
        for i, (row, label) in enumerate(zip(*made_rows(), strict=True)):
            writer.writerow([i, *row.split("\x1f"), label])
    accepted(
        "train", folder / "train.csv", "-o", folder / "model", "--category-column", "colour",
        "--number-column", "price", "--number-column", "weight", "--vectors", "none", "--recipe", "fast", "--quiet",
    )  # fmt: skip
    return folder


def test_a_number_is_what_python_takes_for_one_in_ascii_and_missing_has_several_names():
    assert [parse_number(cell) for cell in ("1", " -2.5e3 ", "+.5")] == [1.0, -2500.0, 0.5]
    assert all(np.isnan(parse_number(cell)) for cell in ("", " ", "NaN", "N/A", "null", "None"))
    for cell in ("1_0", "٣", "inf", "-Infinity", "1e101", "1,5", "five"):
        with pytest.raises(ValueError, match=r"expected a number|could not convert"):
            parse_number(cell)


def test_columns_of_one_name_and_too_many_categories_are_refused():
    with pytest.raises(DataError, match="expected different ones, found text, price, price"):
        RowColumns(numbers=("price", "price"))
    with pytest.raises(DataError, match="expected at most 16, found 17"):
        RowColumns(categories=tuple(map(str, range(17))))


def test_the_columns_tell_a_label_that_the_text_does_not(model, rows_and_labels):
    rows, labels = made_rows(300, seed=2)
    right = [said == label for said, label in zip(model.cells(model.predict(rows)), labels, strict=True)]
    texts = train(LabelledTexts(COLUMNS.only_texts(rows_and_labels[0]), rows_and_labels[1]), FAST, None).model
    chance = texts.cells(texts.predict(COLUMNS.only_texts(rows)))
    assert np.mean(right) > 0.85 > 0.65 > np.mean([said == label for said, label in zip(chance, labels, strict=True)])


def test_missing_numbers_new_categories_and_outliers_are_taken(model):
    cells = [["bag", "green", "n/a", ""], ["bag", "red", "1e99", "7"], ["bag", "red", "250", "7"]]
    P = model.predict([COLUMNS.pack(row) for row in cells]).P
    assert np.isfinite(P).all()
    np.testing.assert_array_equal(P[1], P[2])  # both are as far as numbers go


def test_each_category_and_number_adds_what_the_explanation_says(model, rows_and_labels):
    for row, explanation in zip(rows_and_labels[0][:20], explain(model, rows_and_labels[0][:20]), strict=True):
        parts = explanation.contributions.sum() + explanation.between.sum()
        columns = sum(part.contribution for part in explanation.columns)
        assert explanation.base + parts + columns == pytest.approx(explanation.score, abs=1e-9)
        assert [part.cell for part in explanation.columns] == row.split("\x1f")[1:]
    other = explain(model, [COLUMNS.pack([row.split("\x1f")[0], "green", *row.split("\x1f")[2:]])],
                    ExplainSettings(explanation.label))[0]  # fmt: skip
    assert explanation.score - other.score == pytest.approx(explanation.columns[0].contribution)
    left_out = explain(model, [row], ExplainSettings(method="leave-one-out"))[0]
    assert left_out.columns == explanation.columns


@pytest.mark.parametrize(
    "settings",
    [
        replace(FAST, hidden=(4,), optimizer="adam", l2=None, epochs=3),
        replace(FAST, char_ngrams=(0, 0), word_ngrams=0),
        replace(FAST, recipe="auto", l2=None, class_weight="balanced"),
        replace(FAST, multi_label=True, output="sigmoid"),
    ],
    ids=["adam", "no n-grams", "search", "multi-label"],
)
def test_every_kind_of_training_takes_columns_and_its_file_gives_the_same_answers(settings, rows_and_labels, tmp_path):
    rows, labels = rows_and_labels
    weights = [1.0 + i % 2 for i in range(len(rows))]
    model = train(LabelledTexts(rows, labels, weights, columns=COLUMNS), settings, None).model
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded.features.columns == COLUMNS
    np.testing.assert_array_equal(loaded.predict(rows).P, model.predict(rows).P)
    assert (
        np.mean([cell == label for cell, label in zip(loaded.cells(loaded.predict(rows)), labels, strict=True)]) > 0.8
    )
    odd = [*rows[:5], COLUMNS.pack(["bag!", "green", "NA", "1e9"])]
    found = [list(said.values()) for said in load_program("docs/reference/reader.py").predict(tmp_path / "model", odd)]
    np.testing.assert_allclose(found, loaded.predict(odd).P, rtol=1e-5)


def test_a_row_of_weight_two_counts_as_two_rows(rows_and_labels):
    rows, labels = (each[:60] for each in rows_and_labels)
    settings = replace(FAST, valid_fraction=0.0)
    once = train(LabelledTexts(rows, labels, [2.0] * 30 + [1.0] * 30, columns=COLUMNS), settings, None).model
    twice = train(LabelledTexts([*rows[:30], *rows], [*labels[:30], *labels], columns=COLUMNS), settings, None).model
    for one, other in zip(once.features.others.numbers, twice.features.others.numbers, strict=True):
        assert (one.mean, one.spread) == pytest.approx((other.mean, other.spread))


def test_a_model_goes_on_with_new_categories_and_only_with_its_own_columns(model, rows_and_labels):
    rows, labels = made_rows(60, seed=3)
    rows = [row.replace("\x1fred\x1f", "\x1fgreen\x1f") for row in rows]
    settings = replace(FAST, optimizer="lbfgs", l2=None)
    start = Start(model, LabelledTexts(*rows_and_labels, columns=COLUMNS))
    newer = train(LabelledTexts(rows, labels, columns=COLUMNS), settings, None, start=start).model
    assert newer.features.others.categories[0].values == ("blue", "green", "red")
    assert newer.features.others.numbers == model.features.others.numbers
    old = newer.cells(newer.predict(rows_and_labels[0]))
    assert np.mean([said == label for said, label in zip(old, rows_and_labels[1], strict=True)]) > 0.85
    with pytest.raises(TrainingError, match="expected the columns text, colour, price, weight, found text"):
        train(LabelledTexts(COLUMNS.only_texts(rows), labels), settings, None, start=Start(model))


def test_a_smaller_model_keeps_all_columns(model, rows_and_labels):
    small = shrink(model, "0" * 64, max_size=8_000).model
    assert small.features.others == model.features.others
    assert len(small.U) < len(model.U)
    np.testing.assert_allclose(small.predict(rows_and_labels[0]).P, model.predict(rows_and_labels[0]).P, atol=0.2)


def test_commands_ask_for_the_columns_of_the_model(folder, tmp_path):
    table, model = folder / "train.csv", folder / "model"
    accepted("predict", model, "-i", table, "-o", tmp_path / "out.csv", "--quiet")
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert np.mean([row["label"] == row["label_2"] for row in rows]) > 0.85
    figures = json.loads(accepted("evaluate", model, table, "--json").out)
    assert figures["accuracy"] > 0.85
    said = json.loads(accepted("explain", model, "-i", table, "--json").out.splitlines()[0])
    assert [part["column"] for part in said["columns"]] == ["colour", "price", "weight"]
    assert "price" in accepted("explain", model, "-i", table, "--global").out
    assert "columns: texts [text], categories {colour: 2}, numbers {price: {mean: 4" in accepted("info", model).out
    accepted("suggest", model, table, "-n", 5, "-o", tmp_path / "next.csv", "--quiet")
    assert len((tmp_path / "next.csv").read_text().splitlines()) == 6
    (tmp_path / "short.csv").write_text("text,colour,label\na bag,red,buy\n")
    refused(
        "no column 'price'; it has 'text', 'colour' and 'label'. Add the column",
        "predict",
        model,
        "-i",
        tmp_path / "short.csv",
    )
    said = "expected the columns text, colour, price, weight, which the model reads, found 1 of 4"
    refused(said, "predict", model, "a sentence")
    refused(said, "explain", model, "a sentence")
    refused("label: expected a model that reads one text", "label", table, "--model", model, "-o", tmp_path / "l.csv")
    refused("reads one text, found one that reads text, colour", "export", model, "-o", tmp_path / "model.onnx")
    refused("--category-column goes with one table", "train", tmp_path / "*.csv", "-o", tmp_path / "m",
            "--category-column", "colour", code=2)  # fmt: skip


def test_a_cell_that_is_no_number_is_refused_with_its_row(tmp_path):
    (tmp_path / "t.csv").write_text("text,price,label\na,1,x\nb,cheap,y\nc,,x\n")
    options = TableOptions(number_columns=("price",))
    with pytest.raises(DataError, match=r"t\.csv:3: row 2: expected a number in column 'price', found 'cheap'"):
        read_examples(tmp_path / "t.csv", options)
    used = read_examples(tmp_path / "t.csv", replace(options, on_error="skip"))
    assert (list(used.texts), used.rows.tolist()) == (["a\x1f1", "c\x1f"], [1, 3])
    (tmp_path / "t.jsonl").write_text(
        '{"text": "a", "label": "x"}\n{"text": "b\\u001fb", "price": 2.50, "label": "y"}\n'
    )
    assert list(read_examples(tmp_path / "t.jsonl", options).texts) == ["a\x1f", "b b\x1f2.50"]
    (tmp_path / "lines.txt").write_text("a\n")
    with pytest.raises(DataError, match="expected a table with the columns 'price', found fasttext"):
        read_examples(tmp_path / "lines.txt", replace(options, format="fasttext"))


def test_the_estimator_takes_tables_of_any_kind(rows_and_labels):
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    cells = [row.split("\x1f") for row in rows_and_labels[0]]
    columns = {name: [row[i] for row in cells] for i, name in enumerate(COLUMNS.names)}
    columns["price"] = [float(cell) if cell else None for cell in columns["price"]]
    named = {"text_columns": ["text"], "category_columns": ["colour"], "number_columns": ["price", "weight"]}
    classifier = TextClassifier(vectors="none", recipe="fast", **named).fit(
        pandas.DataFrame(columns), rows_and_labels[1]
    )
    assert classifier.score(polars.DataFrame(columns), rows_and_labels[1]) > 0.85
    expected = classifier.predict_proba(pandas.DataFrame(columns))
    for table in (columns, polars.DataFrame(columns), pyarrow.table(columns),
                  [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]):  # fmt: skip
        np.testing.assert_array_equal(classifier.predict_proba(table), expected)
    why = classifier.explain({"text": "bag", "colour": "red", "price": 80.0, "weight": None})
    assert [part.name for part in why.columns] == ["colour", "price", "weight"]
    by_number = TextClassifier(
        vectors="none", recipe="fast", text_columns=[0], category_columns=[1], number_columns=[2, 3]
    )
    array = np.array(cells, object)
    np.testing.assert_allclose(by_number.fit(array, rows_and_labels[1]).predict_proba(array), expected)


@pytest.mark.parametrize(
    ("parameters", "X", "said"),
    [
        ({"number_columns": ["p"]}, {"t": ["a"]}, "text_columns: expected the column of texts"),
        ({"text_columns": "t"}, {"t": ["a"]}, "text_columns: expected a list of columns"),
        ({"text_columns": ["t", "t"]}, {"t": ["a"]}, "expected different ones"),
        ({"text_columns": ["t"], "number_columns": ["p"]}, {"t": ["a"]}, "expected the column 'p', found t"),
        ({"text_columns": ["t"], "number_columns": ["p"]}, ["a"], "expected a table with the column 't'"),
        ({"text_columns": ["t"], "number_columns": ["p"]}, {"t": ["a"], "p": ["x"]}, "a number in row 0 of column 'p'"),
        ({"text_columns": ["t"], "number_columns": ["p"]}, {"t": ["a"], "p": [1, 2]}, "columns of one length"),
    ],
)
def test_wrong_columns_of_the_estimator_are_named(parameters, X, said):
    with pytest.raises(ValueError, match=said):
        TextClassifier(**parameters).fit(X, ["x"])


def test_a_file_with_columns_that_cannot_be_is_refused(model, tmp_path):
    others = model.features.others
    wrong = replace(others, categories=(replace(others.categories[0], values=("red", "blue")),))
    with pytest.raises(Exception, match=r"categories.0: expected different values in rising order"):
        replace(model, features=replace(model.features, others=wrong)).save(tmp_path / "model")
