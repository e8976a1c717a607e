"""What Python hands over: texts, tables of several columns, labels of any kind; and labels as a model file keeps them.

Values are looked at one by one, before NumPy makes them one type: it would turn a missing label into the class ``nan``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from textclf.errors import DataError
from textclf.labels import cut_labels
from textclf.model.card import LabelKind
from textclf.storage.row_columns import RowColumns, parse_number

Classes = npt.NDArray[Any]
KINDS: dict[LabelKind, str] = {"bool": "b", "int": "iu", "float": "f", "str": "OUS"}
"""What labels can be, by what a model file calls it, and NumPy's letters of the kind."""
_SHOWN = 40
_NUMBERS = "biuf"
_SPELT = {"True": True, "False": False}


class InputError(DataError, ValueError):
    """An argument is not as it should be: a ValueError, as scikit-learn's tools expect, that says what to do."""


def shorten(value: object) -> str:
    """Return a value as messages show it."""
    found = " ".join(repr(value).split())  # tables and columns take several lines
    return found if len(found) <= _SHOWN else found[:_SHOWN] + "…"


def is_missing(value: Any) -> bool:  # noqa: ANN401 - any value of a column
    """Return whether a value says that there is none: None, NaN, NaT, or pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # NA refuses to be true or false
        return True
    except ValueError:  # an array
        return False


# --- texts --------------------------------------------------------------------------------------------------------


def texts_of(X: Any) -> list[str]:  # noqa: ANN401 - whatever holds a column of texts
    """Return the texts of a list, or of a column of NumPy, pandas, Polars or Arrow; a table of one column is one too.

    Raises InputError when there is something else, or a text is missing.
    """
    if not _is_column(X):
        has_no_order = isinstance(X, set | frozenset)
        advice = "Make it a list, as it has no order" if has_no_order else "Put the text into a list: [text]"
        _refuse(f"a list or a column of texts, found one {type(X).__name__}", advice)
    texts = list_values(_only_column(X))
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            found = "nothing" if is_missing(text) else shorten(text)
            _refuse(f"a text in row {row}, found {found}", "Fill it with a text, which may be empty, or leave it out")
    return [str.__str__(text) for text in texts]  # not `str`, which gives the name of an enumeration's member


def _refuse(found: str, advice: str, where: str = "X") -> NoReturn:
    raise InputError(f"{where}: expected {found}. {advice}.")


def _is_column(values: Any) -> bool:  # noqa: ANN401
    if isinstance(values, str | bytes | Mapping | set | frozenset):
        return False
    # Neither Arrow's tables nor all that NumPy makes arrays of can be iterated over.
    return isinstance(values, Iterable) or hasattr(values, "to_pylist") or hasattr(values, "__array__")


def _only_column(X: Any, where: str = "X") -> Any:  # noqa: ANN401
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) == 1:
        return X
    if len(shape) != 2 or shape[1] != 1 or hasattr(X, "tocsr"):
        what = "texts" if where == "X" else "labels"
        _refuse(f"one column of {what}, found an array of shape {shape}", f'Choose it, as in table["{what}"]', where)
    if hasattr(X, "iloc"):
        return X.iloc[:, 0]
    return X.column(0) if hasattr(X, "to_pylist") else X[:, 0]


def list_values(column: Any) -> list[Any]:  # noqa: ANN401
    """Return the values of a column as Python has them, whatever holds them."""
    for name in ("to_pylist", "tolist", "to_list"):  # Arrow, NumPy and pandas, Polars
        if hasattr(column, name):
            return list(getattr(column, name)())
    return list(column if isinstance(column, Iterable) else np.asarray(column).tolist())


# --- labels -------------------------------------------------------------------------------------------------------


def labels_of(y: Any, n: int) -> Classes:  # noqa: ANN401 - whatever holds a column of labels
    """Return the labels of n texts, shape (n,); raises InputError, or ValueError, when they are not one a text."""
    column = _label_column(y)
    if len(column) != n:
        raise InputError(f"y: expected as many labels as texts, {n}, found {len(column)}. Give one for each.")
    if column.dtype.kind in _NUMBERS and not np.isnan(column).any():
        labels = column
    else:
        # Times as NumPy has them, of which `tolist` makes numbers.
        values = list(column) if column.dtype.kind in "mM" else column.tolist()
        labels = _of_one_kind([_plain(label, row) for row, label in enumerate(values)])
    check_classification_targets(labels)
    return labels


def _label_column(y: Any) -> Classes:  # noqa: ANN401
    """Return a column of labels as an array, of objects unless it was an array of numbers."""
    if y is None:
        raise InputError(
            "y: expected labels: fit requires y to be passed, but the target y is None. Give one for each text."
        )
    if not _is_column(y):
        raise InputError(f"y: expected a list or a column of labels, found one {type(y).__name__}. Give one a text.")
    y = _only_column(y, "y") if hasattr(y, "to_pylist") else y
    if hasattr(y, "to_pylist"):
        y = y.to_pylist()
    elif hasattr(y, "to_numpy"):
        y = y.to_numpy()
    elif not isinstance(y, Iterable):
        y = np.asarray(y)
    if isinstance(y, np.ma.MaskedArray):
        y = y.tolist()
    if not hasattr(y, "dtype"):
        values = list(y)
        y = np.empty(len(values), object)
        y[:] = values
    if y.dtype.kind == "T":  # NumPy's strings of any length, which scikit-learn does not know
        y = y.astype(object)
    column: Classes = column_or_1d(y, warn=True)
    return column


def _plain(label: Any, row: int) -> bool | int | float | str:  # noqa: ANN401
    """Return a label as a plain string, number or truth value; raises InputError when it is none."""
    if isinstance(label, str):
        text = str.__str__(label)
        if not text.strip():
            raise InputError(f"y: expected labels, found a blank one, {text!r}, in row {row}. Give it a name.")
        if not _is_unicode(text):
            raise InputError(f"y: expected labels of whole characters, found {text!r} in row {row}. Correct it.")
        return text
    if is_missing(label):
        raise InputError(
            f"y: expected a label in each row, found none ({label!r}) in row {row}. Fill it, or leave the row out."
        )
    for kinds, plain in (((bool, np.bool_), bool), ((int, np.integer), int), ((float, np.floating), float)):
        if isinstance(label, kinds) and not isinstance(label, np.timedelta64):
            return plain(label)
    several = isinstance(label, list | tuple | set | frozenset | np.ndarray)
    advice = "For several labels a text use TextClassifier(multi_label=True)" if several else "Convert it"
    raise InputError(
        f"y: expected strings, whole numbers or truth values, found {shorten(label)} in row {row}. {advice}."
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_one_kind(labels: list[Any]) -> Classes:
    """Return plain labels as an array; raises InputError when they are mixed, or numbers beyond 64 bits."""
    kinds = {type(label) for label in labels}
    if len(kinds) > 1 and kinds != {int, float}:
        found = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(f"y: expected strings, whole numbers or truth values, found {found}. Convert them.")
    if int in kinds and not all(-(2**63) <= label < 2**63 for label in labels):
        raise InputError("y: expected whole numbers of 64 bits, found larger ones. Make them strings.")
    if str in kinds and any(label.endswith("\0") for label in labels):  # which NumPy's own strings lose
        return np.array(labels, object)
    return np.array(labels)


def label_sets_of(y: Any, n: int) -> tuple[list[tuple[Any, ...]], Classes | None]:  # noqa: ANN401
    """Return the labels of each of n texts that may have several or none, as plain values.

    y is a column of lists, tuples, sets, or cells such as ``a|b``; or a matrix of 0 and 1, shape (n, k), a column for
    each label: the names of its columns are then returned, too, or their numbers where they have none.
    """
    if y is None:
        raise InputError("y: expected labels, found None. Give a list of labels for each text.")
    columns = [str(name) for name in y.columns] if hasattr(y, "columns") and not callable(y.columns) else None
    y = y.toarray() if hasattr(y, "toarray") else y
    if len(getattr(y, "shape", ())) == 2:
        M = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
        names = np.array(columns) if columns is not None else np.arange(M.shape[1])
        sets = _sets_of_matrix(M, names)
    else:
        if not _is_column(y):
            raise InputError(f"y: expected a list of labels for each text, found one {type(y).__name__}.")
        rows = list_values(y)
        _check_no_matrix(rows)
        sets, names = [_set_of(cell, row) for row, cell in enumerate(rows)], None
    if len(sets) != n:
        raise InputError(f"y: expected as many rows of labels as texts, {n}, found {len(sets)}. Give one for each.")
    return sets, names


def _sets_of_matrix(M: npt.NDArray[Any], names: Classes) -> list[tuple[Any, ...]]:
    if M.dtype.kind not in _NUMBERS or not np.isin(M, (0, 1)).all():
        raise InputError("y: expected a matrix of 0 and 1, a column for each label, found other values. Correct them.")
    listed = names.tolist()
    return [tuple(listed[j] for j in np.flatnonzero(row).tolist()) for row in M]


def _check_no_matrix(rows: list[Any]) -> None:
    """Raise InputError for lists that look like a matrix of 0 and 1, and would be read as labels named 0 and 1."""
    lists = [row for row in rows if isinstance(row, list | tuple)]
    if lists and len(lists) == len(rows) and len({len(row) for row in lists}) == 1:
        same_label_twice = any(len(set(map(repr, row))) < len(row) for row in lists)
        if same_label_twice and all(isinstance(v, int | np.integer) and v in (0, 1) for row in lists for v in row):
            raise InputError("y: expected a list of labels for each text, found rows of 0 and 1. Give np.array(y).")


def _set_of(cell: Any, row: int) -> tuple[Any, ...]:  # noqa: ANN401
    if isinstance(cell, str):
        try:
            return tuple(_plain(label, row) for label in cut_labels(str.__str__(cell)))
        except InputError:
            raise
        except DataError as error:
            raise InputError(f"y: row {row}: {error}. Correct the row.") from None
    if isinstance(cell, bytes | Mapping) or not isinstance(cell, Iterable):
        raise InputError(
            f"y: expected a list of labels in row {row}, found {shorten(cell)}. For a text without labels give []."
        )
    labels = [_plain(label, row) for label in list_values(cell)]
    return tuple(dict.fromkeys(sorted(labels, key=str) if isinstance(cell, set | frozenset) else labels))


def distinct_labels(sets: Sequence[tuple[Any, ...]]) -> Classes:
    """Return all labels of rows, rising; raises InputError when they are of several kinds, or there are none."""
    labels = list(dict.fromkeys(label for row in sets for label in row))
    if not labels:
        raise InputError("y: expected some texts with labels, found none. Add labels.")
    return np.unique(_of_one_kind(labels))


def weights_of(sample_weight: Any, n: int) -> npt.NDArray[np.float64] | None:  # noqa: ANN401
    """Return the weight of each of n texts, or None; raises ValueError when there are not so many, or some below 0."""
    if sample_weight is None:
        return None
    try:
        weights: npt.NDArray[np.float64] = _check_sample_weight(
            sample_weight, np.zeros((n, 1)), ensure_non_negative=True, dtype=np.float64
        )
    except TypeError:
        raise InputError("sample_weight: expected a number for each text, found something else. Convert it.") from None
    return weights


# --- labels and their names in a model file ---------------------------------------------------------------------------


def kind_of(classes: Classes) -> LabelKind:
    """Return what labels these are, as a model file calls it."""
    return next((name for name, letters in KINDS.items() if classes.dtype.kind in letters), "str")


def names_of(labels: Classes) -> list[str]:
    """Return each label as a model file writes it."""
    return [str(label) for label in labels.tolist()]


def name_of(label: Any, kind: str, where: str) -> str:  # noqa: ANN401 - a label that a person wrote
    """Return the name of a label of this kind, written as such or as its name: 1, 1.0 and "1" are all "1".

    Raises InputError when it is no label of the kind; `where` is the argument that it stands in.
    """
    plain: Any = None
    if isinstance(label, str):
        text = str.__str__(label)
        plain = text if kind == "str" else _SPELT.get(text) if kind == "bool" else _number(text)
    elif isinstance(label, bool | np.bool_):
        plain = str(bool(label)) if kind == "str" else bool(label)
    elif isinstance(label, int | float | np.number):
        value = label.item() if isinstance(label, np.number) else label
        plain = str(value) if kind == "str" else value
    whole = kind != "int" or plain is None or plain == int(plain)
    if plain is None or not whole or (kind == "bool" and plain not in (False, True)):
        kinds = {"bool": "truth values", "int": "whole numbers", "float": "numbers"}
        raise InputError(f"{where}: expected labels that are {kinds.get(kind, 'strings')}, found {shorten(label)}.")
    return str({"bool": bool, "int": int, "float": float}.get(kind, str)(plain))


def _number(text: str) -> float | int | None:
    for read in (int, float):
        try:
            value = read(text)
        except ValueError:
            continue
        return value if np.isfinite(value) else None
    return None


def restore_classes(names: Sequence[str], kind: str) -> Classes:
    """Return labels, shape (k,), as what they were before they were written into a model file."""
    if kind == "bool":
        return np.array([_SPELT[name] for name in names])
    if kind in ("int", "float"):
        return np.array([int(name) if kind == "int" else float(name) for name in names])
    return np.array(names, dtype=object) if any(name.endswith("\0") for name in names) else np.array(names)


# --- tables of several columns ---------------------------------------------------------------------------------------


def pack_table(X: Any, columns: RowColumns) -> list[str]:  # noqa: ANN401 - whatever holds a table
    """Return the rows of a table with these columns, packed; of one text the texts, as `texts_of` does.

    Raises InputError when a column is missing, a text is, or something else than a number stands where one should.
    """
    if columns.is_plain and columns.texts[0] not in (_columns_of(X) or {}):
        return texts_of(X)
    found = [texts_of(_column(X, name)) for name in columns.texts]
    found += [[_category(value) for value in list_values(_column(X, name))] for name in columns.categories]
    found += [
        [_number_cell(value, name, row) for row, value in enumerate(list_values(_column(X, name)))]
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


def _number_cell(value: Any, name: str, row: int) -> str:  # noqa: ANN401
    cell = "" if is_missing(value) else str(int(value)) if isinstance(value, bool) else str(value)
    try:
        parse_number(cell)
    except ValueError:
        raise InputError(
            f"X: expected a number in row {row} of column {name!r}, found {shorten(value)}. Correct it."
        ) from None
    return cell
