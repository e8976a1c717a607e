"""Label a table and say what became of its rows."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.output import prediction_line, report_drift, report_table, say, write_refused
from textclf.cli.progress import counting_rows

if TYPE_CHECKING:
    from textclf.model.label_table import Labelled, PredictionColumns
    from textclf.model.model import Model
    from textclf.model.prediction import Predictions
    from textclf.tables import Batch, Origin, TableOptions


def label_table(
    model: "Model",
    source: "Origin",
    output: Path | None,
    options: "TableOptions",
    wanted: "PredictionColumns",
    *,
    as_json: bool,
    refused: Path | None,
    drift: Path | None,
    threads: int,
    quiet: bool,
) -> None:
    """Write the rows of a table with their labels to `output`, or to standard output."""
    from textclf.model.bulk import BATCH_ROWS
    from textclf.model.label_table import label_rows, make_writer
    from textclf.tables import open_table, open_writer

    if as_json and output is not None:
        raise click.UsageError("--json writes to standard output; for a file of JSON, name it .jsonl without --json.")

    def echo(batch: "Batch", predictions: "Predictions") -> None:
        for prediction in model.each(batch.texts, predictions, wanted.answer_from):
            click.echo(prediction_line(prediction, wanted.top_k))

    with ExitStack() as stack:
        table = stack.enter_context(open_table(source, options, labelled=False, batch_rows=BATCH_ROWS))
        count = stack.enter_context(counting_rows("labelling", quiet=quiet))
        write: Callable[[Batch, Predictions], None] = echo
        if not as_json:
            target = sys.stdout.buffer if output is None else output
            writer = stack.enter_context(open_writer(target, table, wanted.names(model)))
            write = make_writer(model, wanted, writer)
        done = label_rows(model, table, wanted, write, threads=threads, progress=count)
    report_table(table.name, table.refused, table.notes.sentences())
    if refused is not None:
        write_refused(refused, [(table.name, table.refused)])
    report_drift(model, done.profile, table.name, drift, quiet=quiet)
    say_labelled(done, len(table.refused), wanted, quiet=quiet)


def say_labelled(done: "Labelled", refused: int, wanted: "PredictionColumns", *, quiet: bool) -> None:
    """Say how many rows were labelled, and how many were answered where a precision was promised."""
    say(f"{done.rows:,} rows labelled, {refused:,} not used, {done.unknown:,} without a known word.", quiet=quiet)
    if wanted.answer_from is not None:
        say(f"{done.answered:,} answered, {done.rows - done.answered:,} abstained.", quiet=quiet)
