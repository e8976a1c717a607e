"""What commands say: results on standard output; talk, warnings and progress on standard error."""

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import click

from textclf.errors import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textclf.distributed import SetAside
    from textclf.model.drift import Profile
    from textclf.model.file import FileFacts
    from textclf.model.model import Model
    from textclf.report import RunDetails
    from textclf.tables import LoadedTable, Table
    from textclf.training.resources import Epoch
    from textclf.vectors import WordVectors
    from textclf.vectors.word2vec import Corpus

    ReadTable = Table | LoadedTable | Corpus

_REFUSALS_SHOWN = 20
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def say(message: str, *, quiet: bool = False) -> None:
    """Write one line of talk to standard error."""
    if not quiet:
        talk(message)


def warn(message: str) -> None:
    """Write one line of warning to standard error."""
    talk(f"Warning: {spell(message)}")


def talk(message: str) -> None:
    """Write one line to standard error; the work continues if nobody listens any more."""
    if StatusLine.current is not None:
        StatusLine.current.clear()
    try:
        click.echo(message, err=True)
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def report_table(table: "ReadTable") -> None:
    """Warn of what was found in a table that was read, and list the first skipped rows."""
    for sentence in table.notes.sentences():
        warn(f"{table.name}: {sentence}.")
    for refusal in table.refused[:_REFUSALS_SHOWN]:
        warn(f"{table.name}: skipped: {refusal}.")
    if len(table.refused) > _REFUSALS_SHOWN:
        more = len(table.refused) - _REFUSALS_SHOWN
        takes_file = "refused" in {parameter.name for parameter in click.get_current_context().command.params}
        file = "--refused FILE or " if takes_file else ""
        warn(f"{table.name}: skipped: {more:,} more rows; {file}`textclf check` lists all.")


def warn_of_set_aside(set_aside: "Iterable[SetAside]") -> None:
    """List the files that could not be read."""
    for aside in set_aside:
        warn(f"skipped file: {aside.reason}")


def warn_of_silence(model: "Model", target_precision: float | None) -> None:
    """Warn where nothing can get an answer at the precision that is asked for."""
    if target_precision is not None and model.record is not None:
        reason = model.record.explain_silence(target_precision, len(model.labels))
        if reason is not None:
            warn(reason)


def write_refused(path: Path | None, *tables: "ReadTable") -> None:
    """Write the skipped rows of tables as CSV, where a file is named for them: table, row (from 1), line, reason."""
    if path is None:
        return
    from textclf.storage.files import write_csv

    rows = (
        (table.name, refusal.row, "" if refusal.line is None else refusal.line, refusal.reason)
        for table in tables
        for refusal in table.refused
    )
    write_csv(path, ("table", "row", "line", "reason"), rows)


ARGUMENTS = "textclf.arguments"
"""Where click's context keeps the arguments of the run."""


def list_given_arguments() -> tuple[str, ...]:
    """Return the arguments that the program was called with."""
    arguments: tuple[str, ...] = click.get_current_context().meta.get(ARGUMENTS, ())
    return arguments


def command_line(arguments: "Sequence[str]") -> str:
    """Return the command with these arguments as one line to copy, quoted for the shells of the system."""
    if sys.platform == "win32":
        import subprocess

        return subprocess.list2cmdline(["textclf", *arguments])
    import shlex

    return shlex.join(["textclf", *arguments])


class ReportedRun:
    """What a report says of the run that begins now, and of the files that it is about to read.

    The files are described before they are read, but for models, which bring their facts: another may have their names
    when the run ends.
    """

    def __init__(self, files: "Mapping[str, Path | FileFacts | None]") -> None:
        from textclf.report import describe_files

        self._began = time.perf_counter()
        self._files = describe_files(files)

    def end(self, written: Mapping[str, Path | None] | None = None) -> "RunDetails":
        """Return the details of the run, which comes to its end, and of the files that it wrote."""
        from textclf.report import RunDetails, describe_files

        files = [*describe_files(written or {}), *self._files]
        return RunDetails.of(command_line(list_given_arguments()), files, seconds=time.perf_counter() - self._began)


def report_drift(
    model: "Model", found: "Profile", name: str, target: "Path | None", *, independent: float, quiet: bool
) -> None:
    """Warn if the texts of a table are clearly unlike those of training, and write how they compare to `target`.

    `independent`: the share of the texts that are no copies of another, as `Model.drift` takes it.
    """
    from textclf.storage.files import write_whole

    drift = model.drift(found, independent)
    if drift is None:
        return
    if target is not None:
        with write_whole(target) as stream:
            stream.write((json.dumps({"file": name, **drift.as_dict()}, ensure_ascii=False, indent=2) + "\n").encode())
    if drift.differs and not quiet:
        warn(f"{name}: {drift.warning}")


def check_knows_drift(model: "Model", target: "Path | None") -> None:
    """Raise ModelError when drift is to be written, but the model does not know what its training texts were like."""
    from textclf.errors import ModelError

    if target is not None and model.reference is None:
        raise ModelError(
            "--drift: expected a model that keeps what its texts are like, found an older one. Train again."
        )


def open_chosen_vectors(source: str, *, cache: bool, quiet: bool) -> "WordVectors | None":
    """Return the vectors, what is worth a word about them said; None for ``none``."""
    from textclf.vectors import open_vectors

    if source == "none":
        return None
    vectors = open_vectors(source, cache=cache, say=lambda text: say(text, quiet=quiet))
    for note in vectors.notes:
        warn(f"{vectors.name}: {note}.")
    return vectors


def json_line(value: dict[str, Any]) -> str:
    """Return one line of JSON that any terminal and file can take; a lone surrogate stays an escape.

    So do the characters that a terminal may obey and JSON lets pass: C1 controls, and those that turn the writing
    around or break the line.
    """
    line = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return line if line.isprintable() else _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class Counter(Protocol):
    """Takes the number of rows, or of steps, done since the last call."""

    def __call__(self, rows: int, /) -> None:
        """Count rows or steps."""


class StatusLine:
    """A line on standard error that is written over, some times a second, while work goes on."""

    current: ClassVar["StatusLine | None"] = None
    """The one that stands on the terminal: what is said meanwhile goes above it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown, self._width, self._late = float("-inf"), 0, ""

    @property
    def seconds(self) -> float:
        """The time since the work began."""
        return max(time.monotonic() - self._began, 1e-9)

    def show(self, text: str) -> None:
        """Show the text and the time since the work began, unless another was shown just now."""
        now = time.monotonic()
        self._late = text
        if now - self._shown < _SECONDS_SHOWN:
            return
        self._shown, self._late = now, ""
        line = f"{text}  {_clock(self.seconds)}"[: shutil.get_terminal_size().columns - 1]
        self._write(line.ljust(self._width))
        self._width = len(line)

    def show_steps(self, text: str, done: float, total: float) -> None:
        """Show the text, the time that the steps left will take, and the time since the work began."""
        left = f"  {_clock(self.seconds * (total - done) / done)} left" if done else ""
        self.show(f"{text}{left}")

    def clear(self) -> None:
        """Show what came last, and leave the line blank."""
        self._shown = float("-inf")
        if self._late:
            self.show(self._late)
        if self._width:
            self._write(" " * self._width)
            self._write("")
            self._shown, self._width = float("-inf"), 0

    @staticmethod
    def _write(line: str) -> None:
        with suppress(OSError, ValueError):  # where nobody looks any more, the work goes on
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()


_SECONDS_SHOWN = 0.1


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@contextmanager
def _status_line(*, quiet: bool) -> Iterator[StatusLine | None]:
    """Give a status line while the block runs; None where nobody looks at one."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    StatusLine.current = line = StatusLine()
    try:
        yield line
    finally:
        StatusLine.current = None
        line.clear()


def counting_rows(what: str, *, quiet: bool) -> AbstractContextManager[Counter]:
    """Show how many rows are done and how many a second, while the block runs."""
    return _counting(lambda line, done: line.show(f"{what} {done:,} rows, {done / line.seconds:,.0f} rows/s"), quiet)


def counting_steps(what: str, total: int, *, quiet: bool) -> AbstractContextManager[Counter]:
    """Show how many of a known number of steps are done, and the time left, while the block runs."""
    return _counting(lambda line, done: line.show_steps(f"{what} {done} of {total}", done, total), quiet)


@contextmanager
def _counting(show: Callable[[StatusLine, int], None], quiet: bool) -> Iterator[Counter]:
    done = 0
    with _status_line(quiet=quiet) as line:

        def count(more: int) -> None:
            nonlocal done
            done += more
            if line is not None:
                show(line, done)

        yield count


class ShowEpoch(Protocol):
    """Takes an epoch, and how many there are at most."""

    def __call__(self, epoch: "Epoch", most: int, /) -> None:
        """Show the epoch."""


@contextmanager
def showing_epochs(texts: int, *, quiet: bool) -> Iterator[ShowEpoch]:
    """Show each epoch, its losses, texts a second and the time left, while the block runs."""
    with _status_line(quiet=quiet) as line:

        def show(epoch: "Epoch", most: int) -> None:
            if line is None:
                return
            figures = f"epoch {epoch.number} of {most}  loss {epoch.loss:.4f}"
            if epoch.valid_accuracy is not None:
                figures += f"  validation accuracy {epoch.valid_accuracy:.4f}"
            figures += f"  {texts * epoch.number / line.seconds:,.0f} texts/s"
            line.show_steps(figures, epoch.number, most)

        yield show
