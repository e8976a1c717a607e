"""``textclf curve``: whether more rows would help."""

from dataclasses import dataclass, replace
from pathlib import Path

import click

from textclf.cli.console import counting_steps, json_line, open_chosen_vectors, report_table, say
from textclf.cli.options import (
    INPUT,
    Command,
    ReadingOptions,
    json_option,
    multi_label_option,
    origin,
    quiet_option,
    section,
    seed_option,
    table_options,
    takes,
    threads_option,
    vectors_options,
)
from textclf.errors import counted


@dataclass(frozen=True, kw_only=True)
class CurveOptions(ReadingOptions):
    """Which table the curve is of, and how it is measured."""

    table: Path
    folds: int
    multi_label: bool
    vectors: str
    no_cache: bool
    seed: int
    as_json: bool
    threads: int
    quiet: bool


@click.command("curve", cls=Command, short_help="Forecast how much more rows would help.")
@click.argument("table", type=INPUT)
@section(
    "Measuring",
    click.option(
        "--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Number of folds of cross-validation."
    ),
    multi_label_option,
    vectors_options("Pretrained word vectors."),
    seed_option("Random seed. The same seed gives the same curve."),
    threads_option,
)
@table_options(labelled=True, others=True)
@section("Output", json_option, quiet_option)
@takes(CurveOptions)
def command(options: CurveOptions) -> None:
    """Train on growing parts of TABLE, measure on held-out rows, and forecast figures for more rows.

    The time is that of about ten trainings, no file is written.

    \b
    textclf curve reviews.csv
    textclf curve reviews.csv --folds 3 --json
    """
    import numpy as np

    from textclf.analysis.learning_curve import measure_learning_curve, plan_curve
    from textclf.cli.render.curve_text import curve_text
    from textclf.settings import Settings
    from textclf.tables import read_examples
    from textclf.training.train import LabelledTexts

    quiet = options.quiet
    examples = read_examples(origin(options.table), options.table_options(multi_label=options.multi_label))
    report_table(examples.name, examples.refused, examples.notes.sentences())
    settings = Settings(vectors=options.vectors, seed=options.seed, threads=options.threads)
    if options.multi_label:
        settings = replace(settings, multi_label=True, output="sigmoid")
    data = LabelledTexts(examples.texts, examples.labels, columns=examples.columns)
    rng = np.random.default_rng(options.seed)
    plan = plan_curve(data, options.folds, rng, multi_label=options.multi_label)
    opened = open_chosen_vectors(options.vectors, cache=not options.no_cache, quiet=quiet)
    sizes = f"{len(plan.sizes)} sizes of {plan.sizes[-1]:,} to {plan.sizes[0]:,} rows"
    say(f"{counted(len(examples), 'text')}, {counted(len(plan.labels), 'class')}", quiet=quiet)
    say(f"{plan.trainings} trainings: {options.folds} folds, {sizes}, the smaller ones twice", quiet=quiet)
    with counting_steps("training", plan.trainings, quiet=quiet) as count:
        curve = measure_learning_curve(data, plan, settings, opened, rng, progress=count)
    click.echo(json_line(curve.as_dict()) if options.as_json else curve_text(curve))
