"""The rows nearest to a text are those that the model sees as most like it."""

import csv
import json

import numpy as np
import pytest

from textclf.cli import run
from textclf.explain.neighbours import find_nearest
from textclf.settings import Settings
from textclf.tables import TableOptions, open_table
from textclf.training.train import LabelledTexts, train

TEXTS = ["a good warm film", "a cold bad film", "the story of a train", "a train is late", "warm soup and bread"] * 2
LABELS = ["film", "film", "train", "train", "food"] * 2


@pytest.fixture(scope="module")
def model():
    return train(LabelledTexts(TEXTS, LABELS), Settings(vectors="none", dimension=8, epochs=5), None).model


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "train.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *zip(TEXTS, LABELS, strict=True)])
    return path


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
def test_a_text_of_the_table_is_nearest_to_itself_however_the_table_is_read(batch_rows, model, table):
    with open_table(table, TableOptions(), labelled=True, batch_rows=batch_rows) as rows:
        found = find_nearest(model, TEXTS[:5], rows.batches(), 3)
    for place, nearest in enumerate(found):
        assert [one.row for one in nearest[:2]] == [place + 1, place + 6]
        assert nearest[0].similarity == pytest.approx(1.0)
        assert nearest[2].similarity < 0.999
        assert (nearest[0].label, nearest[0].text) == (LABELS[place], TEXTS[place])


def test_similarity_is_the_mean_of_the_two_cosines(model, table):
    texts = ["a warm good story", TEXTS[1]]
    matrix = model.features.extract(texts)
    cosines = []
    for rows in model.sums(matrix)[0], matrix.ngrams.ngrams.double().scipy.toarray():
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines.append(float(unit[0] @ unit[1]))
    with open_table(table, TableOptions(), labelled=True, batch_rows=100) as rows:
        (nearest,) = find_nearest(model, texts[:1], rows.batches(), 10)
    assert next(one.similarity for one in nearest if one.row == 2) == pytest.approx(sum(cosines) / 2, abs=1e-6)


def test_a_text_of_which_nothing_is_known_has_neighbours_of_no_similarity(model, table):
    with open_table(table, TableOptions(), labelled=True, batch_rows=4) as rows:
        found = find_nearest(model, ["", "⁂"], rows.batches(), 2)
    assert [[one.row for one in nearest] for nearest in found] == [[1, 2], [1, 2]]
    assert all(np.isfinite(one.similarity) for nearest in found for one in nearest)


def test_explain_names_the_nearest_rows(model, table, tmp_path, capsys):
    model.save(tmp_path / "m")
    command = ["explain", str(tmp_path / "m"), "a good warm film", "--like", str(table), "--top", "2"]
    assert run(command) == 0
    assert "like 1.00  row 1 film: a good warm film\n  like 1.00  row 6 film" in capsys.readouterr().out
    assert run([*command, "--json"]) == 0
    like = json.loads(capsys.readouterr().out)["like"]
    assert like[0] == {"row": 1, "label": "film", "similarity": 1.0, "text": "a good warm film"}
    assert run([*command, "--global"]) == 2
    assert "--like names rows for each text" in capsys.readouterr().err
    assert run(["explain", str(tmp_path / "m"), "a", "--label-column", "label"]) == 2
    assert "--label-column is that of --like TABLE" in capsys.readouterr().err


def test_the_columns_of_the_table_that_like_names_are_given_as_those_of_any_table(model, tmp_path, capsys):
    model.save(tmp_path / "m")
    (tmp_path / "rows.tsv").write_text("kind\tsays\nfilm\ta good warm film\nfilm\n", "utf-8")
    command = ["explain", str(tmp_path / "m"), "a good warm film", "--like", str(tmp_path / "rows.tsv")]
    command += ["--text-column", "says", "--label-column", "kind"]
    assert run(command) == 1
    assert "rows.tsv" in capsys.readouterr().err
    assert run([*command, "--on-error", "skip"]) == 0
    output = capsys.readouterr()
    assert "like 1.00  row 1 film: a good warm film" in output.out
    assert "rows.tsv: skipped: line 3 (row 2)" in output.err
    assert run([*command, "--html", str(tmp_path / "page.html")]) == 2
    assert "--like names rows for each text" in capsys.readouterr().err
    assert run(["explain", str(tmp_path / "m"), "a", "--like", "-"]) == 2
    assert "give a file, not -" in capsys.readouterr().err
