"""``textclf curve``: whether more rows would help."""

from pathlib import Path
from typing import Any

import click

from textclf.cli.options import FILE, json_option, origin, quiet_option, read_options, table_options, threads_option
from textclf.cli.output import json_line, report_table, say
from textclf.cli.progress import counting_steps


@click.command("curve", short_help="Tell whether more rows would help, and how much.")
@click.argument("table", type=FILE)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Parts of cross-validation.")
@click.option("--vectors", default="starter", show_default=True, metavar="FILE|NAME|none", help="Pretrained vectors.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep converted vectors in the user's cache folder.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="The same seed, the same curve."
)
@table_options(labelled=True)
@json_option
@threads_option
@quiet_option
def command(
    table: Path,
    folds: int,
    vectors: str,
    no_cache: bool,
    seed: int,
    as_json: bool,
    threads: int,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train on growing shares of TABLE's rows, measure on rows left out, and forecast figures for more rows.

    The time is that of about ten trainings, no file is written.

    \b
    textclf curve reviews.csv
    textclf curve reviews.csv --folds 3 --json
    """
    import numpy as np

    from textclf.analysis.learning_curve import measure_learning_curve, plan_curve
    from textclf.cli.curve_text import curve_text
    from textclf.cli.output import open_chosen_vectors
    from textclf.settings import Settings
    from textclf.tables import read_examples
    from textclf.training.train import LabelledTexts

    examples = read_examples(origin(table), read_options(settings))
    report_table(examples.name, examples.refused, examples.notes.sentences())
    chosen = Settings(vectors=vectors, seed=seed, threads=threads)
    data, rng = LabelledTexts(examples.texts, examples.labels), np.random.default_rng(seed)
    plan = plan_curve(data, folds, rng)
    opened = open_chosen_vectors(vectors, cache=not no_cache, quiet=quiet)
    sizes = f"{len(plan.sizes)} sizes of {plan.sizes[-1]:,} to {plan.sizes[0]:,} rows"
    say(f"{len(examples):,} texts, {len(plan.labels)} classes", quiet=quiet)
    say(f"{plan.trainings} trainings: {folds} folds, {sizes}, the smaller ones twice", quiet=quiet)
    with counting_steps("training", plan.trainings, quiet=quiet) as count:
        curve = measure_learning_curve(data, plan, chosen, opened, rng, progress=count)
    click.echo(json_line(curve.as_dict()) if as_json else curve_text(curve))
