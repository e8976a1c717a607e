"""A program of its own that turns Parquet files and Excel workbooks into JSON Lines, or adds columns to Parquet.

Polars and calamine may abort the process on a damaged file, so the parent runs this file in a child with limits: it is
never imported. The last line on standard error is the reason when it fails. The exit code says what is at fault: 3 the
file, 4 the machine (no room on the disk), 5 the limit of memory that the parent set.
"""

import errno
import json
import sys
from contextlib import suppress
from pathlib import Path

_SLICE = 10_000
_FILE, _MACHINE, _LIMIT = 3, 4, 5


def main(arguments: list[str]) -> int:
    """Run one of three commands and return the exit code.

    `lines PARQUET JSONL COLUMNS`: `COLUMNS` are, as JSON, the columns to read, or null for all that can be.
    `join PARQUET ADDED_JSONL OUTPUT`: add columns.
    `sheet WORKBOOK JSONL SHEET HEADER`: `SHEET` is, as JSON, its name or null, `HEADER` true or false.
    """
    command, *rest, limit, seconds, library = arguments
    _set_limits(int(limit), int(seconds))
    sys.path.append(library)
    try:
        if command == "lines":
            source, target, columns = rest
            _lines(Path(source), Path(target), json.loads(columns))
        elif command == "sheet":
            source, target, sheet, header = rest
            _sheet(Path(source), Path(target), json.loads(sheet), json.loads(header))
        else:
            _join(*map(Path, rest))
    except BaseException as error:  # noqa: BLE001, RUF100 -- a panic in Rust is a BaseException
        sys.stderr.write(f"\n{' '.join(str(error).split())[:200] or type(error).__name__}\n")
        return _blame(error)
    return 0


def _set_limits(limit: int, seconds: int) -> None:
    """Bound memory and processor time where the system, and the parent's own limits, allow it."""
    if sys.platform == "win32":
        return
    import resource

    limits = (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_AS, limit, limit),
        (resource.RLIMIT_CPU, seconds, seconds + 5),
    )
    for kind, soft, hard in limits:
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard))


def _blame(error: BaseException) -> int:
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "memory allocation" in str(error):
        return _LIMIT
    code = error.errno if isinstance(error, OSError) else None
    full = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EACCES)
    return _MACHINE if code in full or "No space left" in str(error) else _FILE


def _lines(source: Path, target: Path, columns: list[str] | None) -> None:
    """Write the rows as JSON Lines, after a line with their number and the kind of each column.

    A column that cannot be read is of the kind `unreadable: why`, one that has no spelling as text of the kind
    `no text: why`; both are null in every row.
    """
    import polars as pl

    schema = list(pl.read_parquet_schema(source))
    rows = int(pl.scan_parquet(source).select(pl.len()).collect().item())
    unasked = [] if columns is None else [name for name in schema if name not in columns]
    reasons = dict.fromkeys(unasked, "unreadable: the reader died of such a column")
    try:
        _write_rows(source, target, schema, rows, reasons)
    except BaseException as error:  # noqa: BLE001, RUF100 -- a panic in Rust is a BaseException
        if _blame(error) != _FILE:
            raise
        reasons |= {name: reason for name in schema if name not in reasons and (reason := _try_column(source, name))}
        _write_rows(source, target, schema, rows, reasons)


def _write_rows(source: Path, target: Path, schema: list[str], rows: int, reasons: dict[str, str]) -> None:
    """Write the rows; a column with a reason why it has no text is null, and the reason is its kind."""
    import polars as pl

    readable = [name for name in schema if name not in reasons]
    frame = pl.read_parquet(source, columns=readable, use_statistics=False) if readable else pl.DataFrame()
    kinds = {name: reasons[name] if name in reasons else _kind(frame.schema[name]) for name in schema}
    with target.open("w", encoding="utf-8", newline="\n") as stream:
        names = {column: names for column, names in _class_names(source).items() if column in schema}
        stream.write(json.dumps({"rows": rows, "columns": kinds, "class_names": names}) + "\n")
        if not readable and schema:
            stream.writelines([json.dumps(dict.fromkeys(schema)) + "\n"] * rows)
        for start in range(0, frame.height, _SLICE):
            part = frame.slice(start, _SLICE)
            values = [[None] * part.height if name in reasons else _values(part[name]) for name in schema]
            for cells in zip(*values, strict=True):
                stream.write(json.dumps(dict(zip(schema, cells, strict=True)), ensure_ascii=False) + "\n")


def _class_names(source: Path) -> dict[str, list[str]]:
    """Return the names of the classes of columns of numbers, as the library `datasets` writes them (ClassLabel)."""
    import polars as pl

    said = pl.read_parquet_metadata(source).get("huggingface")
    try:
        features = json.loads(said or "{}")["info"]["features"]
        found = {column: _names_of(feature) for column, feature in features.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return {column: names for column, names in found.items() if names}


def _names_of(feature: object) -> list[str]:
    """Return the names of a ClassLabel, or of a list of them; else nothing."""
    while isinstance(feature, dict) and "feature" in feature:
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _try_column(source: Path, name: str) -> str:
    """Return why a column cannot be read as text, as the kind that it is of, an empty string when it can."""
    import polars as pl

    step = "unreadable"
    try:
        series = pl.read_parquet(source, columns=[name], use_statistics=False)[name]
        step = "no text"
        for start in range(0, len(series), _SLICE):
            _values(series.slice(start, _SLICE))
    except BaseException as error:  # noqa: BLE001, RUF100 -- a panic in Rust is a BaseException
        if _blame(error) != _FILE:
            raise
        return f"{step}: {' '.join(str(error).split())[:100] or type(error).__name__}"
    return ""


def _join(source: Path, added: Path, target: Path) -> None:
    import polars as pl

    frame = pl.read_parquet(source)
    with added.open(encoding="utf-8") as stream:
        names = json.loads(next(stream))
        rows = [json.loads(line) for line in stream]
    chosen = frame[[row[0] for row in rows]]
    extra = [pl.Series(name, [row[1][i] for row in rows], strict=True) for i, name in enumerate(names)]
    chosen.with_columns(extra).write_parquet(target)


def _kind(dtype) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- a Polars type: Polars is imported late
    """Return 'plain' for what has one spelling as text, else what it is."""
    if dtype.is_nested():
        inner = str(getattr(dtype, "inner", ""))
        if inner.startswith(("Int", "UInt")):
            return "nested integers"
        return "nested strings" if inner.startswith(("String", "Categorical", "Enum")) else "nested"
    return "binary" if str(dtype) == "Binary" else "plain"


def _values(series) -> list[str | None]:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- as above
    """Return each value as text: numbers, dates and booleans by Python's spelling of JSON, null as None."""
    import polars as pl

    if _kind(series.dtype) == "binary":
        return [None if value is None else value.hex() for value in series.to_list()]
    if series.dtype.is_nested():
        return [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in series.to_list()
        ]
    if series.dtype.is_float():
        return [None if value is None else repr(value) for value in series.to_list()]
    if series.dtype in (pl.Duration, pl.Object):  # Polars casts them to no text
        return [None if value is None else str(value) for value in series.to_list()]
    texts: list[str | None] = series.cast(pl.String, strict=True).to_list()
    return texts


def _sheet(source: Path, target: Path, wanted: str | None, has_header: bool) -> None:
    """Write the rows of a sheet as JSON Lines, an empty row as a blank line, after a line with what they are.

    Where it is in doubt which sheet is meant, that line is all, and holds the names of those that have cells.
    """
    import python_calamine as calamine

    book = calamine.CalamineWorkbook.from_path(str(source))
    kinds = {sheet.name: sheet for sheet in book.sheets_metadata if sheet.typ == calamine.SheetTypeEnum.WorkSheet}
    names = [wanted] if wanted is not None else [
        name for name, sheet in kinds.items() if sheet.visible == calamine.SheetVisibleEnum.Visible
    ]  # fmt: skip
    sheets = [] if wanted is not None and wanted not in kinds else [book.get_sheet_by_name(name) for name in names]
    filled = [sheet for sheet in sheets if sheet.start is not None]
    with target.open("w", encoding="utf-8", newline="\n") as stream:
        if len(filled) != 1:
            listed = [sheet.name for sheet in filled] or list(kinds)
            stream.write(json.dumps({"sheets": listed, "is_empty": bool(sheets) and not filled}) + "\n")
            return
        first = (filled[0].start or (0, 0))[0] + 1
        cells = [[_cell(value) for value in row] for row in filled[0].to_python(skip_empty_area=True)]
        width = max(len(row) for row in cells)
        used = [i for i in range(width) if any(row[i] != "" for row in cells)]
        cells = [[row[i] for i in used] for row in cells]
        columns = [str(value) for value in cells[0]] if has_header else [str(i + 1) for i in range(len(used))]
        rows = cells[1:] if has_header else cells
        counts = {"rows": sum(any(value != "" for value in row) for row in rows), "line": first + has_header}
        stream.write(json.dumps({"columns": columns, **counts}) + "\n")
        for row in rows:
            is_blank = all(value == "" for value in row)
            record = {} if is_blank else dict(zip(columns, row, strict=True))
            stream.write("\n" if is_blank else json.dumps(record, ensure_ascii=False) + "\n")


def _cell(value: object) -> str | int | float | bool:
    """Return a cell as JSON has it: whole numbers without a point, dates as ISO 8601 writes them."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
