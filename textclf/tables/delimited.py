"""CSV and TSV: the header, and blocks read the fast way where that is proven safe, the strict way elsewhere."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, BinaryIO

from textclf.errors import DataError, OutputError
from textclf.tables.columns import LABEL_NAMES, TEXT_NAMES, ColumnChoice, check_header, choose, separator_hint
from textclf.tables.fast_csv import ColumnPositions, Dialect, parse_fast
from textclf.tables.interface import Cell, Columns, Sample, TableFormat, TableInput, TextWriter
from textclf.tables.records import RECORD_LIMIT, ParsedBlock, Position, Records, RowRefused, TableOptions, clip
from textclf.tables.strict_csv import check_utf8, csv_records, fields, parse_strictly

if TYPE_CHECKING:
    from textclf.tables.table import Table

_SEPARATORS = ",;\t|"
"""What is tried where a header shows a single column."""
_PREAMBLE = re.compile(rb'"?sep=([!-~\t])"?(?:\r\n|\n|\r)', re.IGNORECASE)
_LONGEST_PREAMBLE = 16
_ROWS_LOOKED_AT = 6


@dataclass(frozen=True)
class DelimitedParser:
    """A CSV or TSV table whose header has been read.

    `header` is that line as written, `line_end` what ends it, `preamble` the line before it that names the separator
    and comments; all are empty where there is none.
    """

    name: str
    columns: tuple[str, ...]
    chosen: ColumnChoice
    dialect: Dialect
    positions: ColumnPositions
    header: bytes
    line_end: bytes
    preamble: bytes = b""

    def parse(self, block: bytes, at: Position, final: bool) -> ParsedBlock:
        """Return the rows of the block's whole records; raises DataError where the rest is unreadable."""
        run = parse_fast(block, at, final, self.dialect, self.positions)
        return run if run is not None else parse_strictly(block, at, final, self.dialect, self.positions, self.name)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column in one row as written in the file."""
        return list(fields(record, self.dialect))

    def values(self, record: bytes, columns: Sequence[str]) -> list[str | None]:
        """Return the values of these columns in one row as written in the file."""
        cells = dict(zip(self.columns, self.cells(record), strict=True))
        return [cells[column] for column in columns]

    def extend(self, records: Records, added: Sequence[str], columns: Columns) -> Iterable[bytes]:
        """Give the pieces of rows, a column at a time: row by row, more time would go into calls than into bytes."""
        separator = chr(self.dialect.separator)
        pieces: list[Iterable[bytes]] = [records.raws()]
        for column in columns:
            pieces += [repeat(separator.encode(), len(records)), _encode_column(column, separator, self.dialect.quotes)]
        return chain.from_iterable(zip(*pieces, records.line_ends(), strict=True))


class DelimitedWriter(TextWriter):
    """Writes CSV and TSV."""

    def __init__(
        self, stream: BinaryIO, table: "Table", added: tuple[str, ...], keeps_bytes: bool, *, separator: str
    ) -> None:
        self._separator = separator
        super().__init__(stream, table, added, keeps_bytes)

    def header(self) -> bytes:
        """Return the line with the names of the columns, as written where the table has one."""
        parser = self.table.parser
        if self.keeps_bytes and isinstance(parser, DelimitedParser):
            mark = b"\xef\xbb\xbf" if self.table.notes.byte_order_mark else b""
            line, end = parser.header + parser.line_end, len(parser.header)
            if not line:
                return mark  # the table has no header
            header = Records(line, [0], [end], [len(line)])
            return b"".join(
                [mark, parser.preamble, *parser.extend(header, self.added, [[name] for name in self.added])]
            )
        return self.encode([*self.table.columns, *self.added])

    def encode(self, cells: Sequence[Cell | None]) -> bytes:
        """Return one row with its line end."""
        separator = self._separator
        fields = (
            _encode_field(cell, separator, True) if isinstance(cell, str) else "" if cell is None else repr(cell)
            for cell in cells
        )
        return (separator.join(fields) + "\n").encode()


def _encode_column(column: Sequence[Cell], separator: str, quotes: bool) -> Iterable[bytes]:
    """Return the values of a column, all text or all numbers, as fields."""
    texts = {cell: _encode_field(cell, separator, quotes).encode() for cell in set(column) if isinstance(cell, str)}
    if texts or not column:
        return [texts[cell] for cell in column if isinstance(cell, str)]
    return repr(list(column))[1:-1].encode().split(b", ")


def _encode_field(cell: str, separator: str, quotes: bool) -> str:
    if separator not in cell and "\n" not in cell and "\r" not in cell and (not quotes or '"' not in cell):
        return cell
    if not quotes:
        raise OutputError(
            f"expected values without {separator!r} and line ends in a file without quotes, found {clip(cell)}."
        )
    return '"' + cell.replace('"', '""') + '"'


def open_delimited(table: TableInput, *, separator: str) -> DelimitedParser:
    """Read the header; raises DataError when it is unusable or the columns are missing or in doubt.

    The separator is the one that the options name, or Excel's line `sep=;` before the header, or the only other one
    that makes columns of all of the first rows.
    """
    preamble, stated = _read_preamble(table)
    preamble += _read_comments(table)
    first = table.options.separator or stated or separator
    while (found := _read_header(table, first, preamble, stated is not None)) is None:
        table.grow()
    return found


def _read_preamble(table: TableInput) -> tuple[bytes, str | None]:
    """Return Excel's line `sep=;` before the header, which is dropped, and its separator, if there is one."""
    while not table.blocks.is_final and b"\n" not in table.blocks.pending[:_LONGEST_PREAMBLE]:
        if len(table.blocks.pending) >= _LONGEST_PREAMBLE:
            break
        table.blocks.grow()
    found = _PREAMBLE.match(table.blocks.pending)
    if found is None:
        return b"", None
    at = table.at
    table.skip(Position(at.row, at.line + 1, at.byte + found.end()))
    return found[0], found[1].decode()


def _read_comments(table: TableInput) -> bytes:
    """Return the lines before the header that begin with `# ` and name no column that is sought; they are dropped.

    Without a header there are none: a text may begin so.
    """
    comments = b""
    while table.options.header and (line := _first_line(table)) and _is_comment(line, table.options):
        at = table.at
        table.skip(Position(at.row, at.line + 1, at.byte + len(line)))
        table.comment_lines += 1
        comments += line
    return comments


def _first_line(table: TableInput) -> bytes:
    """Return the first line that is pending if it begins as a comment does, with its line end; else nothing."""
    while not table.blocks.is_final and len(table.blocks.pending) < 2:
        table.blocks.grow()
    if not table.blocks.pending.startswith((b"# ", b"##", b"#\r", b"#\n")):
        return b""
    while not table.blocks.is_final and b"\n" not in table.blocks.pending:
        table.check_length()
        table.blocks.grow()
    line, end, _ = table.blocks.pending.partition(b"\n")
    return line + end


def _is_comment(line: bytes, options: TableOptions) -> bool:
    """Say whether none of the names on a line is one that an option names, or usual for texts and labels."""
    names = {name.strip(' "#\r\n') for name in re.split(f"[{_SEPARATORS}]", line.decode("utf-8", "replace"))}
    named = {options.text_column, options.label_column, options.weight_column, *options.label_columns}
    return not names & named and not {name.lower() for name in names} & {*TEXT_NAMES, *LABEL_NAMES}


def _read_header(table: TableInput, separator: str, preamble: bytes, is_stated: bool) -> DelimitedParser | None:
    """Return the parser, None when no whole record that is not blank has come; drop what is read of the table."""
    block, at, name, options = table.blocks.pending, table.at, table.name, table.options
    dialect = Dialect(ord(separator), options.quotes)
    line = at.line
    blanks = 0
    for record in csv_records(block, at, table.blocks.is_final, dialect, name):
        if record.cells:
            break
        line, blanks = line + record.lines, blanks + 1
    else:
        return None
    if len(record.cells) == 1 and options.separator is None and not is_stated:
        other = _detect_separator(table, record.cells[0])
        if other is not None:
            table.separator_found = other
            return _read_header(table, other, preamble, is_stated)
    raw = block[record.start : record.end]
    try:
        check_utf8(raw, at.byte + record.start)
    except RowRefused as refusal:
        raise DataError(f"{name}:{line}: {refusal}.") from refusal
    columns = tuple(record.cells) if options.header else tuple(str(n + 1) for n in range(len(record.cells)))
    check_header(columns, name)
    chosen = _choose(columns, options, table.labelled, separator, name)
    positions = ColumnPositions(
        len(columns),
        columns.index(chosen.text),
        None if chosen.label is None else columns.index(chosen.label),
        None if chosen.weight is None else columns.index(chosen.weight),
    )
    line_end = block[record.end : record.stop] or b"\n"
    table.blank_lines = blanks
    if options.header:
        table.skip(Position(1, line + record.lines, at.byte + record.stop))
    else:
        table.skip(Position(1, line, at.byte + record.start))
        raw = line_end = b""
    return DelimitedParser(name, columns, chosen, dialect, positions, raw, line_end, preamble)


def _detect_separator(table: TableInput, header: str) -> str | None:
    """Return the separator that makes columns of the header and of the first rows, None when that is in doubt.

    Of a header without a name that is usual for texts or labels, or that an option names, it is in doubt.
    """
    options = table.options
    named = {options.text_column, options.label_column, options.weight_column, *options.others} - {None}
    found = [sign for sign in _SEPARATORS if sign in header]
    if len(found) != 1:
        return None
    names = [name.strip(' "') for name in header.split(found[0])]
    is_known = named <= {*names} if named else bool({name.lower() for name in names} & {*TEXT_NAMES, *LABEL_NAMES})
    if len({*names}) < len(names) or not all(names) or not (is_known or not options.header):
        return None
    dialect = Dialect(ord(found[0]), options.quotes)
    while True:
        blocks = table.blocks
        try:
            records = csv_records(blocks.pending, table.at, blocks.is_final, dialect, table.name)
            widths = [len(record.cells) for record in islice(records, _ROWS_LOOKED_AT) if record.cells]
        except DataError:
            return None
        # As many rows of a pipe are looked at as of a file.
        if len(widths) == _ROWS_LOOKED_AT or blocks.is_final or len(blocks.pending) > RECORD_LIMIT:
            return found[0] if len({*widths}) == 1 else None
        blocks.grow()


def _choose(columns: tuple[str, ...], options: TableOptions, labelled: bool, separator: str, name: str) -> ColumnChoice:
    hint = separator_hint(columns, separator)
    if hint and options.text_column is None:
        raise DataError(
            f"{name}: expected columns separated by {separator!r}, found the single column {clip(columns[0])}. {hint}"
        )
    return choose(columns, options, labelled, name)


def _looks_delimited(sample: Sample, separator: bytes) -> bool:
    return sample.labelled and separator in sample.first_line


CSV = TableFormat(
    "csv",
    open=partial(open_delimited, separator=","),
    open_writer=partial(DelimitedWriter, separator=","),
    # Of an empty table the reader says that there are no rows.
    recognize=lambda sample: _looks_delimited(sample, b",") or not sample.text,
    suffixes=(".csv",),
    media_type="text/csv",
    has_header=True,
)
TSV = TableFormat(
    "tsv",
    open=partial(open_delimited, separator="\t"),
    open_writer=partial(DelimitedWriter, separator="\t"),
    recognize=partial(_looks_delimited, separator=b"\t"),
    suffixes=(".tsv", ".tab"),
    media_type="text/tab-separated-values",
    has_header=True,
)
