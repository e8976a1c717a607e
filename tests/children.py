"""Run the command line in children that are there at once: forked from a server that has imported all of it.

`SOAK` is whether `make soak` runs the tests, with the counts of a release instead of those of a commit.
"""

import functools
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

import pytest

import textclf.cli
from textclf.storage import files

SOAK = bool(os.environ.get("TEXTCLF_SOAK"))
TABLES = 20 if SOAK else 0.3
"""A release tries 20 times as many tables as a test names, a commit a third of them."""
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "children",
        *(f"textclf.cli.commands.{name}" for name in ("predict", "suggest", "train", "vectors")),
        # What commands import late. The server leaves out what is not installed.
        *("textclf.analysis.suggestion", "textclf.labelling", "textclf.model.label_table", "textclf.serve.service"),
        *("textclf.training.train", "textclf.vectors.word2vec", "gensim.models", "uvicorn"),
    ]
)
LONGEST = 60


@functools.cache
def _serve() -> None:
    """Start the server, which finds this module by the environment alone (Python 3.11 keeps its path from it)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()


@dataclass
class Child:
    """A process, and the file of what it says on standard error."""

    process: multiprocessing.Process
    talk: Path

    def kill(self, number: int) -> float:
        """Send a signal and return how many seconds the process took to end."""
        began = time.monotonic()
        if self.process.is_alive():
            os.kill(self.process.pid, number)
        self.wait()
        return time.monotonic() - began

    def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        self.process.join(LONGEST)
        code = self.process.exitcode
        if code is None:
            self.process.kill()  # else it may go on for ever
        assert code is not None, "the child does not end"
        return code

    def said(self) -> str:
        """Return what it said on standard error; there must be no traceback in it."""
        talk = self.talk.read_text("utf-8")
        assert "Traceback" not in talk, talk
        return talk


def start(*arguments: object, folder: Path, prepare: Callable[[], None] | None = None) -> Child:
    """Start the command line in a folder, after `prepare`; return once it has taken over its signals."""
    _serve()
    ready, told = _CONTEXT.Pipe(duplex=False)
    talk = folder / "talk.txt"
    process = _CONTEXT.Process(target=_main, args=([*map(str, arguments)], folder, talk, told, prepare))
    process.start()
    told.close()
    ready.recv()
    ready.close()
    return Child(process, talk)


def run(*arguments: object, folder: Path, code: int = 0, prepare: Callable[[], None] | None = None) -> str:
    """Run the command line to its end, with this exit code; return what it said on standard error."""
    child = start(*arguments, folder=folder, prepare=prepare)
    found = child.wait()
    talk = child.said()
    assert found == code, talk
    return talk


def _main(arguments: list[str], folder: Path, talk: Path, told: object, prepare: Callable[[], None] | None) -> None:
    os.chdir(folder)
    stream = talk.open("w", encoding="utf-8", buffering=1)
    os.dup2(stream.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr, sys.stdout = stream, open(1, "w", closefd=False)  # noqa: SIM115 -- a descriptor
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background is started without them
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    take_signals = textclf.cli.signals.take_signals

    def take_signals_and_tell() -> None:
        take_signals()
        told.send(True)
        told.close()

    # Told by the command line itself, which by then deals with signals wherever they fall.
    textclf.cli.signals.take_signals = take_signals_and_tell
    if prepare is not None:
        prepare()
    try:
        textclf.cli.main(arguments)
    finally:
        if "COVERAGE_PROCESS_CONFIG" in os.environ:  # its file is written now, for longer than the run took to end
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def leftovers(folder: Path) -> list[str]:
    """Return the names of temporary files."""
    return [path.name for path in folder.iterdir() if ".textclf-part" in path.name]


def break_call(call: str, after: bool, fail: Callable[[], None], put: Callable[..., None] = setattr) -> None:
    """Let `fail` happen before, or after, each system call of this name that writes a file."""
    place = {"write": files._Temporary, "close": files._Temporary, "replace": Path, "_create": files}.get(call, os)
    real = getattr(place, call)

    def broken(*arguments: object, **keywords: object) -> object:
        if not after:
            fail()
        found = real(*arguments, **keywords)
        if after:
            fail()
        return found

    put(place, call, broken)
