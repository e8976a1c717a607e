"""``textclf evaluate``: measure a model on labelled rows."""

import json
import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import (
    ReportedRun,
    check_knows_drift,
    counting_rows,
    counting_steps,
    json_line,
    report_drift,
    report_table,
    say,
    warn_of_set_aside,
    warn_of_silence,
    write_refused,
)
from textclf.cli.options import (
    FILE,
    INPUT,
    ClusterOptions,
    Command,
    DecisionOptions,
    ReadingOptions,
    check_outputs,
    check_refused,
    cluster_options,
    decision_options,
    drift_option,
    fetch_if_url,
    json_option,
    locate_table,
    quiet_option,
    refused_option,
    report_option,
    section,
    split_column_option,
    table_options,
    takes,
    threads_option,
)
from textclf.errors import DataError, TextclfError, say_count, spell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textclf.analysis.evaluate import Measurement
    from textclf.model.model import Model
    from textclf.tables import TableOptions


class Bar(click.ParamType[tuple[str, float]]):
    """A figure and how good it must be, such as ``macro-f1=0.70``."""

    name = "bar"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Return the figure's name in JSON, and the value."""
        figure, _, number = value.partition("=")
        try:
            bar = float(number)
        except ValueError:
            bar = math.nan
        if not figure or not math.isfinite(bar):
            self.fail(f"expected FIGURE=VALUE such as macro-f1=0.70, found {value!r}.", param, ctx)
        return figure.strip().replace("-", "_"), bar


_SIGNIFICANT = 0.05
_LESS_IS_BETTER = ("ece", "log_loss", "brier", "hamming_loss")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ReadingOptions, ClusterOptions, DecisionOptions):
    """Which model is measured on what, and where the figures go."""

    model: Path
    table: str
    errors: Path | None
    report: Path | None
    refused: Path | None
    drift: Path | None
    split_column: str | None
    fail_under: tuple[tuple[str, float], ...]
    compare_to: Path | None
    as_json: bool
    threads: int
    quiet: bool


@click.command("evaluate", cls=Command, short_help="Measure a model on a table of texts and labels.")
@click.argument("model", type=INPUT)
@click.argument("table")
@section(
    "Figures and files",
    split_column_option,
    click.option(
        "--errors", type=FILE, metavar="FILE", help="Write the rows with a wrong label, most confident first, as CSV."
    ),
    report_option,
    drift_option,
    refused_option,
    json_option,
    threads_option,
    quiet_option,
)
@section(
    "Checks for CI",
    click.option(
        "--fail-under",
        type=Bar(),
        multiple=True,
        metavar="FIGURE=VALUE",
        help="Exit with 1 if a figure is worse, such as macro-f1=0.70 or ece=0.05; repeatable.",
    ),
    click.option(
        "--compare-to",
        type=INPUT,
        metavar="JSON",
        help="Exit with 1 if accuracy is significantly below that of an earlier evaluate --json.",
    ),
)
@decision_options
@table_options(labelled=True)
@cluster_options
@takes(EvaluateOptions)
def command(options: EvaluateOptions) -> None:
    """Measure MODEL on the labelled rows of TABLE, or of many files: a folder, a pattern, a URL.

    \b
    textclf evaluate model.safetensors test.csv
    textclf evaluate model.safetensors test.csv --errors wrong.csv --json
    textclf evaluate model.safetensors test.csv --target-precision 0.95
    textclf evaluate model.safetensors test.csv --costs costs.json
    textclf evaluate model.safetensors test.csv --fail-under macro-f1=0.40 --fail-under ece=0.60
    textclf evaluate model.safetensors "labelled/*.csv" --workers 2
    """
    from textclf.model.model import Model

    earlier = None if options.compare_to is None else _read_figures(options.compare_to)
    check_refused(options.refused, options.on_error)
    options.decision_settings()  # before any work: raises where rules do not go together
    table = None if options.is_distributed(options.table) else fetch_if_url(options.table)
    model, facts = Model.load_with_facts(options.model)
    run = None if options.report is None else ReportedRun({"model": facts, "data": table})
    warn_of_silence(model, options.target_precision)
    check_knows_drift(model, options.drift)
    reading = options.table_options(multi_label=model.is_multi_label, known=model.labels)
    reading = reading.read_for(model.features.columns)
    reading = replace(reading, split_column=options.split_column, part="test")
    if table is None:
        result = _measure_files(model, facts.sha256, reading, options)
    else:
        result = _measure_table(model, table, reading, options, run)
    if options.as_json:
        click.echo(json_line(result.as_dict()))
    else:
        from textclf.cli.evaluation_text import measurement_text

        click.echo(measurement_text(result))
    _check_bars(result, options.fail_under)
    if earlier is not None:
        _check_drop(result, earlier, options)


def _check_bars(result: "Measurement", bars: "Iterable[tuple[str, float]]") -> None:
    """Raise TextclfError when a figure is worse than it must be, UsageError when there is no such figure."""
    figures = {name: value for name, value in result.as_dict().items() if type(value) is float}
    for name, bar in bars:
        shown_name = name.replace("_", "-")
        if name not in figures:
            listed = ", ".join(sorted(figures)).replace("_", "-")
            raise click.UsageError(f"--fail-under: expected one of {listed}, found {shown_name!r}.")
        is_loss, value = name in _LESS_IS_BETTER, figures[name]
        if value > bar if is_loss else value < bar:
            wanted = "at most" if is_loss else "at least"
            raise TextclfError(
                f"{shown_name}: expected {wanted} {bar:g}, found {value:.4f}. The model fails the check."
            )


def _read_figures(path: Path) -> dict[str, float]:
    """Return how many independent rows an earlier evaluation had, and its accuracy or share of exact matches."""
    expected = f"{path}: expected what an earlier evaluate --json wrote"
    try:
        found = json.loads(path.read_text("utf-8-sig"))
        name = "accuracy" if "accuracy" in found else "exact_match"
        value, rows = float(found[name]), float(found["n"]) * float(found.get("independent", 1.0))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check the name.") from error
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(f"{expected}, found something else. Write it again.") from None
    if not (0 < rows < math.inf and 0 <= value <= 1):
        raise DataError(f"{expected}, found other numbers. Write it again.")
    return {"n": rows, name: value}


def _check_drop(result: "Measurement", earlier: dict[str, float], options: EvaluateOptions) -> None:
    """Raise TextclfError when the share of right rows fell by more than chance: a one-sided test of two shares."""
    from textclf.metrics.bootstrap import p_of_drop

    found = result.as_dict()
    n, name = earlier["n"], next(name for name in earlier if name != "n")
    if name not in found:
        raise DataError(f"{options.compare_to}: expected figures of a model of the same kind, found {name}.")
    p = p_of_drop(earlier[name], n, found[name], found["n"] * found["independent"])
    change = f"{name.replace('_', ' ')} {earlier[name]:.4f} → {found[name]:.4f} (p {p:.4f} for no drop)"
    if p < _SIGNIFICANT:
        raise TextclfError(f"{spell(options.table)}: expected no significant drop, found {change}. Look at --errors.")
    say(f"no significant drop: {change}", quiet=options.quiet)


def _report_drift(model: "Model", result: "Measurement", name: str, options: EvaluateOptions) -> None:
    share = result.evaluation.independent
    report_drift(model, result.profile, name, options.drift, independent=share, quiet=options.quiet)


def _measure_table(
    model: "Model", table: Path, reading: "TableOptions", options: EvaluateOptions, run: ReportedRun | None
) -> "Measurement":
    """Measure a model on one table, and write what is asked for."""
    from textclf.analysis.evaluate import Counting, measure, write_errors
    from textclf.tables import open_table

    gathered = None
    if options.report is not None:
        from textclf.report import Gathered, check_report_available

        check_report_available()
        gathered = Gathered(model)
    check_outputs(
        [options.model, table, *options.rule_files], options.errors, options.report, options.refused, options.drift
    )
    with ExitStack() as stack:
        opened = stack.enter_context(open_table(locate_table(table), reading, labelled=True))
        count = stack.enter_context(counting_rows("evaluating", quiet=options.quiet))
        keep_errors = options.errors is not None or options.report is not None
        counting = Counting(options.threads, keep_errors, count)
        if gathered is not None:
            counting = replace(counting, watch=gathered.watch)
        result = measure(model, opened, options.decision_settings(), counting)
    report_table(opened)
    write_refused(options.refused, opened)
    _report_drift(model, result, opened.name, options)
    if options.errors is not None:
        write_errors(options.errors, result.errors)
    if options.report is not None and gathered is not None and run is not None:
        from textclf.report import write_evaluation_report

        write_evaluation_report(options.report, gathered, result, opened.name, len(opened.refused), run.end())
    return result


def _measure_files(model: "Model", digest: str, reading: "TableOptions", options: EvaluateOptions) -> "Measurement":
    """Measure a model on the labelled rows of many files; `digest` is the SHA-256 of the model's file."""
    from textclf.distributed import EvaluationJob, evaluate_files, find_shards

    if any((options.errors, options.report, options.refused, options.split_column)):
        raise click.UsageError("--errors, --report, --refused and --split-column go with one table.")
    check_outputs([options.model, *options.rule_files], options.drift)
    shards = find_shards(options.locate(options.table))
    with options.engine() as workers, counting_steps("evaluating files", len(shards), quiet=options.quiet) as count:
        job = EvaluationJob(workers.share(options.model, digest), digest, reading, options.decision_settings())
        done = evaluate_files(workers, shards, model, job, progress=count)
    warn_of_set_aside(done.set_aside)
    result = done.measurement
    rows = f"{say_count(result.evaluation.n, 'row')} of {say_count(done.files, 'file')}"
    say(f"{rows}, {done.refused:,} skipped.", quiet=options.quiet)
    _report_drift(model, result, options.table, options)
    return result
