"""Rows of several columns from Python: tables of pandas, Polars or Arrow, arrays, dicts of columns, lists of dicts."""

from collections.abc import Mapping, Sequence
from typing import Any

from textclf.errors import DataError
from textclf.row_columns import RowColumns, parse_number
from textclf.sklearn.parameters import refuse
from textclf.sklearn.validation import InputError, is_missing, list_values, shorten, texts_of


def read_columns(texts: Any, categories: Any, numbers: Any) -> RowColumns:  # noqa: ANN401 - parameters of an estimator
    """Return the columns that an estimator's parameters name; raises InputError where they name none or one twice."""
    names = [
        () if columns is None else _names(parameter, columns)
        for parameter, columns in (
            ("text_columns", texts), ("category_columns", categories), ("number_columns", numbers),
        )
    ]  # fmt: skip
    if not names[0]:
        if names[1] or names[2]:
            refuse("text_columns", "the column of texts, as others are named", texts)
        return RowColumns()
    try:
        return RowColumns(*names)
    except DataError as error:
        raise InputError(str(error)) from None


def _names(parameter: str, columns: Any) -> tuple[str, ...]:  # noqa: ANN401
    values = (
        list_values(columns)
        if not isinstance(columns, str | bytes | Mapping) and hasattr(columns, "__iter__")
        else None
    )
    if values is None or not all(isinstance(name, str | int) and not isinstance(name, bool) for name in values):
        refuse(parameter, "a list of columns, by name or by number", columns)
    return tuple(map(str, values))


def pack_table(X: Any, columns: RowColumns) -> list[str]:  # noqa: ANN401 - whatever holds a table
    """Return the rows of a table with these columns, packed; of one text the texts, as `texts_of` does.

    Raises InputError when a column is missing, a text is, or something else than a number stands where one should.
    """
    if columns.is_plain and columns.texts[0] not in (_columns_of(X) or {}):
        return texts_of(X)
    found = [texts_of(_column(X, name)) for name in columns.texts]
    found += [[_category(value) for value in list_values(_column(X, name))] for name in columns.categories]
    found += [
        [_number(value, name, row) for row, value in enumerate(list_values(_column(X, name)))]
        for name in columns.numbers
    ]
    lengths = sorted({len(column) for column in found})
    if len(lengths) > 1:
        raise InputError(f"X: expected columns of one length, found {lengths[0]} and {lengths[-1]} values. Fill them.")
    return [columns.pack(cells) for cells in zip(*found, strict=True)]


def _columns_of(X: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """Return the columns of a table by name, of an array by number; None for what has no columns."""
    if isinstance(X, Sequence) and len(X) and all(isinstance(row, Mapping) for row in X):
        return {str(key): [row.get(key) for row in X] for key in X[0]}
    if isinstance(X, Mapping):
        return {str(key): X[key] for key in X}
    if hasattr(X, "column_names"):
        return {key: X.column(key) for key in X.column_names}
    if hasattr(X, "columns"):
        return {str(key): X[key] for key in X.columns}
    if len(getattr(X, "shape", ())) == 2 and not hasattr(X, "tocsr"):
        return {str(number): X[:, number] for number in range(X.shape[1])}
    return None


def _column(X: Any, name: str) -> Any:  # noqa: ANN401
    columns = _columns_of(X)
    if columns is None:
        raise InputError(f"X: expected a table with the column {name!r}, found {shorten(X)}. Give one with columns.")
    if name not in columns:
        listed = ", ".join(list(columns)[:8])
        raise InputError(
            f"X: expected the column {name!r}, found {listed}. Name one of these, or give a table with it."
        )
    return columns[name]


def _category(value: Any) -> str:  # noqa: ANN401
    if is_missing(value):
        return ""
    is_whole = isinstance(value, float) and value.is_integer()  # pandas makes whole numbers floats where one is missing
    return str(int(value) if is_whole else value)


def _number(value: Any, name: str, row: int) -> str:  # noqa: ANN401
    cell = "" if is_missing(value) else str(int(value)) if isinstance(value, bool) else str(value)
    try:
        parse_number(cell)
    except ValueError:
        raise InputError(
            f"X: expected a number in row {row} of column {name!r}, found {shorten(value)}. Correct it."
        ) from None
    return cell
