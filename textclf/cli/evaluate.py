"""``textclf evaluate``: measure a model on labelled rows."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    check_outputs,
    check_refused,
    cluster_of,
    cluster_options,
    drift_option,
    json_option,
    origin,
    quiet_option,
    read_options,
    refused_option,
    table_options,
    target_precision_option,
    threads_option,
)
from textclf.cli.output import (
    check_knows_drift,
    json_line,
    report_drift,
    report_table,
    this_run,
    write_refused,
)
from textclf.cli.progress import counting_rows

if TYPE_CHECKING:
    from textclf.analysis.evaluate import Measurement
    from textclf.model.model import Model
    from textclf.tables import TableOptions


@dataclass(frozen=True)
class Outputs:
    """Where the wrong rows, a report, the rows not used and the drift of one table go, if they are asked for."""

    errors: Path | None
    report: Path | None
    refused: Path | None
    drift: Path | None

    @property
    def paths(self) -> tuple[Path | None, ...]:
        """All of them."""
        return self.errors, self.report, self.refused, self.drift


@click.command("evaluate", short_help="Measure a model on a table of texts and labels.")
@click.argument("model", type=FILE)
@click.argument("table")
@click.option(
    "--errors", type=FILE, metavar="FILE", help="Write the rows that are labelled wrongly, worst first, as CSV."
)
@click.option("--report", type=FILE, metavar="FILE", help="Write a report to look at in a browser (HTML).")
@target_precision_option
@drift_option
@table_options(labelled=True)
@refused_option
@cluster_options
@json_option
@threads_option
@quiet_option
def command(
    model: Path,
    table: str,
    errors: Path | None,
    report: Path | None,
    target_precision: float | None,
    drift: Path | None,
    refused: Path | None,
    as_json: bool,
    threads: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Measure MODEL on the labelled rows of TABLE, or of many files: a folder, a pattern, a URL.

    \b
    textclf evaluate model.safetensors test.csv
    textclf evaluate model.safetensors test.csv --errors wrong.csv --json
    textclf evaluate model.safetensors test.csv --target-precision 0.95
    textclf evaluate model.safetensors 'labelled/*.csv' --workers 2
    """
    from textclf.model.model import Model
    from textclf.tables.inputs import are_shards

    cluster = cluster_of(settings)
    started = time.perf_counter()
    loaded = Model.load(model)
    options = replace(read_options(settings), multi_label=loaded.is_multi_label)
    check_refused(refused, options)
    outputs = Outputs(errors, report, refused, drift)
    if cluster.is_named or are_shards(table):
        from textclf.cli.many_files import measure_files

        if any((errors, report, refused)):
            raise click.UsageError("--errors, --report and --refused go with one table.")
        check_knows_drift(loaded, drift)
        check_outputs([model], drift)
        result = measure_files(model, table, options, cluster, target_precision=target_precision, quiet=quiet)
        report_drift(loaded, result.profile, table, drift, quiet=quiet)
    else:
        result = _measure_table(
            loaded, model, Path(table), options, outputs,
            target_precision=target_precision, threads=threads, quiet=quiet, started=started,
        )  # fmt: skip
    if as_json:
        click.echo(json_line(result.as_dict()))
    else:
        from textclf.cli.figures import measurement_text

        click.echo(measurement_text(result))


def _measure_table(
    loaded: "Model", model: Path, table: Path, options: "TableOptions", outputs: Outputs,
    *, target_precision: float | None, threads: int, quiet: bool, started: float,
) -> "Measurement":  # fmt: skip
    """Measure a model on one table, and write what is asked for."""
    from textclf.analysis.evaluate import measure, write_errors
    from textclf.tables import open_table

    gathered = None
    if outputs.report is not None:
        from textclf.report import Gathered, check_available

        check_available()
        gathered = Gathered(loaded)
    check_knows_drift(loaded, outputs.drift)
    check_outputs([model, table], *outputs.paths)
    with ExitStack() as stack:
        opened = stack.enter_context(open_table(origin(table), options, labelled=True))
        count = stack.enter_context(counting_rows("evaluating", quiet=quiet))
        keep_errors = outputs.errors is not None or outputs.report is not None
        result = measure(
            loaded, opened, threads=threads, keep_errors=keep_errors, target_precision=target_precision, progress=count,
            watch=gathered.watch if gathered is not None else None,
        )  # fmt: skip
    report_table(opened.name, opened.refused, opened.notes.sentences())
    if outputs.refused is not None:
        write_refused(outputs.refused, [(opened.name, opened.refused)])
    report_drift(loaded, result.profile, opened.name, outputs.drift, quiet=quiet)
    if outputs.errors is not None:
        write_errors(outputs.errors, result.errors)
    if outputs.report is not None and gathered is not None:
        from textclf.report import write_evaluation_report

        run = this_run({"model": model, "data": table}, started)
        write_evaluation_report(outputs.report, gathered, result, opened.name, len(opened.refused), run)
    return result
