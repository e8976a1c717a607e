"""Parquet through Polars in a child process: a damaged file may abort the child, never this program.

Parquet's pages mostly carry no checksum: a byte changed inside a value can go unseen (3 of 202 random damages did).
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from textclf.errors import DataError, require_packages
from textclf.storage.files import temporary_folder
from textclf.tables.child import CHILD, ReaderDiedError, run_child
from textclf.tables.columns import check_header, choose
from textclf.tables.interface import Cell, Columns, TableFormat, TableInput, rows_of
from textclf.tables.json_tables import JsonLinesParser
from textclf.tables.records import Batch, RowRefused, clip
from textclf.tables.source import display_name, open_bytes

if TYPE_CHECKING:
    from textclf.tables.table import Table

MAGIC = b"PAR1"

_CHILD = CHILD
_UNREADABLE, _NO_TEXT = "unreadable: ", "no text: "


def open_parquet(table: TableInput) -> JsonLinesParser:
    """Turn the file into a temporary JSON Lines file of its rows, every value as text, and read that.

    Raises DataError when the file is damaged, or when a column that is to be read is nested or binary.
    """
    name, options, path = table.name, table.options, table.source.path
    require_packages(display_name(path), "polars", extra="parquet")
    with open_bytes(path) as stream:
        if stream.read(4) != MAGIC:
            raise DataError(f"{name}: expected a Parquet file, found other bytes at its start. Give --format.")
    folder = table.resources.enter_context(temporary_folder())
    lines = folder / "rows.jsonl"
    _write_lines(path, lines, table)
    table.source.check_unchanged()
    with lines.open("rb") as stream:
        said = json.loads(stream.readline())
    table.read_rows_of(lines, said["rows"])
    kinds: dict[str, str] = said["columns"]
    check_header(tuple(kinds), name)
    chosen = choose(tuple(kinds), options, table.labelled, name)
    names = tuple(said["class_names"].get(chosen.label, ()))
    lists = ("nested strings", "nested integers") if names else ("nested strings",)
    for column in (chosen.text, chosen.label, chosen.weight, *chosen.others):
        is_list = options.multi_label and column == chosen.label and kinds.get(column or "") in lists
        if column is not None and kinds[column].startswith((_UNREADABLE, _NO_TEXT)):
            raise DataError(_say_unreadable(name, column, kinds[column], "Name another column, or write it as text"))
        if column is not None and kinds[column] != "plain" and not is_list:
            kind = kinds[column].split()[0]
            hint = (
                "; lists of labels go with --multi-label" if kinds[column] in lists and column == chosen.label else ""
            )
            raise DataError(f"{name}: expected text in column {clip(column)}, found {kind} values. Name another{hint}.")
    unreadable = {column: kind for column, kind in kinds.items() if kind.startswith((_UNREADABLE, _NO_TEXT))}
    return ParquetParser(name, tuple(kinds), chosen, unreadable, names)


@dataclass(frozen=True)
class ParquetParser(JsonLinesParser):
    """The rows of a Parquet file, as JSON Lines; `unreadable` are the columns that have no values, and why.

    `class_names` are the names of the labels where the file, as the library `datasets` writes it, has their numbers.
    """

    unreadable: Mapping[str, str]
    class_names: tuple[str, ...] = ()

    def _label(self, value: object) -> str | None:
        label = super()._label(value)
        if not self.class_names or not label:
            return label
        if label.startswith("["):
            return json.dumps([self._name(number) for number in json.loads(label)])
        return self._name(label)

    def _name(self, number: object) -> str:
        """Return the name of a class; the number -1 says that the row has none."""
        if str(number) == "-1":
            return ""
        try:
            return self.class_names[int(str(number))] if int(str(number)) >= 0 else str(number)
        except (ValueError, IndexError):
            raise RowRefused(
                f"expected the number of one of {len(self.class_names):,} classes, found {clip(str(number), 30)}"
            ) from None

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column as text; raises DataError when there is one that cannot be read."""
        for column in self.unreadable:
            self._require(column)
        return super().cells(record)

    def values(self, record: bytes, columns: Sequence[str]) -> list[str | None]:
        """Return the values of these columns as text; raises DataError when one cannot be read."""
        for column in columns:
            self._require(column)
        return super().values(record, columns)

    def check_copied(self) -> None:
        """Raise DataError when there is a column that cannot be copied into another Parquet file."""
        for column, kind in self.unreadable.items():
            if kind.startswith(_UNREADABLE):
                self._require(column)

    def _require(self, column: str) -> None:
        if column in self.unreadable:
            advice = "Write the output as .parquet, or take the column out of the file"
            raise DataError(_say_unreadable(self.name, column, self.unreadable[column], advice))


def _say_unreadable(name: str, column: str, kind: str, advice: str) -> str:
    """Return what to say of a column of such a kind; `advice`: what to do if it can be read, but has no text."""
    if kind.startswith(_NO_TEXT):
        return f"{name}: column {clip(column)} has no text ({clip(kind.removeprefix(_NO_TEXT), 100)}). {advice}."
    return (
        f"{name}: column {clip(column)} cannot be read ({clip(kind.removeprefix(_UNREADABLE), 100)}): it is damaged, or"
        " of a type that Polars does not know. Write it as another type, or take it out of the file."
    )


def _write_lines(path: Path, lines: Path, table: TableInput) -> None:
    """Write all columns as text; where the reader dies, perhaps of a column that is not used, those that are read."""
    try:
        _run_child(["lines", str(path), str(lines), "null"], path)
    except ReaderDiedError as error:
        try:
            _run_child(["lines", str(path), str(lines), "[]"], path)  # the names of the columns
            with lines.open("rb") as stream:
                columns = tuple(json.loads(stream.readline())["columns"])
            chosen = choose(columns, table.options, table.labelled, table.name)
            read = (chosen.text, chosen.label, chosen.weight, *chosen.others)
            needed = [column for column in read if column is not None]
            _run_child(["lines", str(path), str(lines), json.dumps(needed)], path)
        except ReaderDiedError:
            raise DataError(str(error)) from error


class ParquetWriter:
    """Gathers the rows and writes them at the end."""

    def __init__(self, stream: BinaryIO, table: "Table", added: tuple[str, ...], keeps_types: bool) -> None:
        require_packages("Parquet output", "polars", extra="parquet")
        if keeps_types and isinstance(table.parser, ParquetParser):
            table.parser.check_copied()
        self._added = added
        self._stream = stream
        self._table = table
        self._keeps_types = keeps_types
        self._own: list[list[str | None]] = []
        self._values: list[tuple[int, Sequence[Cell]]] = []

    def write(self, batch: Batch, columns: Columns) -> None:
        """Keep the rows of a batch with the values of the added columns."""
        self._values += [(row - 1, added) for row, added in zip(batch.rows, rows_of(columns, len(batch)), strict=True)]
        if not self._keeps_types:
            self._own += self._table.cells(batch)

    def finish(self) -> None:
        """Write the file: from Parquet with the input's own columns, else with every column as text."""
        if self._keeps_types and isinstance(self._table.origin, Path):
            self._join(self._table.origin)
            return
        import polars as pl

        own = {name: [row[i] for row in self._own] for i, name in enumerate(self._table.columns)}
        added = {name: [row[i] for _, row in self._values] for i, name in enumerate(self._added)}
        pl.DataFrame({name: pl.Series(values, dtype=pl.String) for name, values in own.items()} | added).write_parquet(
            self._stream
        )

    def _join(self, origin: Path) -> None:
        with temporary_folder() as folder:
            added, joined = folder / "added.jsonl", folder / "joined.parquet"
            with added.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(json.dumps(self._added) + "\n")
                stream.writelines(json.dumps(pair) + "\n" for pair in self._values)
            join_columns(origin, added, joined)
            self._table.check_unchanged()
            with joined.open("rb") as stream_in:
                shutil.copyfileobj(stream_in, self._stream)


def join_columns(path: Path, added: Path, target: Path) -> None:
    """Write to `target` the rows of the Parquet file that `added` lists, with its columns after the file's own.

    `added` holds the names as JSON on its first line, then `[row from 0, [values]]` on each.
    """
    _run_child(["join", str(path), str(added), str(target)], path)


def _run_child(arguments: list[str], path: Path) -> None:
    run_child(_CHILD, arguments, path, package="polars", extra="parquet", kind="Parquet file")


PARQUET = TableFormat(
    "parquet",
    open=open_parquet,
    open_writer=ParquetWriter,
    recognize=lambda sample: sample.head.startswith(MAGIC),
    suffixes=(".parquet",),
    is_file=True,
)
