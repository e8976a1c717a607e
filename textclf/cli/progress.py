"""Progress on standard error: shown to people at a terminal, silent everywhere else."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Counter(Protocol):
    """Takes the number of rows done since the last call."""

    def __call__(self, rows: int, /) -> None:
        """Count rows."""


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
