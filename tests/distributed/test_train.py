"""Training on many files: what one machine finds, whoever is lost or stopped on the way."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from interruptions import Stopping, resume_until_done

from textclf.cli import run
from textclf.distributed import Serial, dask_engine, find_shards, train_files
from textclf.errors import ModelError
from textclf.model.drift import CONFIDENCE
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.tables import TableOptions
from textclf.training.checkpoint import CheckpointFile
from textclf.training.resources import Listener, Resources
from textclf.vectors import open_vectors

pytestmark = pytest.mark.usefixtures("small_starter")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Cut the training reviews unevenly into eight files."""
    header, *rows = (ROOT / "data" / "reviews-train.csv").read_text("utf-8").splitlines()
    folder = tmp_path_factory.mktemp("parts")
    cuts = [0, 100, 130, 300, 310, 500, 620, 640, len(rows)]
    for number in range(8):
        chosen = rows[cuts[number] : cuts[number + 1]]
        (folder / f"part-{number}.csv").write_text("\n".join([header, *chosen]) + "\n", "utf-8")
    return folder


FIXED = ["--l2", "0.15", "--valid-fraction", "0", "--quiet"]


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory):
    """Train on the whole table in this process."""
    path = tmp_path_factory.mktemp("one") / "model.safetensors"
    assert run(["train", str(ROOT / "data" / "reviews-train.csv"), "-o", str(path), *FIXED]) == 0
    return Model.load(path)


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]], ids=["serial", "workers"])
def test_training_on_many_files_finds_what_one_machine_finds(one_machine, parts, tmp_path, workers, workers_in_threads):
    path = tmp_path / "m.safetensors"
    assert run(["train", str(parts), "-o", str(path), *FIXED, *workers]) == 0
    found = Model.load(path)
    assert found.features.ngrams[0].index.keys.tolist() == one_machine.features.ngrams[0].index.keys.tolist()
    assert np.allclose(found.features.ngrams[1].idf, one_machine.features.ngrams[1].idf)
    losses = [each.card.history[-1].loss for each in (found, one_machine)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    texts = ["A film that stays with you.", "Two hours I will not get back.", "So so."]
    assert pytest.approx(one_machine.predict(texts).P, abs=5e-3) == found.predict(texts).P


def test_rows_are_held_out_and_the_probabilities_calibrated(parts, tmp_path, capsys):
    path = tmp_path / "m.safetensors"
    assert run(["train", str(parts), "-o", str(path), "--class-weight", "balanced", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["data"]["files"] == 8
    assert 70 < said["validation"]["texts"] < 90
    found = Model.load(path)
    assert found.temperature != 1.0
    assert len(found.record.right) == said["validation"]["texts"]


def trained(engine, parts, settings, source="starter", **resources):
    vectors = open_vectors(source)
    return train_files(engine, find_shards(str(parts)), TableOptions(), settings, vectors, Resources(**resources))


def test_a_lost_worker_is_survived_in_training(one_machine, parts):
    with dask_engine(workers=2) as engine:
        victim = next(iter(engine._client.run(os.getpid).values()))
        steps = []

        def step(epoch, most):
            if not steps:
                os.kill(victim, signal.SIGKILL)
            steps.append(epoch.loss)

        found = trained(engine, parts, Settings(l2=0.15, valid_fraction=0.0), listener=Listener(epoch=step))
    assert found.rows == 800
    assert steps[-1] == pytest.approx(one_machine.card.history[-1].loss, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--multi-label"], "multi_label: expected False"),
        (["--optimizer", "adam"], "optimizer: expected 'lbfgs'"),
        (["--target-precision", "0.9"], "target_precision: expected None"),
    ],
)
def test_what_many_files_cannot_do_is_refused(parts, tmp_path, capsys, arguments, message):
    assert run(["train", str(parts), "-o", str(tmp_path / "m"), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_options_of_one_table_do_not_go_with_many(parts, tmp_path, capsys):
    assert run(["train", str(parts), "-o", str(tmp_path / "m"), "--weight-column", "w"]) == 2
    assert "--weight-column goes with one table" in capsys.readouterr().err
    assert run(["train", str(parts), "-o", str(tmp_path / "m"), "--vectors", "none"]) == 2
    assert "--vectors none goes with one table" in capsys.readouterr().err


def test_one_label_in_all_files_cannot_be_trained_on(tmp_path, capsys):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("text,label\na day,x\n")
    assert run(["train", str(tmp_path / "*.csv"), "-o", str(tmp_path / "m")]) == 1
    assert "expected at least two classes, found only 'x'" in capsys.readouterr().err


# --- stopped and gone on with ----------------------------------------------------------------------------------------


class Groups(Serial):
    """Is one process that is said to be two."""

    workers = 2


@pytest.mark.parametrize("valid_fraction", [0.1, 0.0])
def test_a_training_that_was_stopped_ends_with_the_bytes_of_a_straight_one(parts, tmp_path, valid_fraction):
    settings = Settings(l2=0.15, valid_fraction=valid_fraction, char_ngrams=(0, 0))
    trained(Groups(), parts, settings).model.save(tmp_path / "straight")

    def attempt(stops, checkpoint):
        # Whoever goes on with it, one process or two, keeps the groups of files that it was begun with.
        return trained(Serial() if stops else Groups(), parts, settings, checkpoint=checkpoint).model

    model, stops = resume_until_done(tmp_path / "model", lambda _: 3, attempt)
    assert stops >= 2
    model.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == (tmp_path / "straight").read_bytes()


def test_a_checkpoint_of_other_files_or_another_seed_is_refused(parts, tmp_path):
    settings = Settings(l2=0.15, valid_fraction=0.0, char_ngrams=(0, 0))
    stopped = Stopping(tmp_path / "m", 3)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        trained(Serial(), parts, settings, checkpoint=stopped)
    stopped.write()
    with pytest.raises(ModelError, match="found one with other seed"):
        trained(Serial(), parts, replace(settings, seed=2), checkpoint=CheckpointFile(tmp_path / "m", resume=True))
    with pytest.raises(ModelError, match="found one with other rows, names of files"):
        trained(Serial(), parts / "part-[0-6].csv", settings, checkpoint=CheckpointFile(tmp_path / "m", resume=True))


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(parts, tmp_path, common_words):
    command = ["train", str(parts), "--vectors", str(common_words), "--char-ngrams", "none", *FIXED]
    settings = Settings(l2=0.15, valid_fraction=0.0, char_ngrams=(0, 0), vectors=str(common_words))
    trained(Groups(), parts, settings, str(common_words)).model.save(
        tmp_path / "straight"
    )  # as two workers would, whose start takes long
    child = subprocess.Popen(
        [sys.executable, "-c", STOPPING, *command, "--workers", "2", "-o", str(tmp_path / "model")],
        stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
    )  # fmt: skip
    _, talk = child.communicate(timeout=120)
    assert child.returncode == 130, talk
    assert "stopped; resume with: textclf train" in talk
    assert "Traceback" not in talk
    assert (tmp_path / "model.checkpoint").exists()
    assert run([*command, "-o", str(tmp_path / "model"), "--resume"]) == 0
    assert not (tmp_path / "model.checkpoint").exists()
    assert (tmp_path / "model").read_bytes() == (tmp_path / "straight").read_bytes()


STOPPING = """
import os, signal, sys
from textclf.training.checkpoint import CheckpointFile
from textclf.cli import main
save = CheckpointFile.save
def stopping(self, name, make):
    save(self, name, make)
    if name.startswith("first/"):
        os.killpg(0, signal.SIGINT)  # as a terminal does, to the workers too
CheckpointFile.save = stopping
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background is started without it
    main(sys.argv[1:])
"""


# --- what a model knows of its training ------------------------------------------------------------------------------


def test_what_texts_are_usual_is_what_one_machine_says(one_machine, parts, tmp_path):
    path = tmp_path / "m.safetensors"
    assert run(["train", str(parts), "-o", str(path), *FIXED]) == 0
    found = Model.load(path)
    assert [each.name for each in found.reference.quantities] == [
        each.name for each in one_machine.reference.quantities
    ]
    for quantity, mine, others in zip(
        found.reference.quantities, found.reference.counts, one_machine.reference.counts, strict=True
    ):
        assert mine.tolist() == others.tolist(), quantity.name
        assert mine.sum() == (0 if quantity.name == CONFIDENCE else 800)


def test_a_model_of_many_files_warns_of_texts_unlike_its_own_and_of_no_others(parts, tmp_path, capsys):
    path, odd = tmp_path / "m.safetensors", tmp_path / "odd.csv"
    assert run(["train", str(parts), "-o", str(path), "--quiet"]) == 0
    odd.write_text("text,label\n" + "".join(f"Der Rechner läuft wieder {n},positive\n" for n in range(120)), "utf-8")
    capsys.readouterr()
    assert run(["evaluate", str(path), str(ROOT / "data" / "reviews-test.csv"), "--target-precision", "0.6"]) == 0
    said = capsys.readouterr()
    assert "unlike those of training" not in said.err
    assert "before calibration" in said.out
    drift = tmp_path / "drift.json"
    for source in (odd, tmp_path / "odd*.csv"):
        target = tmp_path / f"labelled-{source == odd}"
        for command in (
            ["evaluate", str(path), str(source)],
            ["predict", str(path), "-i", str(source), "-o", str(target)],
        ):
            assert run([*command, "--drift", str(drift)]) == 0
            assert "texts unlike those of training" in capsys.readouterr().err
            assert json.loads(drift.read_text("utf-8"))["texts"] == 120


def test_of_very_many_rows_no_more_are_held_out_than_one_machine_looks_at(parts, monkeypatch):
    monkeypatch.setattr(sys.modules[train_files.__module__], "MOST_HELD_OUT", 40)
    found = trained(Serial(), parts, Settings(char_ngrams=(0, 0)))
    assert 30 <= found.validation.n <= 50


def test_classes_get_a_calibration_of_their_own_where_that_is_better(tmp_path):
    rng = np.random.default_rng(3)
    words = {"a": ("gut", "schön"), "b": ("übel", "mies"), "c": ("eins", "zwei")}
    for number in range(3):
        lines = ["text,label"]
        for _ in range(700):
            label = rng.choice(list(words), p=[0.7, 0.2, 0.1])
            heard = label if label == "a" or rng.random() < 0.6 else "a"
            lines.append(f"{rng.choice(words[label])} {rng.choice(words[heard])} film story,{heard}")
        (tmp_path / f"{number}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    scaled = None
    for seed in range(1, 6):
        settings = Settings(seed=seed, valid_fraction=0.3, class_weight="balanced")
        scaled = trained(Serial(), tmp_path / "*.csv", settings).model
        if scaled.card.scaling is not None:
            break
    assert scaled.card.scaling, "class weights pull probabilities apart, which one temperature cannot undo"
    Z = scaled.logits(scaled.features.extract(["gut mies film"]))
    assert not np.allclose(scaled.uncalibrated(Z), scaled.probabilities_of(Z))
