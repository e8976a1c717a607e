"""Texts with several labels or none: from the command line first, then thresholds, figures and splits."""

import csv
import json

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from textclf.cli import run
from textclf.errors import ModelError, TextclfError, TrainingError
from textclf.labels import cut_labels, join_labels, multi_hot
from textclf.metrics.multi_label import (
    COMMON_ROWS,
    FEWEST_ROWS,
    MultiLabelTally,
    choose_thresholds,
    cross_validate,
    decisions,
    exact_and_macro_f1,
    new_tally,
    strata,
)
from textclf.model.file import read_model, write_model
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.training.data import RowsByClass, split
from textclf.training.nbsvm import FLOOR, SMOOTHING, nbsvm_scales
from textclf.training.train import LabelledTexts, train

pytestmark = pytest.mark.usefixtures("small_starter")

WORDS = {
    "sport": ["ball", "goal", "team", "match", "coach"],
    "money": ["bank", "price", "coin", "loan", "stock"],
    "film|tv": ["scene", "actor", "screen", "plot", "cast"],
}
LITTLE = ["--vectors", "none", "--dimension", "10", "--quiet"]


def rows_of_topics(n, seed):
    """Return texts of words of up to three topics, each with the topics as labels; some have none."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        topics = [topic for topic in WORDS if rng.random() < 0.4]
        words = [str(word) for topic in topics for word in rng.choice(WORDS[topic], 3)]
        words += [str(word) for word in rng.choice(["the", "day", "and", "old", "green"], 4)]
        rows.append((" ".join(rng.permutation(words).tolist()), topics))
    return rows


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text", "labels"], *[[text, join_labels(labels)] for text, labels in rows]])


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Make a folder with a training table, a test table and a model."""
    folder = tmp_path_factory.mktemp("several")
    write_csv(folder / "train.csv", rows_of_topics(400, 1))
    write_csv(folder / "test.csv", rows_of_topics(100, 2))
    assert run(["train", str(folder / "train.csv"), "-o", str(folder / "m"), "--multi-label", *LITTLE]) == 0
    return folder


def told(capsys, *arguments, code=0):
    """Run a command; return standard output and standard error."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == code
    return capsys.readouterr()


# --- from the command line --------------------------------------------------------------------------------------------


def test_what_was_trained_on_several_labels_gives_several_or_none(place, capsys):
    texts = ["the coach and the bank and the price of a goal", "green and old", "an actor on a screen"]
    lines = told(capsys, "predict", place / "m", *texts).out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["money|sport", "[]", '["film|tv"]']
    assert [line.split("  ")[2] for line in lines] == texts
    objects = [json.loads(line) for line in told(capsys, "predict", place / "m", "--json", *texts).out.splitlines()]
    assert [list(each) for each in objects] == [["text", "labels", "confidence", "probabilities", "known_words"]] * 3
    assert [each["labels"] for each in objects] == [["money", "sport"], [], ["film|tv"]]
    for each in objects:
        sides = [p if label in each["labels"] else 1 - p for label, p in each["probabilities"].items()]
        assert each["confidence"] == pytest.approx(min(sides), abs=2e-6)
    assert sum(objects[0]["probabilities"].values()) > 1.5


def test_a_table_gets_cells_of_labels_with_their_least_certain_probability(place, capsys):
    out = place / "labelled.csv"
    told(capsys, "predict", place / "m", "-i", place / "test.csv", "-o", out, "--proba", "--top-k", 2)
    rows = read_csv(out)
    assert list(rows[0]) == [
        "text", "labels", "label", "confidence", "label_top1", "confidence_top1", "label_top2", "confidence_top2",
        "p_film|tv", "p_money", "p_sport",
    ]  # fmt: skip
    thresholds = json.loads(told(capsys, "info", place / "m", "--json").out)["thresholds"]
    assert list(thresholds) == ["film|tv", "money", "sport"]
    for row in rows:
        P = {label: float(row[f"p_{label}"]) for label in thresholds}
        given_labels = cut_labels(row["label"])
        assert list(given_labels) == [label for label, p in P.items() if p >= thresholds[label]]
        assert float(row["confidence"]) == pytest.approx(
            min(p if label in given_labels else 1 - p for label, p in P.items()), abs=2e-6
        )
        assert [float(row["confidence_top1"]), float(row["confidence_top2"])] == sorted(P.values(), reverse=True)[:2]
    assert sum(set(cut_labels(row["label"])) == set(cut_labels(row["labels"])) for row in rows) > 90


def test_evaluation_says_the_same_to_people_and_to_programs(place, capsys):
    text = told(capsys, "evaluate", place / "m", place / "test.csv", "--errors", place / "wrong.csv").out
    figures = json.loads(told(capsys, "evaluate", place / "m", place / "test.csv", "--json").out)
    assert figures["n"] == 100
    assert figures["micro_f1"] > 0.9
    assert figures["exact_match"] > 0.9 > figures["baseline"]["exact_match"]
    assert f"{figures['micro_precision']:.4f}  {figures['micro_recall']:.4f}  {figures['micro_f1']:.4f}" in text
    assert f"exact match {figures['exact_match']:.4f}   Hamming loss {figures['hamming_loss']:.4f}" in text
    assert "majority baseline: always " in text
    assert set(figures["per_class"]["film|tv"]) == {
        "precision", "recall", "f1", "support", "log_loss", "roc_auc", "average_precision",
    }  # fmt: skip
    wrong = read_csv(place / "wrong.csv")
    assert len(wrong) == round(100 * (1 - figures["exact_match"]))
    truth = [set(labels) for _, labels in rows_of_topics(100, 2)]
    for row in wrong:
        assert set(cut_labels(row["label"])) == truth[int(row["row"]) - 1] != set(cut_labels(row["predicted"]))


def test_reports_show_the_labels_and_no_confusions(place, capsys, no_pictures):
    report = place / "r.html"
    told(capsys, "evaluate", place / "m", place / "test.csv", "--report", report)
    html = report.read_text("utf-8")
    assert all(word in html for word in ("micro-F1", "macro-F1", "exact match", "Hamming loss", "film|tv"))
    assert "taken for whom" not in html
    told(capsys, "train", place / "train.csv", "-o", place / "x", "--multi-label", *LITTLE, "--report", report)
    html = report.read_text("utf-8")
    assert "validation rows, each judged by a model" in html
    assert "micro-F1" in html


def test_training_tells_people_and_programs_what_it_did(place, capsys):
    loud = [option for option in LITTLE if option != "--quiet"]
    out = told(capsys, "train", place / "train.csv", "-o", place / "x", "--multi-label", "--json", *loud)
    told_json = json.loads(out.out)
    without = sum(not labels for _, labels in rows_of_topics(400, 1))
    assert out.err.splitlines()[1] == f"400 examples, 3 labels, 1.3 a text; without any: {without}"
    named = {"texts", "micro_f1", "macro_f1", "exact_match", "log_loss", "weakest", "independent"}
    assert set(told_json["validation"]) == named
    assert told_json["settings"]["multi_label"] is True
    assert told_json["settings"]["output"] == "sigmoid"
    assert (place / "x").read_bytes() == (place / "m").read_bytes()
    out = told(capsys, "train", place / "train.csv", "-o", place / "x", "--multi-label", *loud)
    assert f"validation micro-F1 {told_json['validation']['micro_f1']:.4f} (majority baseline " in out.err


def test_lists_bars_and_fasttext_marks_give_the_same_model(place, capsys):
    import polars as pl

    rows = [(text, labels) for text, labels in rows_of_topics(150, 1) if labels]
    folder = place / "formats"
    folder.mkdir()
    write_csv(folder / "t.csv", rows)
    objects = [json.dumps({"text": text, "labels": labels}) for text, labels in rows]
    (folder / "t.jsonl").write_text("\n".join(objects), "utf-8")
    pl.DataFrame({"text": [text for text, _ in rows], "labels": [labels for _, labels in rows]}).write_parquet(
        folder / "t.parquet"
    )
    marks = [" ".join([*(f"__label__{label}" for label in labels), text]) for text, labels in rows]
    (folder / "t.txt").write_text("\n".join(marks) + "\n", "utf-8")
    models = []
    for name in ("t.csv", "t.jsonl", "t.parquet", "t.txt"):
        told(capsys, "train", folder / name, "-o", folder / "m", "--multi-label", *LITTLE)
        models.append((folder / "m").read_bytes())
        told(capsys, "evaluate", folder / "m", folder / name)
    assert models[1:] == models[:1] * 3


def test_rows_without_a_label_are_rows_in_every_format(place, capsys):
    import polars as pl

    (place / "e.csv").write_text("text,labels\ngood,\nbad,[]\nball,sport\n")
    objects = [
        '{"text": "good", "labels": null}',
        '{"text": "bad", "labels": []}',
        '{"text": "ball", "labels": "sport"}',
    ]
    (place / "e.jsonl").write_text("\n".join(objects))
    pl.DataFrame({"text": ["good", "bad", "ball"], "labels": [None, [], ["sport"]]}).write_parquet(place / "e.parquet")
    (place / "e.txt").write_text("__label__sport ball\ngood\nbad\n")
    for name in ("e.csv", "e.jsonl", "e.parquet", "e.txt"):
        figures = json.loads(told(capsys, "evaluate", place / "m", place / name, "--json").out)
        assert figures["n"] == 3
        assert figures["per_class"]["sport"]["support"] == 1
        assert figures["baseline"] == {"labels": [], "exact_match": pytest.approx(2 / 3), "micro_f1": 0.0}


def test_validation_rows_from_a_file_choose_the_thresholds(place, capsys):
    options = ["--valid", place / "test.csv", "--json", "--multi-label", *LITTLE]
    figures = json.loads(told(capsys, "train", place / "train.csv", "-o", place / "x", *options).out)
    assert figures["validation"]["texts"] == 100
    assert figures["validation"]["micro_f1"] > 0.9


def test_weights_of_rows_count_as_copies_do(place, capsys):
    rows = rows_of_topics(60, 3)
    write_csv(place / "copied.csv", rows + rows[:20])
    with (place / "weighted.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [
                ["text", "labels", "w"],
                *[[text, join_labels(labels), 1 + (i < 20)] for i, (text, labels) in enumerate(rows)],
            ]
        )
    options = [
        "--multi-label",
        "--quiet",
        "--valid-fraction",
        0,
        "--epochs",
        300,
        "--word-ngrams",
        0,
        "--char-ngrams",
        "none",
    ]
    P = []
    for name, more in (("copied.csv", []), ("weighted.csv", ["--weight-column", "w"])):
        told(capsys, "train", place / name, "-o", place / "w", *options, *more)
        P.append(Model.load(place / "w").predict([text for text, _ in rows]).P)
    np.testing.assert_allclose(P[0], P[1], atol=0.01)
    assert P[0].std() > 0.1


@pytest.mark.parametrize(
    "options",
    [
        ["--loss", "squared-error"],
        ["--optimizer", "adam", "--hidden", "8", "--epochs", "12", "--output", "sigmoid"],
        ["--word-ngrams", "0", "--char-ngrams", "none", "--vectors", "starter"],
        ["--valid-fraction", "0"],
    ],
)
def test_every_way_to_train_beats_the_commonest_set(options, place, capsys):
    own = ["--quiet"] if "--vectors" in options else LITTLE
    told(capsys, "train", place / "train.csv", "-o", place / "x", "--multi-label", *own, *options)
    figures = json.loads(told(capsys, "evaluate", place / "x", place / "test.csv", "--json").out)
    assert figures["micro_f1"] > figures["baseline"]["micro_f1"] + 0.1
    assert figures["exact_match"] > figures["baseline"]["exact_match"]


ERRORS = {
    "a list cut short": ('good,"[""a"", "\nbad,b\n', "bad.csv:2: row 1: expected labels such as a|b or a JSON list"),
    "a list of numbers": ('good,b\nbad,"[1, 2]"\n', "bad.csv:3: row 2: expected labels such as a|b or a JSON list"),
    "no label at all": ("good,\nbad,[]\n", "expected some that rows have and others lack, found no label in any row"),
    "labels that all have": ("good,a|b\nbad,b|a\n", "found that every row has 'a', 'b'. Add other rows."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_said_in_one_line(name, tmp_path, capsys):
    table, expected = ERRORS[name]
    (tmp_path / "bad.csv").write_text("text,labels\n" + table)
    said = told(capsys, "train", tmp_path / "bad.csv", "-o", tmp_path / "m", "--multi-label", *LITTLE, code=1)
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert expected in said.err
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_a_label_that_the_model_does_not_have_is_an_error_with_its_row(place, capsys):
    (place / "new.csv").write_text("text,labels\nball,sport\ncoin,money|sports\n")
    expected = "row 2: label 'sports' was not in the training data."
    assert expected in told(capsys, "evaluate", place / "m", place / "new.csv", code=1).err
    options = ["-o", place / "x", "--valid", place / "new.csv", "--multi-label", *LITTLE]
    assert expected in told(capsys, "train", place / "train.csv", *options, code=1).err


@pytest.mark.parametrize("options", [["--output", "softmax"], ["--class-weight", "balanced"]])
def test_options_that_go_with_one_label_are_wrong_usage(options, place, capsys):
    said = told(capsys, "train", place / "train.csv", "-o", place / "x", "--multi-label", *options, code=2)
    assert options[0] in said.err


def test_a_single_label_that_some_rows_lack_is_a_model(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("text,labels\n" + "good film,fine\nbad film,\n" * 10)
    told(capsys, "train", tmp_path / "t.csv", "-o", tmp_path / "m", "--multi-label", *LITTLE)
    lines = told(capsys, "predict", tmp_path / "m", "good", "bad").out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["fine", "[]"]


# --- the model and its settings ---------------------------------------------------------------------------------------


def test_settings_hold_together():
    assert Settings(multi_label=True, output="sigmoid").as_dict()["multi_label"] is True
    assert "multi_label" not in Settings().as_dict()
    with pytest.raises(TextclfError, match=r"output: expected sigmoid, .* found 'softmax'"):
        Settings(multi_label=True)
    with pytest.raises(TextclfError, match="class_weight: expected none"):
        Settings(multi_label=True, output="sigmoid", class_weight={"a": 2.0})


def test_a_model_without_validation_rows_has_thresholds_of_a_half():
    data = LabelledTexts(["good film", "bad film", "good bad"], ["a", "b", "a|b"])
    trained = train(data, Settings(multi_label=True, output="sigmoid", dimension=4), None)
    assert trained.validation is None
    assert trained.model.thresholds.tolist() == [0.5, 0.5]
    with pytest.raises(TrainingError, match="found no label in any row"):
        train(LabelledTexts([], []), Settings(multi_label=True, output="sigmoid"), None)


def test_thresholds_are_chosen_on_the_validation_rows_and_outlive_the_last_fit():
    rng = np.random.default_rng(0)
    rows = [(text, [label for label in labels if rng.random() < 0.35]) for text, labels in rows_of_topics(300, 4)]
    data = LabelledTexts([text for text, _ in rows], [join_labels(labels) for _, labels in rows])
    settings = Settings(
        multi_label=True, output="sigmoid", dimension=10, valid_fraction=0.3, calibrate=False, recipe="fast"
    )
    valid = LabelledTexts(data.texts[:100], data.labels[:100])
    model = train(data, settings, None, valid=valid).model
    Y = multi_hot([cut_labels(cell) for cell in valid.labels], model.labels)
    chosen = choose_thresholds(model.predict(valid.texts).P, Y)
    np.testing.assert_array_equal(model.thresholds, chosen)
    assert (chosen != 0.5).any()
    refitted = train(data, settings, None).model
    assert set(refitted.thresholds.tolist()) != {0.5}


@pytest.mark.parametrize(
    ("thresholds", "output"),
    [([0.5, 0.5, 1.5], "sigmoid"), ([0.5, -0.1, 0.5], "sigmoid"), ([0.5, 0.5, 0.5], "softmax")],
)
def test_a_file_whose_thresholds_cannot_be_is_refused(thresholds, output, place, tmp_path):
    file = read_model(place / "m")
    description = {name: value for name, value in file.description.items() if name not in ("format", "sha256")}
    description["model"] = {**description["model"], "output": output}
    write_model(tmp_path / "m", {**file.arrays, "thresholds": np.array(thresholds, np.float32)}, description)
    with pytest.raises(ModelError, match=r"thresholds: expected numbers of 0 to 1|model\.output: expected sigmoid"):
        Model.load(tmp_path / "m")
    description["model"] = {**description["model"], "output": "sigmoid"}
    write_model(tmp_path / "n", {**file.arrays, "thresholds": np.array([0.5, 0.5], np.float32)}, description)
    with pytest.raises(ModelError, match="expected 'thresholds' of F32 and shape 3"):
        Model.load(tmp_path / "n")


# --- splits and scales ------------------------------------------------------------------------------------------------


@st.composite
def truths(draw, least=1):
    """Draw Y, shape (n, k), of any rows, and probabilities P that lean towards it."""
    n, k = draw(st.integers(least, 60)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    Y = (rng.random((n, k)) < rng.random(k)).astype(np.float32)
    return Y, np.clip(0.3 * Y + rng.random((n, k)) * 0.7, 0.0, 1.0)


def test_a_row_belongs_to_its_rarest_label():
    Y = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    assert strata(Y).tolist() == [1, 0, 2, 3, 2, 1]
    y = np.array([2, 0, 1, 1, 0, 2, 2])
    np.testing.assert_array_equal(strata(np.eye(3)[y]), y)


@given(truths(least=4))
def test_every_stratum_that_is_large_enough_is_validated_on(drawn):
    Y, _ = drawn
    _, valid = split(RowsByClass(strata(Y)), 0.2, np.random.default_rng(0))
    numbers, counts = np.unique(strata(Y), return_counts=True)
    assert set(strata(Y)[valid].tolist()) >= {int(j) for j, n in zip(numbers, counts, strict=True) if n >= 4}


@given(truths(), st.integers(1, 6))
def test_scales_count_outside_a_label_the_rows_that_lack_it(drawn, V):
    Y, _ = drawn
    rng = np.random.default_rng(V)
    C = rng.uniform(0.1, 2.0, (len(Y), V)) * (rng.random((len(Y), V)) < 0.5)
    if C.any():
        found = nbsvm_scales(oracles.wide_rows(C), Y.astype(np.float64))
        expected = oracles.nbsvm_scales(C.tolist(), Y.tolist(), FLOOR, SMOOTHING)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


# --- thresholds -------------------------------------------------------------------------------------------------------


def micro_f1(Y, P, threshold):
    given = decisions(P, threshold)
    return 2 * (given & (Y > 0)).sum() / max(given.sum() + (Y > 0).sum(), 1)


@given(truths(least=FEWEST_ROWS))
def test_one_labels_threshold_is_the_best_there_is(drawn):
    Y, P = drawn[0][:, :1], drawn[1][:, :1]
    (threshold,) = choose_thresholds(P, Y)
    assert 0 < threshold < 1
    best = max(micro_f1(Y, P, t) for t in np.linspace(0.01, 0.99, 99))
    assert micro_f1(Y, P, threshold) >= best - 0.05  # the grid is coarser than the probabilities


def test_a_label_gets_a_threshold_of_its_own_as_its_rows_grow_in_number():
    rng = np.random.default_rng(0)
    n = 20_000
    Y = np.zeros((n, 3), np.float32)
    Y[:, 0], Y[:, 1], Y[:40, 2] = rng.random(n) < 0.5, rng.random(n) < 0.5, 1.0
    P = np.where(Y > 0, 0.75, 0.25) + rng.normal(0, 0.05, Y.shape)
    P[:, 1:] *= 0.4  # the last two are spoken of timidly
    thresholds = choose_thresholds(P, Y)
    assert thresholds[0] == pytest.approx(0.5, abs=0.05)
    assert thresholds[1] == pytest.approx(0.2, abs=0.05)
    common = choose_thresholds(P[:, [0]].repeat(2, axis=1), Y[:, [0]].repeat(2, axis=1))[0]
    assert COMMON_ROWS > 40
    assert abs(thresholds[2] - common) > abs(thresholds[1] - thresholds[2])


def test_few_rows_and_rows_without_labels_leave_a_half():
    rng = np.random.default_rng(0)
    P = rng.random((FEWEST_ROWS, 2)) * 0.2
    Y = (P > 0.1).astype(np.float32)
    assert choose_thresholds(P, Y).max() < 0.15
    assert choose_thresholds(P[1:], Y[1:]).tolist() == [0.5, 0.5]
    assert choose_thresholds(P, 0 * Y).tolist() == [0.5, 0.5]


def test_of_thresholds_that_do_equally_well_the_one_nearest_to_a_half_is_taken():
    Y = np.tile([[0.0, 1.0]], (30, 1))
    assert choose_thresholds(np.tile([[0.1, 0.9]], (30, 1)), Y).tolist() == [0.5, 0.5]
    assert choose_thresholds(np.tile([[0.1, 0.3]], (30, 1)), Y).tolist() == pytest.approx([0.3, 0.3], abs=0.01)


# --- figures ----------------------------------------------------------------------------------------------------------

NAMES = ["a", "b", "c", "d"]


def tally(Y, P, thresholds):
    counted = MultiLabelTally(NAMES[: Y.shape[1]], thresholds)
    counted.add_rows(Y, P, words=np.full(len(Y), 2), known=np.arange(len(Y)) % 3)
    return counted


@given(truths())
def test_figures_are_those_of_scikit_learn(drawn):
    Y, P = drawn
    thresholds = np.linspace(0.3, 0.6, Y.shape[1]).astype(np.float32)
    found, answers = tally(Y, P, thresholds).evaluation(), decisions(P, thresholds)
    occurring = np.flatnonzero((Y > 0).any(axis=0) | answers.any(axis=0))
    sides = [np.stack([part, 1 - part], axis=1) for part in (Y, answers)] if Y.shape[1] == 1 else [Y, answers]
    labels = [0] if Y.shape[1] == 1 else None
    for average, ours in (("micro", found.micro), ("macro", found.macro)):
        chosen = labels if average == "micro" or labels else occurring
        if not len(occurring):
            assert ours == (0.0, 0.0, 0.0)
            continue
        expected = metrics.precision_recall_fscore_support(
            sides[0].reshape(len(Y), -1),
            sides[1].reshape(len(Y), -1),
            average=average,
            labels=chosen,
            zero_division=0.0,
        )
        assert ours == pytest.approx(expected[:3])
    assert found.exact_match == pytest.approx((answers == (Y > 0)).all(axis=1).mean())
    assert found.hamming_loss == pytest.approx((answers != (Y > 0)).mean())
    for j, scores in enumerate(found.per_class.values()):
        assert scores.log_loss == pytest.approx(metrics.log_loss(Y[:, j], P[:, j], labels=[0, 1]))
        assert scores.support == Y[:, j].sum()
        if 0 < Y[:, j].sum() < len(Y):
            assert found.ranking.roc_auc[j] == pytest.approx(metrics.roc_auc_score(Y[:, j], P[:, j]), abs=1e-12)
            expected = metrics.average_precision_score(Y[:, j], P[:, j])
            assert found.ranking.average_precision[j] == pytest.approx(expected, abs=1e-12)
    json.dumps(found.as_dict(), allow_nan=False)
    assert found.log_loss == pytest.approx(np.mean([scores.log_loss for scores in found.per_class.values()]))


@given(truths(), st.integers(0, 60))
def test_batches_add_up_to_the_whole(drawn, cut):
    Y, P = drawn
    thresholds = np.full(Y.shape[1], 0.4, np.float32)
    first, second = tally(Y[:cut], P[:cut], thresholds), tally(Y[cut:], P[cut:], thresholds)
    first.merge(second)
    whole, parts = tally(Y, P, thresholds).evaluation().as_dict(), first.evaluation().as_dict()
    del whole["known_words"], whole["without_known_words"]
    assert parts["n"] == len(Y)
    assert parts["log_loss"] == pytest.approx(whole["log_loss"])
    assert parts["exact_match"] == whole["exact_match"]
    assert parts["micro_f1"] == whole["micro_f1"]
    assert parts["baseline"] == whole["baseline"]


@given(truths())
def test_the_baseline_is_what_its_set_would_score(drawn):
    Y, P = drawn
    found = tally(Y, P, np.full(Y.shape[1], 0.5)).evaluation()
    always = np.tile([label in found.commonest for label in found.labels], (len(Y), 1))
    exact, f1 = found.baseline
    assert exact == pytest.approx((always == (Y > 0)).all(axis=1).mean())
    assert f1 == pytest.approx(metrics.f1_score(Y.ravel(), always.ravel(), zero_division=0.0))
    assert exact >= max(((row == Y).all(axis=1)).mean() for row in Y) - 1e-12


@given(truths())
def test_each_half_is_measured_with_the_thresholds_of_the_other(drawn):
    Y, P = drawn
    none = np.zeros(len(Y), np.int64)
    found = cross_validate(NAMES[: Y.shape[1]], Y, P, none, none, np.arange(len(Y)) % 2 > 0).evaluation()
    other = np.empty_like(Y, dtype=bool)
    other[::2] = decisions(P[::2], choose_thresholds(P[1::2], Y[1::2]))
    other[1::2] = decisions(P[1::2], choose_thresholds(P[::2], Y[::2]))
    assert found.n == len(Y)
    assert found.exact_match == pytest.approx((other == (Y > 0)).all(axis=1).mean())
    assert (found.exact_match, found.macro[2]) == pytest.approx(exact_and_macro_f1(other, Y))


def test_a_tally_is_made_for_the_kind_of_model():
    one, several = new_tally(["a", "b"], None), new_tally(["a", "b"], np.array([0.5, 0.5]))
    Y, P = np.eye(2)[[0, 1, 1]], np.array([[0.6, 0.4], [0.4, 0.6], [0.45, 0.55]])
    for counted in (one, several):
        counted.add_rows(Y, P, words=np.ones(3, np.int64), known=np.ones(3, np.int64))
    assert one.evaluation().accuracy == several.evaluation().exact_match == 1.0
