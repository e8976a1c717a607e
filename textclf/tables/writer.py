"""Write rows back as they were read, with columns added after their own."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Protocol

from textclf.errors import DataError, OutputError
from textclf.storage.files import check_writable, written_whole
from textclf.tables.delimited import SEPARATORS, DelimitedFormat
from textclf.tables.model import Batch, Format, Records, clip
from textclf.tables.parquet import join_columns
from textclf.tables.sniff import SUFFIXES
from textclf.tables.source import Origin, display_name
from textclf.tables.table import Table

Cell = str | int | float
"""An added value; numbers stay numbers in JSON Lines and Parquet."""

Columns = Sequence[Sequence[Cell]]
"""One sequence for each added column, with one value for each row."""

Extend = Callable[[Records, Columns], Iterable[bytes]]
"""Gives the bytes of rows as written with their added values and their line ends, one after the other, in pieces."""


class TableWriter(Protocol):
    """Takes batches; `added` are the names that the added columns got."""

    @property
    def added(self) -> tuple[str, ...]:
        """The names of the added columns, none of them a name that the table has."""

    def write(self, batch: Batch, columns: Columns) -> None:
        """Write the rows of a batch with the values of the added columns, one for each row."""


@contextmanager
def open_writer(
    target: Path | BinaryIO, table: Table, added: Sequence[str], kind: Format | None = None
) -> Iterator[TableWriter]:
    """Give a writer of the table's rows with the columns `added`; a file appears whole, when the block ends well.

    The format is told from the suffix; without a usual one it is that of the table. Where input and output have the
    same format each row keeps its bytes and its line end; else its values are written as text. Parquet is held in
    memory until the end; from Parquet to Parquet the columns keep their types. Raises OutputError when the target
    cannot be written or cannot hold the rows, and DataError when it is the table's own file.
    """
    kind = _output_kind(target, table, added, kind)
    if isinstance(target, Path):
        check_not_same(table.origin, target)
        check_writable(target)
    names = fresh_names(added, table.columns)
    with written_whole(target) if isinstance(target, Path) else nullcontext(target) as stream:
        if kind == "parquet":
            writer = _ParquetWriter(stream, table, names)
            yield writer
            writer.finish()
        else:
            yield _TextWriter(stream, table, names, kind)


def check_not_same(origin: Origin, target: Path) -> None:
    """Raise DataError when the output is the input: the same path, a hard link, a symbolic link, or redirected."""
    with suppress(OSError, ValueError, AttributeError):
        read = (
            origin.stat() if isinstance(origin, Path) else os.fstat((sys.stdin if origin == "-" else origin).fileno())
        )
        if not os.path.samestat(read, target.stat()):
            return
        raise DataError(
            f"{display_name(target)}: expected an output other than the input, found the same file. Name another."
        )


def fresh_names(added: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names with `_2`, `_3`, ... after those that are taken."""
    taken = set(columns)
    fresh: list[str] = []
    for name in added:
        number, candidate = 2, name
        while candidate in taken:
            number, candidate = number + 1, f"{name}_{number}"
        taken.add(candidate)
        fresh.append(candidate)
    return tuple(fresh)


class _TextWriter:
    """Writes CSV, TSV and JSON Lines as the rows come."""

    def __init__(self, stream: BinaryIO, table: Table, added: tuple[str, ...], kind: Format) -> None:
        self.added = added
        self._stream = stream
        self._table = table
        self._extend = _extension(table, kind, added)
        self._separator = SEPARATORS.get(kind)
        stream.write(self._header())

    def write(self, batch: Batch, columns: Columns) -> None:
        """Write the rows of a batch with the values of the added columns."""
        if self._extend is not None:
            pieces = self._extend(batch.records, columns)
        else:
            rows = zip(self._table.cells(batch), _rows(columns, len(batch)), strict=True)
            pieces = (self._converted(own, added) for own, added in rows)
        self._stream.write(b"".join(pieces))

    def _header(self) -> bytes:
        form = self._table.format
        if self._separator is None:
            return b""
        if self._extend is not None and isinstance(form, DelimitedFormat):
            mark = b"\xef\xbb\xbf" if self._table.notes.byte_order_mark else b""
            line, end = form.header + form.line_end, len(form.header)
            header = Records(line, [0], [end], [len(line)])
            return b"".join([mark, *self._extend(header, [[name] for name in self.added])])
        return _joined([*self._table.columns, *self.added], self._separator) + b"\n"

    def _converted(self, own: list[str | None], row: Sequence[Cell]) -> bytes:
        if self._separator is not None:
            return _joined([*("" if cell is None else cell for cell in own), *row], self._separator) + b"\n"
        names = [*self._table.columns, *self.added]
        return _json(dict(zip(names, [*own, *row], strict=True))) + b"\n"


class _ParquetWriter:
    """Gathers the rows and writes them at the end."""

    def __init__(self, stream: BinaryIO, table: Table, added: tuple[str, ...]) -> None:
        self.added = added
        self._stream = stream
        self._table = table
        self._own: list[list[str | None]] = []
        self._values: list[tuple[int, Sequence[Cell]]] = []

    def write(self, batch: Batch, columns: Columns) -> None:
        """Keep the rows of a batch with the values of the added columns."""
        self._values += [(row - 1, added) for row, added in zip(batch.rows, _rows(columns, len(batch)), strict=True)]
        if self._table.kind != "parquet":
            self._own += self._table.cells(batch)

    def finish(self) -> None:
        """Write the file: from Parquet with the input's own columns, else with every column as text."""
        origin = self._table.origin
        if self._table.kind == "parquet" and isinstance(origin, Path):
            self._join(origin)
            return
        import polars as pl

        own = {name: [row[i] for row in self._own] for i, name in enumerate(self._table.columns)}
        added = {name: [row[i] for _, row in self._values] for i, name in enumerate(self.added)}
        pl.DataFrame({name: pl.Series(values, dtype=pl.String) for name, values in own.items()} | added).write_parquet(
            self._stream
        )

    def _join(self, origin: Path) -> None:
        with TemporaryDirectory(prefix="textclf-") as folder:
            added, joined = Path(folder) / "added.jsonl", Path(folder) / "joined.parquet"
            with added.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(json.dumps(self.added) + "\n")
                stream.writelines(json.dumps(pair) + "\n" for pair in self._values)
            join_columns(origin, added, joined)
            self._table.check_unchanged()
            with joined.open("rb") as stream_in:
                shutil.copyfileobj(stream_in, self._stream)


def _output_kind(target: Path | BinaryIO, table: Table, added: Sequence[str], given: Format | None) -> Format:
    kind = given or (SUFFIXES.get(target.suffix.lower()) if isinstance(target, Path) else None) or table.kind
    if kind in ("lines", "fasttext") and (added or kind != table.kind):
        raise OutputError(
            f"{display_name(target)}: expected an output that has columns, found the format {kind}."
            " Name a .csv, .tsv, .jsonl or .parquet file."
        )
    if kind == "parquet" and not isinstance(target, Path):
        raise OutputError("standard output: expected a text format, found Parquet. Name a file.")
    return kind


def _extension(table: Table, kind: Format, added: tuple[str, ...]) -> Extend | None:
    """Return what adds values to rows as written, None when the output's format is not that of the table."""
    if table.kind != kind:
        return None
    form = table.format
    if isinstance(form, DelimitedFormat):
        separator, quotes = chr(form.dialect.separator), form.dialect.quotes
        return lambda records, columns: _extended_fields(records, columns, separator, quotes)
    if not added:
        return lambda records, _: chain.from_iterable(records)
    return lambda records, columns: _extended_objects(records, added, columns, table.name)


def _extended_fields(records: Records, columns: Columns, separator: str, quotes: bool) -> Iterable[bytes]:
    """Give the pieces of rows, a column at a time: row by row, more time would go into calls than into bytes."""
    pieces: list[Iterable[bytes]] = [records.raws()]
    for column in columns:
        pieces += [repeat(separator.encode(), len(records)), _fields(column, separator, quotes)]
    return chain.from_iterable(zip(*pieces, records.line_ends(), strict=True))


def _fields(column: Sequence[Cell], separator: str, quotes: bool) -> Iterable[bytes]:
    """Return the values of a column, all text or all numbers, as fields."""
    texts = {cell: _field(cell, separator, quotes).encode() for cell in set(column) if isinstance(cell, str)}  # labels
    if texts or not column:
        return [texts[cell] for cell in column if isinstance(cell, str)]
    return repr(list(column))[1:-1].encode().split(b", ")


def _extended_objects(records: Records, added: Sequence[str], columns: Columns, name: str) -> Iterable[bytes]:
    for (raw, end), row in zip(records, _rows(columns, len(records)), strict=True):
        yield _extended_object(raw, dict(zip(added, row, strict=True)), name) + end


def _rows(columns: Columns, count: int) -> Iterable[Sequence[Cell]]:
    """Give the values of the added columns row by row; `count` is the number of rows, columns or none."""
    return zip(*columns, strict=True) if columns else repeat((), count)


def _extended_object(raw: bytes, added: dict[str, Cell], name: str) -> bytes:
    for key in added:
        # The key may first appear far down the file, after the names were chosen.
        if (b"\\u" in raw or json.dumps(key, ensure_ascii=False).encode() in raw) and key in json.loads(raw):
            raise OutputError(
                f"{name}: expected no key {clip(key)}, found one in a later row. Rename the key in the file."
            )
    body = raw.rstrip()[:-1].rstrip()
    return body + b", " + _json(added)[1:] if added else raw


def _joined(row: Sequence[Cell], separator: str, quotes: bool = True) -> bytes:
    fields = [_field(cell, separator, quotes) if isinstance(cell, str) else repr(cell) for cell in row]
    return separator.join(fields).encode()


def _field(cell: str, separator: str, quotes: bool) -> str:
    if separator not in cell and "\n" not in cell and "\r" not in cell and (not quotes or '"' not in cell):
        return cell
    if not quotes:
        raise OutputError(
            f"expected values without {separator!r} and line ends in a file without quotes, found {clip(cell)}."
        )
    return '"' + cell.replace('"', '""') + '"'


def _json(values: Mapping[str, Cell | None]) -> bytes:
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
