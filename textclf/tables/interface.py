"""What a table format provides: how it is recognized, opened and written, and what its rows offer.

A format is one `TableFormat` in the file of its own, listed in `formats.FORMATS`; nothing else has to know it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from textclf.errors import DataError
from textclf.tables.columns import ColumnChoice
from textclf.tables.records import RECORD_LIMIT, Batch, ParsedBlock, Position, Records, TableOptions
from textclf.tables.source import Blocks, TableSource

if TYPE_CHECKING:
    from textclf.tables.table import Table

Cell = str | int | float
"""An added value; numbers stay numbers in JSON Lines and Parquet."""

Columns = Sequence[Sequence[Cell]]
"""One sequence for each added column, with one value for each row."""


class RowParser(Protocol):
    """Gives the rows of a block, and the values of one row, of a table that is open."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""

    @property
    def chosen(self) -> ColumnChoice:
        """The names of those that are read."""

    def parse(self, block: bytes, at: Position, final: bool) -> ParsedBlock:
        """Return the rows of the block's whole records."""

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column of a row as written."""

    def values(self, record: bytes, columns: Sequence[str]) -> list[str | None]:
        """Return the values of these columns of a row as written; None where there is none."""

    def extend(self, records: Records, added: Sequence[str], columns: Columns) -> Iterable[bytes]:
        """Return the bytes of rows as written, with values for the columns `added`, in pieces."""


class RowWriter(Protocol):
    """Writes rows in one format."""

    def write(self, batch: Batch, columns: Columns) -> None:
        """Write the rows of a batch with the values of the added columns, one for each row."""

    def finish(self) -> None:
        """Write what comes after the last row."""


@dataclass
class TableInput:
    """A table while it is opened: its bytes, and what is known of it so far.

    `at` is the place of the next byte of `blocks`. `has_lines` says whether line numbers are those of the file,
    `separator_found` which separator was found where none was said.
    """

    source: TableSource
    options: TableOptions
    labelled: bool
    resources: ExitStack
    blocks: Blocks
    at: Position = field(default_factory=Position)
    blank_lines: int = 0
    comment_lines: int = 0
    separator_found: str | None = None
    has_lines: bool = True
    rows_promised: int | None = None

    @property
    def name(self) -> str:
        """The table's name in messages."""
        return self.source.name

    def grow(self) -> None:
        """Read more; raises DataError when there is no more, so that no row will come, and when a row has no end."""
        if self.blocks.is_final:
            raise DataError(f"{self.name}: expected a table with rows, found no rows. Give a table with at least one.")
        self.check_length()
        self.blocks.grow()

    def check_length(self) -> None:
        """Raise DataError when more bytes are pending than a row may have."""
        if len(self.blocks.pending) > 2 * RECORD_LIMIT:
            raise DataError(
                f"{self.name}:{self.at.line}: expected rows of at most {RECORD_LIMIT >> 20} MiB, found a longer one."
                " Is a quote left open here, or is the file of another kind?"
            )

    def skip(self, after: Position) -> None:
        """Forget the bytes up to a place after them."""
        self.blocks.drop(after.byte - self.at.byte)
        self.at = after

    def read_rows_of(self, lines: Path, rows: int) -> bytes:
        """Read the rows from a temporary JSON Lines file from now on, after its first line, which is returned."""
        source = self.resources.enter_context(TableSource(lines, replace(self.options, encoding="utf-8")))
        self.blocks = Blocks(source.blocks())
        self.blocks.grow()
        header, _, _ = self.blocks.pending.partition(b"\n")
        self.blocks.drop(len(header) + 1)
        self.at, self.has_lines, self.rows_promised = Position(), False, rows
        return header


@dataclass(frozen=True)
class Sample:
    """The beginning of a table whose name does not show its format."""

    head: bytes
    labelled: bool
    source: TableSource

    @property
    def text(self) -> bytes:
        """The first bytes without blanks before them."""
        return self.head.lstrip()

    @property
    def first_line(self) -> bytes:
        """The first line that is not blank."""
        return self.text.split(b"\n", 1)[0]


@dataclass(frozen=True)
class TableFormat:
    """A table format: its name for `--format`, the endings of its files, and what opens and writes it.

    `recognize` tells whether a table's first bytes show the format. `media_type` is for the service; a format without
    one is not taken there. A file with one of `output_suffixes` may be written in this format when the table has it,
    but is not taken for one when it is read. With `is_file` a table is read from a file and written to one, never a
    stream. Without `has_columns` no column can be added to it, and no other table becomes one. With
    `has_header` the first row names the columns, unless it is said that there is no such row.
    """

    name: str
    open: Callable[[TableInput], RowParser]
    open_writer: "Callable[[BinaryIO, Table, tuple[str, ...], bool], RowWriter]"
    recognize: Callable[[Sample], bool]
    suffixes: tuple[str, ...] = ()
    output_suffixes: tuple[str, ...] = ()
    media_type: str | None = None
    is_file: bool = False
    has_columns: bool = True
    has_header: bool = False


class TextWriter:
    """Writes rows as they come; where the table has the same format, each row keeps its bytes and its line end."""

    def __init__(self, stream: BinaryIO, table: "Table", added: tuple[str, ...], keeps_bytes: bool) -> None:
        self.table = table
        self.added = added
        self.stream = stream
        self.keeps_bytes = keeps_bytes
        stream.write(self.header())

    def write(self, batch: Batch, columns: Columns) -> None:
        """Write the rows of a batch with the values of the added columns."""
        if self.keeps_bytes:
            pieces = self.table.parser.extend(batch.records, self.added, columns)
        else:
            rows = zip(self.table.cells(batch), rows_of(columns, len(batch)), strict=True)
            pieces = (self.encode([*own, *values]) for own, values in rows)
        self.stream.write(b"".join(pieces))

    def finish(self) -> None:
        """Write nothing: the rows are all."""

    def header(self) -> bytes:
        """Return what comes before the rows."""
        return b""

    def encode(self, cells: Sequence[Cell | None]) -> bytes:
        """Return one row with its line end, the table's own values first."""
        raise NotImplementedError


def rows_of(columns: Columns, count: int) -> Iterable[Sequence[Cell]]:
    """Give the values of the added columns row by row; `count` is the number of rows, columns or none."""
    return zip(*columns, strict=True) if columns else [()] * count
