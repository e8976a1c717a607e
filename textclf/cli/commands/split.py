"""``textclf split``: one table into two, for training and for testing."""

from dataclasses import dataclass
from pathlib import Path

import click

from textclf.cli.console import report_table, say
from textclf.cli.options import (
    FILE,
    INPUT,
    Command,
    ReadingOptions,
    check_outputs,
    locate_table,
    multi_label_option,
    quiet_option,
    section,
    seed_option,
    table_options,
    takes,
)
from textclf.cli.values import NumberRange
from textclf.errors import say_count, spell


@dataclass(frozen=True, kw_only=True)
class SplitOptions(ReadingOptions):
    """Which table is split, how, and where its parts go."""

    table: Path
    test: float
    train_output: Path | None
    test_output: Path | None
    multi_label: bool
    seed: int
    quiet: bool

    @property
    def outputs(self) -> tuple[Path, Path]:
        """The two tables to write: those named, or the table's name with ``-train`` and ``-test``."""
        if str(self.table) == "-":
            raise click.UsageError("the table is read twice, and standard input cannot be. Name a file.")
        from textclf.storage.remote import is_url
        from textclf.tables import strip_compression

        name = self.table.name
        unpacked = Path(strip_compression(name))
        packed = name[len(unpacked.name) :]
        parts = [f"{unpacked.stem}-{part}{unpacked.suffix}{packed}" for part in ("train", "test")]
        folder = Path() if is_url(str(self.table)) else self.table.parent
        beside = [folder / part for part in parts]
        return self.train_output or beside[0], self.test_output or beside[1]


@click.command("split", cls=Command, short_help="Split a table into a training table and a test table.")
@click.argument("table", type=INPUT)
@section(
    "Splitting",
    click.option(
        "--test",
        type=NumberRange(0.001, 0.999),
        default=0.2,
        show_default=True,
        metavar="SHARE",
        help="Share of each label's rows in the test table.",
    ),
    multi_label_option,
    seed_option("Random seed. The same seed gives the same tables."),
)
@section(
    "Output",
    click.option("--train-output", type=FILE, metavar="FILE", help="Table to train on. [default: NAME-train.csv]"),
    click.option("--test-output", type=FILE, metavar="FILE", help="Table to test on. [default: NAME-test.csv]"),
    quiet_option,
)
@table_options(labelled=True)
@takes(SplitOptions)
def command(options: SplitOptions) -> None:
    """Split TABLE into a table to train on and one to test on; every row keeps its bytes.

    Each label has its share of rows in both tables. Copies of a text, which would flatter the test, stay together.

    \b
    textclf split reviews.csv
    textclf split reviews.csv --test 0.1 --train-output part-train.csv --test-output part-test.csv
    """
    import numpy as np

    from textclf.check import write_without
    from textclf.tables import read_examples
    from textclf.training.data import rows_of_test

    train, test = options.outputs
    check_outputs([options.table], train, test)
    reading = options.table_options(multi_label=options.multi_label)
    data = read_examples(locate_table(options.table), reading)
    report_table(data)
    chosen = rows_of_test(data.texts, data.labels, options.test, np.random.default_rng(options.seed))
    in_test = {data.rows[number] for number in chosen}
    write_without(locate_table(options.table), reading, data, in_test, train)
    write_without(locate_table(options.table), reading, data, set(data.rows) - in_test, test)
    for path, count in ((train, len(data) - len(in_test)), (test, len(in_test))):
        say(f"{spell(str(path))}: {say_count(count, 'row')}", quiet=options.quiet)
