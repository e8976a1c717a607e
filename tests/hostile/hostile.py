"""What the hostile cases share: a command run in this process, one-line errors, bounds of time and memory."""

import os
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from calls import Outcome, captured

from textclf.cli import run

FIXTURES = Path(__file__).parent.parent / "fixtures"
MODEL = FIXTURES / "model-format-1.safetensors"
DATA = Path(__file__).parent.parent.parent / "data"

long_running = pytest.mark.long_running
"""Marks what takes minutes: left out of the suite, run by `make fuzz`."""


@dataclass(frozen=True)
class Case:
    """A file of hostile content and what must be said of it, as a regular expression; or what it must be read as."""

    content: bytes | Callable[[], bytes]
    refused: str | None = None
    read: object = None
    says: str = ""
    options: tuple[str, ...] = ()

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content() if callable(self.content) else self.content)
        return path


def textclf(*arguments: object, stdin: bytes = b"") -> Outcome:
    """Run a command in this process, as the console script does."""
    return captured(lambda: run([str(argument) for argument in arguments]), stdin)


def refused(match: str, *arguments: object, code: int = 1, stdin: bytes = b"") -> Outcome:
    """Run a command that must say in one printable line what is wrong, and write no result."""
    outcome = textclf(*arguments, stdin=stdin)
    assert outcome.code == code, outcome
    last = outcome.err.rstrip("\n").rsplit("\n", 1)[-1]
    assert last.startswith("Error: ")
    assert re.search(match, last), last
    assert_clean(outcome)
    return outcome


def accepted(*arguments: object, stdin: bytes = b"") -> Outcome:
    """Run a command that must do its work."""
    outcome = textclf(*arguments, stdin=stdin)
    assert outcome.code == 0, outcome.err[-2000:]
    assert_clean(outcome)
    return outcome


def assert_clean(outcome: Outcome) -> None:
    """No traceback, no fault of the program's own, nothing that a terminal would obey."""
    for stream in (outcome.out, outcome.err):
        assert "Traceback" not in stream
        assert "fault in textclf" not in stream, stream
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", stream), ascii(stream)


@contextmanager
def within(seconds: float, megabytes: float | None = None) -> Iterator[None]:
    """Hold a block to seconds of processor time, its children's too, and, where it is given, to memory at its peak.

    Processor time is the same on a machine that does much else. Memory is as Python and NumPy count it.
    """
    if megabytes is not None:
        tracemalloc.start()
    started = sum(os.times()[:4])
    try:
        yield
        took = sum(os.times()[:4]) - started
        peak = tracemalloc.get_traced_memory()[1] / 1e6 if megabytes is not None else 0.0
    finally:
        tracemalloc.stop()
    assert took < seconds
    assert megabytes is None or peak < megabytes


def numbered(cases: dict[str, Case]) -> pytest.MarkDecorator:
    """Make a test of each case; its name begins with the number of the list."""
    return pytest.mark.parametrize("case", cases.values(), ids=cases)
