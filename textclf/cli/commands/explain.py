"""``textclf explain``: which words and n-grams moved a prediction."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import click

from textclf.cli.console import json_line, report_table
from textclf.cli.options import (
    FILE,
    INPUT,
    READING,
    Command,
    ReadingOptions,
    check_outputs,
    check_sentences,
    json_option,
    locate_table,
    refuse_idle,
    section,
    table_options,
    takes,
)
from textclf.errors import DataError, require_packages, say_count, spell
from textclf.explain import (
    ClassSummary,
    ExplainSettings,
    Explanation,
    Method,
    Sum,
    TextPart,
    explain,
    find_nearest,
    strongest_in_texts,
    strongest_words,
)
from textclf.model.model import Model
from textclf.report.explanations import MOST_TEXTS, write_explanations, write_summaries
from textclf.storage.row_columns import SEPARATOR

_ROWS_AT_ONCE = 1024
_OF_WORDS = "Words of the vocabulary: what each adds to the label's score as a text by itself, however rare it is."
_OF_TEXTS = "What adds most to the label's score, summed over those of the texts that get this label."


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(ReadingOptions):
    """Which texts, or which model as a whole, is explained, and how."""

    model: Path
    sentences: tuple[str, ...]
    source: Path | None
    label: str | None
    method: Method
    overall: bool
    top: int
    like: Path | None
    html: Path | None
    as_json: bool

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together."""
        if self.like is not None and (self.overall or self.html is not None):
            raise click.UsageError("--like names rows for each text: it goes without --global and --html.")
        if self.like is None and self.label_column is not None:
            raise click.UsageError("--label-column is that of --like TABLE: give both.")
        if self.like is not None and str(self.like) == "-":
            raise click.UsageError("--like reads its table once for each thousand texts: give a file, not -.")
        check_sentences(self.sentences, self.source, reads_another=self.like is not None)
        if self.source is None and not self.sentences:
            if not self.overall:
                raise click.UsageError("give sentences, a table with -i, or --global.")
            refuse_idle(READING, "it says how a table is read, and no table is named")
        if self.overall and (self.label is not None or self.method != "gradients"):
            raise click.UsageError("--global shows every label by what adds up: it goes without --label and --method.")


@click.command("explain", cls=Command, short_help="Show what each word adds to the score of a label.")
@click.argument("model", type=INPUT)
@click.argument("sentences", nargs=-1)
@section(
    "Explanation",
    click.option("--input", "-i", "source", type=INPUT, help="Table of texts; - for standard input."),
    click.option("--label", metavar="LABEL", help="Label to explain. [default: the one that each text gets]"),
    click.option(
        "--method",
        type=click.Choice(get_args(Method)),
        default="gradients",
        show_default=True,
        help="Method: contributions that add up, or the fall of the score without each word.",
    ),
    click.option("--global", "overall", is_flag=True, help="Show the words that speak most for each class."),
    click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of words to show."),
    click.option(
        "--like",
        type=INPUT,
        metavar="TABLE",
        help="Show the labelled rows of TABLE that are most similar to each text.",
    ),
    click.option("--label-column", metavar="NAME", help="Column of labels of --like. [default: detected]"),
    click.option("--html", type=FILE, metavar="FILE", help="Write a page to open in a browser."),
    json_option,
)
@table_options(labelled=False)
@takes(ExplainOptions)
def command(options: ExplainOptions) -> None:
    """Show what the words and n-grams of SENTENCES, or of a table's texts (-i), add to the label that MODEL gives.

    The score of a label is its logit minus the mean of the other labels'. It is the sum of what the words add and of
    the base, the score of an empty text: exactly without hidden layers, to 0.001 with them (integrated gradients).

    \b
    textclf explain model.safetensors "A film that stays with you."
    textclf explain model.safetensors -i test.csv --html why.html
    textclf explain model.safetensors "A film that stays with you." --like train.csv
    textclf explain model.safetensors --global --top 20
    """
    options.check_usage()
    model = Model.load(options.model)
    if options.html is not None:
        require_packages("--html", "jinja2")
    check_outputs([path for path in (options.model, options.source) if path], options.html)
    if options.label is not None and options.label not in model.labels:
        from textclf.labels import unknown_label

        raise DataError(f"--label: {unknown_label(options.label, model.labels)}")
    if options.overall:
        _show_overall(model, options)
    else:
        _show_each(model, options)


def _show_each(model: Model, options: ExplainOptions) -> None:
    """Show the explanation of each text, or write them to a page."""
    colours = use_colours()
    chosen = ExplainSettings(options.label, options.method, options.top)
    kept: list[Explanation] = []
    total = 0
    for texts in _batches(model, options):
        if len(kept) >= MOST_TEXTS and not options.as_json:
            total += len(texts)
            continue
        explanations = explain(model, texts, chosen)
        if options.like is not None:
            explanations = _add_nearest(model, texts, explanations, options, is_first=not total)
        for number, explanation in enumerate(explanations, total):
            if options.as_json:
                click.echo(json_line(explanation.as_dict()))
            elif options.html is None:
                click.echo(("\n" if number else "") + explanation_text(explanation, options.top, colours=colours))
        total += len(explanations)
        if options.html is not None:
            kept += explanations[: MOST_TEXTS - len(kept)]
    if options.html is not None:
        write_explanations(options.html, kept, total=total, name=options.model.name, top=options.top)


def _add_nearest(
    model: Model,
    texts: Sequence[str],
    explanations: Sequence[Explanation],
    options: ExplainOptions,
    *,
    is_first: bool,
) -> list[Explanation]:
    """Return the explanations with the rows of --like that are nearest to each text; say once what is in the table."""
    from textclf.tables import open_table

    assert options.like is not None
    reading = options.table_options().read_for(model.features.columns)
    with open_table(options.like, reading, labelled=True, batch_rows=4 * _ROWS_AT_ONCE) as table:
        nearest = find_nearest(model, texts, table.batches(), options.top)
        if is_first:
            report_table(table)
    return [replace(each, like=rows) for each, rows in zip(explanations, nearest, strict=True)]


def _show_overall(model: Model, options: ExplainOptions) -> None:
    """Show what speaks most for each class: in the texts, if there are any, or of all words."""
    is_of_words = options.source is None and not options.sentences
    meaning = _OF_WORDS if is_of_words else _OF_TEXTS
    summaries = (
        strongest_words(model, options.top)
        if is_of_words
        else strongest_in_texts(model, _batches(model, options), options.top)
    )
    if options.html is not None:
        write_summaries(options.html, summaries, meaning=meaning, name=options.model.name)
    if options.as_json:
        click.echo(json_line({"meaning": meaning, "classes": [summary.as_dict() for summary in summaries]}))
    elif options.html is None:
        click.echo("\n\n".join([meaning, *map(summary_text, summaries)]))


def _batches(model: Model, options: ExplainOptions) -> Iterable[Sequence[str]]:
    """Return the texts, some at a time."""
    return [options.sentences] if options.source is None else _rows(model, options.source, options)


def _rows(model: Model, source: Path, options: ExplainOptions) -> Iterator[Sequence[str]]:
    from textclf.tables import open_table

    reading = options.table_options().read_for(model.features.columns)
    with open_table(locate_table(source), reading, labelled=False, batch_rows=_ROWS_AT_ONCE) as table:
        for batch in table.batches():
            yield batch.texts
        report_table(table)


# --- as text ---------------------------------------------------------------------------------------------------------

_STRONG, _WEAK = 0.5, 0.15  # of the strongest word's contribution: bold from here on, coloured from here on

_LONGEST_ROW = 80


def use_colours() -> bool:
    """Tell whether standard output is a terminal whose user wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def explanation_text(explanation: Explanation, top: int, *, colours: bool) -> str:
    """Return an explanation as lines: the label, the text with its words marked, and the strongest of them.

    Words that speak for the label are green, those against it red and underlined; without colours the `top` strongest
    of each have their figures behind them.
    """
    words_for, against = explanation.strongest(top)
    base = "base" if explanation.method == "gradients" else "left over"
    sums = [f"{base} {explanation.base:+.2f}", f"words {explanation.contributions.sum():+.2f}"]
    if explanation.between.any():
        sums.append(f"between words {explanation.between.sum():+.2f}")
    if explanation.columns:
        sums.append(f"columns {sum(part.contribution for part in explanation.columns):+.2f}")
    label = click.style(spell(explanation.label), bold=True) if colours else spell(explanation.label)
    lines = [
        f"{label}  {explanation.probability:.3f}  score {explanation.score:+.2f} = {', '.join(sums)}",
        "".join(
            _colour_parts(explanation) if colours else _mark(explanation, {word.string for word in words_for + against})
        ),
    ]
    for name, words in (("for", words_for), ("against", against), ("n-grams", list(explanation.ngrams[:top]))):
        if words:
            lines.append(f"  {name:<7}  {', '.join(_sum_text(word, quoted=name == 'n-grams') for word in words)}")
    if explanation.columns:
        strongest = sorted(explanation.columns, key=lambda part: -abs(part.contribution))[:top]
        listed = ", ".join(f"{spell(part.name)} “{spell(part.cell)}” {part.contribution:+.2f}" for part in strongest)
        lines.append(f"  columns  {listed}")
    for neighbour in explanation.like:
        text = neighbour.text if len(neighbour.text) <= _LONGEST_ROW else f"{neighbour.text[:_LONGEST_ROW]}…"
        lines.append(
            f"  like {neighbour.similarity:.2f}  row {neighbour.row:,} {spell(neighbour.label)}: {spell(text)}"
        )
    return "\n".join(lines)


def summary_text(summary: ClassSummary) -> str:
    """Return what speaks for a class as lines."""
    texts = "" if summary.texts is None else f"  ({say_count(summary.texts, 'text')})"
    sums = [f"  {one.contribution:+8.2f}  {_name(one, quoted=one.kind != 'word')}" for one in summary.sums]
    return "\n".join([f"{spell(summary.label)}{texts}", *(sums or ["  nothing speaks for it"])])


def _colour_parts(explanation: Explanation) -> Sequence[str]:
    largest = max((abs(part.contribution) for part in explanation.parts), default=0.0)
    return [_colour(part, largest) for part in explanation.parts]


def _colour(part: TextPart, largest: float) -> str:
    size = abs(part.contribution)
    if not part.string.strip() or size < _WEAK * largest or not size:
        return _spell_lines(part.string)
    is_for = part.contribution > 0
    return click.style(
        spell(part.string), fg="green" if is_for else "red", underline=not is_for, bold=size >= _STRONG * largest
    )


def _mark(explanation: Explanation, named: set[str]) -> Sequence[str]:
    columns = zip(explanation.columns_of_tokens, explanation.words_of_tokens, strict=True)
    words = (word if column is None else f"{column}: {word}" for column, word in columns)
    return [
        f"{spell(part.string)}[{part.contribution:+.2f}]"
        if part.is_token and next(words) in named
        else _spell_lines(part.string)
        for part in explanation.parts
    ]


def _spell_lines(text: str) -> str:
    """Return text for people, with a line for each column."""
    return "\n".join(map(spell, text.split(SEPARATOR)))


def _sum_text(one: Sum, *, quoted: bool) -> str:
    return f"{_name(one, quoted=quoted)} {one.contribution:+.2f}"


def _name(one: Sum, *, quoted: bool) -> str:
    name = f"“{spell(one.string)}”" if quoted else spell(one.string)
    times = f" ×{one.occurrences:,}" if one.occurrences > 1 else ""
    return name + one.note + times
