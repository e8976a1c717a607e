"""k-fold cross-validation: each row is judged once, by a model without its text, and its row says so."""

import csv
import json

import numpy as np
import pytest
from hostile import accepted, refused

from textclf.analysis import cross_validation as module
from textclf.analysis.cross_validation import measure_folds, write_predictions
from textclf.errors import DataError, TrainingError
from textclf.settings import Settings
from textclf.tables import TableOptions, read_examples
from textclf.training.train import LabelledTexts, train

pytestmark = pytest.mark.usefixtures("small_starter")

SETTINGS = Settings(recipe="fast", vectors="none", char_ngrams=(0, 0), dimension=4)


def data(n=40, copies=1):
    texts = [f"{'good fine' if i % 2 else 'bad awful'} film {i}" for i in range(n)] * copies
    return LabelledTexts(texts, [("down", "up")[i % 2] for i in range(n)] * copies)


def test_each_row_is_judged_once_by_a_model_that_has_not_seen_its_text(monkeypatch):
    seen = []

    def watch(rows, *arguments):
        seen.append(set(rows.texts))
        return train(rows, *arguments)

    monkeypatch.setattr(module, "train", watch)
    rows = data(20, copies=2)
    found = measure_folds(rows, SETTINGS, None, 4)
    assert sorted(np.bincount(found.fold)) == [10] * 4
    for number, texts in enumerate(seen):
        held_out = {rows.texts[i] for i in np.flatnonzero(found.fold == number)}
        assert held_out
        assert not held_out & texts
    right = [said == label for said, label in zip(found.predicted, rows.labels, strict=True)]
    assert found.measurement.evaluation.accuracy == np.mean(right)
    assert found.measurement.evaluation.n == sum(each.n for each in found.folds) == 40


def test_rows_of_a_label_that_no_other_fold_has_are_not_judged():
    rows = data()
    found = measure_folds(LabelledTexts([*rows.texts, "odd one"], [*rows.labels, "lone"]), SETTINGS, None, 3)
    assert found.fold[-1] == -1
    assert found.predicted[-1] == ""
    assert np.isnan(found.confidence[-1])
    assert found.as_dict()["not_judged"] == 1
    assert found.measurement.evaluation.n == 40


def test_too_few_texts_for_the_folds_are_told():
    with pytest.raises(TrainingError, match="expected different texts for 9 folds, found too few"):
        measure_folds(data(4), SETTINGS, None, 9)


def test_the_command_prints_figures_and_writes_what_was_predicted(write, tmp_path):
    rows = "".join(f'"{"good fine" if n % 2 else "bad, awful"} film {n}",{n % 2}\r\n' for n in range(40))
    path = write("text,label\r\n" + rows + "lone,7\r\n")
    command = ["train", path, "-o", tmp_path / "m", "--recipe", "fast", "--folds", "3", "-q"]
    out = accepted(*command, "--predictions", tmp_path / "oof.csv").out
    assert out.startswith("fold")
    assert "not judged: 1 row" in out
    assert "95% intervals: accuracy" in out
    content = (tmp_path / "oof.csv").read_bytes().decode()
    assert '"bad, awful film 0",0,0,' in content, "the row keeps its bytes"
    table = list(csv.DictReader(content.splitlines()))
    assert len(table) == 41
    assert all(row["predicted"] == row["label"] for row in table[:40])
    assert {row["fold"] for row in table[:40]} == {"1", "2", "3"}
    assert (table[40]["predicted"], table[40]["confidence"], table[40]["fold"]) == ("", "", "")
    figures = json.loads(accepted(*command, "--json").out)["cross_validation"]
    assert figures["accuracy"] == 1
    assert [each["fold"] for each in figures["folds"]] == [1, 2, 3]


def test_with_several_labels_figures_are_those_of_several_labels(write, tmp_path):
    rows = "".join(f"{'good ' * (n % 2)}{'long ' * (n % 3 == 0)}film {n},{'a' * (n % 2)}|{'b' * (n % 3 == 0)}\n"
                   for n in range(60))  # fmt: skip
    command = ["train", write("text,label\n" + rows), "-o", tmp_path / "m", "--recipe", "fast", "--multi-label"]
    out = accepted(*command, "--folds", "2", "--predictions", tmp_path / "oof.jsonl", "-q").out
    assert "micro-F1" in out
    first = json.loads((tmp_path / "oof.jsonl").read_text().splitlines()[0])
    assert first["fold"] in (1, 2)
    assert 0 <= first["confidence"] <= 1


@pytest.mark.parametrize("change", [lambda rows: rows[:-1], lambda rows: [*rows[:-1], ("text 9", "a")]])
def test_a_table_that_is_another_by_then_gets_no_predictions(write, change, tmp_path):
    rows = [(f"{'good' if n % 2 else 'bad'} film {n}", str(n % 2)) for n in range(20)]

    def table(rows):
        return write("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))

    options = TableOptions()
    loaded = read_examples(table(rows), options)
    found = measure_folds(LabelledTexts.of(loaded), SETTINGS, None, 2)
    with pytest.raises(DataError, match=r"rows that were read before, found .*Try again"):
        write_predictions(table(change(rows)), options, loaded, found, tmp_path / "oof.csv")
    assert not (tmp_path / "oof.csv").exists()


def test_options_that_cannot_go_together_are_refused(write, tmp_path):
    path = write("text,label\na,x\n")
    refused("goes with --folds", "train", path, "-o", tmp_path / "m", "--predictions", tmp_path / "o.csv", code=2)
    refused("does not go with --init-from", "train", path, "-o", "m", "--folds", "3", "--init-from", path, code=2)
    refused("--folds goes with one table", "train", tmp_path, "-o", tmp_path / "m", "--folds", "3", code=2)
