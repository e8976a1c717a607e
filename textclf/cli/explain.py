"""``textclf explain``: which words and n-grams moved a prediction."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from textclf.cli.explanations import explanation_text, summary_text, use_colours
from textclf.cli.options import FILE, check_outputs, json_option, origin, read_options, table_options
from textclf.cli.output import json_line, report_table
from textclf.errors import DataError, require_packages
from textclf.explain import (
    ExplainSettings,
    Explanation,
    Method,
    explain,
    strongest_in_texts,
    strongest_words,
)
from textclf.model.model import Model
from textclf.report.explanations import MOST_TEXTS, write_explanations, write_summaries

if TYPE_CHECKING:
    from textclf.tables import TableOptions

_ROWS_AT_ONCE = 1024
_OF_WORDS = "Words of the vocabulary: what each adds to the label's score as a text by itself, however rare it is."
_OF_TEXTS = "What adds most to the label's score, summed over those of the texts that get this label."


@click.command("explain", short_help="Show which words and n-grams moved a prediction.")
@click.argument("model", type=FILE)
@click.argument("sentences", nargs=-1)
@click.option("--input", "-i", "source", type=FILE, help="A table of texts; - for standard input.")
@click.option("--label", metavar="LABEL", help="Explain this label. [default: the one that each text gets]")
@click.option(
    "--method",
    type=click.Choice(get_args(Method)),
    default="gradients",
    show_default=True,
    help="Contributions that add up, or how far the score falls without each word.",
)
@click.option("--global", "overall", is_flag=True, help="Show what speaks most for each class, over all.")
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many words to name.")
@click.option("--html", type=FILE, metavar="FILE", help="Write a page to look at in a browser.")
@json_option
@table_options(labelled=False)
def command(
    model: Path,
    sentences: tuple[str, ...],
    source: Path | None,
    overall: bool,
    html: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Show which words and n-grams of SENTENCES, or of a table's texts (-i), moved what MODEL says of them.

    The score of a label is its logit minus the mean of the other labels'. It is the sum of what the words add and of
    the base, the score of an empty text: exactly without hidden layers, to 0.001 with them (integrated gradients).

    \b
    textclf explain model.safetensors "A film that stays with you."
    textclf explain model.safetensors -i test.csv --html why.html
    textclf explain model.safetensors --global --top 20
    """
    if sentences and source is not None:
        raise click.UsageError("give sentences, or a table with -i, not both.")
    if not (sentences or source is not None or overall):
        raise click.UsageError("give sentences, a table with -i, or --global.")
    chosen = ExplainSettings(settings.pop("label"), settings.pop("method"), settings.pop("top"))
    if overall and (chosen.label is not None or chosen.method != "gradients"):
        raise click.UsageError("--global shows every label by what adds up: it goes without --label and --method.")
    loaded = Model.load(model)
    _check(loaded, [model, *([source] if source else [])], chosen.label, html)
    batches = _batches(source, read_options(settings)) if source is not None else [sentences] if sentences else None
    if overall or batches is None:
        _show_overall(loaded, batches, chosen.ngrams, html=html, name=model.name, as_json=as_json)
    else:
        _show_each(loaded, batches, chosen, html=html, name=model.name, as_json=as_json)


def _check(model: Model, read: Sequence[Path], label: str | None, html: Path | None) -> None:
    if html is not None:
        require_packages("--html", "jinja2")
    check_outputs(read, html)
    if label is not None and label not in model.labels:
        from textclf.analysis.evaluate import unknown_label

        raise DataError(f"--label: {unknown_label(label, model.labels)}")


def _show_each(
    model: Model,
    batches: Iterable[Sequence[str]],
    chosen: ExplainSettings,
    *,
    html: Path | None,
    name: str,
    as_json: bool,
) -> None:
    colours = use_colours()
    kept: list[Explanation] = []
    total = 0
    for texts in batches:
        if len(kept) >= MOST_TEXTS and not as_json:
            total += len(texts)
            continue
        explanations = explain(model, texts, chosen)
        for number, explanation in enumerate(explanations, total):
            if as_json:
                click.echo(json_line(explanation.as_dict()))
            elif html is None:
                click.echo(("\n" if number else "") + explanation_text(explanation, chosen.ngrams, colours=colours))
        total += len(explanations)
        if html is not None:
            kept += explanations[: MOST_TEXTS - len(kept)]
    if html is not None:
        write_explanations(html, kept, total=total, name=name, top=chosen.ngrams)


def _show_overall(
    model: Model, batches: Iterable[Sequence[str]] | None, top: int, *, html: Path | None, name: str, as_json: bool
) -> None:
    meaning = _OF_WORDS if batches is None else _OF_TEXTS
    summaries = strongest_words(model, top) if batches is None else strongest_in_texts(model, batches, top)
    if html is not None:
        write_summaries(html, summaries, meaning=meaning, name=name)
    if as_json:
        click.echo(json_line({"meaning": meaning, "classes": [summary.as_dict() for summary in summaries]}))
    elif html is None:
        click.echo("\n\n".join([meaning, *map(summary_text, summaries)]))


def _batches(source: Path, options: "TableOptions") -> Iterator[Sequence[str]]:
    from textclf.tables import open_table

    with open_table(origin(source), options, labelled=False, batch_rows=_ROWS_AT_ONCE) as table:
        for batch in table.batches():
            yield batch.texts
        report_table(table.name, table.refused, table.notes.sentences())
