"""``textclf evaluate``: measure a model on labelled rows."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from textclf.cli.options import (
    FILE,
    check_outputs,
    drift_option,
    json_option,
    origin,
    quiet_option,
    read_options,
    table_options,
    target_precision_option,
    threads_option,
)
from textclf.cli.output import check_knows_drift, report_drift, report_table
from textclf.cli.progress import counting_rows


@click.command("evaluate", short_help="Measure a model on a table of texts and labels.")
@click.argument("model", type=FILE)
@click.argument("table", type=FILE)
@click.option(
    "--errors", type=FILE, metavar="FILE", help="Write the rows that are labelled wrongly, worst first, as CSV."
)
@click.option("--report", type=FILE, metavar="FILE", help="Write a report to look at in a browser (HTML).")
@target_precision_option
@drift_option
@table_options(labelled=True)
@json_option
@threads_option
@quiet_option
def command(
    model: Path,
    table: Path,
    errors: Path | None,
    report: Path | None,
    target_precision: float | None,
    drift: Path | None,
    as_json: bool,
    threads: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Measure MODEL on the labelled rows of TABLE.

    \b
    textclf evaluate model.safetensors test.csv
    textclf evaluate model.safetensors test.csv --errors wrong.csv --json
    textclf evaluate model.safetensors test.csv --target-precision 0.95
    """
    from textclf.measuring import measure, write_errors
    from textclf.model import Model
    from textclf.report import check_available, write_report
    from textclf.tables import open_table

    loaded = Model.load(model)
    if report is not None:
        check_available()
    check_knows_drift(loaded, drift)
    check_outputs([model, table], errors, report, drift)
    options = replace(read_options(settings), multi_label=loaded.is_multi_label)
    with ExitStack() as stack:
        opened = stack.enter_context(open_table(origin(table), options, labelled=True))
        count = stack.enter_context(counting_rows("evaluating", quiet=quiet))
        keep_errors = errors is not None or report is not None
        result = measure(
            loaded, opened, threads=threads, keep_errors=keep_errors, target_precision=target_precision, progress=count
        )
    report_table(opened.name, opened.refused, opened.notes.sentences())
    report_drift(loaded, result.profile, opened.name, drift, quiet=quiet)
    if errors is not None:
        write_errors(errors, result.errors)
    if report is not None:
        write_report(report, loaded, result, opened.name)
    if as_json:
        click.echo(json.dumps(result.as_dict(), ensure_ascii=False))
    else:
        from textclf.cli.figures import measurement_text

        click.echo(measurement_text(result))
