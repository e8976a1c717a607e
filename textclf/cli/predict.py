"""``textclf predict``: label sentences, or every row of a table."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    check_outputs,
    drift_option,
    origin,
    quiet_option,
    read_options,
    table_options,
    target_precision_option,
    threads_option,
)
from textclf.cli.output import check_knows_drift, prediction_line, ranked, report_table
from textclf.errors import shown
from textclf.model import Model
from textclf.predictions import Prediction

if TYPE_CHECKING:
    from textclf.tables import TableOptions

_LINES_AT_ONCE = 256


@click.command("predict", short_help="Label sentences, or every row of a table.")
@click.argument("model", type=FILE)
@click.argument("sentences", nargs=-1)
@click.option("--input", "-i", "source", type=FILE, help="A table whose rows are labelled; - for standard input.")
@click.option("--output", "-o", type=FILE, help="Where the table goes, with a label and a confidence for each row.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a text.")
@click.option("--top-k", type=click.IntRange(1), metavar="K", help="Give the K likeliest labels.")
@click.option("--proba", is_flag=True, help="Give the probability of every label.")
@target_precision_option
@drift_option
@table_options(labelled=False)
@threads_option
@quiet_option
def command(
    model: Path,
    sentences: tuple[str, ...],
    source: Path | None,
    output: Path | None,
    as_json: bool,
    top_k: int | None,
    proba: bool,
    target_precision: float | None,
    drift: Path | None,
    threads: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Label SENTENCES with MODEL, or the rows of a table (-i), or standard input, one text a line.

    \b
    textclf predict model.safetensors "A film that stays with you."
    textclf predict model.safetensors -i new.csv -o labelled.csv
    cat lines.txt | textclf predict model.safetensors --json
    textclf predict model.safetensors -i new.csv -o labelled.csv --target-precision 0.95
    """
    if sentences and source is not None:
        raise click.UsageError("give sentences, or a table with -i, not both.")
    if output is not None and source is None:
        raise click.UsageError("-o goes with -i: it writes the rows of a table.")
    if drift is not None and source is None:
        raise click.UsageError("--drift goes with -i: it compares the texts of a table.")
    loaded = Model.load(model)
    check_knows_drift(loaded, drift)
    answer_from = None if target_precision is None else loaded.answer_from(target_precision)
    if source is not None:
        from textclf.cli.label_table import Wanted, label_table

        check_outputs([model, source], output, drift)
        label_table(
            loaded,
            origin(source),
            output,
            read_options(settings),
            Wanted(as_json=as_json, top_k=top_k, proba=proba, answer_from=answer_from, drift=drift),
            threads=threads,
            quiet=quiet,
        )
        return
    texts = [sentences] if sentences else _lines(read_options(settings))
    for prediction in loaded.predict_stream(texts, answer_from):
        click.echo(prediction_line(prediction, top_k) if as_json else _line(prediction, top_k, proba))


def _line(prediction: Prediction, top_k: int | None, proba: bool) -> str:
    text = f"abstained  {shown(prediction.text)}" if prediction.abstained else shown(prediction.text)
    if top_k is None and not proba:
        label = prediction.label or "[]"  # no label at all, as a JSON list says it
        return f"{shown(label)}  {prediction.confidence:.3f}  {text}"
    labels = "  ".join(f"{shown(label)} {p:.3f}" for label, p in ranked(prediction, top_k))
    return f"{labels}  {text}"


def _lines(options: "TableOptions") -> Iterator[list[str]]:
    """Give the texts of standard input, one a line unless another format is named, as they come."""
    from textclf.tables import open_table

    lines = options if options.format else replace(options, format="lines")
    with open_table("-", lines, labelled=False, batch_rows=_LINES_AT_ONCE) as table:
        for batch in table.batches():
            yield batch.texts
        report_table(table.name, table.refused, table.notes.sentences())
