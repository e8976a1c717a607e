"""Learning curves: which rows are trained on, the law through the points, and what a user gets to see."""

import json
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner

from textclf.analysis import learning_curve as module
from textclf.analysis.learning_curve import (
    LearningCurve,
    fit_power_laws,
    measure_learning_curve,
    plan_curve,
    stratified_order,
)
from textclf.cli import cli, run
from textclf.errors import TrainingError
from textclf.model.prediction import Predictions
from textclf.settings import Settings
from textclf.training.train import LabelledTexts

pytestmark = pytest.mark.usefixtures("small_starter")

SIZES = np.array([3200.0, 1600, 800, 400, 200, 100])


def law(a, b, c, n=SIZES):
    return a + b * n**-c


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 2.0, 0.5), (0.0, 1.0, 0.3), (0.25, 0.9, 0.2), (0.02, 6.0, 1.0)])
def test_a_power_law_is_found_again(a, b, c):
    found = fit_power_laws(SIZES, law(a, b, c)[None])
    assert found.c[0] == pytest.approx(c, abs=0.011)  # a step of the grid
    assert found.a[0] == pytest.approx(a, abs=0.01)
    assert found.error(32_000)[0] == pytest.approx(law(a, b, c, 32_000.0), abs=0.003)


def test_the_fit_is_nowhere_worse_than_that_of_scipy():
    from scipy.optimize import curve_fit

    errors = law(0.1, 2.0, 0.5) + np.random.default_rng(0).normal(0, 0.005, (20, 6))
    found = fit_power_laws(SIZES, errors)
    for i, row in enumerate(errors):
        best, _ = curve_fit(
            lambda n, a, b, c: a + b * n**-c, SIZES, row, p0=(0.1, 2, 0.5), bounds=([0, 0, 0.05], [1, 50, 1])
        )
        squares = ((found.a[i] + found.b[i] * SIZES ** -found.c[i] - row) ** 2).sum()
        assert squares <= ((law(*best) - row) ** 2).sum() * 1.02 + 1e-9


def test_curves_never_rise_and_never_end_below_no_error():
    errors = np.array([[0.3, 0.28, 0.26, 0.24, 0.22, 0.2], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0.2] * 6])
    found = fit_power_laws(SIZES, errors)
    assert (found.a >= 0).all()
    assert (found.b >= 0).all()
    assert found.error(100)[0] == pytest.approx(found.error(1e6)[0])  # more rows made it worse: level, at the mean
    assert found.error(1e6)[2] == pytest.approx(0.2)


def test_every_beginning_of_a_stratified_order_holds_the_classes_in_their_share():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    order = stratified_order(y, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(100))
    for m in range(1, 101):
        counts = np.bincount(y[order[:m]], minlength=3)
        assert (np.abs(counts - m * np.array([0.6, 0.3, 0.1])) <= 1.5).all()


def labelled(n, labels=("a", "b")):
    return LabelledTexts([f"text {i}" for i in range(n)], [labels[i % len(labels)] for i in range(n)])


def test_folds_have_equal_shares_of_each_class_and_sizes_halve():
    plan = plan_curve(labelled(1000), 5, np.random.default_rng(0))
    for fold in range(5):
        assert np.bincount(plan.y[plan.fold == fold]).tolist() == [100, 100]
    assert plan.sizes == (800, 400, 200, 100, 50, 25)
    assert plan.trainings == 5 * 10


def test_many_classes_need_larger_subsets():
    plan = plan_curve(labelled(1000, [f"{i}" for i in range(50)]), 5, np.random.default_rng(0))
    assert plan.sizes == (800, 400, 200, 100)


def test_too_few_rows_are_refused_and_as_many_as_are_asked_for_are_enough():
    with pytest.raises(TrainingError, match=r"expected at least 101 for a curve of 2 classes, found 60"):
        plan_curve(labelled(60), 5, np.random.default_rng(0))
    assert len(plan_curve(labelled(101), 5, np.random.default_rng(0)).sizes) == 3


def test_one_class_is_refused():
    with pytest.raises(TrainingError, match="at least two classes, found only 'a'"):
        plan_curve(labelled(100, ["a"]), 5, np.random.default_rng(0))


class Memory:
    """A stand-in for training: the model errs on the share law(0.1, 1.5, 0.5) of rows; it notes what it was given."""

    def __init__(self):
        self.given = []

    def train(self, data, settings, vectors):
        self.given.append((frozenset(data.texts), settings.valid_fraction))
        self.labels = tuple(sorted(set(data.labels)))
        self.error = law(0.1, 1.5, 0.5, len(data.texts))
        self.seen = set(data.texts)
        return self

    @property
    def model(self):
        return self

    def predict(self, texts, threads):
        assert not self.seen & set(texts)
        numbers = np.array([int(text.split()[1]) for text in texts])
        wrong = numbers // 2 * 0.6180339887 % 1 < self.error
        P = np.eye(2)[(numbers + wrong) % 2]
        return Predictions(P, np.ones(len(texts)), np.ones(len(texts)), np.ones((len(texts), 2)))


@pytest.fixture
def remembered(monkeypatch):
    memory = Memory()
    monkeypatch.setattr(module, "train", memory.train)
    return memory


def drawn(n=4000, folds=5, seed=1) -> LearningCurve:
    rng = np.random.default_rng(seed)
    plan, done = plan_curve(labelled(n), folds, rng), []
    found = measure_learning_curve(labelled(n), plan, Settings(), None, rng, progress=done.append)
    assert sum(done) == plan.trainings
    return found


def test_a_known_curve_is_measured_and_forecast(remembered):
    found = drawn()
    assert [point.rows for point in found.points] == [100, 200, 400, 800, 1600, 3200]
    for point in found.points:
        assert point.accuracy.value == pytest.approx(1 - law(0.1, 1.5, 0.5, point.rows), abs=0.01)
    assert [(forecast.times, forecast.rows) for forecast in found.forecasts] == [(1, 4000), (2, 8000), (10, 40_000)]
    for forecast in found.forecasts:
        assert forecast.accuracy.value == pytest.approx(1 - law(0.1, 1.5, 0.5, forecast.rows), abs=0.01)
        assert forecast.accuracy.low <= forecast.accuracy.value <= forecast.accuracy.high
    assert found.forecasts[0].accuracy_gain == 0.0
    gains = [forecast.accuracy_gain for forecast in found.forecasts]
    assert gains == sorted(gains)
    assert found.accuracy_law.c.low <= 0.5 <= found.accuracy_law.c.high
    assert {gain.label for gain in found.gains} == {"a", "b"}
    assert all(gain.gain.low < gain.full - gain.half < gain.gain.high for gain in found.gains)


def test_subsets_are_nested_and_nothing_is_set_aside(remembered):
    drawn(400)
    assert {fraction for _, fraction in remembered.given} == {0.0}
    first_repeat = [texts for texts, _ in remembered.given[:5]]
    assert [len(texts) for texts in first_repeat] == [320, 160, 80, 40, 20]
    assert all(small < large for large, small in pairwise(first_repeat))
    second_repeat = [texts for texts, _ in remembered.given[5:8]]
    assert [len(texts) for texts in second_repeat] == [80, 40, 20]
    assert second_repeat[0] != first_repeat[2]


def test_the_same_seed_gives_the_same_curve(remembered):
    assert drawn(400).as_dict() == drawn(400).as_dict()
    assert drawn(400).as_dict() != drawn(400, seed=2).as_dict()


def test_a_subset_of_one_class_is_not_trained_on_and_answers_with_it(remembered):
    data = LabelledTexts([f"text {i}" for i in range(200)], ["a"] * 197 + ["b"] * 3)
    rng = np.random.default_rng(0)
    plan = plan_curve(data, 5, rng)
    found = measure_learning_curve(data, plan, Settings(), None, rng, progress=lambda _: None)
    assert 0 < len(remembered.given) < plan.trainings
    assert remembered.labels == ("a", "b")
    assert found.points[0].accuracy.value > found.points[-1].accuracy.value  # the stand-in errs more than "always a"


def test_a_class_that_neither_size_tells_has_no_interval(remembered):
    data = LabelledTexts([f"text {i}" for i in range(200)], [*["a", "b"] * 99, "c", "c"])
    rng = np.random.default_rng(0)
    found = measure_learning_curve(data, plan_curve(data, 5, rng), Settings(), None, rng, progress=lambda _: None)
    lost = found.gains[-1]
    assert (lost.label, lost.rows, lost.full) == ("c", 2, 0.0)
    assert (lost.gain.low, lost.gain.high) == (None, None)


# --- the command --------------------------------------------------------------------------------------------------

WORDS = {"good": ["lovely", "great", "fine", "warm"], "bad": ["dull", "awful", "poor", "cold"]}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("curve") / "rows.csv"
    lines = ["text,label"]
    for i in range(170):
        label = ("good", "bad")[i % 2]
        told = label if rng.random() < 0.8 else "good"
        lines.append(f"a {rng.choice(WORDS[told])} thing number {rng.integers(50)},{label}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_the_command_prints_points_forecasts_a_chart_and_classes(table):
    arguments = ["curve", str(table), "--folds", "2", "--vectors", "none"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "8 trainings: 2 folds, 3 sizes of 21 to 84 rows, the smaller ones twice" in done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:7]] == [
        *["measured"] * 3, "forecast: all rows", "forecast: 2 times", "forecast: 10 times",
    ]  # fmt: skip
    assert done.stdout.count("●") == done.stdout.count("○") == 3
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("accuracy = ") for line in lines)
    assert any(line.startswith("10 times the rows: +") for line in lines)
    again = CliRunner().invoke(cli, [*arguments, "--json", "--quiet"], catch_exceptions=False)
    assert again.stderr == ""
    found = json.loads(again.stdout)
    assert found["trainings"] == 8
    assert [point["rows"] for point in found["points"]] == [21, 42, 84]
    assert f"{found['points'][2]['accuracy']['value']:.4f}" in lines[3]
    assert set(found["power_law"]["accuracy"]) == {"a", "b", "c"}
    assert {entry["label"] for entry in found["per_class"]} == {"good", "bad"}


@pytest.mark.parametrize(
    ("content", "message"),
    [("text,label\nx,a\ny,b\n", "rows: expected at least 101"), ("text,label\nx,a\ny,a\n", "at least two classes")],
)
def test_rows_that_give_no_curve_are_refused_in_one_line(tmp_path, capsys, content, message):
    (tmp_path / "few.csv").write_text(content, "utf-8")
    assert run(["curve", str(tmp_path / "few.csv")]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("multi_label", [False, True])
def test_copies_of_the_rows_make_the_intervals_of_class_gains_no_narrower(multi_label):
    draw, gains = np.random.default_rng(1), []
    y, right = draw.integers(0, 2, 200), draw.random((2, 200)) < [[0.9], [0.7]]
    for copies in (1, 9):
        rows = LabelledTexts([f"text {n}" for n in range(200)] * copies, [("a", "b")[j] for j in y] * copies)
        plan = plan_curve(rows, 5, np.random.default_rng(1), multi_label=multi_label)
        given = [np.tile(np.where(each, y, 1 - y), copies) for each in right]
        answers = [(each[:, None] == np.arange(2) if multi_label else each)[None] for each in given]
        gains.append(module._class_gains(plan, answers, np.random.default_rng(2)))
    for once, copied in zip(*gains, strict=True):
        assert copied.gain.value == pytest.approx(once.gain.value)
        width = once.gain.high - once.gain.low
        assert copied.gain.high - copied.gain.low == pytest.approx(width, rel=0.1)


def test_rows_with_several_labels_have_a_curve_of_micro_f1(tmp_path, capsys):
    draw = np.random.default_rng(1)
    Y = draw.random((160, 2)) < 0.4
    words = np.array([["good", "fine"], ["fast", "quick"]])
    rows = [
        f"film {n} {' '.join(words[j, draw.integers(2)] for j in np.flatnonzero(row))},"
        f"{'|'.join(np.array(['a', 'b'])[row])}\n"
        for n, row in enumerate(Y)
    ]
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(rows))
    assert run(["curve", str(table), "--multi-label", "--folds", "2", "--vectors", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["power_law"]) == {"micro_f1", "macro_f1"}
    assert found["points"][-1]["micro_f1"]["value"] > 0.9
    assert {gain["label"]: gain["rows"] for gain in found["per_class"]} == dict(
        zip("ab", Y.sum(axis=0).tolist(), strict=True)
    )
    assert run(["curve", str(table), "--multi-label", "--folds", "2", "--vectors", "none", "-q"]) == 0
    shown = capsys.readouterr().out
    assert "micro-F1 = " in shown
    assert "accuracy" not in shown


def test_counts_of_labels_are_those_of_classes_where_each_row_has_one():
    rows = LabelledTexts([f"text {n}" for n in range(150)], [("a", "b", "c")[n % 3] for n in range(150)])
    one = plan_curve(rows, 3, np.random.default_rng(1))
    several = plan_curve(rows, 3, np.random.default_rng(1), multi_label=True)
    answers = np.random.default_rng(2).integers(0, 3, 150)
    for fold in range(3):
        found = module._counts(several, answers[:, None] == np.arange(3), fold)
        np.testing.assert_array_equal(found, module._counts(one, answers, fold))
