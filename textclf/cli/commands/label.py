"""``textclf label``: a page to label rows on, the most useful first."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.console import open_chosen_vectors, report_table, say
from textclf.cli.options import (
    FILE,
    INPUT,
    Command,
    ReadingOptions,
    TrainingOptions,
    check_outputs,
    locate_table,
    quiet_option,
    section,
    table_options,
    takes,
    training_options,
)
from textclf.cli.values import NumberRange
from textclf.errors import say_count, spell

if TYPE_CHECKING:
    from textclf.labelling.label_session import LabelSettings


@dataclass(frozen=True, kw_only=True)
class LabelOptions(ReadingOptions, TrainingOptions):
    """Which rows are labelled with what, where labels go, and how the model is trained meanwhile."""

    pool: Path
    output: Path
    labels: str | None
    model: Path | None
    every: int
    goal: float | None
    port: int
    quiet: bool

    def label_settings(self, labels: tuple[str, ...]) -> "LabelSettings":
        """Return the settings of a session with these labels."""
        from textclf.labelling.label_session import LabelSettings

        return LabelSettings(labels, self.multi_label, self.every, self.goal, self.settings())


@click.command("label", cls=Command, short_help="Label rows on a page in the browser, the most useful first.")
@click.argument("pool", type=INPUT)
@section(
    "Labelling",
    click.option(
        "--output",
        "-o",
        type=FILE,
        required=True,
        metavar="FILE",
        help="CSV of labelled rows; an existing file is continued.",
    ),
    click.option("--labels", metavar="A,B,…", help="Labels to choose from. [default: those of FILE or of --model]"),
    click.option("--model", type=INPUT, metavar="FILE", help="Model to begin with. [default: none]"),
    click.option(
        "--every",
        type=click.IntRange(5, 10_000),
        default=20,
        show_default=True,
        metavar="N",
        help="Train again after so many labels.",
    ),
    click.option("--goal", type=NumberRange(0.5, 0.999), metavar="SHARE", help="Accuracy that the forecast aims at."),
    training_options(seed="Random seed of the training and of the rows drawn by chance."),
)
@section(
    "Running",
    click.option(
        "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0 for any."
    ),
    quiet_option,
)
@table_options(labelled=False)
@takes(LabelOptions)
def command(options: LabelOptions) -> None:
    """Label the rows of POOL on a page in the browser, by the keyboard, the most useful rows first.

    Each label is on the disk before the next row is shown. A model is trained again in the background, guesses labels,
    and puts the rows in order. Every fifth row is drawn by chance: accuracy is measured on these. The page can be
    reached from this machine only. Ctrl-C stops; the same command resumes.

    \b
    textclf label reviews.csv -o labelled.csv --labels positive,negative
    textclf train labelled.csv -o model.safetensors
    """
    from textclf.serve import ServeSettings, check_serve_available
    from textclf.tables import open_table

    check_serve_available()
    check_outputs([options.pool, *([options.model] if options.model else [])], options.output)
    _check_is_csv(options.output)
    if len(options.text_column) > 1:
        raise click.UsageError("label shows one column of texts: give one --text-column.")
    rows: list[list[str | None]] = []
    texts: list[str] = []
    with open_table(locate_table(options.pool), options.table_options(), labelled=False) as table:
        for batch in table.batches():
            rows += table.cells(batch)
            texts += batch.texts
    report_table(table)

    from textclf.labelling.label_journal import LabelJournal
    from textclf.labelling.label_session import LabelPool, LabelSession, choose_labels
    from textclf.model.model import Model
    from textclf.serve.listening import listen
    from textclf.serve.service import LabelService

    model = None if options.model is None else Model.load(options.model)
    if model is not None:
        model.require_one_text("label")
    vectors = open_chosen_vectors(options.vectors, cache=not options.no_cache, quiet=options.quiet)
    with LabelJournal(options.output, table.columns, table.text_column, multi_label=options.multi_label) as journal:
        given = tuple(name.strip() for name in (options.labels or "").split(",") if name.strip())
        known = given or (() if model is None else model.labels)
        labels = choose_labels(known, journal, multi_label=options.multi_label)
        pool = LabelPool.of(texts, rows, journal.texts)
        session = LabelSession(pool, journal, options.label_settings(labels), vectors, model)
        if journal.label_column != "label":
            say(
                f"{spell(table.name)} has a column 'label': labels go into {journal.label_column!r}",
                quiet=options.quiet,
            )
        served = ServeSettings({}, port=options.port)
        done = f"{say_count(len(texts), 'row')}, {len(journal.texts):,} labelled"
        listen(
            served,
            lambda: LabelService(session, served),
            lambda address: say(f"{spell(table.name)}: {done}, at {address} (Ctrl-C stops)", quiet=options.quiet),
        )


def _check_is_csv(output: Path) -> None:
    from textclf.errors import OutputError

    if output.suffix.lower() != ".csv":
        raise OutputError(
            f"{spell(str(output))}: expected an output that ends in .csv, found the ending {output.suffix!r}."
            " Rows are added one by one, and CSV can take them."
        )
