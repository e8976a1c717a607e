"""Excel workbooks (.xlsx): read with calamine in a child process, written with XlsxWriter."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from textclf.errors import DataError, OutputError, require_packages
from textclf.storage.files import temporary_folder
from textclf.tables.child import CHILD, run_child
from textclf.tables.columns import check_header, choose, list_names
from textclf.tables.interface import Cell, Columns, TableFormat, TableInput, rows_of
from textclf.tables.json_tables import JsonLinesParser, as_text
from textclf.tables.records import Batch, Position, clip

if TYPE_CHECKING:
    from textclf.tables.table import Table

_MOST_ROWS, _MOST_COLUMNS, _LONGEST_CELL = 1_048_576, 16_384, 32_767
"""What a sheet can hold, by Excel's specification; the length of a cell counts UTF-16 units."""
_IMPOSSIBLE = "\ufffe\uffff"
"""Characters that XML does not allow and Excel has no escape for."""
_CREATED = datetime(1980, 1, 1)
"""The same rows are the same bytes: no time of day."""


def open_excel(table: TableInput) -> JsonLinesParser:
    """Turn a sheet into a temporary JSON Lines file of its rows, and read that.

    Raises DataError when the workbook is damaged, when it is in doubt which sheet is meant, and when there is none.
    """
    name, options, path = table.name, table.options, table.source.path
    if not table.source.is_workbook:
        raise DataError(
            f"{name}: expected an Excel workbook, found another file, or one with a password. Save it as CSV, or give"
            " --format."
        )
    folder = table.resources.enter_context(temporary_folder())
    lines = folder / "rows.jsonl"
    arguments = ["sheet", str(path), str(lines), json.dumps(options.sheet), json.dumps(options.header)]
    run_child(CHILD, arguments, path, package="python_calamine", extra="excel", kind="Excel workbook")
    table.source.check_unchanged()
    with lines.open("rb") as stream:
        said = json.loads(stream.readline())
    if "sheets" in said:
        raise DataError(_sheet_error(name, options.sheet, said["sheets"], said["is_empty"]))
    table.read_rows_of(lines, said["rows"])
    table.at, table.has_lines = Position(line=said["line"]), True
    columns = tuple(said["columns"])
    check_header(columns, name)
    return ExcelParser(name, columns, choose(columns, options, table.labelled, name))


def _sheet_error(name: str, wanted: str | None, sheets: Sequence[str], is_empty: bool) -> str:
    if is_empty:
        return f"{name}: expected a sheet with rows, found an empty one. Give a table with at least one row."
    found = list_names(sheets) if sheets else "no sheet"
    if wanted is None:
        return f"{name}: expected one sheet, found {found}. Use --sheet with one of these."
    return f"{name}: no sheet {clip(wanted)}; it has {found}. Use --sheet with one of these."


@dataclass(frozen=True)
class ExcelParser(JsonLinesParser):
    """The rows of a sheet, as JSON Lines; a number is a text as well, as Excel makes numbers of what looks like one."""

    def _text(self, value: object) -> str:
        return as_text(value) or ""


class ExcelWriter:
    """Gathers the rows and writes one sheet at the end.

    From a workbook numbers and truth values stay what they are; from other tables every column of theirs is text.
    """

    def __init__(self, stream: BinaryIO, table: "Table", added: tuple[str, ...], keeps_types: bool) -> None:
        require_packages("Excel output", "xlsxwriter", extra="excel")
        self._stream = stream
        self._table = table
        self._keeps_types = keeps_types
        self._rows: list[list[Cell | None]] = [[*table.columns, *added]]

    def write(self, batch: Batch, columns: Columns) -> None:
        """Keep the rows of a batch with the values of the added columns."""
        own: Iterable[Sequence[Cell | None]] = self._table.cells(batch)
        if self._keeps_types:
            own = map(self._typed, batch.records.raws())
        added = rows_of(columns, len(batch))
        self._rows += [[*cells, *values] for cells, values in zip(own, added, strict=True)]

    def finish(self) -> None:
        """Write the workbook; raises OutputError when a sheet cannot hold the rows."""
        import xlsxwriter

        self._check_size()
        packed = BytesIO()  # a stream that fails would leave the archive open, and a traceback when it goes
        with temporary_folder() as folder:
            book = xlsxwriter.Workbook(packed, {"constant_memory": True, "tmpdir": str(folder)})
            book.set_properties({"created": _CREATED})
            sheet = book.add_worksheet()
            for i, row in enumerate(self._rows):
                for j, cell in enumerate(row):
                    if isinstance(cell, str):
                        sheet.write_string(i, j, cell)  # never a formula or a link
                    elif isinstance(cell, bool):
                        sheet.write_boolean(i, j, cell)
                    elif cell is not None:
                        sheet.write_number(i, j, cell)
            book.close()
        self._stream.write(packed.getbuffer())

    def _check_size(self) -> None:
        header = self._rows[0]
        if len(self._rows) > _MOST_ROWS or len(header) > _MOST_COLUMNS:
            found = f"{len(self._rows) - 1:,} rows and {len(header):,} columns"
            raise OutputError(
                f"Excel output: expected at most {_MOST_ROWS - 1:,} rows and {_MOST_COLUMNS:,} columns, found {found}."
                " Write .csv."
            )
        for number, row in enumerate(self._rows):
            if not any(cell not in ("", None) for cell in row):
                raise OutputError(
                    f"Excel output: row {number}: expected a value, found an empty row, which sheets lose. Write .csv."
                )
            for column, cell in zip(header, row, strict=True):
                if isinstance(cell, str) and (problem := _problem_of(cell)):
                    raise OutputError(
                        f"Excel output: row {number}, column {clip(str(column))}: expected text that a cell can hold,"
                        f" found {problem}. Write .csv."
                    )

    def _typed(self, record: bytes) -> list[Cell | None]:
        """Return the cells of a row as the workbook has them."""
        values = json.loads(record)
        return [values[column] for column in self._table.columns]


def _problem_of(text: str) -> str:
    """Return why a cell cannot hold a text, an empty string if it can."""
    length = len(text.encode("utf-16-le")) // 2 if 2 * len(text) > _LONGEST_CELL else 0
    if length > _LONGEST_CELL:
        return f"one of {length:,} characters; {_LONGEST_CELL:,} are the most"
    return "a character that XML does not allow" if any(sign in text for sign in _IMPOSSIBLE) else ""


EXCEL = TableFormat(
    "excel",
    open=open_excel,
    open_writer=ExcelWriter,
    recognize=lambda sample: sample.source.is_workbook,
    suffixes=(".xlsx",),
    is_file=True,
    has_header=True,
)
