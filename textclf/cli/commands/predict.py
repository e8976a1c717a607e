"""``textclf predict``: label sentences, or every row of a table."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import (
    check_knows_drift,
    counting_rows,
    counting_steps,
    json_line,
    report_drift,
    report_table,
    say,
    warn,
    warn_of_set_aside,
    warn_of_silence,
    write_refused,
)
from textclf.cli.options import (
    INPUT,
    ClusterOptions,
    Command,
    DecisionOptions,
    ReadingOptions,
    check_outputs,
    check_refused,
    check_sentences,
    cluster_options,
    decision_options,
    drift_option,
    fetch_if_url,
    locate_table,
    quiet_option,
    refused_option,
    section,
    table_options,
    takes,
    threads_option,
)
from textclf.errors import say_count, spell
from textclf.model.model import Model
from textclf.model.prediction import Prediction
from textclf.storage.remote import is_url

if TYPE_CHECKING:
    from textclf.model.label_table import PredictionColumns
    from textclf.model.prediction import Predictions
    from textclf.tables import Batch, TableOptions


_LINES_AT_ONCE = 256
_SHOWN_FILES = 20


@dataclass(frozen=True, kw_only=True)
class PredictOptions(ReadingOptions, ClusterOptions, DecisionOptions):
    """What is labelled, by which model, and what is written of it."""

    model: Path
    sentences: tuple[str, ...]
    source: str | None
    output: str | None
    as_json: bool
    top_k: int | None
    proba: bool
    drift: Path | None
    refused: Path | None
    threads: int
    quiet: bool

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together."""
        check_sentences(self.sentences, self.source)
        check_refused(self.refused, self.on_error)
        if self.refused is not None and self.sentences:
            raise click.UsageError("--refused goes with rows that are read: give a table with -i, or lines.")
        if self.positive is not None and not self.threshold and self.target_recall is None:
            raise click.UsageError("--positive goes with --threshold or --target-recall: they say when it is given.")
        self._check_output()
        if self.source is not None:
            return
        if self.output is not None:
            raise click.UsageError("-o goes with -i: it writes the rows of a table.")
        if self.drift is not None:
            raise click.UsageError("--drift goes with -i: it compares the texts of a table.")
        if self.has_cluster:
            raise click.UsageError("--workers and --scheduler go with -i: they label many files.")

    def _check_output(self) -> None:
        """Raise UsageError where the labelled rows cannot be written as it is asked."""
        if self.output == "-":
            raise click.UsageError("-o: expected a file, found -. Without -o the rows go to standard output.")
        if self.source is not None and self.is_distributed(self.source):
            if self.output is None or self.as_json or self.refused is not None:
                raise click.UsageError("many files are labelled into a folder: give -o FOLDER, no --json or --refused.")
        elif self.output is not None and is_url(self.output):
            raise click.UsageError(f"-o: expected a file on this machine, found a URL, {self.output!r}.")
        elif self.as_json and self.output is not None:
            raise click.UsageError(
                "--json writes to standard output; for a file of JSON, name it .jsonl without --json."
            )


@click.command("predict", cls=Command, short_help="Label sentences, or every row of a table.")
@click.argument("model", type=INPUT)
@click.argument("sentences", nargs=-1)
@section(
    "Input and output",
    click.option(
        "--input",
        "-i",
        "source",
        metavar="FILE",
        help="Table to label; - for standard input; or many files: a folder, a pattern, a URL.",
    ),
    click.option(
        "--output",
        "-o",
        metavar="FILE",
        help="Table to write, with a label and a confidence for each row; a folder for many files.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Write one JSON object for each text."),
    click.option("--top-k", type=click.IntRange(1), metavar="K", help="Write the K most probable labels."),
    click.option("--proba", is_flag=True, help="Write the probability of every label."),
    drift_option,
    refused_option,
    threads_option,
    quiet_option,
)
@decision_options
@table_options(labelled=False)
@cluster_options
@takes(PredictOptions)
def command(options: PredictOptions) -> None:
    """Label SENTENCES with MODEL, or the rows of a table (-i), or standard input, one text a line.

    \b
    textclf predict model.safetensors "A film that stays with you."
    textclf predict model.safetensors -i new.csv -o labelled.csv
    cat lines.txt | textclf predict model.safetensors --json
    textclf predict model.safetensors -i new.csv -o labelled.csv --target-precision 0.95
    textclf predict model.safetensors -i new.csv -o labelled.csv --costs costs.json
    textclf predict model.safetensors -i "shards/*.parquet" -o labelled --workers 2
    """
    options.check_usage()
    asked = options.decision_settings()
    model, facts = Model.load_with_facts(options.model)
    check_knows_drift(model, options.drift)
    decision = model.decide(asked)
    warn_of_silence(model, options.target_precision)
    if options.sentences:
        _echo(model.predict_stream([options.sentences], decision), options)
    elif options.source is None:
        _echo(model.predict_stream(_lines(model, options), decision), options)
    else:
        # Imported here: sentences are labelled without the code of tables.
        from textclf.model.label_table import PredictionColumns

        wanted = PredictionColumns(top_k=options.top_k, proba=options.proba, decision=decision)
        if options.is_distributed(options.source):
            _label_files(model, facts.sha256, wanted, options)
        else:
            _label_table(model, wanted, options)


def _echo(predictions: Iterable[Prediction], options: PredictOptions) -> None:
    top_k = options.top_k
    for prediction in predictions:
        is_json = options.as_json
        click.echo(
            prediction_line(prediction, top_k) if is_json else prediction_text(prediction, top_k, proba=options.proba)
        )


def _lines(model: Model, options: PredictOptions) -> Iterator[list[str]]:
    """Give the texts of standard input, one a line unless another format is named, as they come."""
    from textclf.tables import open_table

    if options.refused is not None:
        check_outputs([options.model, Path("-")], options.refused)
    reading = options.table_options().read_for(model.features.columns)
    lines = reading if reading.format else replace(reading, format="lines")
    with open_table("-", lines, labelled=False, batch_rows=_LINES_AT_ONCE) as table:
        for batch in table.batches():
            yield batch.texts
        report_table(table)
        write_refused(options.refused, table)


# --- one table ----------------------------------------------------------------------------------------------------


def _label_table(model: Model, wanted: "PredictionColumns", options: PredictOptions) -> None:
    """Write the rows of a table with their labels to the output, or to standard output."""
    from textclf.model.label_table import BATCH_ROWS, label_rows, make_writer
    from textclf.tables import open_table, open_writer

    source = fetch_if_url(str(options.source))
    output = None if options.output is None else Path(options.output)
    check_outputs([options.model, source, *options.rule_files], output, options.refused, options.drift)

    def echo(batch: "Batch", predictions: "Predictions") -> None:
        for prediction in model.each(batch.texts, predictions):
            click.echo(prediction_line(prediction, wanted.top_k))

    reading = options.table_options().read_for(model.features.columns)
    with ExitStack() as stack:
        table = stack.enter_context(open_table(locate_table(source), reading, labelled=False, batch_rows=BATCH_ROWS))
        count = stack.enter_context(counting_rows("labelling", quiet=options.quiet))
        write: Callable[[Batch, Predictions], None] = echo
        if not options.as_json:
            target = sys.stdout.buffer if output is None else output
            writer = stack.enter_context(open_writer(target, table, wanted.names(model)))
            write = make_writer(model, wanted, writer)
        done = label_rows(model, table, wanted, write, threads=options.threads, progress=count)
    report_table(table)
    write_refused(options.refused, table)
    report_drift(model, done.profile, table.name, options.drift, independent=done.independent, quiet=options.quiet)
    rows = f"{say_count(done.rows, 'row')} labelled, {len(table.refused):,} skipped"
    say(f"{rows}, {done.unknown:,} without a known word.", quiet=options.quiet)
    _say_answered(done.rows, done.answered, wanted, options)


def _say_answered(rows: int, answered: int, wanted: "PredictionColumns", options: PredictOptions) -> None:
    """Say how many rows were answered, where some may not be."""
    if wanted.may_abstain:
        say(f"{answered:,} answered, {rows - answered:,} abstained.", quiet=options.quiet)


# --- many files ---------------------------------------------------------------------------------------------------


def _label_files(model: Model, digest: str, wanted: "PredictionColumns", options: PredictOptions) -> None:
    """Label many files into a folder; `digest` is the SHA-256 of the model's file."""
    from textclf.distributed import LabelJob, find_shards, label

    check_outputs([options.model, *options.rule_files], options.drift)
    source, output = str(options.source), str(options.output)
    shards = find_shards(options.locate(source))
    reading: TableOptions = options.table_options().read_for(model.features.columns)
    with options.engine() as workers, counting_steps("labelling files", len(shards), quiet=options.quiet) as count:
        job = LabelJob(
            workers.share(options.model, digest),
            digest,
            reading,
            wanted.top_k,
            wanted.proba,
            options.decision_settings(),
            options.locate(output),
        )
        run = label(workers, shards, job, skip=reading.on_error == "skip", progress=count)
    for record in run.records[:_SHOWN_FILES]:
        for refusal in record.refusals:
            warn(f"{record.input}: skipped: {refusal}.")
    warn_of_set_aside(run.set_aside)
    report_drift(model, run.profile(model), source, options.drift, independent=run.independent, quiet=options.quiet)
    unknown = sum(record.unknown for record in run.records)
    say(
        f"{say_count(run.rows, 'row')} of {say_count(len(run.records), 'file')} labelled, {run.refused:,} skipped,"
        f" {unknown:,} without a known word; {say_count(len(run.set_aside), 'file')} skipped.",
        quiet=options.quiet,
    )
    _say_answered(run.rows, sum(record.answered for record in run.records), wanted, options)


# --- as text ---------------------------------------------------------------------------------------------------------


def prediction_line(prediction: Prediction, top_k: int | None) -> str:
    """Return a prediction as one line of JSON."""
    line: dict[str, Any] = {
        "text": prediction.text,
        **({"label": prediction.label} if prediction.labels is None else {"labels": list(prediction.labels)}),
        "confidence": round(prediction.confidence, 6),
        "probabilities": {label: round(p, 6) for label, p in rank(prediction, top_k)},
        "known_words": prediction.known_words,
    }
    if prediction.abstained is not None:
        line["abstained"] = prediction.abstained
    return json_line(line)


def prediction_text(prediction: Prediction, top_k: int | None, *, proba: bool) -> str:
    """Return a prediction as one line: its label and confidence, or several with probabilities, and the text."""
    text = f"abstained  {spell(prediction.text)}" if prediction.abstained else spell(prediction.text)
    if top_k is None and not proba:
        label = prediction.label or "[]"  # no label at all, as a JSON list says it
        return f"{spell(label)}  {prediction.confidence:.3f}  {text}"
    labels = "  ".join(f"{spell(label)} {p:.3f}" for label, p in rank(prediction, top_k))
    return f"{labels}  {text}"


def rank(prediction: Prediction, top_k: int | None) -> list[tuple[str, float]]:
    """Return the labels and their probabilities, likeliest first, at most `top_k`."""
    best = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    return best[:top_k]
