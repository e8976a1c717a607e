"""A training that was stopped, wherever that was, goes on and ends with the same bytes."""

import numpy as np
import pytest
from children import SOAK
from interruptions import Stopping, resume_until_done, rows

from textclf.errors import ModelError, OutputError, TextclfError
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.training.checkpoint import CheckpointFile, State
from textclf.training.resources import Resources
from textclf.training.train import LabelledTexts, train

COURSES = {
    "lbfgs": {},
    "all that can be tried": {"recipe": "best", "l2": None, "hidden": (3,)},
    "regularization given": {"l2": 0.5, "target_precision": 0.8},
    "adam": {"optimizer": "adam", "epochs": 6, "hidden": (4,), "dropout": 0.3},
    "momentum, vectors at rest": {"optimizer": "momentum", "epochs": 5, "freeze_vectors": True, "word_dropout": 0.0},
    "sgd, out of patience": {"optimizer": "sgd", "epochs": 30, "patience": 1, "learning_rate": 3.0},
    "several labels": {"multi_label": True, "output": "sigmoid"},
    "no n-grams": {"optimizer": "adam", "epochs": 9, "word_ngrams": 0, "char_ngrams": (0, 0)},
    "no validation": {"valid_fraction": 0.0},
}


@pytest.mark.parametrize("course", COURSES)
def test_a_training_stopped_after_everything_that_it_saves_ends_with_the_bytes_of_a_straight_one(course, tmp_path):
    settings = {"vectors": "none", "dimension": 5, "char_ngrams": (1, 2), **COURSES[course]}
    data = rows(multi_label=settings.get("multi_label", False))
    train(data, Settings(**settings), None).model.save(tmp_path / "straight")
    every = 1 if SOAK else 5  # each part goes on from the one before, and is stopped a little later

    def attempt(stops, checkpoint):
        chosen = Settings(**settings, threads=1 + stops % 3)
        return train(data, chosen, None, resources=Resources(checkpoint=checkpoint)).model

    model, stops = resume_until_done(tmp_path / "model", lambda stops: stops * 7 % every, attempt)
    assert stops >= 2
    model.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == (tmp_path / "straight").read_bytes()


def resumed(path):
    return Resources(checkpoint=CheckpointFile(path, resume=True))


def stopped(path, settings, saves=3, data=None):
    checkpoint = Stopping(path, saves)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(data or rows(), settings, None, resources=Resources(checkpoint=checkpoint))
    checkpoint.write()


ADAM = {"vectors": "none", "dimension": 5, "optimizer": "adam", "epochs": 6}


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"seed": 2}, "seed"), ({"epochs": 7, "batch_size": 9}, "batch-size, epochs"), ({"dimension": 6}, "dimension")],
)
def test_a_checkpoint_of_other_settings_is_refused_and_they_are_named(changes, named, tmp_path):
    stopped(tmp_path / "m", Settings(**ADAM))
    checkpoint = CheckpointFile(tmp_path / "m", resume=True)
    with pytest.raises(ModelError, match=rf"m\.checkpoint: .* found one with other {named}\. Give what"):
        train(rows(), Settings(**{**ADAM, **changes}), None, resources=Resources(checkpoint=checkpoint))


def test_a_checkpoint_of_other_rows_or_weights_is_refused(tmp_path):
    stopped(tmp_path / "m", Settings(**ADAM))
    data = rows()
    for other, named in (
        (rows(61), "rows, weights of rows"),
        (LabelledTexts(data.texts, data.labels, [2.0] + [1.0] * 59), "weights of rows"),
    ):
        with pytest.raises(ModelError, match=f"found one with other {named}"):
            train(
                other,
                Settings(**ADAM),
                None,
                resources=Resources(checkpoint=CheckpointFile(tmp_path / "m", resume=True)),
            )
    with pytest.raises(ModelError, match="found one with other validation rows, weights of rows"):
        train(
            data,
            Settings(**ADAM),
            None,
            valid=rows(20),
            resources=Resources(checkpoint=CheckpointFile(tmp_path / "m", resume=True)),
        )


def test_a_damaged_checkpoint_and_a_file_that_is_none_are_refused(tmp_path):
    stopped(tmp_path / "m", Settings(**ADAM))
    path = tmp_path / "m.checkpoint"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="checksum"):
        train(
            rows(), Settings(**ADAM), None, resources=Resources(checkpoint=CheckpointFile(tmp_path / "m", resume=True))
        )
    train(rows(), Settings(**ADAM), None).model.save(path)
    with pytest.raises(ModelError, match="expected a checkpoint of a training, found another file"):
        train(
            rows(), Settings(**ADAM), None, resources=Resources(checkpoint=CheckpointFile(tmp_path / "m", resume=True))
        )


def test_a_checkpoint_is_no_model(tmp_path):
    stopped(tmp_path / "m", Settings(**ADAM))
    with pytest.raises(ModelError, match=r"m\.checkpoint: model: expected names with values, found null"):
        Model.load(tmp_path / "m.checkpoint")


def test_without_resume_a_checkpoint_is_not_looked_at(tmp_path):
    stopped(tmp_path / "m", Settings(**ADAM))
    fresh = CheckpointFile(tmp_path / "m")
    fresh.begin(dict)
    assert fresh.load("network") is None
    fresh.remove()
    assert list(tmp_path.iterdir()) == []
    fresh.remove()


def test_a_state_takes_the_place_of_what_stood_below_its_name(tmp_path):
    checkpoint = CheckpointFile(tmp_path / "m")
    checkpoint.begin(dict)
    assert not checkpoint.write()
    for name in ("a/b/c", "a/b", "ab"):
        checkpoint.save(name, lambda: State({"x": np.zeros(2)}))
    assert checkpoint.load("a/b/c") is None
    assert checkpoint.within("a").within("b").load("c") is None
    checkpoint.within("a").save("b", lambda: State({"x": np.ones(2)}))
    assert checkpoint.load("a/b").arrays["x"].tolist() == [1.0, 1.0]
    assert checkpoint.load("ab") is not None


def test_an_array_that_does_not_fit_is_refused():
    state = State({"x": np.zeros(3)})
    assert state.array("x", np.ones(3)).tolist() == [0.0] * 3
    for name, like in (("y", np.zeros(3)), ("x", np.zeros(4)), ("x", np.zeros(3, np.float32))):
        with pytest.raises(ModelError, match="the checkpoint holds no"):
            state.array(name, like)


def test_a_checkpoint_is_written_when_it_is_time_and_trouble_with_it_is_kept(tmp_path, monkeypatch):
    checkpoint = CheckpointFile(tmp_path / "m")
    checkpoint.begin(dict)
    checkpoint.save("a", State({}).itself)
    assert not checkpoint.path.exists()
    now = [1e9]
    monkeypatch.setattr("textclf.training.checkpoint.time.monotonic", lambda: now[0])
    checkpoint.save("a", State({}).itself)
    assert checkpoint.path.exists()
    checkpoint.path.unlink()
    now[0] += 29
    checkpoint.save("a", State({}).itself)
    assert not checkpoint.path.exists()
    checkpoint.path.mkdir()
    now[0] += 2
    checkpoint.save("a", State({}).itself)
    assert isinstance(checkpoint.trouble, OutputError)
    with pytest.raises(TextclfError, match="cannot be removed"):
        checkpoint.remove()
