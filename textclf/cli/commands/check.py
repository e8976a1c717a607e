"""``textclf check``: look at a table of texts and labels before training."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textclf.cli.console import json_line, open_chosen_vectors, say, warn
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
    refuse_idle,
    section,
    table_options,
    takes,
    training_options,
)
from textclf.errors import spell

if TYPE_CHECKING:
    from textclf.check import Checked, Finding
    from textclf.tables import LoadedTable
    from textclf.vectors import WordVectors


class FindingKinds(click.ParamType[tuple[str, ...]]):
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


@dataclass(frozen=True, kw_only=True)
class CheckOptions(ReadingOptions, TrainingOptions):
    """Which table is checked, and what is written of it."""

    table: Path
    against: Path | None
    labels: Path | None
    fix: Path | None
    drop: tuple[str, ...] | None
    strict: bool
    as_json: bool
    quiet: bool

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together."""
        if self.drop is not None and self.fix is None:
            raise click.UsageError("--drop says what --fix leaves out. Give --fix FILE.")
        if self.fix is not None and str(self.table) == "-":
            raise click.UsageError("--fix reads the table twice, and standard input cannot be. Name a file.")
        if self.labels is not None and self.multi_label:
            raise click.UsageError("--labels goes with one label a text, not with --multi-label.")
        if self.labels is None:
            refuse_idle(("seed", "threads"), "only --labels trains models")


@click.command("check", cls=Command, short_help="Find errors in a table before training: copies, typos, damage.")
@click.argument("table", type=INPUT)
@section(
    "What is looked for",
    click.option("--against", type=INPUT, metavar="TEST", help="Also find rows that are in this test table."),
    click.option(
        "--labels", type=FILE, metavar="FILE", help="Write rows whose label is probably wrong, clearest first, as CSV."
    ),
    training_options(seed="Random seed of the folds of --labels.", vectors="Word vectors to look words up in."),
)
@section(
    "What is written",
    click.option("--fix", type=FILE, metavar="FILE", help="Write a copy of TABLE without the rows that --drop names."),
    click.option(
        "--drop",
        type=FindingKinds(),
        metavar="KIND,KIND…",
        help="Kinds of rows that --fix drops. [default: empty,duplicate,leak]",
    ),
    click.option("--strict", is_flag=True, help="Exit with 1 if there is an error."),
    json_option,
    quiet_option,
)
@table_options(labelled=True, may_stop=False)
@takes(CheckOptions)
def command(options: CheckOptions) -> None:
    """Find errors in TABLE before training, and say what to do.

    \b
    textclf check reviews.csv --against test.csv
    textclf check reviews.csv --fix clean.csv --drop empty,duplicate,mojibake
    textclf check reviews.csv --labels suspects.csv
    """
    from textclf.check import DEFAULT_DROPS, check, rows_to_drop, write_without
    from textclf.tables import read_examples

    options.check_usage()
    reading = options.table_options(multi_label=options.multi_label)
    read = (options.table, Path(options.vectors), options.against)
    check_outputs([path for path in read if path is not None], options.fix, options.labels)
    data = read_examples(locate_table(options.table), reading)
    if options.fix is not None and (several := _find_several(data, options)) is not None:
        options, reading = replace(options, multi_label=True), replace(reading, multi_label=True)
        data = read_examples(locate_table(options.table), reading)
        said = "rows without a label are kept, as with --multi-label"
        warn(f"{data.name}: labels such as {several!r} look like several: {said}.")
    test = read_examples(locate_table(options.against), reading) if options.against else None
    vectors = open_chosen_vectors(options.vectors, cache=not options.no_cache, quiet=options.quiet)
    checked = check(data, test, vectors, multi_label=options.multi_label)
    if options.labels is not None:
        checked = _add_label_errors(checked, data, vectors, options.labels, options)
    dropped = None
    if options.fix is not None:
        dropped = rows_to_drop(checked, options.drop or DEFAULT_DROPS)
        write_without(locate_table(options.table), reading, data, dropped, options.fix)
        _say_dropped(dropped, options.fix, options.quiet)
    if options.as_json:
        listed = {} if dropped is None else {"dropped": [{"row": r, "reason": why} for r, why in dropped.items()]}
        click.echo(json_line(checked.as_dict() | listed))
    else:
        click.echo(checked_text(checked))
    if options.strict and checked.has_errors:
        click.get_current_context().exit(1)


def _add_label_errors(
    checked: "Checked", data: "LoadedTable", vectors: "WordVectors | None", target: Path, options: CheckOptions
) -> "Checked":
    """Write the rows whose label is probably wrong, and return the findings with them."""
    from textclf.analysis.label_errors import find_label_errors, write_label_errors
    from textclf.training.train import LabelledTexts

    quiet = options.quiet
    found = find_label_errors(
        LabelledTexts.of(data), options.settings(), vectors, say=lambda text: say(text, quiet=quiet)
    )
    write_label_errors(target, data.rows, [data.columns.show(text) for text in data.texts], found)
    say(f"{spell(str(target))}: rows listed, clearest first: {len(found):,}", quiet=quiet)
    details = [{"label": s.label, "suggested": s.suggested, "score": s.score} for s in found]
    return checked.with_finding("suspect-label", [data.rows[s.number] for s in found], details)


def _find_several(data: "LoadedTable", options: CheckOptions) -> str | None:
    """Return a label that looks like several, such as a|b, if rows were skipped that may have no label on purpose."""
    from textclf.labels import SEPARATOR

    if options.multi_label or options.labels is not None or not data.refused:
        return None
    return next((label for label in data.labels if SEPARATOR in label), None)


def _say_dropped(dropped: dict[int, str], target: Path, quiet: bool) -> None:
    for row, why in dropped.items():
        say(f"dropped: row {row}: {spell(why)}", quiet=quiet)
    say(f"{spell(str(target))}: rows dropped: {len(dropped):,}", quiet=quiet)


# --- as text ---------------------------------------------------------------------------------------------------------

_LISTED = 8  # rows of a finding; --json has all
_LABELS = 5
_LONGEST = 40


def checked_text(checked: "Checked") -> str:
    """Return the figures of the table, then each finding: how severe, how often, what to do, the first rows."""
    lines = [f"{spell(checked.name)}: valid rows: {checked.rows:,}", *_figures(checked.figures)]
    for finding in checked.findings:
        lines += ["", f"{finding.severity}: {finding.sentence}", f"    {finding.advice}"]
        lines += [f"    {line}" for line in _rows(finding)] if finding.rows else []
    lines += ["", _summary(checked)]
    return "\n".join(lines)


def _figures(figures: dict[str, Any]) -> list[str]:
    labels = [f"{_short(label)} {count:,}" for label, count in figures["labels"].items()]
    size = figures["characters"]
    scripts = [f"{script} {count:,}" for script, count in figures["scripts"].items()]
    lines = [
        f"labels: {len(labels):,} ({_first(labels)})",
        f"characters per text: {size['shortest']:,} to {size['longest']:,}, median {size['median']:,.0f}",
        f"scripts: {_first(scripts) or 'none'}",
    ]
    unknown = figures.get("unknown_words")
    if unknown:
        shares = [f"{_short(label)} {share:.1%}" for label, share in unknown["by_label"].items()]
        lines.append(
            f"words without a vector in {spell(unknown['vectors'])}: {unknown['share']:.1%} ({_first(shares)})"
        )
    return lines


def _rows(finding: "Finding") -> list[str]:
    """Return the rows of a finding as lines: one for each label if the finding is of labels, else one for all rows."""
    from textclf.check import KINDS

    details = finding.details or [{}] * len(finding.rows)
    by_label: dict[str, list[int]] = {}
    for row, detail in zip(finding.rows, details, strict=True):
        by_label.setdefault(_detail(detail), []).append(row)
    if KINDS[finding.kind].of_labels:
        lines = [f"{words}: rows {_numbers(rows)}" for words, rows in by_label.items()]
        return lines[:_LABELS] + ([f"and {len(lines) - _LABELS:,} more"] if len(lines) > _LABELS else [])
    pairs = zip(finding.rows[:_LISTED], details[:_LISTED], strict=True)
    listed = [f"{row} ({_detail(detail)})" if detail else str(row) for row, detail in pairs]
    return [f"rows {_with_rest(listed, len(finding.rows))}"]


def _numbers(rows: list[int]) -> str:
    return _with_rest([str(row) for row in rows[:_LISTED]], len(rows))


def _with_rest(listed: list[str], count: int) -> str:
    more = count - len(listed)
    return ", ".join(listed) + (f" and {more:,} more" if more else "")


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in detail.items())


def _value(value: Any) -> str:
    return _short(repr(value)) if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else str(value)


def _summary(checked: "Checked") -> str:
    if not checked.findings:
        return "nothing found"
    counts = [sum(f.severity == severity for f in checked.findings) for severity in ("error", "warning", "info")]
    near = checked.figures["near_from"]
    return (
        f"errors: {counts[0]}, warnings: {counts[1]}, infos: {counts[2]}."
        f" Nearly equal texts have a Jaccard similarity of {near} or more."
    )


def _first(entries: list[str]) -> str:
    more = len(entries) - _LABELS
    return ", ".join(entries[:_LABELS]) + (f" and {more:,} more" if more > 0 else "")


def _short(label: str) -> str:
    label = spell(label)
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
