"""The careful way to read CSV: the csv module in strict mode, record by record, with the place of each."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from textclf.errors import DataError
from textclf.tables.fast_csv import ColumnPositions, Dialect
from textclf.tables.records import RECORD_LIMIT, ParsedBlock, Position, Records, Refusal, RowRefused


@dataclass(frozen=True)
class CsvRecord:
    """One record of a CSV file: its fields, where it stands in the block, and its number of lines."""

    cells: list[str]
    start: int
    end: int
    stop: int
    lines: int


@dataclass
class _Feed:
    """The lines of a block, counted as the csv module takes them.

    Bytes that are not UTF-8 pass as surrogates: quotes, separators and line ends are ASCII, so that the rows around
    a damaged one are still told apart.
    """

    lines: list[bytes]
    taken: int = 0
    is_dry: bool = field(default=False)

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.taken += 1
            yield line.decode("utf-8", "surrogateescape")
        self.is_dry = True


def parse_strictly(
    block: bytes, at: Position, final: bool, dialect: Dialect, wanted: ColumnPositions, name: str
) -> ParsedBlock:
    """Return the rows of the block's whole records; raises DataError where quotes make the rest unreadable."""
    rows: list[int] = []
    lines: list[int] = []
    kept: list[CsvRecord] = []
    refused: list[Refusal] = []
    row, line, byte, blanks = at.row, at.line, at.byte, 0
    for record in csv_records(block, at, final, dialect, name):
        if not record.cells and wanted.width > 1:
            blanks += 1
        else:
            try:
                kept.append(_check(record, block, at, dialect, wanted))
                rows.append(row)
                lines.append(line)
            except RowRefused as refusal:
                refused.append(Refusal(row, line, str(refusal)))
            row += 1
        line, byte = line + record.lines, at.byte + record.stop
    records = Records(block, [r.start for r in kept], [r.end for r in kept], [r.stop for r in kept])
    texts, labels, weights = (
        None if column is None else [record.cells[column] for record in kept]
        for column in (wanted.text, wanted.label, wanted.weight)
    )
    return ParsedBlock(rows, lines, texts or [], labels, weights, records, refused, blanks, Position(row, line, byte))


def csv_records(block: bytes, at: Position, final: bool, dialect: Dialect, name: str) -> Iterator[CsvRecord]:
    """Give the whole records of a block; a record that the block cuts is left out unless the block is the final one.

    Raises DataError, with the line where the record begins, when its quotes are wrong.
    """
    feed = _Feed(block.splitlines(keepends=True))
    if not final and feed.lines and not feed.lines[-1].endswith(b"\n"):
        feed.lines.pop()  # cut short, or a carriage return whose line feed is still to come
    offsets = [0, *accumulate(map(len, feed.lines))]
    reader = _reader(iter(feed), dialect)
    while True:
        first = feed.taken
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if feed.is_dry and not final:
                return
            record = block[offsets[first] : offsets[feed.taken]]
            raise DataError(f"{name}:{at.line + first}: {_explain(error, record, dialect)}") from error
        stop = offsets[feed.taken]
        end = stop - _line_end(feed.lines[feed.taken - 1])
        yield CsvRecord(cells, offsets[first], end, stop, feed.taken - first)


def fields(record: bytes, dialect: Dialect) -> list[str]:
    """Return the fields of one record that was accepted before."""
    return next(_reader(iter(_Feed(record.splitlines(keepends=True))), dialect), None) or [""]


def _reader(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    # The csv module's limit is the process's own: it is only ever raised.
    csv.field_size_limit(max(RECORD_LIMIT, csv.field_size_limit()))
    separator = chr(dialect.separator)
    if dialect.quotes:
        return csv.reader(lines, delimiter=separator, strict=True)
    return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE, strict=True)


def _check(record: CsvRecord, block: bytes, at: Position, dialect: Dialect, wanted: ColumnPositions) -> CsvRecord:
    raw = block[record.start : record.end]
    if not record.cells:
        return CsvRecord([""], record.start, record.end, record.stop, record.lines)
    if not raw.strip(b"\0"):
        raise RowRefused("expected text, found nothing but NUL characters")
    if len(record.cells) != wanted.width:
        raise RowRefused(_width_reason(len(record.cells), wanted.width, chr(dialect.separator)))
    check_utf8(raw, at.byte + record.start)
    return record


def check_utf8(raw: bytes, offset: int) -> str:
    """Return the row as text; raises RowRefused with the byte, and its place in the file, that is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        place = offset + error.start
        raise RowRefused(
            f"expected UTF-8, found byte 0x{raw[error.start]:02x} at byte {place} of the file."
            " If the file has another encoding, give it, for example --encoding latin-1"
        ) from error


def _width_reason(found: int, expected: int, separator: str) -> str:
    hint = f". A field that holds {separator!r} must stand in quotes" if found > expected else ""
    return f"expected {expected} field{'s' * (expected > 1)}, found {found}{hint}"


def _line_end(line: bytes) -> int:
    return 2 if line.endswith(b"\r\n") else int(line.endswith((b"\n", b"\r")))


def _explain(error: csv.Error, record: bytes, dialect: Dialect) -> str:
    if "field larger" in str(error):
        return f"expected fields of at most {RECORD_LIMIT >> 20} MiB, found a longer one. Is a quote left open here?"
    if b'\\"' in record:
        advice = 'Quotes after a backslash are not read: write a quote inside a field twice, "".'
    else:
        advice = (
            'Write a quote inside a quoted field twice, ""; if quotes have no meaning in this file, give --no-quotes.'
        )
    if "unexpected end" in str(error):
        return f"expected a closing quote for a field of the row that begins here, found the end of the file. {advice}"
    return f"expected {chr(dialect.separator)!r} or the end of the row after a closing quote, found more text. {advice}"
