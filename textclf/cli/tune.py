"""``textclf tune``: search for settings, and train with the best."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.options import (
    FILE,
    Bytes,
    check_outputs,
    json_option,
    origin,
    quiet_option,
    read_options,
    table_options,
    threads_option,
)
from textclf.cli.output import json_line, open_chosen_vectors, report_table, say
from textclf.cli.progress import counting_steps
from textclf.errors import shown

if TYPE_CHECKING:
    from textclf.tuning import Tuned

_METRICS = ("accuracy", "macro-f1", "micro-f1", "log-loss")


@click.command("tune", short_help="Search for settings in the time given, and train with the best.")
@click.argument("table", type=FILE)
@click.option("-o", "--model", "target", type=FILE, required=True, metavar="MODEL", help="Where the model goes.")
@click.option(
    "--duration", type=click.FloatRange(1, 1e7), default=300.0, show_default=True, help="Seconds, all in all."
)
@click.option("--metric", type=click.Choice(_METRICS), help="What is to be best. [default: accuracy; micro-f1]")
@click.option("--max-size", type=Bytes(), metavar="SIZE", help="The most that the model's file may have, such as 2MB.")
@click.option("--study", type=FILE, metavar="FILE", help="Keep the trials in this SQLite file, and go on with them.")
@table_options(labelled=True)
@click.option("--multi-label", is_flag=True, help="Texts have several labels or none: a|b, or a JSON list of them.")
@click.option("--vectors", default="starter", show_default=True, metavar="FILE|NAME|none", help="Pretrained vectors.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep converted vectors in the user's cache folder.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of folds and proposals.")
@threads_option
@json_option
@quiet_option
def command(
    table: Path,
    target: Path,
    duration: float,
    metric: str | None,
    max_size: int | None,
    study: Path | None,
    multi_label: bool,
    vectors: str,
    no_cache: bool,
    seed: int,
    threads: int,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Search for the settings that suit TABLE, for so many seconds, and train a model with the best.

    Settings are judged by cross-validation. What `train` does by itself is measured first, and is kept unless something
    is better by more than chance. How many trials there is time for depends on the machine, and so does the outcome.

    \b
    textclf tune reviews.csv -o model.safetensors --duration 30
    textclf tune reviews.csv -o model.safetensors --duration 30 --metric macro-f1 --study trials.sqlite
    """
    from dataclasses import replace

    from textclf.settings import Settings
    from textclf.tables import read_examples
    from textclf.training.train import LabelledTexts
    from textclf.tuning import Tuning, tune

    options = replace(read_options(settings), multi_label=multi_label)
    base = Settings(
        vectors=vectors,
        seed=seed,
        threads=threads,
        multi_label=multi_label,
        output="sigmoid" if multi_label else "softmax",
    )
    check_outputs([table, Path(vectors)], target, study)
    examples = read_examples(origin(table), options)
    report_table(examples.name, examples.refused, examples.notes.sentences())
    open_chosen_vectors(vectors, cache=not no_cache, quiet=quiet)  # converted now, with a word; mapped by the search
    wanted = Tuning(duration, metric or ("micro-f1" if multi_label else "accuracy"), max_size, study)  # type: ignore[arg-type] # click's choice
    with counting_steps("tuning, seconds", round(duration), quiet=quiet) as count:
        tuned = tune(
            LabelledTexts(examples.texts, examples.labels, examples.weights), base, wanted, target,
            cache=not no_cache, say=lambda text: say(text, quiet=quiet), progress=lambda seconds: count(round(seconds)),
        )  # fmt: skip
    _say_result(tuned, wanted.metric, target, as_json, quiet)


def _say_result(tuned: "Tuned", metric: str, target: Path, as_json: bool, quiet: bool) -> None:
    best, plain = tuned.best, tuned.plain
    changed = _changed(tuned)
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
    if as_json:
        click.echo(json_line(figures))
        return
    before = "" if plain is None or best is plain else f" (the plain recipe: {abs(plain.value):.4f})"
    click.echo(f"{metric} by cross-validation {abs(best.value):.4f}{before}, {tuned.tried} settings tried")
    click.echo("settings: " + (", ".join(f"{name} {value}" for name, value in changed.items()) or "those of train"))
    for name, share in tuned.importance.items():
        click.echo(f"importance of {name.replace('_', '-')}: {share:.2f}")
    say(f"{shown(str(target))}: {target.stat().st_size / 1e6:.1f} MB", quiet=quiet)


def _changed(tuned: "Tuned") -> dict[str, Any]:
    """Return the settings that differ from those that `train` has by itself."""
    from textclf.settings import Settings

    own, best = Settings().as_dict(), tuned.best.settings.as_dict()
    return {name: value for name, value in best.items() if value != own.get(name) and name not in ("seed", "vectors")}
