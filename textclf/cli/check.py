"""``textclf check``: look at a table of texts and labels before training."""

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
from textclf.cli.output import json_line, open_chosen_vectors, say
from textclf.errors import shown

if TYPE_CHECKING:
    from textclf.check import Checked
    from textclf.settings import Settings
    from textclf.tables import LoadedTable
    from textclf.vectors import WordVectors


class Kinds(click.ParamType[tuple[str, ...]]):
    """Kinds of findings whose rows can be dropped, such as ``empty,duplicate``."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the kinds."""
        from textclf.check import DROPPABLE

        kinds = tuple(part.strip() for part in value.split(","))
        for kind in kinds:
            if kind not in DROPPABLE:
                self.fail(f"expected kinds of {', '.join(DROPPABLE)}, found {kind!r}.", param, ctx)
        return kinds


@click.command("check", short_help="Look at a table before training: what is damaged, doubled or odd.")
@click.argument("table", type=FILE)
@click.option("--against", type=FILE, metavar="TEST", help="Also find rows that stand in this test table.")
@click.option(
    "--labels", type=FILE, metavar="FILE", help="Write rows whose label is probably wrong, surest first, as CSV."
)
@click.option("--fix", type=FILE, metavar="FILE", help="Write a copy of TABLE without the rows that --drop names.")
@click.option(
    "--drop", type=Kinds(), metavar="KIND,KIND…", help="What --fix leaves out. [default: empty,duplicate,leak]"
)
@click.option("--strict", is_flag=True, help="Exit with 1 when something serious is found.")
@table_options(labelled=True, may_stop=False)
@click.option(
    "--vectors", default="starter", show_default=True, metavar="FILE|NAME|none", help="Say which words are known."
)
@click.option("--no-cache", is_flag=True, help="Neither use nor keep converted vectors in the user's cache folder.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the folds of --labels.")
@threads_option
@json_option
@quiet_option
@click.pass_context
def command(
    context: click.Context,
    /,
    table: Path,
    against: Path | None,
    strict: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Look at TABLE before training on it, and say what to do about what is found.

    \b
    textclf check reviews.csv --against test.csv
    textclf check reviews.csv --fix clean.csv --drop empty,duplicate,mojibake
    textclf check reviews.csv --labels suspects.csv
    """
    from textclf.check import DEFAULT_DROPS, check, rows_to_drop, write_without
    from textclf.cli.check_text import checked_text
    from textclf.settings import Settings
    from textclf.tables import read_examples

    outputs = {name: settings.pop(name) for name in ("labels", "fix", "drop")}
    quiet, cache = settings.pop("quiet"), not settings.pop("no_cache")
    _check_usage(table, outputs)
    options = read_options(settings)
    chosen = Settings(**settings)
    read = [table, Path(chosen.vectors), *([against] if against else [])]
    check_outputs(read, outputs["fix"], outputs["labels"])
    data = read_examples(origin(table), options)
    test = read_examples(origin(against), options) if against else None
    vectors = open_chosen_vectors(chosen.vectors, cache=cache, quiet=quiet)
    checked = check(data, test, vectors)
    if outputs["labels"] is not None:
        checked = _with_label_errors(checked, data, chosen, vectors, outputs["labels"], quiet)
    dropped = None
    if outputs["fix"] is not None:
        dropped = rows_to_drop(checked, outputs["drop"] or DEFAULT_DROPS)
        write_without(origin(table), options, data, dropped, outputs["fix"])
        _say_dropped(dropped, outputs["fix"], quiet)
    if as_json:
        listed = {} if dropped is None else {"dropped": [{"row": r, "reason": why} for r, why in dropped.items()]}
        click.echo(json_line(checked.as_dict() | listed))
    else:
        click.echo(checked_text(checked))
    if strict and checked.is_serious:
        context.exit(1)


def _check_usage(table: Path, outputs: dict[str, Any]) -> None:
    if outputs["drop"] is not None and outputs["fix"] is None:
        raise click.UsageError("--drop says what --fix leaves out. Give --fix FILE.")
    if outputs["fix"] is not None and str(table) == "-":
        raise click.UsageError("--fix reads the table twice, and standard input cannot be. Name a file.")


def _with_label_errors(
    checked: "Checked",
    data: "LoadedTable",
    settings: "Settings",
    vectors: "WordVectors | None",
    target: Path,
    quiet: bool,
) -> "Checked":
    """Write the rows whose label is probably wrong, and return the findings with them."""
    from textclf.analysis.label_errors import find_label_errors, write_label_errors
    from textclf.training.train import LabelledTexts

    texts = LabelledTexts(data.texts, data.labels)
    found = find_label_errors(texts, settings, vectors, say=lambda text: say(text, quiet=quiet))
    write_label_errors(target, data.rows, data.texts, found)
    say(f"{shown(str(target))}: rows listed, surest first: {len(found):,}", quiet=quiet)
    details = [{"label": s.label, "suggested": s.suggested, "score": s.score} for s in found]
    return checked.with_finding("suspect-label", [data.rows[s.number] for s in found], details)


def _say_dropped(dropped: dict[int, str], target: Path, quiet: bool) -> None:
    for row, why in dropped.items():
        say(f"dropped: row {row}: {shown(why)}", quiet=quiet)
    say(f"{shown(str(target))}: rows dropped: {len(dropped):,}", quiet=quiet)
