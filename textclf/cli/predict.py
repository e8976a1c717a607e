"""``textclf predict``: label sentences, or every row of a table."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    Cluster,
    check_outputs,
    check_refused,
    cluster_of,
    cluster_options,
    drift_option,
    origin,
    quiet_option,
    read_options,
    refused_option,
    table_options,
    target_precision_option,
    threads_option,
)
from textclf.cli.output import check_knows_drift, prediction_line, ranked, report_table, write_refused
from textclf.errors import shown
from textclf.model.model import Model
from textclf.model.prediction import Prediction

if TYPE_CHECKING:
    from textclf.tables import TableOptions

_LINES_AT_ONCE = 256


@click.command("predict", short_help="Label sentences, or every row of a table.")
@click.argument("model", type=FILE)
@click.argument("sentences", nargs=-1)
@click.option(
    "--input",
    "-i",
    "source",
    metavar="FILE",
    help="A table whose rows are labelled; - for standard input; or many: a folder, a pattern, a URL.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Where the table goes, with a label and a confidence for each row; of many, a folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a text.")
@click.option("--top-k", type=click.IntRange(1), metavar="K", help="Give the K likeliest labels.")
@click.option("--proba", is_flag=True, help="Give the probability of every label.")
@target_precision_option
@drift_option
@table_options(labelled=False)
@refused_option
@cluster_options
@threads_option
@quiet_option
def command(
    model: Path,
    sentences: tuple[str, ...],
    source: str | None,
    output: str | None,
    as_json: bool,
    top_k: int | None,
    proba: bool,
    target_precision: float | None,
    drift: Path | None,
    refused: Path | None,
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
    textclf predict model.safetensors -i 'shards/*.parquet' -o labelled --workers 2
    """
    cluster = cluster_of(settings)
    _check_usage(sentences, source, output, refused, drift, cluster)
    loaded = Model.load(model)
    check_knows_drift(loaded, drift)
    answer_from = None if target_precision is None else loaded.answer_from(target_precision)
    if sentences:
        _echo(loaded.predict_stream([sentences], answer_from), as_json, top_k, proba)
        return
    options = read_options(settings)
    check_refused(refused, options)
    if source is not None:
        from textclf.model.label_table import PredictionColumns
        from textclf.tables.inputs import are_shards

        wanted = PredictionColumns(top_k=top_k, proba=proba, answer_from=answer_from)
        if cluster.is_named or are_shards(source):
            from textclf.cli.many_files import label_files

            if output is None or as_json or refused is not None:
                raise click.UsageError("many files are labelled into a folder: give -o FOLDER, no --json or --refused.")
            check_outputs([model], drift)
            label_files(
                model, source, output, options, wanted, cluster,
                target_precision=target_precision, drift=drift, quiet=quiet,
            )  # fmt: skip
            return
        from textclf.cli.label_table import label_table

        target = None if output is None else Path(output)
        check_outputs([model, Path(source)], target, refused, drift)
        label_table(
            loaded,
            origin(Path(source)),
            target,
            options,
            wanted,
            as_json=as_json,
            refused=refused,
            drift=drift,
            threads=threads,
            quiet=quiet,
        )
        return
    if refused is not None:
        check_outputs([model, Path("-")], refused)
    _echo(loaded.predict_stream(_lines(options, refused), answer_from), as_json, top_k, proba)


def _check_usage(
    sentences: tuple[str, ...], source: str | None, output: str | None, refused: Path | None, drift: Path | None,
    cluster: Cluster,
) -> None:  # fmt: skip
    """Refuse options that do not go with each other."""
    if sentences and source is not None:
        raise click.UsageError("give sentences, or a table with -i, not both.")
    if refused is not None and sentences:
        raise click.UsageError("--refused goes with rows that are read: give a table with -i, or lines.")
    if source is not None:
        return
    if output is not None:
        raise click.UsageError("-o goes with -i: it writes the rows of a table.")
    if drift is not None:
        raise click.UsageError("--drift goes with -i: it compares the texts of a table.")
    if cluster.is_named:
        raise click.UsageError("--workers and --scheduler go with -i: they label many files.")


def _echo(predictions: Iterable[Prediction], as_json: bool, top_k: int | None, proba: bool) -> None:
    for prediction in predictions:
        click.echo(prediction_line(prediction, top_k) if as_json else _line(prediction, top_k, proba))


def _line(prediction: Prediction, top_k: int | None, proba: bool) -> str:
    text = f"abstained  {shown(prediction.text)}" if prediction.abstained else shown(prediction.text)
    if top_k is None and not proba:
        label = prediction.label or "[]"  # no label at all, as a JSON list says it
        return f"{shown(label)}  {prediction.confidence:.3f}  {text}"
    labels = "  ".join(f"{shown(label)} {p:.3f}" for label, p in ranked(prediction, top_k))
    return f"{labels}  {text}"


def _lines(options: "TableOptions", refused: Path | None) -> Iterator[list[str]]:
    """Give the texts of standard input, one a line unless another format is named, as they come."""
    from textclf.tables import open_table

    lines = options if options.format else replace(options, format="lines")
    with open_table("-", lines, labelled=False, batch_rows=_LINES_AT_ONCE) as table:
        for batch in table.batches():
            yield batch.texts
        report_table(table.name, table.refused, table.notes.sentences())
        if refused is not None:
            write_refused(refused, [(table.name, table.refused)])
