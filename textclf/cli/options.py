"""Options that several commands share, and what they make of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from textclf.tables import Origin, TableOptions

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


class NumberRange(click.FloatRange):
    """A range of numbers: click takes NaN for a number inside any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"expected a number, found {value!r}.", param, ctx)
        return number


class FormatChoice(click.Choice[str]):
    """The name of a table format, of those that are registered, which are only looked up when one is given."""

    def __init__(self) -> None:
        super().__init__([])

    @property
    def choices(self) -> tuple[str, ...]:
        """The names."""
        from textclf.tables import FORMAT_NAMES

        return FORMAT_NAMES

    @choices.setter
    def choices(self, _: tuple[str, ...]) -> None:
        """Take nothing: the registry has the names."""


threads_option = click.option(
    "--threads", type=click.IntRange(1, 256), default=2, show_default=True, help="Threads; the result is the same."
)
target_precision_option = click.option(
    "--target-precision",
    type=NumberRange(0.5, 0.999),
    metavar="SHARE",
    help="Answer only where at least this share of answers is right (a promise held 95% of the time).",
)
refused_option = click.option(
    "--refused",
    type=FILE,
    metavar="FILE",
    help="With --on-error skip: write which rows were not used, and why, as CSV.",
)
drift_option = click.option(
    "--drift", type=FILE, metavar="FILE", help="Write how the texts differ from those of training, as JSON."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Say nothing but results, warnings and errors.")


class Bytes(click.ParamType[int]):
    """A size such as ``2MB``, ``500kB``, ``1.5GB`` or a number of bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes; a kB is 1000 of them, a KiB 1024."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b?)?", value.strip().lower())
        if found is None or float(found[1]) == 0:
            self.fail(f"expected a size such as 2MB, found {value!r}.", param, ctx)
        return int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2] or ""])


_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True)
class Cluster:
    """Where many files are worked on: the address of a Dask scheduler, or a number of processes; None for neither."""

    scheduler: str | None
    workers: int | None

    @property
    def is_named(self) -> bool:
        """Whether there is one to work on."""
        return self.scheduler is not None or self.workers is not None


def cluster_options(command: Command) -> Command:
    """Add the options that `cluster_of` makes something of."""
    for option in (
        click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help="Work on many files in N processes."),
        click.option("--scheduler", metavar="ADDRESS", help="Work on many files on a Dask cluster (tcp://host:port)."),
    ):
        command = option(command)
    return command


def cluster_of(settings: dict[str, Any]) -> Cluster:
    """Take the keywords of `cluster_options` out of a command's settings and return what they say."""
    cluster = Cluster(settings.pop("scheduler"), settings.pop("workers"))
    if cluster.scheduler is not None and cluster.workers is not None:
        raise click.UsageError("give --scheduler or --workers, not both.")
    return cluster


def table_options(*, labelled: bool, may_stop: bool = True) -> Callable[[Command], Command]:
    """Add the options that say how a table is read; they reach the command as the keywords of `read_options`.

    With `may_stop` False a row that cannot be used never stops the command, and there is no option to say so.
    """
    options = [
        click.option("--text-column", metavar="NAME", help="The column of texts. [default: told from the header]"),
        click.option("--format", "table_format", type=FormatChoice(), help="What the file is. [default: told]"),
        click.option("--separator", metavar="CHAR", help="What separates columns. [default: comma; tab in TSV]"),
        click.option("--no-quotes", is_flag=True, help='A " is a character like any other (many TSV files).'),
        click.option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="The file's encoding."),
        click.option(
            "--on-error",
            type=click.Choice(["fail", "skip"]),
            default="fail",
            show_default=True,
            help="At a row that cannot be used: stop, or list it and go on.",
        ),
    ]
    if not may_stop:
        options.pop()
    if labelled:
        options.insert(1, click.option("--label-column", metavar="NAME", help="The column of labels. [default: told]"))

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def read_options(settings: dict[str, Any]) -> "TableOptions":
    """Take the keywords of `table_options` out of a command's settings and return what they say."""
    from textclf.tables import TableOptions

    return TableOptions(
        text_column=settings.pop("text_column"),
        label_column=settings.pop("label_column", None),
        format=settings.pop("table_format"),
        separator=settings.pop("separator"),
        quotes=not settings.pop("no_quotes"),
        encoding=settings.pop("encoding"),
        on_error=settings.pop("on_error", "skip"),
    )


def check_refused(refused: Path | None, options: "TableOptions") -> None:
    """Refuse a file for the rows that are not used where such a row stops the command."""
    if refused is not None and options.on_error == "fail":
        raise click.UsageError("--refused goes with --on-error skip: without it the first such row stops the command.")


def origin(path: Path) -> "Origin":
    """Return where a table comes from: a path, or "-" for standard input."""
    return "-" if str(path) == "-" else path


def check_outputs(read: Sequence[Path], *outputs: Path | None) -> None:
    """Refuse, before any work is done, an output that cannot be written, is one of the files read, or stands twice."""
    from textclf.errors import OutputError
    from textclf.storage.files import check_writable
    from textclf.tables import check_not_same

    seen = set()
    for output in outputs:
        if output is None:
            continue
        for path in read:
            check_not_same(origin(path), output)
        check_writable(output)
        if output.resolve() in seen:
            raise OutputError(f"{output}: expected outputs of different names, found it twice. Name another.")
        seen.add(output.resolve())
