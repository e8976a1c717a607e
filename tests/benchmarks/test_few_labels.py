"""The program that measures with few labels, on made rows; neither fastText nor an encoder is needed."""

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from programs import load_program


@pytest.fixture(scope="module")
def program():
    return load_program("benchmarks/few_labels.py")


def write_rows(path, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])


def review(number):
    """Return a row that its words give away."""
    words, label = (("good", "fine"), "yes") if number % 2 else (("bad", "poor"), "no")
    return f"a {words[number // 2 % 2]} film {number}", label


# --- rows -----------------------------------------------------------------------------------------------------------


def test_each_class_gives_as_many_rows_as_wanted_or_all_it_has(program):
    labels = ["a"] * 50 + ["b"] * 3 + ["c"] * 20
    drawn = program.draw_few(labels, 8, seed=1)
    assert sorted(labels[i] for i in drawn) == ["a"] * 8 + ["b"] * 3 + ["c"] * 8
    assert len(set(drawn)) == len(drawn)


def test_a_draw_is_its_seeds_and_holds_the_rows_of_a_smaller_one(program):
    labels = ["a", "b"] * 50
    assert program.draw_few(labels, 8, seed=1) == program.draw_few(labels, 8, seed=1)
    assert set(program.draw_few(labels, 8, seed=1)) < set(program.draw_few(labels, 16, seed=1))
    assert set(program.draw_few(labels, 8, seed=1)) != set(program.draw_few(labels, 8, seed=2))


def test_a_set_without_training_rows_is_cut_in_halves(program, tmp_path):
    write_rows(tmp_path / "set" / "test.csv", [review(number) for number in range(10)])
    rows = program.read_set(tmp_path / "set")
    assert rows.texts == [review(number)[0] for number in range(5)]
    assert set(rows.judged_texts) == {review(number)[0] for number in range(5, 10)}


def test_a_thousand_test_rows_are_measured_at_most(program, tmp_path):
    write_rows(tmp_path / "set" / "train.csv", [review(0), review(1)])
    write_rows(tmp_path / "set" / "test.csv", [review(number) for number in range(1_200)])
    rows = program.read_set(tmp_path / "set")
    assert len(rows.texts) == 2
    assert len(set(rows.judged_texts)) == len(rows.judged_labels) == 1_000


# --- methods --------------------------------------------------------------------------------------------------------


def test_the_setting_of_the_highest_mean_is_chosen_on_rows_apart(program):
    def measure(setting, fit, held_out):
        assert not set(fit) & set(held_out)
        return -abs(setting - 3)

    assert program.choose([1, 2, 3, 4], ["a", "b"] * 6, measure) == 3


def test_with_one_row_of_a_class_the_first_setting_is_taken(program):
    assert program.choose([1, 2], ["a", "a", "b"], lambda *_: pytest.fail("measured")) == 1


def test_features_get_one_scale_for_all_numbers(program):
    F = np.array([[1.0, 10.0], [3.0, 10.0], [1.0, 40.0], [3.0, 40.0]])
    scaled, wanted = program.scale_together(F, F + 1)
    assert scaled.mean(axis=0) == pytest.approx([0, 0])
    assert (scaled**2).sum(axis=1).mean() == pytest.approx(1)
    assert np.ptp(scaled[:, 1]) / np.ptp(scaled[:, 0]) == pytest.approx(15)
    assert (wanted - scaled).std(axis=0) == pytest.approx([0, 0])


def test_an_encoder_sees_each_text_once(program):
    seen = []

    def encode(texts):
        seen.extend(texts)
        return np.array([[len(text), 1.0] for text in texts])

    run = program.encoder_logistic(encode)
    for _ in range(2):
        found, _ = run(["aa", "bbbbbb"] * 3, ["short", "long"] * 3, ["cc", "aa", "dddddd"], 1)
        assert found == ["short", "short", "long"]
    assert sorted(seen) == ["aa", "bbbbbb", "cc", "dddddd"]


def test_fasttext_gets_a_vector_for_each_word_of_the_texts_and_no_other(program, tmp_path):
    vectors = program.WordVectors(["film", "good", "ship"], np.eye(3, dtype=np.float32), "made", "", "")
    path = tmp_path / "some.vec"
    program.write_some_vectors(str(path), vectors, {"film": 0, "good": 1, "ship": 2}, ["A Good film", "a good one"])
    lines = [line.split(" ") for line in path.read_text("utf-8").splitlines()]
    assert lines[0] == ["5", "3"]
    assert [line[0] for line in lines[1:]] == ["</s>", "a", "film", "good", "one"]
    assert lines[3:5] == [["film", "1", "0", "0"], ["good", "0", "1", "0"]]
    assert all(0 < abs(float(x)) <= 1 / 3 for line in (lines[1], lines[2], lines[5]) for x in line[1:])


# --- measuring and showing ------------------------------------------------------------------------------------------


def test_the_interval_holds_the_mean_and_is_wider_where_draws_differ(program):
    rng = np.random.default_rng(0)
    alike = rng.random((5, 400)) < 0.7
    unlike = rng.random((5, 400)) < np.array([0.5, 0.6, 0.7, 0.8, 0.9])[:, None]
    (low, high), (lower, higher) = program.interval(alike), program.interval(unlike)
    assert low < alike.mean() < high
    assert higher - lower > 2 * (high - low)


def test_a_mean_over_sets_needs_all_of_them(program):
    scores = [
        program.Score("one", 8, "textclf", 2, 0.5, 0.4, 0.6),
        program.Score("two", 8, "textclf", 2, 0.7, 0.6, 0.8),
        program.Score("one", 8, "TF-IDF", 2, 0.4, 0.3, 0.5),
    ]
    assert program.table(scores, ["textclf", "TF-IDF"]).splitlines() == [
        "| set | labels a class | textclf | TF-IDF |",
        "|---|---|---|---|",
        "| one | 8 | 50.0 (40–60) | 40.0 (30–50) |",
        "| two | 8 | 70.0 (60–80) |  |",
        "| **mean** | 8 | 60.0 |  |",
    ]


def test_the_program_measures_what_its_file_of_scores_lacks_and_draws_it(program, tmp_path, capsys, small_starter):
    write_rows(tmp_path / "films" / "train.csv", [review(number) for number in range(40)])
    write_rows(tmp_path / "films" / "test.csv", [review(number) for number in range(40, 60)])
    kept, drawn = tmp_path / "scores.json", tmp_path / "few.svg"
    before = program.Score("films", 8, "TF-IDF", 1, 0.123, 0.1, 0.2)
    program.save_scores([before], kept)
    common = ["--data", str(tmp_path), "--sets", "films", "--seeds", "1", "--json", str(kept), "--svg", str(drawn)]
    program.main([*common, "--labels", "8", "--methods", "textclf", "TF-IDF", "averages"])
    shown = capsys.readouterr().out
    assert "| films | 8 | 100.0 (100–100) | 12.3 (10–20) | 100.0 (100–100) |" in shown
    assert len(json.loads(kept.read_text("utf-8"))) == 3
    svg = drawn.read_text("utf-8")
    ElementTree.fromstring(svg)
    assert "var(" not in svg
    assert all(f">{word}<" in svg for word in ("films", "mean", "textclf", "averages"))


def test_a_method_whose_packages_are_not_there_is_left_out_with_a_word(program, tmp_path, capsys, monkeypatch):
    write_rows(tmp_path / "films" / "train.csv", [review(number) for number in range(8)])
    write_rows(tmp_path / "films" / "test.csv", [review(number) for number in range(8)])
    monkeypatch.setitem(program.METHODS, "MiniLM", (program.minilm_logistic, ("no_such_package",)))
    program.main(["--data", str(tmp_path), "--sets", "films", "--labels", "4", "--methods", "TF-IDF", "MiniLM"])
    shown = capsys.readouterr().out
    assert "| set | labels a class | TF-IDF |" in shown
    assert "MiniLM is left out: no_such_package not installed." in shown


def test_a_set_that_is_not_there_is_named_before_anything_is_measured(program, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        program.main(["--data", str(tmp_path), "--sets", "nowhere"])
    assert "nowhere: expected the folder of a set, found none." in capsys.readouterr().err
