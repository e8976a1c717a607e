"""A process that trains and measures on request, so that a trial can be ended when time or memory is out."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process, resource_tracker
from pathlib import Path
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from textclf.errors import TextclfError
from textclf.model.card import ModelCard
from textclf.types import Integers

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from textclf.settings import Settings
    from textclf.training.train import LabelledTexts
    from textclf.vectors import WordVectors

_SHARE_OF_MEMORY = 0.85
"""Of the memory that is free when the process starts, it may take this share."""


class OutOfTime(Exception):  # noqa: N818 -- it is no error: the time that was given is used up
    """The time is up."""


@dataclass(frozen=True)
class Measured:
    """One fold: the figures of the rows left out, the size of the model's file, and how long training took."""

    figures: dict[str, float]
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Work:
    """What the process is told once: the rows, the fold of each, and where vectors come from."""

    data: "LabelledTexts"
    folds: Integers
    vectors: str
    cache: bool


class Worker:
    """The process; a context manager that ends it. What fails in it is told in one line, as TextclfError."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._is_told = False
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def measure(self, settings: "Settings", fold: int, deadline: float) -> Measured:
        """Train without a fold and measure on it. Raises OutOfTime at the deadline, TextclfError when it cannot be."""
        measured = self._ask(("measure", settings, fold), deadline)
        assert isinstance(measured, Measured)
        return measured

    def train(self, settings: "Settings", target: Path, deadline: float) -> ModelCard:
        """Train on all rows, write the model to `target`, and return its card; raises as `measure` does."""
        card = self._ask(("train", settings, str(target)), deadline)
        assert isinstance(card, ModelCard)
        return card

    def _ask(self, request: tuple[Any, ...], deadline: float) -> object:
        if not self._process.is_alive():
            self._start()
        try:
            if not self._is_told:  # not when it starts: what is cut off there ends in a traceback of multiprocessing
                self._connection.send(self._work)
                self._is_told = True
            self._connection.send(request)
            if not self._connection.poll(max(deadline - monotonic(), 0.0)):
                self._end()
                raise OutOfTime("the time is up")
            answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._end()
            raise TextclfError("the process that trained was ended: its memory was not enough.") from None
        if isinstance(answer, TextclfError):
            raise answer
        return answer

    def _start(self) -> None:
        context = get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._is_told = False
        with _hold_interrupts():
            self._process.start()
        other.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


@contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back while the block runs; a process that is started meanwhile never gets it. Not on Windows.

    One that is still starting would answer it with a traceback.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # it lets Ctrl-C through once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: "Connection") -> None:
    """Take the work, and answer requests until there are no more; runs in the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends this process
    Thread(target=_end_with_parent, daemon=True).start()
    from textclf.vectors import open_vectors

    try:
        work: Work = connection.recv()
    except (EOFError, OSError):  # who has it was ended, perhaps while it was on its way
        return

    _limit_memory()
    vectors = None if work.vectors == "none" else open_vectors(work.vectors, cache=work.cache, say=lambda _: None)
    while True:
        try:
            request = connection.recv()
        except (EOFError, OSError):
            return
        answer: object
        try:
            answer = _ANSWERS[request[0]](work, vectors, *request[1:])
        except TextclfError as error:
            answer = error
        except MemoryError:
            answer = TextclfError("the memory is not enough for these settings.")
        try:
            connection.send(answer)
        except BrokenPipeError:  # who asked has ended
            return


def _end_with_parent() -> None:
    """End this process, whatever it is at, when the one that asks is no more: nobody would take the answer."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit_memory() -> None:
    """Bound the worker's memory where the system tells how much is free, as Linux does; elsewhere it has no bound."""
    if sys.platform != "linux":
        return
    import resource

    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + int(free * _SHARE_OF_MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _measure(work: Work, vectors: "WordVectors | None", settings: "Settings", fold: int) -> Measured:
    from textclf.labels import label_sets, multi_hot
    from textclf.metrics.multi_label import new_tally
    from textclf.model.label_table import predict_texts
    from textclf.training.train import train

    begin = monotonic()
    rest = _select(work.data, (work.folds != fold).nonzero()[0].tolist())
    model = train(rest, settings, vectors).model
    seconds = monotonic() - begin
    out = _select(work.data, (work.folds == fold).nonzero()[0].tolist())
    tally = new_tally(model.labels, model.thresholds)
    sets = label_sets(out.labels, multi_label=settings.multi_label)
    known = [i for i, labels in enumerate(sets) if set(labels) <= set(model.labels)]  # a class of one fold's rows alone
    Y, done = multi_hot([sets[i] for i in known], model.labels), 0
    for predictions in predict_texts(model, [out.texts[i] for i in known], threads=settings.threads):
        rows = slice(done, done + len(predictions))
        counts = {"words": predictions.tokens, "known": predictions.known}
        tally.add_rows(Y[rows], predictions.P, given=predictions.given, **counts)
        done += len(predictions)
    figures = {name: float(value) for name, value in tally.evaluation().summary().items()}
    return Measured(figures, model.file_size(), seconds)


def _train(work: Work, vectors: "WordVectors | None", settings: "Settings", target: str) -> ModelCard:
    from textclf.training.train import train

    model = train(work.data, settings, vectors).model
    model.save(Path(target))
    return model.card


def _select(data: "LabelledTexts", rows: Sequence[int]) -> "LabelledTexts":
    weights = data.weights
    return replace(
        data,
        texts=[data.texts[i] for i in rows],
        labels=[data.labels[i] for i in rows],
        weights=None if weights is None else [weights[i] for i in rows],
    )


_ANSWERS: dict[str, Callable[..., object]] = {"measure": _measure, "train": _train}
