"""Classifiers side by side: figures, verdicts, slices, the rows that differ, and what a user may get wrong."""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from textclf.analysis.compare import MAJORITY, TFIDF, Answers, add_baselines, commonest, compare, tfidf_logistic
from textclf.cli import cli, run
from textclf.cli.commands.compare import comparison_text
from textclf.errors import DataError
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train

pytestmark = pytest.mark.usefixtures("small_starter")

GOOD = ["lovely film", "great fun", "a fine story", "warm and great", "lovely story", "fine fun", "great cast"]
BAD = ["dull film", "awful noise", "a poor story", "cold and dull", "awful story", "poor noise", "dull cast"]


def answers(y, *given, models=None, words=None, column=None, texts=None):
    """Make the answers of classifiers a, b, c, …; labels are x, y, z."""
    n = len(y)
    return Answers(
        tuple("abcdef"[: len(given)]),
        len(given) if models is None else models,
        ("x", "y", "z"),
        list(range(1, n + 1)),
        [f"text {i}" for i in range(n)] if texts is None else texts,
        np.array(y),
        np.array(given).T,
        np.full((n, len(given)), 0.75),
        np.arange(n) if words is None else np.array(words),
        column,
        [],
    )


def compared(*arguments, **settings):
    return compare(answers(*arguments, **settings), np.random.default_rng(1))


Y = [0, 1] * 50
WORSE = [1 - y if i < 30 else y for i, y in enumerate(Y)]
SLIGHTLY_WORSE = [1 - y if i < 2 else y for i, y in enumerate(Y)]


def test_a_classifier_that_is_right_where_another_errs_is_better_and_not_by_chance():
    found = compared(Y, Y, WORSE)
    (duel,) = found.duels
    assert (duel.only_first_right, duel.only_other_right) == (30, 0)
    assert duel.accuracy.value == pytest.approx(0.3)
    assert 0.2 < duel.accuracy.low < duel.accuracy.high < 0.4
    assert duel.p == pytest.approx(2 / 2**30)
    assert duel.is_significant
    assert "a is more accurate than b" in comparison_text(found, None)


def test_copies_of_the_rows_make_no_difference_significant_and_no_interval_narrower():
    rows = [1 - y if i < 5 else y for i, y in enumerate(Y)]
    once = compared(Y, Y, rows)
    copied = compared(Y * 9, Y * 9, rows * 9, texts=[f"text {i}" for i in range(100)] * 9)
    assert copied.duels[0].p == once.duels[0].p == 2 / 2**5
    assert (copied.duels[0].only_first_right, copied.independent) == (45, pytest.approx(1 / 9))
    assert copied.duels[0].accuracy == once.duels[0].accuracy
    assert [score.macro_f1 for score in copied.scores] == [score.macro_f1 for score in once.scores]
    assert copied.scores[0].accuracy.low == pytest.approx(once.scores[0].accuracy.low)  # never wrong: the exact bound
    assert "intervals and tests count copies of a text about once" in comparison_text(copied, None)
    assert "about once" not in comparison_text(once, None)
    assert compared(Y * 9, Y * 9, rows * 9).duels[0].is_significant


def test_one_text_that_is_repeated_very_often_decides_nothing():
    y = [0] * 40 + Y
    found = compared(y, y, [1] * 40 + Y, texts=["again"] * 40 + [f"text {i}" for i in range(100)])
    assert found.duels[0].only_first_right == 40
    assert not found.duels[0].is_significant
    assert found.duels[0].accuracy.low <= 0.0


def test_the_verdict_names_the_better_one_when_it_is_not_the_first():
    text = comparison_text(compared(Y, WORSE, Y), None)
    assert "b is more accurate than a; the difference is statistically significant" in text


def test_two_rows_of_a_hundred_may_be_chance():
    found = compared(Y, Y, SLIGHTLY_WORSE)
    assert found.duels[0].p == 0.5
    assert not found.duels[0].is_significant
    assert "a and b: the difference is not statistically significant (p 0.5000)" in comparison_text(found, None)


def test_classifiers_right_on_the_same_rows_differ_by_no_more_than_n_rows_can_tell():
    found = compared(Y, WORSE, WORSE)
    duel = found.duels[0]
    assert duel.p == 1.0
    assert duel.accuracy.value == 0.0
    assert (1 - duel.accuracy.high) ** 100 == pytest.approx(0.025)
    assert duel.accuracy.low == -duel.accuracy.high
    assert (duel.macro_f1.low, duel.macro_f1.high) == (None, None)
    assert "a and b are right on the same texts" in comparison_text(found, None)


def test_a_classifier_that_never_errs_is_not_said_to_be_perfect():
    score = compared(Y, Y).scores[0]
    assert (score.accuracy.value, score.accuracy.high) == (1.0, 1.0)
    assert score.accuracy.low == pytest.approx(0.9638, abs=1e-4)


def test_pairing_makes_the_difference_surer_than_the_figures():
    found = compared(Y, WORSE, [1 - y if i < 33 else y for i, y in enumerate(Y)])
    wide = found.scores[0].accuracy
    narrow = found.duels[0].accuracy
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_each_classifier_more_makes_a_lucky_find_less_likely():
    found = compared(Y, Y, SLIGHTLY_WORSE, WORSE)
    assert [duel.p_holm for duel in found.duels] == pytest.approx([0.5, 2 * 2 / 2**30])


def test_the_same_seed_gives_the_same_intervals():
    first, second = compared(Y, Y, WORSE), compared(Y, Y, WORSE)
    assert first.as_dict() == second.as_dict()


def test_slices_by_words_are_quarters_from_short_to_long_and_hold_every_row():
    found = compared(Y, WORSE)
    assert [part.value for part in found.by_words] == ["0–24", "25–49", "50–74", "75–99"]
    assert [part.n for part in found.by_words] == [25] * 4
    assert [part.accuracy[0] for part in found.by_words] == [0.0, 0.8, 1.0, 1.0]


def test_texts_of_one_length_are_one_slice():
    assert [(part.value, part.n) for part in compared(Y, Y, words=[7] * 100).by_words] == [("7", 100)]


def test_slices_by_a_column_come_commonest_first_and_an_absent_value_is_one_of_them():
    found = compared(Y, WORSE, Y, column=["shop"] * 30 + [None] * 10 + ["post"] * 60)
    assert [(part.value, part.n, part.accuracy) for part in found.by_column] == [
        ("post", 60, (1.0, 1.0)),
        ("shop", 30, (0.0, 1.0)),
        (None, 10, (1.0, 1.0)),
    ]
    assert "(none)" in comparison_text(found, "place")


def test_of_many_values_the_commonest_are_printed():
    text = comparison_text(compared(Y, Y, column=[str(i) for i in range(100)]), "id")
    assert "… and 80 more values; --json has all" in text


def test_only_models_and_not_baselines_are_said_to_disagree():
    assert answers(Y, Y, SLIGHTLY_WORSE, WORSE, models=2).disagreeing.tolist() == [0, 1]


def test_without_training_rows_the_majority_is_that_of_the_table():
    found = add_baselines(answers([1, 1, 0], [1, 1, 0]), None)
    assert found.names == ("a", MAJORITY)
    assert found.given[:, 1].tolist() == [1, 1, 1]


def test_baselines_learn_from_the_training_rows_and_may_know_another_label():
    rows = LabelledTexts(["text 0", "text 1", "text 2", "text 9"], ["x", "new", "x", "new"])
    found = add_baselines(answers([0, 1, 0], [0, 1, 0]), rows)
    assert found.names == ("a", TFIDF, MAJORITY)
    assert found.labels == ("x", "y", "z", "new")
    assert found.given[:, 1].tolist() == [0, 3, 0]


def test_of_equally_common_labels_the_first_is_taken():
    assert commonest(["b", "a", "b", "a"]) == "a"


def test_tfidf_tells_the_classes_apart_and_cuts_chinese_into_words():
    labels = ["good"] * 7 + ["bad"] * 7
    assert tfidf_logistic(GOOD + BAD, labels, ["a lovely great thing", "awful , dull"]) == ["good", "bad"]
    assert tfidf_logistic(["很好", "不好"] * 3, ["good", "bad"] * 3, ["我很", "我不"]) == ["good", "bad"]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [(["one", "two"], ["a", "a"], "at least two classes"), (["", ".."], ["a", "b"], "expected words, found none")],
)
def test_tfidf_says_which_rows_cannot_be_learnt_from(texts, labels, message):
    with pytest.raises(DataError, match=message):
        tfidf_logistic(texts, labels, [])


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with two models, a table of training rows, and one to measure on."""
    folder = tmp_path_factory.mktemp("compare")
    settings = Settings(vectors="none", dimension=8, valid_fraction=0.0)
    data = LabelledTexts(GOOD + BAD, ["good"] * 7 + ["bad"] * 7)
    train(data, settings, None).model.save(folder / "new.safetensors")
    labels = ["good", "bad"] * 7  # hardly to be learnt
    train(LabelledTexts(data.texts, labels), settings, None).model.save(folder / "old.safetensors")
    write(folder / "train.csv", [("text", "label"), *zip(data.texts, data.labels, strict=True)])
    rows = [
        ("great story", "good", "uk"),
        ("awful cast", "bad", "us"),
        ("lovely, fine", "good", "uk"),
        ("dull", "bad", ""),
    ]
    write(folder / "test.csv", [("text", "label", "country"), *rows])
    return folder


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


@pytest.fixture
def invoke(place, monkeypatch):
    def call(*arguments):
        monkeypatch.chdir(place)
        return CliRunner().invoke(cli, ["compare", *arguments], catch_exceptions=False, standalone_mode=True)

    return call


@pytest.fixture
def refused(place, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.chdir(place)
        code = run(["compare", *arguments])
        return code, capsys.readouterr().err

    return call


MODELS = ("new.safetensors", "old.safetensors")


def test_the_command_prints_figures_a_verdict_and_slices(invoke):
    done = invoke(*MODELS, "test.csv", "--slice-by", "country")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "4 texts, 2 classes"
    assert [line.split()[0] for line in lines[3:6]] == ["new", "old", "majority"]
    assert "accuracy by country  texts" in done.stdout
    assert "--train FILE" in done.stderr
    assert "test.csv: few independent texts, 4" in done.stderr


def test_json_says_the_same_and_nothing_else_stands_on_standard_output(invoke):
    done = invoke(*MODELS, "test.csv", "--train", "train.csv", "--json", "--slice-by", "country")
    found = json.loads(done.stdout)
    assert done.stderr == "Warning: test.csv: few independent texts, 4: take the intervals as rough.\n"
    assert [entry["name"] for entry in found["classifiers"]] == ["new", "old", TFIDF, MAJORITY]
    assert [entry["is_baseline"] for entry in found["classifiers"]] == [False, False, True, True]
    assert found["classifiers"][0]["accuracy"]["value"] == 1.0
    assert [entry["other"] for entry in found["against_first"]] == ["old", TFIDF, MAJORITY]
    assert [(part["value"], part["n"]) for part in found["slices"]["column"]] == [("uk", 2), ("", 1), ("us", 1)]
    assert sum(part["n"] for part in found["slices"]["words"]) == 4


def test_rows_on_which_models_differ_are_written(invoke, place):
    done = invoke(*MODELS, "test.csv", "--changed", "changed.csv")
    rows = list(csv.DictReader(StringIO((place / "changed.csv").read_text("utf-8"))))
    assert f"different labels to {len(rows)} text" in done.stdout
    assert list(rows[0]) == ["row", "label", "new", "new confidence", "old", "old confidence", "text"]
    assert all(row["new"] != row["old"] for row in rows)
    assert all(0.5 <= float(row["new confidence"]) <= 1 for row in rows)


def test_one_model_stands_beside_the_baselines(invoke):
    done = invoke("new.safetensors", "test.csv", "--train", "train.csv")
    assert "new ahead of" in done.stdout
    assert TFIDF in done.stdout
    assert "models give" not in done.stdout


def test_a_label_that_one_model_lacks_counts_as_wrong_and_is_told(invoke, place):
    data = LabelledTexts(GOOD + BAD, ["fine"] * 7 + ["bad"] * 7)
    settings = Settings(vectors="none", dimension=8, valid_fraction=0.0)
    train(data, settings, None).model.save(place / "fine.safetensors")
    done = invoke("new.safetensors", "fine.safetensors", "test.csv")
    assert done.exit_code == 0
    assert "fine was not trained with 'good': 2 rows that it cannot have right" in done.stderr


def test_models_of_one_name_in_two_folders_are_told_apart(invoke, place):
    (place / "other").mkdir()
    (place / "other" / "new.safetensors").write_bytes((place / "old.safetensors").read_bytes())
    found = json.loads(invoke("new.safetensors", "other/new.safetensors", "test.csv", "--json").stdout)
    names = [entry["name"] for entry in found["classifiers"]]
    assert names == ["new.safetensors", str(Path("other") / "new.safetensors"), MAJORITY]


def test_a_label_that_no_model_knows_is_an_error(refused, place):
    write(place / "typo.csv", [("text", "label"), ("fine", "good"), ("poor", "goood")])
    code, message = refused(*MODELS, "typo.csv")
    assert code == 1
    assert "typo.csv:3: row 2: label 'goood' was not in the training data" in message
    assert "Did you mean 'good'?" in message


def test_a_slice_column_that_is_not_there_is_an_error(refused):
    code, message = refused(*MODELS, "test.csv", "--slice-by", "county")
    assert code == 1
    assert "test.csv: no column 'county'; it has 'text', 'label' and 'country'. Did you mean 'country'?" in message


def test_a_slice_column_of_json_lines_may_be_absent_and_other_keys_may_come_late(invoke, place):
    rows = [{"text": "great", "label": "good", "by": 1}] * 300 + [{"text": "dull", "label": "bad", "late": 2}]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = json.loads(invoke(*MODELS, "rows.jsonl", "--slice-by", "by", "--json").stdout)
    assert [(part["value"], part["n"]) for part in found["slices"]["column"]] == [("1", 300), (None, 1)]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (MODELS, 2, "the table comes last"),
        (("new.safetensors", "./new.safetensors", "test.csv"), 2, "found one twice"),
        (("new.safetensors", "test.csv", "--changed", "c.csv"), 2, "name two models or more"),
        ((*MODELS, "test.csv", "--train", "test.csv"), 1, "found the table that is measured on"),
        ((*MODELS, "test.csv", "--changed", "test.csv"), 1, "found the same file"),
        (("test.csv", "old.safetensors", "test.csv"), 1, "test.csv"),
        ((*MODELS, "none.csv"), 1, "none.csv"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(refused, arguments, code, message):
    found, said = refused(*arguments)
    assert found == code
    assert message in said
    assert "Traceback" not in said
