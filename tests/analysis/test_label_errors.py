"""Wrong labels are found by models that have not seen them."""

import csv
import json

import numpy as np
import pytest

from textclf.analysis.label_errors import (
    FOLDS,
    confident_joint,
    deal_to_judge,
    find_label_errors,
    flag_label_errors,
    out_of_fold,
)
from textclf.cli import run
from textclf.errors import TrainingError
from textclf.settings import Settings
from textclf.text.copies import group_copies
from textclf.training.train import LabelledTexts

pytestmark = pytest.mark.usefixtures("small_starter")

GOOD, BAD = ("fine", "lovely", "great", "superb", "warm"), ("awful", "dull", "poor", "dreary", "cold")


def reviews(count=120):
    rng = np.random.default_rng(3)
    rows = []
    for number in range(count):
        words = GOOD if number % 2 else BAD
        chosen = [words[i] for i in rng.integers(0, len(words), 4)]
        rows.append(
            (f"a {chosen[0]} and {chosen[1]} film, {chosen[2]}, {chosen[3]} {number}", "good" if number % 2 else "bad")
        )
    return rows


def with_wrong(rows, wrong):
    turned = {"good": "bad", "bad": "good"}
    return [(text, turned[label] if i in wrong else label) for i, (text, label) in enumerate(rows)]


def labelled(rows):
    return LabelledTexts([text for text, _ in rows], [label for _, label in rows])


def test_the_labels_that_were_turned_are_found_first_and_the_right_one_is_suggested():
    rows = reviews()
    wrong = {7, 20, 33, 54, 91}
    data = labelled(with_wrong(rows, wrong))
    found = find_label_errors(data, Settings(seed=1), None)
    assert {suspect.number for suspect in found[: len(wrong)]} == wrong
    assert all(suspect.suggested == rows[suspect.number][1] for suspect in found[: len(wrong)])
    scores = [suspect.score for suspect in found]
    assert scores == sorted(scores, reverse=True)
    assert found == find_label_errors(data, Settings(seed=1), None)


def test_copies_of_a_text_are_judged_by_a_model_that_has_seen_none_of_them():
    rows = [*reviews(60), ("one more film", "good"), ("One more  film", "good"), ("one more film", "bad")]
    y = np.array([label == "good" for _, label in rows]).astype(int)
    fold = deal_to_judge(y, group_copies([text for text, _ in rows]), np.random.default_rng(0))
    assert len(set(fold[60:].tolist())) == 1


def test_each_class_is_spread_over_all_folds_and_a_small_one_is_never_held_out():
    y = np.repeat([0, 1, 2], [23, 10, FOLDS - 1])
    fold = deal_to_judge(y, np.arange(len(y)), np.random.default_rng(0))
    assert np.bincount(fold[:23], minlength=FOLDS).tolist() in ([5, 5, 5, 4, 4],)
    assert np.bincount(fold[23:33]).tolist() == [2] * FOLDS
    assert (fold[33:] == -1).all()


def test_rows_of_small_classes_are_not_judged_but_train():
    rows = [*reviews(60), *[(f"the weather is mild {i}", "weather") for i in range(FOLDS - 1)]]
    found = out_of_fold(labelled(rows), Settings(seed=1), None)
    assert found.labels == ("bad", "good", "weather")
    assert found.judged.tolist() == list(range(60))
    assert found.P[:60].sum(axis=1) == pytest.approx(np.ones(60))


def test_too_few_texts_to_judge_by_are_refused():
    with pytest.raises(TrainingError, match="expected at least two classes of 5 different texts to judge labels by"):
        find_label_errors(labelled([("a", "x"), ("b", "y"), ("c", "x")]), Settings(), None)


def test_the_confident_joint_of_a_small_table_by_hand():
    P = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    y = np.array([0, 0, 0, 1, 1, 1])
    # t = [(0.9 + 0.8 + 0.1) / 3, (0.4 + 0.8 + 0.7) / 3] = [0.6, 0.633…]: rows 0, 1 and 3 count as 0; 2, 4 and 5 as 1
    assert confident_joint(P, y) == pytest.approx(np.array([[2.0, 1.0], [1.0, 2.0]]))
    assert flag_label_errors(P, y).tolist() == [False, False, True, True, False, False]


def test_a_class_that_no_row_has_is_suggested_to_none():
    P = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.8, 0.0]])
    joint = confident_joint(P, np.array([0, 0, 1]))
    assert joint[:, 2].tolist() == [0.0, 0.0, 0.0]
    assert joint[2].sum() == 0


@pytest.mark.parametrize("k", [2, 5])
def test_the_joint_has_as_many_rows_of_each_label_as_there_are(k):
    rng = np.random.default_rng(k)
    P, y = rng.dirichlet(np.ones(k), 200), rng.integers(0, k, 200)
    assert confident_joint(P, y).sum(axis=1) == pytest.approx(np.bincount(y, minlength=k))
    assert not flag_label_errors(P, P.argmax(axis=1)).any()


def test_the_command_writes_a_list_to_correct_worst_first(tmp_path, capsys):
    rows = with_wrong(reviews(), {10, 41})
    table, listed = tmp_path / "reviews.csv", tmp_path / "suspects.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    assert run(["check", str(table), "--labels", str(listed), "--vectors", "none", "--json", "-q"]) == 0
    with listed.open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert list(found[0]) == ["row", "label", "suggested", "score", "text"]
    assert {int(line["row"]) for line in found[:2]} == {11, 42}
    assert found[0]["text"] == rows[int(found[0]["row"]) - 1][0]
    kinds = {finding["kind"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert kinds["suspect-label"]["rows"] == [int(line["row"]) for line in found]


def test_rows_of_several_columns_are_listed_as_people_read_them(tmp_path):
    table, listed = tmp_path / "reviews.csv", tmp_path / "suspects.csv"
    with table.open("w", newline="") as stream:
        rows = [("Film", text, label) for text, label in with_wrong(reviews(), {10, 41, 70, 99})]
        csv.writer(stream).writerows([("title", "body", "label"), *rows])
    columns = ["--text-column", "title", "--text-column", "body"]
    assert run(["check", str(table), *columns, "--labels", str(listed), "--vectors", "none", "-q"]) == 0
    with listed.open(newline="") as stream:
        (first, *_) = csv.DictReader(stream)
    assert first["text"] == " | ".join(rows[int(first["row"]) - 1][:2])
