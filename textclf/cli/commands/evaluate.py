"""``textclf evaluate``: measure a model on labelled rows."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.console import (
    check_knows_drift,
    counting_rows,
    counting_steps,
    json_line,
    report_drift,
    report_table,
    say,
    this_run,
    warn_of_set_aside,
    write_refused,
)
from textclf.cli.options import (
    FILE,
    INPUT,
    ClusterOptions,
    Command,
    ReadingOptions,
    check_outputs,
    check_refused,
    cluster_options,
    drift_option,
    json_option,
    origin,
    quiet_option,
    refused_option,
    report_option,
    section,
    table_options,
    takes,
    target_precision_option,
    threads_option,
)

if TYPE_CHECKING:
    from textclf.analysis.evaluate import Measurement
    from textclf.model.model import Model
    from textclf.tables import TableOptions


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ReadingOptions, ClusterOptions):
    """Which model is measured on what, and where the figures go."""

    model: Path
    table: str
    errors: Path | None
    report: Path | None
    refused: Path | None
    drift: Path | None
    target_precision: float | None
    as_json: bool
    threads: int
    quiet: bool

    @property
    def is_far(self) -> bool:
        """Whether the table is many files, or is worked on elsewhere."""
        from textclf.tables.inputs import are_shards

        return self.is_named or are_shards(self.table)


@click.command("evaluate", cls=Command, short_help="Measure a model on a table of texts and labels.")
@click.argument("model", type=INPUT)
@click.argument("table")
@section(
    "Figures and files",
    target_precision_option,
    click.option("--errors", type=FILE, metavar="FILE", help="Write the wrongly labelled rows, worst first, as CSV."),
    report_option,
    drift_option,
    refused_option,
    json_option,
    threads_option,
    quiet_option,
)
@table_options(labelled=True)
@cluster_options
@takes(EvaluateOptions)
def command(options: EvaluateOptions) -> None:
    """Measure MODEL on the labelled rows of TABLE, or of many files: a folder, a pattern, a URL.

    \b
    textclf evaluate model.safetensors test.csv
    textclf evaluate model.safetensors test.csv --errors wrong.csv --json
    textclf evaluate model.safetensors test.csv --target-precision 0.95
    textclf evaluate model.safetensors 'labelled/*.csv' --workers 2
    """
    from textclf.model.model import Model

    started = time.perf_counter()
    check_refused(options.refused, options.on_error)
    model = Model.load(options.model)
    check_knows_drift(model, options.drift)
    reading = options.table_options(multi_label=model.is_multi_label, known=model.labels)
    if options.is_far:
        result = _measure_files(model, reading, options)
    else:
        result = _measure_table(model, reading, options, started)
    if options.as_json:
        click.echo(json_line(result.as_dict()))
    else:
        from textclf.cli.render.evaluation_text import measurement_text

        click.echo(measurement_text(result))


def _measure_table(model: "Model", reading: "TableOptions", options: EvaluateOptions, started: float) -> "Measurement":
    """Measure a model on one table, and write what is asked for."""
    from textclf.analysis.evaluate import measure, write_errors
    from textclf.tables import open_table

    gathered = None
    if options.report is not None:
        from textclf.report import Gathered, check_available

        check_available()
        gathered = Gathered(model)
    table = Path(options.table)
    check_outputs([options.model, table], options.errors, options.report, options.refused, options.drift)
    with ExitStack() as stack:
        opened = stack.enter_context(open_table(origin(table), reading, labelled=True))
        count = stack.enter_context(counting_rows("evaluating", quiet=options.quiet))
        result = measure(
            model,
            opened,
            threads=options.threads,
            keep_errors=options.errors is not None or options.report is not None,
            target_precision=options.target_precision,
            progress=count,
            watch=gathered.watch if gathered is not None else None,
        )
    report_table(opened.name, opened.refused, opened.notes.sentences())
    if options.refused is not None:
        write_refused(options.refused, [(opened.name, opened.refused)])
    report_drift(model, result.profile, opened.name, options.drift, quiet=options.quiet)
    if options.errors is not None:
        write_errors(options.errors, result.errors)
    if options.report is not None and gathered is not None:
        from textclf.report import write_evaluation_report

        run = this_run({"model": options.model, "data": table}, started)
        write_evaluation_report(options.report, gathered, result, opened.name, len(opened.refused), run)
    return result


def _measure_files(model: "Model", reading: "TableOptions", options: EvaluateOptions) -> "Measurement":
    """Measure a model on the labelled rows of many files."""
    from textclf.distributed import evaluate, find_shards
    from textclf.storage.files import sha256

    if any((options.errors, options.report, options.refused)):
        raise click.UsageError("--errors, --report and --refused go with one table.")
    check_outputs([options.model], options.drift)
    shards = find_shards(options.seen(options.table))
    digest = sha256(options.model)
    with options.engine() as workers, counting_steps("evaluating files", len(shards), quiet=options.quiet) as count:
        shared = workers.share(options.model, digest)
        done = evaluate(
            workers, shards, shared, digest, reading, target_precision=options.target_precision, progress=count
        )
    warn_of_set_aside(done.set_aside)
    result = done.measurement
    say(f"{result.evaluation.n:,} rows of {done.files:,} files, {done.refused:,} not used.", quiet=options.quiet)
    report_drift(model, result.profile, options.table, options.drift, quiet=options.quiet)
    return result
