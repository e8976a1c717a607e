"""``textclf compare``: several models side by side on labelled rows."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    check_outputs,
    json_option,
    origin,
    quiet_option,
    read_options,
    table_options,
    threads_option,
)
from textclf.cli.output import json_line, report_table, say, this_run, warn
from textclf.cli.progress import counting_rows

if TYPE_CHECKING:
    from textclf.tables import TableOptions
    from textclf.training.train import LabelledTexts

_FEW = 50  # rows; a bootstrap of fewer makes intervals that are too narrow


@click.command("compare", short_help="Tell which model is better, or whether it may be chance.")
@click.argument("models", type=FILE, nargs=-1, required=True, metavar="MODEL...")
@click.argument("table", type=FILE)
@click.option("--train", "train_table", type=FILE, metavar="FILE", help="Rows for a baseline that learns: TF-IDF.")
@click.option("--slice-by", metavar="COLUMN", help="Show accuracy for each value of this column of TABLE.")
@click.option("--changed", type=FILE, metavar="FILE", help="Write the rows on which the models differ, as CSV.")
@click.option("--report", type=FILE, metavar="FILE", help="Write a report to look at in a browser (HTML).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of the resampled rows.")
@table_options(labelled=True)
@json_option
@threads_option
@quiet_option
def command(
    models: tuple[Path, ...],
    table: Path,
    train_table: Path | None,
    slice_by: str | None,
    changed: Path | None,
    report: Path | None,
    seed: int,
    as_json: bool,
    threads: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Measure each MODEL on the labelled rows of TABLE, beside baselines, and the first against each other.

    Intervals hold the true figure in 95 of 100 cases; p is how often models that are equally good would part as far.

    \b
    textclf compare new.safetensors old.safetensors test.csv
    textclf compare new.safetensors old.safetensors test.csv --train train.csv --changed differ.csv
    textclf compare new.safetensors old.safetensors test.csv --report comparison.html
    """
    import numpy as np

    from textclf.analysis.compare import add_baselines, answer, compare, write_changed
    from textclf.cli.compare_text import comparison_text
    from textclf.model.model import Model
    from textclf.tables import open_table

    started = time.perf_counter()
    options = read_options(settings)
    _check_usage(models, table, changed)
    read = [*models, table, *([train_table] if train_table else [])]
    if report is not None:
        from textclf.report import check_available

        check_available()
    check_outputs(read, changed, report)
    loaded = {name: Model.load(path) for name, path in _named(models).items()}
    train = None if train_table is None else _read_training_rows(train_table, table, options)
    with ExitStack() as stack:
        opened = stack.enter_context(open_table(origin(table), options, labelled=True))
        count = stack.enter_context(counting_rows("comparing", quiet=quiet))
        answers = answer(loaded, opened, slice_by=slice_by, threads=threads, progress=count)
    report_table(opened.name, opened.refused, opened.notes.sentences())
    for note in answers.notes:
        warn(f"{note}.")
    if len(answers.y) < _FEW:
        warn(f"{opened.name}: {len(answers.y)} rows are few: take the intervals as rough.")
    if train is None:
        say(
            "The baseline TF-IDF + logistic learns from rows: give those the models had with --train FILE.", quiet=quiet
        )
    answers = add_baselines(answers, train)
    comparison = compare(answers, np.random.default_rng(seed))
    if changed is not None:
        write_changed(changed, answers)
    if report is not None:
        from textclf.report import write_comparison_report

        files = {**{f"model {number}": path for number, path in enumerate(models, 1)}, "data": table}
        run = this_run({**files, "baseline's data": train_table}, started)
        write_comparison_report(report, comparison, answers, loaded, slice_by, run)
    click.echo(json_line(comparison.as_dict()) if as_json else comparison_text(comparison, slice_by))


def _check_usage(models: tuple[Path, ...], table: Path, changed: Path | None) -> None:
    if table.suffix == ".safetensors":
        raise click.UsageError(f"the table comes last: expected labelled rows, found the model {str(table)!r}.")
    if len({path.resolve() for path in models}) < len(models):
        raise click.UsageError("expected models that differ, found one twice. Name each once.")
    if changed is not None and len(models) < 2:
        raise click.UsageError("--changed lists the rows on which models differ: name two models or more.")


def _named(models: tuple[Path, ...]) -> dict[str, Path]:
    """Return the models by name: their files' names where these differ, else the paths as given."""
    from textclf.analysis.baselines import MAJORITY, TFIDF

    stems = [path.stem for path in models]
    short = len({*stems, MAJORITY, TFIDF}) == len(stems) + 2
    return {stem if short else str(path): path for stem, path in zip(stems, models, strict=True)}


def _read_training_rows(path: Path, table: Path, options: "TableOptions") -> "LabelledTexts":
    """Return the rows that a baseline learns from; the table that is measured on cannot be theirs."""
    from textclf.errors import DataError
    from textclf.tables import read_examples
    from textclf.training.train import LabelledTexts

    if path.exists() and table.exists() and path.samefile(table):
        raise DataError(f"{path}: expected training rows, found the table that is measured on. Name another.")
    rows = read_examples(origin(path), options)
    report_table(rows.name, rows.refused, rows.notes.sentences())
    return LabelledTexts(rows.texts, rows.labels)
