"""The program that measures how many labels choosing saves, on made rows."""

import csv
import importlib.util
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "label_less.py"


@pytest.fixture(scope="module")
def program():
    sys.path.insert(0, str(PROGRAM.parent))  # where its shared modules are
    spec = importlib.util.spec_from_file_location("label_less", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(PROGRAM.parent))
    for name in ("label_less", "few_labels", "peers"):
        sys.modules.pop(name, None)


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
    kept, drawn = sets / "curves.json", sets / "curves.svg"
    call = ["--data", str(sets), "--sets", "made", "--most", "100", "--seeds", "1", "--json", str(kept)]
    program.main([*call, "--svg", str(drawn)])
    shown = capsys.readouterr()
    assert "| set | labels | random accuracy | macro-F1 | margin accuracy | macro-F1 | suggest accuracy |" in shown.out
    assert "| made | 100 | " in shown.out
    assert "| set | all labels | 95% of it | random | margin | suggest |" in shown.out
    assert [len(one["labels"]) for one in json.loads(kept.read_text())] == [1, 2, 2, 2]
    assert ElementTree.fromstring(drawn.read_text("utf-8")).tag.endswith("svg")
    program.main(call)
    again = capsys.readouterr()
    assert again.out == shown.out
    assert again.err == "", "what the file has is not measured again"


def test_labels_needed_lie_between_two_points(program):
    curve = program.Curve("made", "random", 1, [50, 100, 150], [0.6, 0.8, 0.7], [0.6, 0.8, 0.7])
    assert program.labels_needed(curve, 0.7) == pytest.approx(75)
    assert program.labels_needed(curve, 0.5) == 50
    assert program.labels_needed(curve, 0.9) is None


def test_what_cannot_be_is_refused(program, sets, capsys):
    with pytest.raises(SystemExit, match="2"):
        program.read_options(["--data", str(sets), "--sets", "made", "--most", "70"])
    assert "expected a multiple of 50, found 70" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        program.read_options(["--data", str(sets)])
    assert "expected the folder of a set" in capsys.readouterr().err
