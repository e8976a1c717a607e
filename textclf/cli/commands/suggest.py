"""``textclf suggest``: choose the rows to label next."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.console import counting_rows, open_chosen_vectors, report_table, say
from textclf.cli.options import (
    FILE,
    INPUT,
    Command,
    ReadingOptions,
    check_outputs,
    locate_table,
    quiet_option,
    section,
    seed_option,
    table_options,
    takes,
    threads_option,
    vectors_options,
)
from textclf.errors import say_count, spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textclf.analysis.suggestion import Suggestions
    from textclf.model.model import Model
    from textclf.tables import Batch, Table, TableOptions


@dataclass(frozen=True, kw_only=True)
class SuggestOptions(ReadingOptions):
    """Which rows are chosen from which table, by which model, and where they go."""

    inputs: tuple[Path, ...]
    rows: int
    cold: bool
    labelled: Path | None
    output: Path
    vectors: str
    no_cache: bool
    seed: int
    threads: int
    quiet: bool

    @property
    def pool(self) -> Path:
        """The table of rows without labels."""
        return self.inputs[-1]

    def check_usage(self) -> None:
        """Raise UsageError where options do not go together."""
        if self.cold and len(self.inputs) != 1:
            raise click.UsageError("--cold goes without a model: expected POOL alone, found two files.")
        if not self.cold and len(self.inputs) != 2:
            raise click.UsageError("expected MODEL and POOL, found one file. Without a model, give --cold and POOL.")


@click.command("suggest", cls=Command, short_help="Choose the rows to label next: those that teach a model most.")
@click.argument("inputs", nargs=-1, required=True, type=INPUT, metavar="MODEL POOL")
@section(
    "Choosing",
    click.option(
        "--rows", "-n", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Number of rows to choose."
    ),
    click.option("--cold", is_flag=True, help="Choose without a model: rows like many others of POOL."),
    click.option("--labelled", type=INPUT, metavar="FILE", help="Leave out rows like those of this table."),
    vectors_options("Word vectors by which texts are compared."),
    seed_option("Random seed of the rows to choose from."),
    threads_option,
)
@section(
    "Output",
    click.option("--output", "-o", type=FILE, required=True, metavar="FILE", help="Table to write the rows to."),
    quiet_option,
)
@table_options(labelled=False)
@takes(SuggestOptions)
def command(options: SuggestOptions) -> None:
    """Choose the rows of POOL to label next, most useful first, and write them with all their columns.

    These rows stand for many that MODEL is in doubt about, and they are unlike each other. Three columns are added:
    the label that the model guesses, the margin between its two likeliest labels, and why the row was chosen. Then
    label the rows, add them to the training table, and train again. With another --seed the rows are chosen from other
    rows of a large POOL.

    \b
    textclf suggest --cold reviews.csv -n 50 -o first.csv
    textclf suggest model.safetensors reviews.csv -n 50 -o next.csv --labelled labelled.csv
    """
    from textclf.model.label_table import BATCH_ROWS
    from textclf.model.model import Model
    from textclf.tables import open_table, open_writer

    options.check_usage()
    read = [*options.inputs, *([options.labelled] if options.labelled else [])]
    check_outputs(read, options.output)
    model = None if options.cold else Model.load(options.inputs[0])
    reading = options.table_options() if model is None else options.table_options().read_for(model.features.columns)
    labelled = _read_texts(options.labelled, reading) if options.labelled else ()
    with open_table(locate_table(options.pool), reading, labelled=False, batch_rows=BATCH_ROWS) as table:
        found = _choose(model, table, labelled, options)
        added: dict[str, Sequence[str | float]] = (
            {} if options.cold else {"guess": found.guesses, "margin": found.margins}
        )
        added["why"] = found.reasons
        with open_writer(options.output, table, list(added)) as writer:
            writer.write(found.rows, list(added.values()))
    report_table(table)
    of = f"of {say_count(table.rows_used, 'row')}"
    short = len(found) < min(options.rows, table.rows_used)
    left = "; the others are like these, or like labelled rows" if short else ""
    say(f"{spell(str(options.output))}: rows to label: {len(found):,} {of}{left}", quiet=options.quiet)


def _choose(model: "Model | None", table: "Table", labelled: "Sequence[str]", options: SuggestOptions) -> "Suggestions":
    from textclf.analysis.suggestion import Guide, seed_draw, suggest_rows

    with counting_rows("reading", quiet=options.quiet) as count:

        def batches() -> "Iterator[Batch]":
            for batch in table.batches():
                yield batch
                count(len(batch))

        vectors = open_chosen_vectors(options.vectors, cache=not options.no_cache, quiet=options.quiet)
        rng, guide = seed_draw(options.seed, model), Guide(vectors, model, labelled)
        return suggest_rows(batches(), options.rows, rng, guide, threads=options.threads)


def _read_texts(path: Path, reading: "TableOptions") -> list[str]:
    from textclf.tables import open_table

    with open_table(locate_table(path), reading, labelled=False) as table:
        return [text for batch in table.batches() for text in batch.texts]
