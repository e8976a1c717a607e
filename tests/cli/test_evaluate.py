"""What `evaluate` says of promises, of rows with labels that the model lacks, and when a figure is too low."""

import csv
import json
import re

import pytest
from hostile import DATA, MODEL, accepted, refused, textclf
from scipy.stats import chi2_contingency

from textclf.analysis.evaluate import Answered
from textclf.metrics.bootstrap import p_of_drop
from textclf.model.model import Model

LABELS = Model.load(MODEL).labels


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["text", "label"])
        for number in range(30):
            rows.writerow([f"a good film {number}", LABELS[number % 2]])
    return path


def test_a_promise_is_broken_where_so_few_right_answers_are_hardly_chance():
    assert Answered(0.95, 7532, 5491, 5137).is_broken  # 0.9355 of them right
    assert Answered(0.95, 7532, 5491, 5137).p_value < 1e-5
    assert not Answered(0.95, 200, 100, 93).is_broken
    assert not Answered(0.95, 200, 0, 0).is_broken
    assert Answered(0.9, 10, 10, 6).p_value == pytest.approx(0.0127952)  # scipy.stats.binomtest(6, 10, 0.9, "less")


def test_rows_that_break_a_promise_are_said_to_in_text_and_in_json(tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,label\n" + "".join(f"good {n},up\nbad {n},down\n" for n in range(200)))
    test.write_text("text,label\n" + "".join(f"good {n},down\nbad {n},up\ngood x {n},up\n" for n in range(60)))
    model = tmp_path / "m"
    accepted("train", train, "-o", model, "--vectors", "none", "--recipe", "fast", "-q", "--target-precision", "0.9")
    said = accepted("evaluate", model, test, "--target-precision", "0.9").out
    assert "significantly below the promise (binomial test: p <0.0001)" in said
    found = json.loads(accepted("evaluate", model, test, "--target-precision", "0.9", "--json").out)["answered"]
    assert found["is_broken"] is True
    assert found["p_value"] < 1e-4
    kept = accepted("evaluate", model, train, "--target-precision", "0.9").out
    assert "below the promise" not in kept


def test_rows_with_a_label_that_training_did_not_have_stop_the_command_or_are_skipped_and_listed(table, tmp_path):
    table.write_text(table.read_text() + "a film,neutral\na day,nuetral\n")
    refused(r"t\.csv:32: row 31: label 'neutral' was not in the training data", "evaluate", MODEL, table)
    found = accepted(
        "evaluate", MODEL, table, "--on-error", "skip", "--refused", tmp_path / "r.csv", "--json"
    )  # fmt: skip
    assert json.loads(found.out)["n"] == 30
    assert "line 32 (row 31): label 'neutral' was not in the training data" in found.err
    with (tmp_path / "r.csv").open(newline="") as stream:
        assert [row["row"] for row in csv.DictReader(stream)] == ["31", "32"]


def test_a_file_of_many_with_one_unknown_label_keeps_its_other_rows(table, tmp_path):
    (tmp_path / "shards").mkdir()
    text = table.read_text()
    (tmp_path / "shards" / "a.csv").write_text(text)
    (tmp_path / "shards" / "b.csv").write_text(text + "a film,neutral\n")
    found = accepted("evaluate", MODEL, tmp_path / "shards", "--on-error", "skip", "--json")
    assert json.loads(found.out)["n"] == 60
    assert "60 rows of 2 files, 1 skipped" in found.err


def test_rows_to_validate_on_and_to_compare_on_are_skipped_alike(table, tmp_path):
    odd = tmp_path / "odd.csv"
    odd.write_text(table.read_text() + "a film,neutral\n")
    options = ("--vectors", "none", "--recipe", "fast", "-q")
    refused("row 31: label 'neutral'", "train", table, "-o", tmp_path / "m", "--valid", odd, *options)
    said = accepted("train", table, "-o", tmp_path / "m", "--valid", odd, "--on-error", "skip", *options).err
    assert "label 'neutral' was not in the training data" in said
    said = accepted("compare", MODEL, odd, "--on-error", "skip", "--json")
    assert json.loads(said.out)["n"] == 30


# --- decisions ----------------------------------------------------------------------------------------------------


def test_costs_are_told_to_people_and_to_programs_and_of_many_files_alike(table, tmp_path):
    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps({"costs": {LABELS[0]: {LABELS[1]: 10}}, "abstain": 0.7}))
    found = json.loads(accepted("evaluate", MODEL, table, "--costs", costs, "--json").out)
    assert set(found["costs"]) == {
        "per_1000", "interval", "expected", "likeliest", "cheapest", "constant", "abstained"
    }  # fmt: skip
    assert found["answered"]["target"] is None
    said = accepted("evaluate", MODEL, table, "--costs", costs).out
    assert f"cost of 1,000 rows: {found['costs']['per_1000']:.2f} (95% interval" in said
    assert f"abstention: coverage {1 - found['costs']['abstained']:.1%}" in said
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "a.csv").write_text(table.read_text())
    assert json.loads(accepted("evaluate", MODEL, tmp_path / "shards", "--costs", costs, "--json").out) == found
    costs.write_text('{"costs": {"none": {"such": 1}}}')
    refused("costs: label 'none' was not in the training data", "evaluate", MODEL, table, "--costs", costs)


def test_the_label_that_is_looked_for_has_its_thresholds_by_recall(table):
    found = json.loads(accepted("evaluate", MODEL, table, "--positive", LABELS[1], "--threshold", "0.3", "--json").out)
    positive = found["positive"]
    assert (positive["label"], positive["threshold"]) == (LABELS[1], 0.3)
    assert positive["recall"] == found["per_class"][LABELS[1]]["recall"]
    assert positive["curve"][-1]["recall"] == 1.0
    said = accepted("evaluate", MODEL, table, "--positive", LABELS[1], "--threshold", "0.3").out
    assert f"{LABELS[1]!r} from 0.3000 on: precision" in said
    assert f"{LABELS[1]} from  precision  recall" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--threshold", "0.5", "--target-precision", "0.9"),
            "expected one rule, found threshold and target precision",
        ),
        (("--threshold", "0.5", "--threshold", "0.6"), "--threshold is given twice"),
        (("--threshold", "80"), "expected a number of 0 to 1 such as 0.8, or spam=0.9"),
        (("--target-recall", "0.9"), "target recall: expected a positive label"),
    ],
)
def test_rules_that_do_not_go_together_are_wrong_usage(options, said, table):
    for arguments in (("evaluate", MODEL, table), ("predict", MODEL, "a text")):
        outcome = textclf(*arguments, *options)
        assert outcome.code == 2
        assert said in outcome.err


def test_rows_below_a_threshold_are_labelled_and_said_to_be_abstained(table, tmp_path):
    out = tmp_path / "out.csv"
    said = accepted("predict", MODEL, "-i", table, "-o", out, "--threshold", "0.6", "--threshold", f"{LABELS[0]}=1")
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    least = {LABELS[0]: 1.0, LABELS[1]: 0.6}
    for row in rows:
        assert (row["abstained"] == "false") == (float(row["confidence"]) >= least[row["label_2"]])
    answered = sum(row["abstained"] == "false" for row in rows)
    assert f"{answered} answered, {30 - answered} abstained." in said.err


def test_a_promise_that_nothing_keeps_is_warned_of_with_one_that_can_be_kept(tmp_path):
    train = tmp_path / "train.csv"
    train.write_text("text,label\n" + "".join(f"good {n},up\nbad {n},down\n" for n in range(40)))
    model = tmp_path / "m"
    accepted("train", train, "-o", model, "--vectors", "none", "--recipe", "fast", "-q")
    for command in (("predict", model, "good"), ("evaluate", model, train)):
        said = accepted(*command, "--target-precision", "0.999").err
        assert "Warning: target precision 0.999: 80 held-out rows cannot promise it: nothing is answered. They" in said
    said = accepted("evaluate", model, train, "--target-precision", "0.999").out
    assert re.search(r"never given at this target; the highest possible: 'down' 0\.\d+, 'up' 0\.\d+\n", said)


def test_labels_in_an_order_get_the_one_nearest_to_the_expected_rank(tmp_path):
    train = tmp_path / "train.csv"
    words = {"bad": "awful dull", "fair": "plain usual", "good": "great fine"}
    rows = [(f"{word} thing {n}", label) for n in range(30) for label, pair in words.items() for word in pair.split()]
    train.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    fast = ("--vectors", "none", "--recipe", "fast", "-q")
    refused(r"ordinal: expected labels that are different numbers, found 'bad'", "train", train, "-o", tmp_path / "m",
            "--ordinal", *fast)  # fmt: skip
    refused(r"ordinal: expected each label once in the order, 'fair' not found in the order", "train", train, "-o",
            tmp_path / "m", "--label-order", "bad,good", *fast)  # fmt: skip
    accepted("train", train, "-o", tmp_path / "m", "--label-order", "bad, fair,good", *fast)
    found = [
        json.loads(line)
        for line in accepted("predict", tmp_path / "m", "--json", "dull fine great", "dull").out.splitlines()
    ]
    for one in found:
        expected = one["probabilities"].get("fair", 0) + 2 * one["probabilities"]["good"]
        assert one["label"] == ["bad", "fair", "good"][round(expected)]
        assert one["confidence"] == one["probabilities"][one["label"]]
    assert found[0]["probabilities"]["fair"] < 0.01
    assert found[0]["label"] == "fair", "between two extremes lies the middle, however unlikely"
    ordinal = json.loads(accepted("evaluate", tmp_path / "m", train, "--json").out)["ordinal"]
    assert ordinal["mean_absolute_error"] < 0.2


# --- for CI -------------------------------------------------------------------------------------------------------


def test_a_figure_that_is_too_low_or_a_loss_that_is_too_high_is_exit_code_1_and_one_line(table):
    accepted("evaluate", MODEL, table, "--fail-under", "accuracy=0.1", "--fail-under", "log-loss=50")
    refused(r"^Error: accuracy: expected at least 0\.99, found 0\.\d{4}\. The model fails", "evaluate", MODEL, table,
            "--fail-under", "log-loss=50", "--fail-under", "accuracy=0.99")  # fmt: skip
    refused(
        r"^Error: log-loss: expected at most 0\.01, found", "evaluate", MODEL, table, "--fail-under", "log-loss=.01"
    )


@pytest.mark.parametrize(
    ("bar", "said"), [("acc=0.5", "expected one of accuracy, average-precision"), ("accuracy", "such as")]
)
def test_a_figure_that_there_is_not_is_wrong_usage(bar, said, table):
    outcome = textclf("evaluate", MODEL, table, "--fail-under", bar)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_drop_beyond_chance_is_exit_code_1_and_a_small_one_is_not(table, tmp_path):
    old = tmp_path / "old.json"
    old.write_text(accepted("evaluate", MODEL, table, "--json").out)
    assert "no significant drop: accuracy" in accepted("evaluate", MODEL, table, "--compare-to", old).err
    old.write_text('{"n": 3000, "accuracy": 0.97}')
    refused(r"expected no significant drop, found accuracy 0\.9700 →", "evaluate", MODEL, table, "--compare-to", old)
    for text in ("{}", "[1]", "x", '{"n": 0, "accuracy": 0.5}', '{"n": 5, "accuracy": NaN}'):
        old.write_text(text)
        refused(
            "old.json: expected what an earlier evaluate --json wrote", "evaluate", MODEL, table, "--compare-to", old
        )


def test_the_chance_of_a_drop_is_that_of_two_shares():
    assert p_of_drop(0.9, 1000, 0.9, 1000) == 0.5
    witness = chi2_contingency([[900, 100], [870, 130]], correction=False).pvalue / 2
    assert p_of_drop(0.9, 1000, 0.87, 1000) == pytest.approx(witness)
    assert p_of_drop(1.0, 10, 1.0, 10) == 1.0


def test_copies_of_rows_make_no_interval_narrower_and_break_no_promise(write, tmp_path):
    rows = (DATA / "reviews-test.csv").read_text("utf-8").partition("\n")[2]
    once, copied = write("text,label\n" + rows, "once.csv"), write("text,label\n" + rows * 9, "copied.csv")
    found = [json.loads(accepted("evaluate", MODEL, path, "--json").out) for path in (once, copied)]
    assert found[0]["accuracy"] == found[1]["accuracy"]
    assert found[0]["intervals"]["accuracy"] == pytest.approx(found[1]["intervals"]["accuracy"])
    assert "intervals and tests count copies of a text about once" in accepted("evaluate", MODEL, copied).out
    assert "about once" not in accepted("evaluate", MODEL, once).out
    asked = ("--positive", LABELS[1], "--target-recall", "0.9", "--json")
    found = [json.loads(accepted("evaluate", MODEL, path, *asked).out)["positive"] for path in (once, copied)]
    assert found[0]["p_value"] == pytest.approx(found[1]["p_value"], abs=1e-9)
    assert Answered(0.95, 900, 900, 837).is_broken
    assert not Answered(0.95, 900, 900, 837, independent=1 / 9).is_broken
