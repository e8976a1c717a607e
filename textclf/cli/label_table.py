"""Label the rows of a table: batches in, batches out, in constant memory.

A batch is cut into pieces that are predicted at once, by as many threads as are given, while the rows of the pieces
before are written. Where a batch is cut does not depend on the threads, so neither does a bit of the output.
"""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.output import prediction_line, report_drift, report_table, say
from textclf.cli.progress import counting_rows

if TYPE_CHECKING:
    from textclf.arrays import Array
    from textclf.model import Model
    from textclf.predictions import Predictions
    from textclf.tables import Batch, Origin, TableOptions

_BATCH_ROWS = 8192
_PIECE_ROWS = 512
"""Rows predicted at a time by a thread: the arrays of larger pieces leave the processor's cache."""


@dataclass(frozen=True)
class Wanted:
    """What is written for each row: the `top_k` likeliest labels, all probabilities with `proba`; or JSON objects.

    With `answer_from`, the confidence from which on each label is given, shape (k,), whether the model abstains, too.
    `drift`: where it goes how the texts differ from those of training, if anywhere.
    """

    as_json: bool
    top_k: int | None
    proba: bool
    answer_from: "Array | None" = None
    drift: Path | None = None

    def columns(self, model: "Model") -> list[str]:
        """Return the names of the added columns: label, confidence, then those of the likeliest labels.

        Of a model that gives one label, that is the likeliest, and the next come after it; of a multi-label model
        `label` holds the labels given, and all of the likeliest come after it.
        """
        names = ["label", "confidence"] + (["abstained"] if self.answer_from is not None else [])
        for rank in range(self._first_rank(model), min(self.top_k or 1, len(model.labels)) + 1):
            names += [f"label_top{rank}", f"confidence_top{rank}"]
        return names + ([f"p_{label}" for label in model.labels] if self.proba else [])

    def values(self, model: "Model", predictions: "Predictions") -> Iterator[list[str | float]]:
        """Give the values of the added columns for each row."""
        last = self.top_k or 1
        ranked = (-predictions.P).argsort(axis=1, kind="stable")[:, self._first_rank(model) - 1 : last].tolist()
        answers = [None] * len(predictions)
        if self.answer_from is not None:
            answers = model.answered(predictions, self.answer_from).tolist()
        cells = map(model.cell, model.label_sets(predictions.given))
        figures = zip(
            cells, predictions.confidence.round(6).tolist(), ranked, predictions.P.round(6), answers, strict=True
        )
        for cell, confidence, best, P, answer in figures:
            row = P.tolist()
            values: list[str | float] = [cell, confidence]
            if answer is not None:
                values.append("false" if answer else "true")
            for number in best:
                values += [model.labels[number], row[number]]
            yield values + (row if self.proba else [])

    def _first_rank(self, model: "Model") -> int:
        return 1 if model.is_multi_label and self.top_k else 2


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
        table = stack.enter_context(open_table(source, options, labelled=False, batch_rows=_BATCH_ROWS))
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
        profile = model.profile()
        for batch, predictions in _predicted(model, table.batches(), pool):
            if write is None:
                _echo_objects(model, batch, predictions, wanted)
            else:
                write(batch, list(wanted.values(model, predictions)))
            if wanted.answer_from is not None:
                answered += int(model.answered(predictions, wanted.answer_from).sum())
            predictions.count(profile)
            rows += len(batch)
            unknown += int((predictions.known == 0).sum())
            count(len(batch))
    report_table(table.name, table.refused, table.notes.sentences())
    report_drift(model, profile, table.name, wanted.drift, quiet=quiet)
    say(f"{rows:,} rows labelled, {len(table.refused):,} not used, {unknown:,} without a known word.", quiet=quiet)
    if wanted.answer_from is not None:
        say(f"{answered:,} answered, {rows - answered:,} abstained.", quiet=quiet)


def _predicted(
    model: "Model", batches: Iterable["Batch"], pool: ThreadPoolExecutor
) -> Iterator[tuple["Batch", "Predictions"]]:
    """Give each piece of each batch with its predictions, in order; a batch is done before the next one is read."""
    for batch in batches:
        pieces = [batch.select(range(i, min(i + _PIECE_ROWS, len(batch)))) for i in range(0, len(batch), _PIECE_ROWS)]
        yield from zip(pieces, pool.map(model.predict, [piece.texts for piece in pieces]), strict=True)


def _echo_objects(model: "Model", batch: "Batch", predictions: "Predictions", wanted: Wanted) -> None:
    for prediction in model.each(batch.texts, predictions, wanted.answer_from):
        click.echo(prediction_line(prediction, wanted.top_k))
