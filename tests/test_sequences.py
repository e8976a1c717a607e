"""Trainings, stops, kills, full disks and loads in any order: the model's file is always the last whole one."""

import functools
import os
import signal
import tempfile
from pathlib import Path

import pytest
from children import SOAK, break_call, leftovers
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from interruptions import Stopping, rows

from textclf.errors import ModelError, OutputError
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.storage.files import write_whole
from textclf.training.checkpoint import CheckpointFile
from textclf.training.resources import Resources
from textclf.training.train import train

SEEDS = st.sampled_from([1, 2])
DATA = rows(16)
CALLS = ["_create", "fchmod", "fsync", "replace"]


def setting(seed):
    return Settings(
        vectors="none", dimension=3, optimizer="sgd", epochs=4, char_ngrams=(0, 0), word_ngrams=1, seed=seed, threads=1
    )


@functools.cache
def straight(seed):
    """Return the bytes of the model that a training without any trouble writes."""
    with tempfile.TemporaryDirectory() as folder:
        train(DATA, setting(seed), None).model.save(Path(folder) / "m")
        return (Path(folder) / "m").read_bytes()


class Life(RuleBasedStateMachine):
    """One model's file and its checkpoint in one folder."""

    def __init__(self):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.path = self.folder / "m"
        self.whole, self.stopped = None, None  # what the file must be; the seed of the training that is stopped

    def teardown(self):
        self._folder.cleanup()

    def write(self, seed):
        with write_whole(self.path) as stream:
            stream.write(straight(seed))

    def trained(self, seed, checkpoint):
        train(DATA, setting(seed), None, resources=Resources(checkpoint=checkpoint)).model.save(self.path)
        checkpoint.remove()
        self.whole, self.stopped = straight(seed), None
        assert leftovers(self.folder) == []

    @rule(seed=SEEDS)
    def train_without_trouble(self, seed):
        self.trained(seed, CheckpointFile(self.path))

    @rule(seed=SEEDS, saves=st.integers(0, 8))
    def train_and_stop(self, seed, saves):
        checkpoint = Stopping(self.path, saves)
        if self.stopped not in (None, seed):
            with pytest.raises(ModelError, match="with other seed"):
                self.trained(seed, checkpoint)
            return
        try:
            self.trained(seed, checkpoint)
        except KeyboardInterrupt:
            checkpoint.write()
            self.stopped = seed

    @rule()
    def go_on(self):
        if self.stopped is not None:
            self.trained(self.stopped, CheckpointFile(self.path, resume=True))

    @rule(seed=SEEDS, call=st.sampled_from(CALLS), after=st.booleans())
    def be_killed_while_writing(self, seed, call, after):
        straight(seed)  # so that the child writes this file only
        child = os.fork()
        if not child:
            with pytest.MonkeyPatch.context() as patch:
                break_call(call, after, lambda: os.kill(os.getpid(), signal.SIGKILL), patch.setattr)
                self.write(seed)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        if (call, after) == ("replace", True):
            self.whole = straight(seed)

    @rule(seed=SEEDS, call=st.sampled_from(CALLS))
    def find_the_disk_full(self, seed, call):
        straight(seed)

        def full():
            raise OSError(28, os.strerror(28))

        with pytest.MonkeyPatch.context() as patch:
            break_call(call, False, full, patch.setattr)
            with pytest.raises(OutputError, match="No space left on device"):
                self.write(seed)

    @invariant()
    def the_file_is_the_last_whole_one(self):
        if self.whole is None:
            assert not self.path.exists()
            with pytest.raises(ModelError, match="found nothing"):
                Model.load(self.path)
            return
        assert self.path.read_bytes() == self.whole
        assert list(Model.load(self.path).labels) == ["down", "up"]


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=500 if SOAK else 10, stateful_step_count=30 if SOAK else 12, deadline=None, derandomize=True
)
