"""``textclf compare``: which of several models is better on labelled rows, or whether it may be chance."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.console import ReportedRun, counting_rows, json_line, report_table, say, warn
from textclf.cli.options import (
    FILE,
    INPUT,
    Command,
    ReadingOptions,
    check_outputs,
    json_option,
    locate_table,
    quiet_option,
    report_option,
    section,
    seed_option,
    table_options,
    takes,
    threads_option,
)
from textclf.cli.text_table import COPIES_COUNT_ONCE, MANY_COPIES, columns_text, interval_columns, short
from textclf.errors import DataError, require_packages, say_count

if TYPE_CHECKING:
    from textclf.analysis.compare import Answers, Comparison, Slice
    from textclf.model.file import FileFacts
    from textclf.model.model import Model
    from textclf.tables import TableOptions
    from textclf.training.train import LabelledTexts

_FEW = 50  # texts; a bootstrap of fewer makes intervals that are too narrow


@dataclass(frozen=True, kw_only=True)
class CompareOptions(ReadingOptions):
    """Which models are compared on which table, and what is written of it."""

    models: tuple[Path, ...]
    table: Path
    train_table: Path | None
    slice_by: str | None
    changed: Path | None
    report: Path | None
    seed: int
    as_json: bool
    threads: int
    quiet: bool

    def check_usage(self) -> None:
        """Raise UsageError where options and arguments do not go together."""
        if self.table.suffix == ".safetensors":
            raise click.UsageError(
                f"the table comes last: expected labelled rows, found the model {str(self.table)!r}."
            )
        if len({path.resolve() for path in self.models}) < len(self.models):
            raise click.UsageError("expected models that differ, found one twice. Name each once.")
        if self.changed is not None and len(self.models) < 2:
            raise click.UsageError("--changed lists the rows on which models differ: name two models or more.")


@click.command("compare", cls=Command, short_help="Compare models on the same rows, with significance tests.")
@click.argument("models", type=INPUT, nargs=-1, required=True, metavar="MODEL...")
@click.argument("table", type=INPUT)
@section(
    "Comparison",
    click.option(
        "--train", "train_table", type=INPUT, metavar="FILE", help="Rows that a TF-IDF baseline is trained on."
    ),
    click.option("--slice-by", metavar="COLUMN", help="Show accuracy for each value of this column of TABLE."),
    seed_option("Random seed of the bootstrap."),
    threads_option,
)
@section(
    "Output",
    click.option("--changed", type=FILE, metavar="FILE", help="Write the rows on which the models disagree, as CSV."),
    report_option,
    json_option,
    quiet_option,
)
@table_options(labelled=True)
@takes(CompareOptions)
def command(options: CompareOptions) -> None:
    """Compare MODELs and baselines on the labelled rows of TABLE, the first against each other.

    An interval holds the true figure in 95 of 100 cases. p is the probability that equally good models differ so much
    by chance.

    \b
    textclf compare new.safetensors old.safetensors test.csv
    textclf compare new.safetensors old.safetensors test.csv --train train.csv --changed differ.csv
    textclf compare new.safetensors old.safetensors test.csv --report comparison.html
    """
    import numpy as np

    from textclf.analysis.compare import add_baselines, common_columns, compare, write_changed
    from textclf.model.model import Model

    options.check_usage()
    read = [*options.models, options.table, *([options.train_table] if options.train_table else [])]
    if options.report is not None:
        from textclf.report import check_report_available

        check_report_available()
    if options.train_table is not None:
        require_packages("--train", "sklearn", extra="sklearn")
    check_outputs(read, options.changed, options.report)
    loaded = {name: Model.load_with_facts(path) for name, path in _named(options.models).items()}
    models = {name: model for name, (model, _) in loaded.items()}
    run = None if options.report is None else ReportedRun(_read_files([facts for _, facts in loaded.values()], options))
    reading = options.table_options().read_for(common_columns(models))
    train = None if options.train_table is None else _read_training_rows(options.train_table, options.table, reading)
    known = {label for model in models.values() for label in model.labels}
    answers = add_baselines(_answers(models, replace(reading, known_labels=tuple(sorted(known))), options), train)
    comparison = compare(answers, np.random.default_rng(options.seed))
    texts = round(comparison.n * comparison.independent)
    if texts < _FEW:
        warn(f"{options.table}: few independent texts, {texts}: take the intervals as rough.")
    if options.changed is not None:
        write_changed(options.changed, answers)
    if options.report is not None and run is not None:
        from textclf.report import write_comparison_report

        write_comparison_report(options.report, comparison, answers, models, options.slice_by, run.end())
    click.echo(json_line(comparison.as_dict()) if options.as_json else comparison_text(comparison, options.slice_by))


def _answers(models: "dict[str, Model]", reading: "TableOptions", options: CompareOptions) -> "Answers":
    """Return what each model says of the table's rows; say what there is to know about them."""
    from textclf.analysis.compare import answer
    from textclf.tables import open_table

    with ExitStack() as stack:
        opened = stack.enter_context(open_table(locate_table(options.table), reading, labelled=True))
        count = stack.enter_context(counting_rows("comparing", quiet=options.quiet))
        answers = answer(models, opened, slice_by=options.slice_by, threads=options.threads, progress=count)
    report_table(opened)
    for note in answers.notes:
        warn(f"{note}.")
    if options.train_table is None:
        advice = "The baseline TF-IDF + logistic learns from rows: give those the models had with --train FILE."
        say(advice, quiet=options.quiet)
    return answers


def _read_files(models: "Sequence[FileFacts]", options: CompareOptions) -> "dict[str, Path | FileFacts | None]":
    """Return the files that are read by what they are."""
    named = {f"model {number}": facts for number, facts in enumerate(models, 1)}
    return {**named, "data": options.table, "baseline's data": options.train_table}


def _named(models: tuple[Path, ...]) -> dict[str, Path]:
    """Return the models by name: their files' names where these differ, else the paths as given."""
    from textclf.analysis.compare import MAJORITY, TFIDF

    stems = [path.stem for path in models]
    short = len({*stems, MAJORITY, TFIDF}) == len(stems) + 2
    return {stem if short else str(path): path for stem, path in zip(stems, models, strict=True)}


def _read_training_rows(path: Path, table: Path, options: "TableOptions") -> "LabelledTexts":
    """Return the rows that a baseline learns from; the table that is measured on cannot be theirs."""
    from textclf.tables import read_examples
    from textclf.training.train import LabelledTexts

    if path.exists() and table.exists() and path.samefile(table):
        raise DataError(f"{path}: expected training rows, found the table that is measured on. Name another.")
    rows = read_examples(locate_table(path), options)
    report_table(rows)
    return LabelledTexts.of(rows)


# --- as text ---------------------------------------------------------------------------------------------------------

_SLICES = 20


def comparison_text(comparison: "Comparison", slice_by: str | None) -> str:
    """Return the figures as lines: each classifier, the first against each other, a verdict on each, slices."""
    names = [short(score.name) for score in comparison.scores]
    lines = [
        f"{say_count(comparison.n, 'text')}, {say_count(comparison.classes, 'class')}",
        "",
        *_scores(comparison, names),
    ]
    if comparison.independent < MANY_COPIES:
        lines.append(COPIES_COUNT_ONCE)
    lines += [
        "",
        *_duels(comparison, names[0]),
        "",
        *(duel.verdict(names[0], short(duel.other)) for duel in comparison.duels),
    ]
    if sum(not score.is_baseline for score in comparison.scores) > 1:
        share = comparison.disagreeing / comparison.n
        lines.append(f"The models give different labels to {say_count(comparison.disagreeing, 'text')} ({share:.1%}).")
    lines += ["", *_slices("accuracy by length in words", comparison.by_words, names)]
    if comparison.by_column is not None:
        lines += ["", *_slices(f"accuracy by {short(slice_by or '')}", comparison.by_column, names)]
    return "\n".join(lines)


def _scores(comparison: "Comparison", names: Sequence[str]) -> list[str]:
    rows = [["", "accuracy", "95% interval", "macro-F1", "95% interval"]]
    for name, score in zip(names, comparison.scores, strict=True):
        rows.append([name, *interval_columns(score.accuracy), *interval_columns(score.macro_f1)])
    return columns_text(rows)


def _duels(comparison: "Comparison", first: str) -> list[str]:
    from textclf.analysis.compare import format_p

    leads = [[f"{first} ahead of", "accuracy", "95% interval", "macro-F1", "95% interval"]]
    rows = [["only one is right", first, "the other", "p"]]
    for duel in comparison.duels:
        leads.append([short(duel.other), *interval_columns(duel.accuracy, "+"), *interval_columns(duel.macro_f1, "+")])
        split = [f"{duel.only_first_right:,}", f"{duel.only_other_right:,}"]
        rows.append([f"against {short(duel.other)}", *split, format_p(duel.p_holm)])
    return [*columns_text(leads), "", *columns_text(rows)]


def _slices(title: str, slices: "Sequence[Slice]", names: Sequence[str]) -> list[str]:
    rows = [[title, "texts", *names]]
    for part in slices[:_SLICES]:
        value = "(none)" if part.value is None else short(part.value) or "(empty)"
        rows.append([value, f"{part.n:,}", *(f"{share:.4f}" for share in part.accuracy)])
    more = len(slices) - _SLICES
    return columns_text(rows) + ([f"… and {more:,} more values; --json has all"] if more > 0 else [])
