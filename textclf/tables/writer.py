"""Write rows back as they were read, with columns added after their own."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from textclf.errors import DataError, OutputError
from textclf.storage.files import check_writable, write_whole
from textclf.tables.compression import check_packing, compression_of_name, packing, strip_compression
from textclf.tables.formats import FORMATS, find_format, format_of_output, list_suffixes
from textclf.tables.interface import Columns, RowWriter, TableFormat
from textclf.tables.records import Batch
from textclf.tables.source import Origin, display_name
from textclf.tables.table import Table


@dataclass(frozen=True)
class TableWriter:
    """Takes batches; `added` are the names that the added columns got, none of them one that the table has."""

    added: tuple[str, ...]
    rows: RowWriter

    def write(self, batch: Batch, columns: Columns) -> None:
        """Write the rows of a batch with the values of the added columns, one for each row."""
        self.rows.write(batch, columns)


@contextmanager
def open_writer(
    target: Path | BinaryIO, table: Table, added: Sequence[str], kind: str | None = None
) -> Iterator[TableWriter]:
    """Give a writer of the table's rows with the columns `added`; a file appears whole, when the block ends well.

    The ending decides the format; without an ending, or with the table's own, it is that of the table. Where
    input and output have the same format each row keeps its bytes and its line end; else its values are written as
    text. Parquet is held in memory until the end; from Parquet to Parquet the columns keep their types. Raises
    OutputError when the target cannot be written, cannot hold the rows or has an ending that no format has, and
    DataError when it is the table's own file.
    """
    form = _choose_format(target, table, added, kind)
    if isinstance(target, Path):
        check_not_same(table.origin, target)
        check_writable(target)
    names = fresh_names(added, table.columns)
    name = target.name if isinstance(target, Path) else ""
    with write_whole(target) if isinstance(target, Path) else nullcontext(target) as stream, ExitStack() as stack:
        packed = stack.enter_context(packing(stream, name))
        rows = form.open_writer(packed, table, names, form is table.format)
        yield TableWriter(names, rows)
        rows.finish()


def check_output_name(target: Path, source: Origin) -> None:
    """Raise OutputError, before any work is done, when an output's ending is that of no format."""
    check_packing(target.name)
    suffix = PurePath(strip_compression(target.name)).suffix.lower()
    own = PurePath(strip_compression(source.name)).suffix.lower() if isinstance(source, Path) else ""
    known = {each for form in FORMATS for each in (*form.suffixes, *form.output_suffixes)}
    if suffix and suffix != own and suffix not in known:
        raise OutputError(
            f"{display_name(target)}: expected an output that ends in {list_suffixes()}, found the ending {suffix!r}."
            " Give it one of these."
        )


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


def _choose_format(target: Path | BinaryIO, table: Table, added: Sequence[str], given: str | None) -> TableFormat:
    if isinstance(target, Path):
        check_output_name(target, table.origin)
        form = find_format(given) if given else format_of_output(target.name) or table.format
        if form.is_file and compression_of_name(target.name):
            advice = f"Name a file that ends in {form.suffixes[0]}."
            raise OutputError(f"{display_name(target)}: expected {form.name} as it is, found it compressed. {advice}")
    else:
        form = find_format(given) if given else table.format
        if form.is_file:
            raise OutputError(f"standard output: expected a text format, found {form.name}. Name a file.")
    if not form.has_columns and (added or form is not table.format):
        raise OutputError(
            f"{display_name(target)}: expected an output that has columns, found the format {form.name}."
            f" Name a file that ends in {list_suffixes()}."
        )
    return form
