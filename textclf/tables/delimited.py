"""CSV and TSV: the header, and blocks read the fast way where that is proven safe, the careful way elsewhere."""

from dataclasses import dataclass

from textclf.errors import DataError
from textclf.tables.columns import Chosen, check_header, choose, separator_hint
from textclf.tables.fast_csv import Dialect, Wanted, plain_run
from textclf.tables.model import Position, RowRefused, Run, TableOptions
from textclf.tables.strict_csv import careful_run, check_utf8, csv_records, fields

SEPARATORS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class DelimitedFormat:
    """A CSV or TSV table whose header has been read; `header` is that line as written, `line_end` what ends it."""

    name: str
    columns: tuple[str, ...]
    chosen: Chosen
    dialect: Dialect
    wanted: Wanted
    header: bytes
    line_end: bytes

    def parse(self, block: bytes, at: Position, final: bool) -> Run:
        """Return the rows of the block's whole records; raises DataError where the rest is unreadable."""
        run = plain_run(block, at, final, self.dialect, self.wanted)
        return run if run is not None else careful_run(block, at, final, self.dialect, self.wanted, self.name)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column in one row as written in the file."""
        return list(fields(record, self.dialect))

    def value(self, record: bytes, column: str) -> str | None:
        """Return the value of one column in one row as written in the file."""
        return self.cells(record)[self.columns.index(column)]


def read_header(
    block: bytes, at: Position, final: bool, options: TableOptions, labelled: bool, kind: str, name: str
) -> tuple[DelimitedFormat, Position, int] | None:
    """Return the format, the place after the header and the blank lines before it; None without a whole record.

    Raises DataError when the header is unusable or the columns are missing or in doubt.
    """
    separator = options.separator or SEPARATORS[kind]
    dialect = Dialect(ord(separator), options.quotes)
    line = at.line
    blanks = 0
    for record in csv_records(block, at, final, dialect, name):
        if record.cells:
            break
        line, blanks = line + record.lines, blanks + 1
    else:
        return None
    raw = block[record.start : record.end]
    try:
        check_utf8(raw, at.byte + record.start)
    except RowRefused as refusal:
        raise DataError(f"{name}:{line}: {refusal}.") from refusal
    columns = tuple(record.cells)
    check_header(columns, name)
    chosen = _chosen(columns, options, labelled, separator, name)
    wanted = Wanted(
        len(columns),
        columns.index(chosen.text),
        None if chosen.label is None else columns.index(chosen.label),
        None if chosen.weight is None else columns.index(chosen.weight),
    )
    line_end = block[record.end : record.stop] or b"\n"
    form = DelimitedFormat(name, columns, chosen, dialect, wanted, raw, line_end)
    return form, Position(1, line + record.lines, at.byte + record.stop), blanks


def _chosen(columns: tuple[str, ...], options: TableOptions, labelled: bool, separator: str, name: str) -> Chosen:
    hint = separator_hint(columns, separator)
    if hint and options.text_column is None:
        raise DataError(
            f"{name}: expected columns parted by {separator!r}, found the single column {columns[0]!r}. {hint}"
        )
    return choose(columns, options, labelled, name)
