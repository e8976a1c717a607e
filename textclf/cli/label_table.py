"""Label the rows of a table: batches in, batches out, in constant memory."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.output import prediction_line, report_table, say
from textclf.cli.progress import counting_rows
from textclf.labelling import BATCH_ROWS, Wanted, predicted_pieces

if TYPE_CHECKING:
    from textclf.model import Model
    from textclf.predictions import Predictions
    from textclf.tables import Batch, Origin, TableOptions


def label_table(
    model: "Model",
    source: "Origin",
    output: Path | None,
    options: "TableOptions",
    wanted: Wanted,
    *,
    threads: int,
    quiet: bool,
) -> None:
    """Write the rows of a table with their labels to `output`, or to standard output."""
    from textclf.tables import open_table, open_writer

    target = sys.stdout.buffer if output is None else output
    with ExitStack() as stack:
        table = stack.enter_context(open_table(source, options, labelled=False, batch_rows=BATCH_ROWS))
        count = stack.enter_context(counting_rows("labelling", quiet=quiet))
        write = None
        if not wanted.as_json:
            writer = stack.enter_context(open_writer(target, table, wanted.columns(model)))
            write = writer.write
        elif output is not None:
            raise click.UsageError(
                "--json writes to standard output; for a file of JSON, name it .jsonl without --json."
            )
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        rows = unknown = answered = 0
        for batch, predictions in predicted_pieces(model, table.batches(), pool):
            if write is None:
                _echo_objects(model, batch, predictions, wanted)
            else:
                write(batch, list(wanted.values(model, predictions)))
            if wanted.answer_from is not None:
                answered += int(model.answered(predictions, wanted.answer_from).sum())
            rows += len(batch)
            unknown += int((predictions.known == 0).sum())
            count(len(batch))
    report_table(table.name, table.refused, table.notes.sentences())
    say(f"{rows:,} rows labelled, {len(table.refused):,} not used, {unknown:,} without a known word.", quiet=quiet)
    if wanted.answer_from is not None:
        say(f"{answered:,} answered, {rows - answered:,} abstained.", quiet=quiet)


def _echo_objects(model: "Model", batch: "Batch", predictions: "Predictions", wanted: Wanted) -> None:
    for prediction in model.each(batch.texts, predictions, wanted.answer_from):
        click.echo(prediction_line(prediction, wanted.top_k))
