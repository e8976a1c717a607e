"""``textclf tune``: search for settings, and train with the best."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import counting_steps, json_line, open_chosen_vectors, report_table, say, warn
from textclf.cli.options import (
    FILE,
    INPUT,
    Command,
    ReadingOptions,
    TrainingOptions,
    check_outputs,
    json_option,
    locate_table,
    quiet_option,
    section,
    table_options,
    takes,
    training_options,
)
from textclf.cli.values import Bytes
from textclf.errors import spell

if TYPE_CHECKING:
    from textclf.training.search import Metric, Tuned

_FEW = 50  # rows; figures of fewer say little
_METRICS = ("accuracy", "macro-f1", "micro-f1", "log-loss")


@dataclass(frozen=True, kw_only=True)
class TuneOptions(ReadingOptions, TrainingOptions):
    """Which table settings are searched for, how long, and where the model goes."""

    table: Path
    target: Path
    duration: float
    metric: "Metric | None"
    max_size: int | None
    study: Path | None
    as_json: bool
    quiet: bool

    @property
    def chosen_metric(self) -> "Metric":
        """The metric that was named, or that suits the labels."""
        return self.metric or ("micro-f1" if self.multi_label else "accuracy")


@click.command("tune", cls=Command, short_help="Search settings for a given time, and train with the best.")
@click.argument("table", type=INPUT)
@section(
    "Output",
    click.option(
        "-o", "--model", "target", type=FILE, required=True, metavar="MODEL", help="File that the model is written to."
    ),
)
@section(
    "Search",
    click.option(
        "--duration",
        type=click.FloatRange(1, 1e7),
        default=300.0,
        show_default=True,
        help="Seconds for the search and the last training together.",
    ),
    click.option(
        "--metric", type=click.Choice(_METRICS), help="Metric to optimize. [default: accuracy; micro-f1 if multi-label]"
    ),
    click.option("--max-size", type=Bytes(), metavar="SIZE", help="Largest size of the model's file, such as 2MB."),
    click.option(
        "--study", type=FILE, metavar="FILE", help="SQLite file that keeps the trials, to continue with them later."
    ),
    training_options(seed="Random seed of the folds and proposals."),
)
@table_options(labelled=True, others=True)
@section("Output", json_option, quiet_option)
@takes(TuneOptions)
def command(options: TuneOptions) -> None:
    """Search for the settings that suit TABLE, for so many seconds, and train a model with the best.

    Settings are judged by cross-validation. What `train` does by itself is measured first, and is kept unless something
    is better by more than chance. How many trials there is time for depends on the machine, and so does the outcome.

    \b
    textclf tune reviews.csv -o model.safetensors --duration 30
    textclf tune reviews.csv -o model.safetensors --duration 30 --metric macro-f1 --study trials.sqlite
    """
    from textclf.tables import read_examples
    from textclf.training.search import SearchTools, Tuning, tune
    from textclf.training.train import LabelledTexts

    quiet, cache = options.quiet, not options.no_cache
    check_outputs([options.table, options.vectors], options.target, options.study)
    examples = read_examples(locate_table(options.table), options.table_options(multi_label=options.multi_label))
    report_table(examples)
    if len(examples) < _FEW:
        warn(f"{examples.name}: few rows, {len(examples)}: take the figures as rough.")
    open_chosen_vectors(options.vectors, cache=cache, quiet=quiet)  # converted now, with a word; mapped by the search
    wanted = Tuning(options.duration, options.chosen_metric, options.max_size, options.study, cache=cache)
    data = LabelledTexts.of(examples)
    with counting_steps("tuning, seconds", round(options.duration), quiet=quiet) as count:
        tools = SearchTools(say=lambda text: say(text, quiet=quiet), progress=lambda seconds: count(round(seconds)))
        tuned = tune(data, options.settings(), wanted, options.target, tools)
    _say_result(tuned, options)


def _say_result(tuned: "Tuned", options: TuneOptions) -> None:
    metric, target = options.chosen_metric, options.target
    best, plain = tuned.best, tuned.plain
    changed = _find_changes(tuned)
    figures = {
        "metric": metric,
        "value": abs(best.value),
        "plain_recipe": None if plain is None else abs(plain.value),
        "tried": tuned.tried,
        "given_up": tuned.given_up,
        "settings": changed,
        "importance": tuned.importance,
        "model": str(target),
        "bytes": target.stat().st_size,
        "validation": tuned.card.as_dict().get("validation"),
    }
    if options.as_json:
        click.echo(json_line(figures))
        return
    before = "" if plain is None or best is plain else f" (the plain recipe: {abs(plain.value):.4f})"
    click.echo(f"{metric} by cross-validation {abs(best.value):.4f}{before}, settings tried: {tuned.tried:,}")
    click.echo("settings: " + (", ".join(f"{name} {value}" for name, value in changed.items()) or "those of train"))
    for name, share in tuned.importance.items():
        click.echo(f"importance of {name.replace('_', '-')}: {share:.2f}")
    say(f"{spell(str(target))}: {target.stat().st_size / 1e6:.1f} MB", quiet=options.quiet)


def _find_changes(tuned: "Tuned") -> dict[str, Any]:
    """Return the settings that differ from those that `train` has by itself."""
    from textclf.settings import Settings

    own, best = Settings().as_dict(), tuned.best.settings.as_dict()
    return {name: value for name, value in best.items() if value != own.get(name) and name not in ("seed", "vectors")}
