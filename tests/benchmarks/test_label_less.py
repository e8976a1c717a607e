"""The program that measures how many labels choosing saves, on made rows."""

import csv
import json
from xml.etree import ElementTree

import pytest
from programs import load_program


@pytest.fixture(scope="module")
def program():
    return load_program("benchmarks/label_less.py")


@pytest.fixture
def sets(tmp_path):
    rows = [(f"a {('good', 'bad')[i % 2]} film {i} with {i * 7} words", ("yes", "no")[i % 2]) for i in range(140)]
    for name, some in (("train", rows), ("test", rows[:20])):
        path = tmp_path / "made" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("text", "label"), *some])
    return tmp_path


def test_every_strategy_is_measured_shown_and_kept(program, sets, capsys, small_starter):
    kept, drawn = sets / "sessions.jsonl", sets / "curves.svg"
    call = ["--data", str(sets), "--sets", "made", "--most", "100", "--seeds", "1", "--sessions", str(kept)]
    call += ["--strategies", "random", "margin", "suggest"]
    program.main([*call, "--svg", str(drawn)])
    shown = capsys.readouterr()
    assert "| set | labels | random accuracy | macro-F1 | margin accuracy | macro-F1 | suggest accuracy |" in shown.out
    assert "| made | 100 | " in shown.out
    assert "| set | all labels | 95% of accuracy | random | margin | suggest |" in shown.out
    assert "| **ratio to random** | | | 1.00 | " in shown.out
    assert "| made, 50–100 | 7 | 2 | " in shown.out
    sessions = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [one["labels"] for one in sessions] == [[50, 100]] * 3 + [[140]]
    assert all(len(one["guessed"]) == len(one["accuracy"]) == len(one["labels"]) for one in sessions)
    assert ElementTree.fromstring(drawn.read_text("utf-8")).tag.endswith("svg")
    program.main(call)
    again = capsys.readouterr()
    assert again.out == shown.out
    assert again.err == "", "what the file has is not measured again"


def test_a_set_has_a_number_of_sessions_of_its_own(program, sets, capsys, small_starter, monkeypatch):
    monkeypatch.setattr(program, "SEEDS", {"made": 2})
    kept = sets / "sessions.jsonl"
    call = ["--data", str(sets), "--sets", "made", "--most", "100", "--sessions", str(kept), "--strategies", "random"]
    program.main(call)
    sessions = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(one["strategy"], one["seed"]) for one in sessions] == [("random", 1), ("random", 2), ("all labels", 1)]


def test_a_batch_doubles_the_labels_up_to_the_end(program):
    assert program.count_labels(400) == [50, 100, 200, 400]
    assert program.count_labels(300) == [50, 100, 200, 300]


def test_labels_needed_lie_between_two_points_of_a_logarithmic_scale(program):
    labels, figures = [50, 100, 400], [0.6, 0.8, 0.7]
    assert program.labels_needed(labels, figures, 0.7) == pytest.approx(50 * 2**0.5)
    assert program.labels_needed(labels, figures, 0.5) == 50
    assert program.labels_needed(labels, figures, 0.9) is None


def test_a_strategy_that_does_not_reach_the_figure_counts_with_the_sessions_end(program):
    def session(strategy, *accuracy):
        return program.Session("made", strategy, 1, [50, 100, 200], list(accuracy), list(accuracy), [0.0] * 3)

    means = {("made", one.strategy): one for one in (session("random", 0.5, 0.6, 0.7), session("suggest", 0.7, 1, 1))}
    results = program.Results(means, {"made": program.Session("made", "all labels", 1, [900], [1.0], [1.0], [0.0])})
    shown = program.show_needed(results, "accuracy")
    assert "| made | 900 | 95.0 | more than 200 | 89 |" in shown
    assert "| **ratio to random** | | | 1.00 | 0.45 |" in shown


def test_a_guess_saves_a_reader_time_where_it_is_right_and_labels_are_many(program):
    read = 60 * 10 / 238
    assert program.seconds_a_label(10, 2) == pytest.approx(read + 1.35 + 0.28)
    assert program.seconds_a_label(10, 2, 1.0) == pytest.approx(program.seconds_a_label(10, 2))
    assert program.seconds_a_label(10, 77) == pytest.approx(read + 1.35 + 5 * 0.28)
    assert program.seconds_a_label(10, 77, 0.9) < program.seconds_a_label(10, 77)
    assert program.seconds_a_label(10, 77, 0.0) > program.seconds_a_label(10, 77)


def test_what_cannot_be_is_refused_and_what_is_missing_left_out(program, sets, capsys, monkeypatch):
    with pytest.raises(SystemExit, match="2"):
        program.read_options(["--data", str(sets), "--sets", "made", "--most", "70"])
    assert "expected 100 or more, found 70" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        program.read_options(["--data", str(sets)])
    assert "expected the folder of a set" in capsys.readouterr().err
    monkeypatch.setattr(program, "find_spec", lambda name: None if name == "small_text" else name)
    assert "small-text" not in program.read_options(["--data", str(sets), "--sets", "made"]).strategies
    assert "small-text is left out" in capsys.readouterr().err
