"""``textclf explain``: which words and n-grams moved a prediction."""

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
    origin,
    refuse_idle,
    section,
    table_options,
    takes,
)
from textclf.cli.render.explanation_text import explanation_text, summary_text, use_colours
from textclf.errors import DataError, require_packages
from textclf.explain import (
    ExplainSettings,
    Explanation,
    Method,
    explain,
    find_nearest,
    strongest_in_texts,
    strongest_words,
)
from textclf.model.model import Model
from textclf.report.explanations import MOST_TEXTS, write_explanations, write_summaries

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
            report_table(table.name, table.refused, table.notes.sentences())
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
    with open_table(origin(source), reading, labelled=False, batch_rows=_ROWS_AT_ONCE) as table:
        for batch in table.batches():
            yield batch.texts
        report_table(table.name, table.refused, table.notes.sentences())
