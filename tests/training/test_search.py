"""A search for settings: what is tried, what is kept, and that the time is kept to."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from textclf.cli import run
from textclf.errors import TextclfError, TrainingError
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.training.search import SearchTools, Tuning, tune
from textclf.training.train import LabelledTexts
from textclf.training.trial_worker import Measured, OutOfTime, Work, Worker, _serve

DATA = LabelledTexts(["good day", "bad day", "good film", "bad film"] * 6, ["pos", "neg", "pos", "neg"] * 6)


class Clock:
    """A clock that goes only while something is measured."""

    now = 0.0

    def __call__(self):
        return self.now


class Pretended:
    """Stands in for the process: what settings are worth is a formula, and a fold takes a second of its clock."""

    seconds = 1.0

    def __init__(self, clock):
        self.clock = clock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def worth(self, settings):
        return 0.9 if settings.word_ngrams == 3 else 0.7

    def measure(self, settings, fold, deadline):
        if self.clock.now + self.seconds > deadline:
            self.clock.now = deadline
            raise OutOfTime("the time is up")
        self.clock.now += self.seconds
        value = self.worth(settings) + 0.001 * fold
        figures = {"accuracy": value, "macro_f1": value, "log_loss": 1 - value}
        return Measured(figures, 1000 * (settings.word_ngrams or 2), self.seconds)

    def train(self, settings, target, deadline):
        self.clock.now += 1.5 * self.seconds
        target.write_text("model")
        return {"validation": None}


def search(tmp_path, worker=Pretended, duration=120.0, clock=None, **settings):
    clock = clock or Clock()
    tuning = Tuning(duration, **settings)
    tools = SearchTools(make_worker=lambda _: worker(clock), clock=clock)
    return tune(DATA, Settings(), tuning, tmp_path / "m", tools)


def test_better_settings_are_found_and_the_time_is_kept_to(tmp_path):
    clock = Clock()
    found = search(tmp_path, clock=clock)
    assert 110 < clock.now <= 120
    assert found.best.settings.word_ngrams == 3
    assert found.plain.value == pytest.approx(0.701)
    assert found.importance["word_ngrams"] > 0.4
    assert found.given_up > 0
    assert (tmp_path / "m").read_text() == "model"


def test_the_plain_recipe_stays_where_the_gain_may_be_chance(tmp_path):
    class Chance(Pretended):
        def measure(self, settings, fold, deadline):
            super().measure(settings, fold, deadline)
            gain = [0.3, -0.1, -0.1][fold] if settings != Settings() else 0.0
            return Measured({"accuracy": 0.7 + gain}, 1000, self.seconds)

    found = search(tmp_path, Chance)
    assert found.tried > 1
    assert found.best is found.plain


def test_a_log_loss_is_best_when_lowest(tmp_path):
    found = search(tmp_path, metric="log-loss")
    assert found.best.settings.word_ngrams == 3
    assert found.best.value == pytest.approx(-0.099)


def test_models_that_are_too_large_are_left_out(tmp_path):
    found = search(tmp_path, max_size=1500)
    assert found.best.settings.word_ngrams == 1
    with pytest.raises(TrainingError, match="max size: expected a model of at most 10 bytes"):
        search(tmp_path, max_size=10)


def test_too_little_time_is_an_error(tmp_path):
    class Slow(Pretended):
        seconds = 1000.0

    with pytest.raises(TrainingError, match="duration: expected time for one training"):
        search(tmp_path, Slow)


def test_settings_that_cannot_be_trained_are_passed_over(tmp_path):
    class Failing(Pretended):
        def measure(self, settings, fold, deadline):
            if settings.hidden:
                self.clock.now += 0.1
                raise TextclfError("the memory is not enough for these settings.")
            return super().measure(settings, fold, deadline)

    assert search(tmp_path, Failing).best.settings.hidden == ()


def test_a_study_goes_on_where_it_was(tmp_path):
    study = tmp_path / "s.sqlite"
    first = search(tmp_path, study=study, duration=30.0)
    again = search(tmp_path, study=study, duration=6.0)  # enough for the plain recipe alone
    assert again.tried < 4
    assert again.best.settings == first.best.settings


def test_what_an_earlier_run_found_is_left_out_where_it_is_now_too_large(tmp_path):
    study = tmp_path / "s.sqlite"
    assert search(tmp_path, study=study, duration=40.0).best.settings.word_ngrams == 3
    assert search(tmp_path, study=study, duration=10.0, max_size=2000).best.bytes <= 2000


def test_a_metric_that_does_not_suit_the_labels_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="metric: expected one that suits the labels, found 'micro-f1'"):
        search(tmp_path, metric="micro-f1")


# --- the process ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worker():
    folds = np.arange(len(DATA.texts)) // 4 % 3
    with Worker(Work(DATA, folds, "none", cache=False)) as found:
        yield found


PLAIN = Settings(vectors="none", recipe="fast")


def test_the_process_measures_rows_that_training_did_not_see(worker):
    found = worker.measure(PLAIN, 0, time.monotonic() + 600)
    assert found.figures["accuracy"] == 1.0
    assert found.figures["texts"] == 8
    assert found.bytes > 1000


def test_the_process_is_ended_at_the_deadline_and_another_takes_its_place(worker):
    with pytest.raises(OutOfTime, match="the time is up"):
        worker.measure(PLAIN, 0, time.monotonic())
    assert worker.measure(PLAIN, 1, time.monotonic() + 600).figures["accuracy"] == 1.0


def test_what_fails_in_the_process_is_told(worker):
    stranger = Settings(vectors="none", class_weight={"xyz": 1.0})
    with pytest.raises(TextclfError, match="no row has the label 'xyz'"):
        worker.measure(stranger, 0, time.monotonic() + 600)


def test_the_process_answers_until_its_parent_is_gone_and_then_ends(tmp_path):
    work = Work(DATA, np.arange(len(DATA.texts)) // 4 % 3, "none", cache=False)
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_serve, args=(its,))
    process.start()
    its.close()
    mine.send(work)
    mine.send(("measure", PLAIN, 0))
    assert mine.recv().figures["texts"] == 8
    mine.send(("measure", replace(PLAIN, class_weight={"xyz": 1.0}), 0))
    assert "no row has the label 'xyz'" in str(mine.recv())
    mine.send(("measure", replace(PLAIN, optimizer="adam", hidden=(100_000, 100_000), epochs=1), 0))
    assert str(mine.recv()) == "the memory is not enough for these settings."
    mine.send(("train", PLAIN, str(tmp_path / "model")))
    assert mine.recv().data.classes == 2
    assert Model.load(tmp_path / "model").labels == ("neg", "pos")
    mine.close()
    process.join(60)
    assert process.exitcode == 0


def test_a_process_that_dies_is_an_error_of_one_line_and_another_takes_its_place(worker, monkeypatch):
    def start_and_kill():
        start()
        worker._process.kill()

    start = worker._start
    worker._process.kill()
    worker._process.join()
    monkeypatch.setattr(worker, "_start", start_and_kill)
    with pytest.raises(TextclfError, match="the process that trained was ended: its memory was not enough"):
        worker.measure(PLAIN, 2, time.monotonic() + 600)
    monkeypatch.undo()
    assert worker.measure(PLAIN, 2, time.monotonic() + 600).figures["accuracy"] == 1.0


def test_the_command_trains_a_model_and_says_what_it_found(tmp_path, capsys, counted_seconds):
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rows = "".join(f"{text},{label}\n" for text, label in zip(DATA.texts, DATA.labels, strict=True))
    table.write_text(f"text,label\n{rows}")
    arguments = ["tune", str(table), "-o", str(model), "--vectors", "none", "--duration", "30", "--json"]
    assert run(arguments) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["metric"], found["value"], found["plain_recipe"]) == ("accuracy", 1.0, 1.0)
    assert (found["settings"], found["tried"]) == ({}, 2)
    assert Model.load(model).predict(["good day"]).P.shape == (1, 2)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("textclf.errors.find_spec", lambda _: None)
    with pytest.raises(TextclfError, match=r'tune: .*pip install "textclf-nn\[tune\]"'):
        search(tmp_path)


BEGIN_AND_DIE = """
import os, sys
import numpy as np
from textclf.settings import Settings
from textclf.training.train import LabelledTexts
from textclf.training.trial_worker import Work, Worker
if __name__ == "__main__":
    data = LabelledTexts(["good film", "bad film"] * 50, ["up", "down"] * 50)
    worker = Worker(Work(data, np.arange(100) // 2 % 2, "none", cache=False))
    slow = Settings(vectors="none", optimizer="adam", hidden=(400,), epochs=100_000, patience=100_000)
    worker._connection.send(worker._work)
    worker._connection.send(("measure", slow, 0))
    assert not worker._connection.poll(3), worker._connection.recv()  # it is at it, and has no answer
    print(worker._process.pid, flush=True)
    sys.stdin.read()
"""


def test_the_process_ends_with_a_parent_that_is_killed_whatever_it_is_at(tmp_path):
    (tmp_path / "begin.py").write_text(BEGIN_AND_DIE)
    command = [sys.executable, str(tmp_path / "begin.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and Path(f"/proc/{worker}").exists():
            time.sleep(0.05)
        outlived = Path(f"/proc/{worker}").exists()
        if outlived:
            os.kill(worker, signal.SIGKILL)
        assert not outlived
        assert parent.stderr.read() == b""  # read to its end: the worker, which shares it, has ended


BEGIN_AND_STOP = """
import os, signal, sys, threading, time
from multiprocessing import util
import numpy as np
from textclf.settings import Settings
from textclf.training.train import LabelledTexts
from textclf.training.trial_worker import Work, Worker
if __name__ == "__main__":
    texts = [f"{mood} film {number} " * 50 for number in range(2000) for mood in ("good", "bad")]  # a pipe holds less
    data = LabelledTexts(texts, ["up", "down"] * 2000)
    work = Work(data, np.arange(4000) // 2 % 2, "none", cache=False)
    number = signal.Signals[sys.argv[1]]
    stop = os.kill if number == signal.SIGKILL else os.killpg
    spawn = util.spawnv_passfds

    def spawn_and_stop(path, arguments, descriptors):
        found = spawn(path, arguments, descriptors)
        if "spawn_main" in str(arguments):  # the worker: Python takes longer to start
            threading.Timer(0.1, stop, (os.getpid(), number)).start()
        return found

    util.spawnv_passfds = spawn_and_stop
    try:
        with Worker(work) as worker:
            worker.measure(Settings(vectors="none", recipe="fast"), 0, time.monotonic() + 60)
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.parametrize(("name", "said"), [("SIGKILL", b""), ("SIGINT", b"stopped\n")])
def test_the_process_says_nothing_when_its_parent_is_stopped_while_it_starts(name, said, tmp_path):
    (tmp_path / "begin.py").write_text(BEGIN_AND_STOP)
    command = [sys.executable, str(tmp_path / "begin.py"), name]
    done = subprocess.run(command, capture_output=True, start_new_session=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (said, b"")
