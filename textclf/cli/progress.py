"""Progress on standard error: shown to people at a terminal, silent everywhere else."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from textclf.training.minibatch import Epoch


class Counter(Protocol):
    """Takes the number of rows, or of steps, done since the last call."""

    def __call__(self, rows: int, /) -> None:
        """Count rows or steps."""


@contextmanager
def counting_rows(what: str, *, quiet: bool) -> Iterator[Counter]:
    """Show how many rows are done and how many a second, while the block runs."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, rate="")

        def count(rows: int) -> None:
            progress.advance(task, rows)
            done, seconds = progress.tasks[0].completed, progress.tasks[0].elapsed or 1e-9
            progress.update(task, rate=f"{done:,.0f} rows, {done / seconds:,.0f} rows/s")

        yield count


@contextmanager
def counting_steps(what: str, total: int, *, quiet: bool) -> Iterator[Counter]:
    """Show how many of a known number of steps are done, and the time left, while the block runs."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description} {task.completed:.0f} of {task.total:.0f}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda steps: progress.advance(task, steps)


class ShowEpoch(Protocol):
    """Takes an epoch, and how many there are at most."""

    def __call__(self, epoch: "Epoch", most: int, /) -> None:
        """Show the epoch."""


@contextmanager
def showing_epochs(texts: int, *, quiet: bool) -> Iterator[ShowEpoch]:
    """Show each epoch, its losses, texts a second and the time left, while the block runs."""
    if quiet or not sys.stderr.isatty():
        yield lambda _epoch, _most: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("training", total=1, figures="")

        def show(epoch: "Epoch", most: int) -> None:
            seconds = progress.tasks[0].elapsed or 1e-9
            figures = f"loss {epoch.loss:.4f}"
            if epoch.valid_accuracy is not None:
                figures += f"  validation accuracy {epoch.valid_accuracy:.4f}"
            figures += f"  {texts * epoch.number / seconds:,.0f} texts/s"
            progress.update(task, completed=epoch.number, total=most, figures=figures)

        yield show
