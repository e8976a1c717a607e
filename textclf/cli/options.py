"""Options that several commands share, the objects that they become, and the click command that reads them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from click.core import ParameterSource

from textclf.cli.values import FormatChoice, NumberRange, Separator, Threshold, fetch_input
from textclf.storage.remote import is_url

if TYPE_CHECKING:
    from textclf.distributed import Engine
    from textclf.model.decision import DecisionSettings
    from textclf.settings import Settings
    from textclf.tables import Origin, TableOptions

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Chosen = TypeVar("Chosen")


class _OutputFile(click.Path):
    """A file to write, on this machine."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fails at a URL, and at "-"."""
        if isinstance(value, str) and is_url(value):
            self.fail(f"expected a file on this machine, found a URL, {value!r}. Write a file, and upload it.", param)
        if value == "-":
            self.fail("expected a file, found -, which stands for standard output. Name a file.", param)
        return super().convert(value, param, ctx)


FILE = _OutputFile(path_type=Path)
"""A file to write."""


class _InputFile(click.Path):
    """A file to read; one at a URL is copied to this machine."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises DataError when the file cannot be fetched."""
        if isinstance(value, str) and is_url(value) and ctx is not None and not ctx.resilient_parsing:
            return fetch_input(value, ctx)
        return super().convert(value, param, ctx)


INPUT = _InputFile(path_type=Path)
"""A file to read, here or at a URL, or "-" for standard input where a table is read."""

# --- commands and their options -----------------------------------------------------------------------------------

_GIVEN = {ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP}  # what a person wrote, in a --config file too
_OTHER = "Other options"


class Command(click.Command):
    """A command that takes each option once, and shows options under their headings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; raises UsageError when an option with one value is given twice."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for parameter in order:
                if order.count(parameter) > 1 and _has_one_value(parameter):
                    raise click.UsageError(f"{option_name(parameter)} is given twice. Give it once.", ctx)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings."""
        for heading, parameters in sections(self, ctx):
            records = [record for each in parameters if (record := each.get_help_record(ctx)) is not None]
            with formatter.section(heading):
                formatter.write_dl(records)


class CommandGroup(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type


def _has_one_value(parameter: click.Parameter) -> bool:
    if not isinstance(parameter, click.Option) or parameter.multiple or parameter.count:
        return False
    return not parameter.is_flag or bool(parameter.secondary_opts)  # a plain flag says the same twice


def option_name(parameter: click.Parameter) -> str:
    """Return the longest name of an option with its dashes; an argument's own."""
    return max(parameter.opts, key=len)


def section(heading: str, *options: Decorator) -> Decorator:
    """Return a decorator that adds options to a command, under a heading of its help."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        for parameter in getattr(command, "__click_params__", ()):
            if not hasattr(parameter, "heading"):  # else an earlier section has it
                parameter.heading = heading
        return command

    return add


def sections(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, list[click.Option]]]:
    """Give the headings of a command's help in order, each with its options."""
    found: dict[str, list[click.Option]] = {}
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            found.setdefault(getattr(parameter, "heading", _OTHER), []).append(parameter)
    other = found.pop(_OTHER, [])
    yield from found.items()
    yield _OTHER, other


def takes(make: Callable[..., Chosen]) -> Callable[[Callable[[Chosen], None]], Callable[..., None]]:
    """Return a decorator that hands a command what `make` makes of its options and arguments, given by name."""

    def wrap(command: Callable[[Chosen], None]) -> Callable[..., None]:
        @wraps(command)
        def callback(**given: Any) -> None:
            command(make(**given))

        return callback

    return wrap


def list_given_options() -> frozenset[str]:
    """Return the parameters of the running command that a person named, in the call or in a --config file."""
    context = click.get_current_context()
    names = (str(parameter.name) for parameter in context.command.params)
    return frozenset(name for name in names if context.get_parameter_source(name) in _GIVEN)


def refuse_idle(names: Collection[str], why: str) -> None:
    """Raise UsageError when one of these options is given: it would have no effect, for the reason `why`."""
    given = list_given_options()
    for parameter in click.get_current_context().command.params:
        if parameter.name in given and parameter.name in names:
            raise click.UsageError(f"{option_name(parameter)} has no effect here: {why}. Leave it out.")


# --- options that several commands have ---------------------------------------------------------------------------


threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    help="Number of threads. The result does not depend on it.",
)
target_precision_option = click.option(
    "--target-precision",
    type=NumberRange(0.5, 0.999),
    metavar="SHARE",
    help="Answer only where at least this share of answers is right, with 95% certainty.",
)
refused_option = click.option(
    "--refused",
    type=FILE,
    metavar="FILE",
    help="Write the rows that --on-error skip skips, with their reasons, as CSV.",
)
drift_option = click.option(
    "--drift", type=FILE, metavar="FILE", help="Write a comparison with the training data, as JSON."
)
report_option = click.option("--report", type=FILE, metavar="FILE", help="Write a report to open in a browser (HTML).")
multi_label_option = click.option(
    "--multi-label", is_flag=True, help="Allow several labels or none for each text: a|b, or a JSON list."
)
split_column_option = click.option(
    "--split-column", metavar="NAME", help="Column that says of each row: train, validation or test."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to standard output.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Write results, warnings and errors only.")


def vectors_options(text: str) -> Decorator:
    """Return the options that name pretrained vectors; `text` says what they are for."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def callback(**given: Any) -> None:
            if given["vectors"] == "none":
                refuse_idle(("no_cache",), "there are no vectors (--vectors none)")
            command(**given)

        no_cache = click.option("--no-cache", is_flag=True, help="Do not use the cache of converted vectors.")
        vectors = click.option("--vectors", default="starter", show_default=True, metavar="FILE|NAME|none", help=text)
        return vectors(no_cache(callback))

    return add


def seed_option(text: str) -> Decorator:
    """Return the option for the seed; `text` says what it is the seed of."""
    return click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help=text)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How models are trained by a command that is not there to choose it: what `training_options` adds to a command."""

    multi_label: bool
    vectors: str
    no_cache: bool
    seed: int
    threads: int

    def settings(self) -> "Settings":
        """Return the settings of a training; what is not an option here is as `train` has it by default."""
        from textclf.settings import Settings

        output: Literal["sigmoid", "softmax"] = "sigmoid" if self.multi_label else "softmax"
        return Settings(
            vectors=self.vectors, seed=self.seed, threads=self.threads, multi_label=self.multi_label, output=output
        )


def training_options(seed: str, vectors: str = "Pretrained word vectors.") -> Decorator:
    """Return the options of `TrainingOptions`; the texts say what the seed and the vectors are for."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (threads_option, seed_option(seed), vectors_options(vectors), multi_label_option):
            command = option(command)
        return command

    return add


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where many files are worked on: the address of a Dask scheduler, or a number of processes; None for neither."""

    scheduler: str | None
    workers: int | None

    def __post_init__(self) -> None:
        if self.scheduler is not None and self.workers is not None:
            raise click.UsageError("give --scheduler or --workers, not both.")

    @property
    def has_cluster(self) -> bool:
        """Whether there is a cluster to work on."""
        return self.scheduler is not None or self.workers is not None

    def is_distributed(self, place: str) -> bool:
        """Return whether a place is many files, or is worked on by a cluster."""
        from textclf.tables.source import are_shards

        return self.has_cluster or are_shards(place)

    def engine(self) -> "AbstractContextManager[Engine]":
        """Return who does the work: the cluster where one is named, else this process."""
        from textclf.distributed import Serial, dask_engine

        if not self.has_cluster:
            return nullcontext(Serial())
        return dask_engine(scheduler=self.scheduler, workers=self.workers)

    def locate(self, place: str) -> str:
        """Return a place as workers name it, who may run in another folder."""
        return str(Path(place).absolute()) if self.has_cluster and not is_url(place) else place


cluster_options = section(
    "Many files",
    click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help="Work on many files in N processes."),
    click.option("--scheduler", metavar="ADDRESS", help="Work on many files on a Dask cluster (tcp://host:port)."),
)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How a table is read: what `table_options` adds to a command."""

    text_column: tuple[str, ...]
    label_column: str | None = None
    label_columns: str | None = None
    label_separator: str | None = None
    table_format: str | None
    separator: str | None
    no_header: bool
    sheet: str | None
    no_quotes: bool
    encoding: str
    on_error: Literal["fail", "skip"] = "skip"
    category_column: tuple[str, ...] = ()
    number_column: tuple[str, ...] = ()

    def table_options(
        self, *, multi_label: bool = False, weight_column: str | None = None, known: Iterable[str] | None = None
    ) -> "TableOptions":
        """Return the options as the reader takes them; rows with labels beyond those `known` are invalid."""
        from textclf.tables import TableOptions

        return TableOptions(
            text_column=self.text_column[0] if self.text_column else None,
            more_text_columns=self.text_column[1:],
            label_column=self.label_column,
            weight_column=weight_column,
            format=self.table_format,
            separator=self.separator,
            quotes=not self.no_quotes,
            encoding=self.encoding,
            on_error=self.on_error,
            multi_label=multi_label,
            known_labels=None if known is None else tuple(sorted(known)),
            label_columns=tuple(name.strip() for name in (self.label_columns or "").split(",") if name.strip()),
            label_separator=self.label_separator,
            header=not self.no_header,
            sheet=self.sheet,
            category_columns=self.category_column,
            number_columns=self.number_column,
        )


@dataclass(frozen=True, kw_only=True)
class DecisionOptions:
    """Which label a text gets, and whether it gets one: what `decision_options` adds to a command."""

    threshold: tuple[tuple[str | None, float], ...]
    target_precision: float | None
    costs: Path | None
    positive: str | None
    target_recall: float | None

    @property
    def rule_files(self) -> list[Path]:
        """The files that rules are read from."""
        return [] if self.costs is None else [self.costs]

    def decision_settings(self) -> "DecisionSettings":
        """Return what is asked of decisions; raises UsageError where two rules do not go together."""
        from textclf.errors import TextclfError
        from textclf.model.decision import Costs, DecisionSettings

        common = [threshold for label, threshold in self.threshold if label is None]
        of_labels = tuple((label, threshold) for label, threshold in self.threshold if label is not None)
        if len(common) > 1 or len(dict(of_labels)) < len(of_labels):
            raise click.UsageError("--threshold is given twice for the same labels. Give it once.")
        costs = None if self.costs is None else Costs.read(self.costs)
        threshold = common[0] if common else None
        try:
            return DecisionSettings(
                threshold, of_labels, self.target_precision, costs, self.positive, self.target_recall
            )
        except TextclfError as error:
            raise click.UsageError(str(error)) from None


decision_options = section(
    "Decisions",
    click.option(
        "--threshold",
        type=Threshold(),
        multiple=True,
        metavar="P|LABEL=P",
        help="Answer from this confidence on, such as 0.8, or spam=0.9 for one label; repeatable.",
    ),
    target_precision_option,
    click.option(
        "--costs", type=INPUT, metavar="JSON", help="Give the label that costs least, or abstain: a file of costs."
    ),
    click.option(
        "--positive",
        metavar="LABEL",
        help="One of two labels, to look for: given from --threshold on, or for a --target-recall.",
    ),
    click.option(
        "--target-recall",
        type=NumberRange(0.5, 0.999),
        metavar="SHARE",
        help="With --positive: find at least this share of its texts, with 95% certainty.",
    ),
)

READING = (
    "text_column", "label_column", "label_columns", "label_separator", "table_format", "separator", "no_header",
    "sheet", "no_quotes", "encoding", "on_error", "category_column", "number_column",
)  # fmt: skip
"""The parameters of `table_options`."""


def table_options(*, labelled: bool, may_stop: bool = True, others: bool = False) -> Decorator:
    """Add the options that say how a table is read; they reach the command as those of `ReadingOptions`.

    With `may_stop` False an invalid row never stops the command, and there is no option for it. With `others` columns
    beside the text can be named, for a model to be trained on.
    """
    options = [
        click.option(
            "--text-column",
            multiple=True,
            metavar="NAME",
            help="Column of texts; several may be named. [default: detected from the header]",
        ),
        click.option("--format", "table_format", type=FormatChoice(), help="Format of the file. [default: detected]"),
        click.option(
            "--separator",
            type=Separator(),
            metavar="CHAR",
            help="Character that separates columns, or tab. [default: detected]",
        ),
        click.option("--no-header", is_flag=True, help="Read the first row as data; columns are numbered from 1."),
        click.option("--sheet", metavar="NAME", help="Sheet of an Excel workbook. [default: the only one with rows]"),
        click.option("--no-quotes", is_flag=True, help='Read " as a plain character, as many TSV files need.'),
        click.option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="Encoding of the file."),
        click.option(
            "--on-error",
            type=click.Choice(["fail", "skip"]),
            default="fail",
            show_default=True,
            help="At an invalid row: stop, or report the row and skip it.",
        ),
    ]
    if not may_stop:
        options.pop()
    if labelled:
        text = "Column of labels. [default: detected from the header]"
        options[1:1] = [
            click.option("--label-column", metavar="NAME", help=text),
            click.option("--label-columns", metavar="A,B,…", help="Columns of 1 or 0, one for each label."),
            click.option("--label-separator", metavar="TEXT", help="Text between labels of a cell. [default: |]"),
        ]
    if others:
        options += [
            click.option(
                "--category-column", multiple=True, metavar="NAME", help="Column of categories, used beside the text."
            ),
            click.option(
                "--number-column", multiple=True, metavar="NAME", help="Column of numbers, used beside the text."
            ),
        ]
    return section("Reading the table", *options)


# --- checks before the work ---------------------------------------------------------------------------------------


def check_refused(refused: Path | None, on_error: str) -> None:
    """Refuse a file for skipped rows where an invalid row stops the command."""
    if refused is not None and on_error == "fail":
        raise click.UsageError("--refused goes with --on-error skip: without it the first such row stops the command.")


def check_sentences(sentences: Sequence[str], source: object, *, reads_another: bool = False) -> None:
    """Refuse sentences beside a table, sentences that are names of tables, and options of a table without one.

    With `reads_another` the command reads another table, which those options are for.
    """
    if not sentences:
        return
    if source is not None:
        raise click.UsageError("give sentences, or a table with -i, not both.")
    if all(map(_names_table, sentences)):
        raise click.UsageError(
            f"{sentences[0]!r} names a file. Use -i {sentences[0]!r} to read it; pipe it in if it is a text."
        )
    if not reads_another:
        refuse_idle(READING, "it says how a table is read, and no table is named")


def _names_table(sentence: str) -> bool:
    """Return whether a sentence is the name of a file or folder, or one word that ends like a table's name.

    A dash names standard input.
    """
    if sentence == "-":
        return True
    try:
        path = Path(sentence)
        if path.is_file() or ("/" in sentence and path.is_dir()):
            return True
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False
    if sentence.split() != [sentence] or not path.suffix:
        return False
    from textclf.tables import is_table_name  # now: a sentence alone is labelled without the code of tables

    return is_table_name(sentence) or sentence.lower().endswith(_OTHER_ENDINGS)


_OTHER_ENDINGS = (".txt", ".json", ".xlsx", ".gz", ".bz2", ".xz", ".zst", ".zip")


def locate_table(path: str | Path) -> "Origin":
    """Return where a table comes from: a path, or "-" for standard input; a table at a URL is fetched."""
    return "-" if str(path) == "-" else fetch_if_url(path)


def fetch_if_url(path: str | Path) -> Path:
    """Return a path as it is, and what stands at a URL as a copy on this machine."""
    return fetch_input(path, click.get_current_context(silent=True)) if isinstance(path, str) else path


def check_outputs(read: Sequence[str | Path], *outputs: Path | None) -> None:
    """Refuse, before any work is done, an output that cannot be written, is one of the files read, or stands twice."""
    from textclf.errors import OutputError
    from textclf.storage.files import check_writable
    from textclf.storage.remote import is_url
    from textclf.tables import check_not_same

    seen = set()
    for output in outputs:
        if output is None:
            continue
        for path in read:
            if not is_url(str(path)):
                check_not_same(locate_table(path), output)
        check_writable(output)
        if output.resolve() in seen:
            raise OutputError(f"{output}: expected outputs of different names, found it twice. Name another.")
        seen.add(output.resolve())
