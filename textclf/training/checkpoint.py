"""What an unfinished training has reached, kept beside its model, so that it goes on as if never stopped.

A training notes states under names, such as ``fold2/joint``, and asks at its start what was noted before. Those
states are all it needs: what lies before them (cutting, counting) is done again, the same to the last bit.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import ModelError, OutputError, TextclfError
from textclf.model.file import read_model, write_model
from textclf.nn.lbfgs import Pair, Steps
from textclf.storage.files import sweep
from textclf.types import Array

SECONDS_BETWEEN = 30.0
"""A checkpoint is written at most so often, and so cold that writing takes at most a tenth of the time."""
_SHARE_OF_WRITING = 0.1
_SUFFIX = ".checkpoint"


@dataclass(frozen=True)
class State:
    """Arrays by name, which nobody changes any more, and plain values that JSON can hold."""

    arrays: Mapping[str, npt.NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def array(self, name: str, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy of the array of this name; raises ModelError when it has another shape or type than `like`."""
        found = self.arrays.get(name)
        if found is None or found.shape != like.shape or found.dtype != like.dtype:
            raise ModelError(f"the checkpoint holds no {name!r} that fits. Leave out --resume to start from scratch.")
        return np.array(found)

    def itself(self) -> "State":
        """Return this state, as what makes it."""
        return self

    def below(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return copies of the arrays whose names begin with ``prefix.``, without it."""
        names = [name for name in self.arrays if name.startswith(f"{prefix}.")]
        return {name.removeprefix(f"{prefix}."): np.array(self.arrays[name]) for name in names}


class Checkpoint:
    """Keeps nothing; what keeps something has the same methods."""

    def begin(self, identity: Callable[[], Mapping[str, Any]]) -> None:
        """Say what decides the outcome of the training, before anything is asked or noted."""

    def within(self, name: str) -> "Checkpoint":
        """Return a checkpoint whose names are put below this one."""
        return self

    def load(self, name: str) -> State | None:
        """Return what was noted under this name before the training was stopped, or None."""
        return None

    def save(self, name: str, make: Callable[[], State]) -> None:
        """Keep a state in the place of the earlier one of this name, and of all below it."""


NO_CHECKPOINT = Checkpoint()


class CheckpointFile(Checkpoint):
    """Keeps states in memory, and writes them to a file beside the model from time to time."""

    def __init__(self, model: Path, *, resume: bool = False) -> None:
        self.path = model.with_name(model.name + _SUFFIX)
        self._resume = resume
        self.trouble: OutputError | None = None
        """Why the file could not be written when that was last tried; training goes on all the same."""
        self._states: Mapping[str, State] = {}
        self._identity: Mapping[str, Any] = {}
        self._next_writing = time.monotonic() + SECONDS_BETWEEN

    def begin(self, identity: Callable[[], Mapping[str, Any]]) -> None:
        """Load what the file holds, if there is one and training is to resume from it.

        Raises ModelError when the file is damaged, or of a training with another identity: the message says in what.
        """
        self._identity = json.loads(json.dumps(identity()))  # as it will be read again
        if not self._resume or not self.path.exists():
            return
        file = read_model(self.path)
        try:
            kept = file.description["checkpoint"]
            others = _differences(kept["identity"], self._identity)
            states = {
                name: State({each: file.arrays[f"{name}:{each}"] for each in arrays}, facts)
                for name, (arrays, facts) in kept["states"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ModelError(f"{self.path}: expected a checkpoint of a training, found another file.") from None
        if others:
            raise ModelError(
                f"{self.path}: expected a checkpoint of this training, found one with other {', '.join(others)}. "
                "Give what it was started with, or leave out --resume to start from scratch."
            )
        self._states = states

    def within(self, name: str) -> Checkpoint:
        """Return a checkpoint whose names are put below this one."""
        return _Within(self, name)

    def load(self, name: str) -> State | None:
        """Return what was noted under this name, or None."""
        return self._states.get(name)

    def save(self, name: str, make: Callable[[], State]) -> None:
        """Keep a state; write the file when it is time."""
        # Bound anew in one step: a signal may end this function anywhere, and what it leaves is then written.
        others = {at: state for at, state in self._states.items() if at != name and not at.startswith(f"{name}/")}
        self._states = {**others, name: make()}
        if time.monotonic() >= self._next_writing:
            began = time.monotonic()
            try:
                self.write()
                self.trouble = None
            except OutputError as error:
                self.trouble = error
            now = time.monotonic()
            self._next_writing = now + max(SECONDS_BETWEEN, (now - began) / _SHARE_OF_WRITING)

    def write(self) -> bool:
        """Write the file, whole or not at all; return False when there is nothing to write yet.

        Raises OutputError when it cannot be written.
        """
        states = self._states
        if not states:
            return False
        arrays = {f"{name}:{each}": array for name, state in states.items() for each, array in state.arrays.items()}
        listed = {name: [list(state.arrays), state.facts] for name, state in states.items()}
        write_model(self.path, arrays, {"checkpoint": {"identity": self._identity, "states": listed}})
        return True

    def remove(self) -> None:
        """Remove the file, if there is one: the model is written."""
        try:
            self.path.unlink(missing_ok=True)
            sweep(self.path)
        except OSError as error:
            raise TextclfError(
                f"{self.path}: cannot be removed ({error.strerror}). It is not needed any more."
            ) from None


class _Within(Checkpoint):
    def __init__(self, parent: Checkpoint, prefix: str) -> None:
        self._parent, self._prefix = parent, prefix

    def within(self, name: str) -> Checkpoint:
        return _Within(self, name)

    def load(self, name: str) -> State | None:
        return self._parent.load(f"{self._prefix}/{name}")

    def save(self, name: str, make: Callable[[], State]) -> None:
        self._parent.save(f"{self._prefix}/{name}", make)


def _differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the names of what is not the same in both, those of settings singly."""
    names = []
    for name in [*wanted, *(kept.keys() - wanted.keys())]:
        before, now = kept.get(name), wanted.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            names += _differences(before, now)
        elif before != now:
            names.append(str(name).replace("_", "-"))
    return names


def state_of(steps: Steps, losses: Sequence[float]) -> State:
    """Return where L-BFGS is, and the losses so far, as arrays."""
    arrays = {"theta": steps.theta, "gradient": steps.gradient, "losses": np.array(losses)}
    for number, pair in enumerate(steps.history):
        arrays |= {f"step{number}": pair.s, f"change{number}": pair.y}
    rho = [pair.rho for pair in steps.history]
    numbers = [steps.loss, steps.wanted, steps.iteration, steps.evaluations, *rho]
    return State({**arrays, "numbers": np.array(numbers, np.float64)})


def steps_of(state: State, theta: Array) -> Steps:
    """Return the place in L-BFGS that `state_of` noted, for parameters like `theta`."""
    loss, wanted, iteration, evaluations, *rho = map(float, state.arrays["numbers"])
    history = tuple(
        Pair(state.array(f"step{number}", theta), state.array(f"change{number}", theta), each)
        for number, each in enumerate(rho)
    )
    parameters, gradient = state.array("theta", theta), state.array("gradient", theta)
    return Steps(parameters, gradient, loss, int(iteration), int(evaluations), wanted, history)
