"""What an estimator's parameters may be: each is checked and made a plain value, and a message names the one at fault.

NumPy's numbers, of which grids are made, are taken as the numbers that they are; what is no such value is refused.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, NoReturn

import numpy as np
from sklearn.utils import check_random_state

from textclf.errors import DataError, TextclfError
from textclf.settings import Settings
from textclf.sklearn.validation import InputError, list_values, name_of, shorten
from textclf.storage.row_columns import RowColumns


def read_settings(parameters: Mapping[str, Any], kind: str) -> Settings:
    """Return the settings that parameters stand for, with labels of this kind; raises InputError at a wrong one."""
    values = {name: read(name, parameters[name]) for name, read in _READERS.items() if name in parameters}
    values["class_weight"] = _class_weight(parameters["class_weight"], kind)
    values["label_names"] = _label_names(parameters["label_names"], kind)
    values["seed"] = _seed(parameters["random_state"])
    if values["multi_label"]:
        if values["class_weight"] != "none":
            refuse("class_weight", "None, as texts may have several labels", parameters["class_weight"])
        values["output"] = "sigmoid"
    try:
        return Settings(**values)
    except TextclfError as error:
        raise InputError(str(error).replace("seed:", "random_state:", 1)) from None


def refuse(name: str, expected: str, found: object) -> NoReturn:
    """Raise the error that a parameter is not what is expected."""
    raise InputError(f"{name}: expected {expected}, found {shorten(found)}.")


def read_whole_number(name: str, value: Any) -> int:  # noqa: ANN401 - whatever is handed over, here and below
    """Return a whole number, NumPy's among them, as an int."""
    value = _scalar(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        refuse(name, "a whole number", value)
    return int(value)


def read_number(name: str, value: Any) -> float:  # noqa: ANN401
    """Return a finite number, NumPy's among them, as a float."""
    value = _scalar(value)
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        refuse(name, "a number", value)
    return float(value)


def read_truth(name: str, value: Any) -> bool:  # noqa: ANN401
    """Return True or False, NumPy's among them."""
    value = _scalar(value)
    if not isinstance(value, bool | np.bool_):
        refuse(name, "True or False", value)
    return bool(value)


def read_string(name: str, value: Any) -> str:  # noqa: ANN401
    """Return a string, NumPy's and those of enumerations among them."""
    value = _scalar(value)
    if not isinstance(value, str):
        refuse(name, "a string", value)
    return str.__str__(value)


def read_source(name: str, value: Any) -> str:  # noqa: ANN401
    """Return the name or the path of word vectors."""
    if not isinstance(value, str | PathLike):
        refuse(name, "a file, 'starter', a name of gensim's downloader, or 'none'", value)
    return str.__str__(fspath(value)) if not isinstance(value, str) else str.__str__(value)


def _scalar(value: Any) -> Any:  # noqa: ANN401
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _optional(read: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else read(name, value)


def _pair(name: str, value: Any) -> tuple[int, int]:  # noqa: ANN401
    numbers = _whole_numbers(name, value, "None, or the shortest and the longest, such as (3, 5)")
    if len(numbers) != 2:
        refuse(name, "None, or the shortest and the longest, such as (3, 5)", value)
    return numbers[0], numbers[1]


def _sizes(name: str, value: Any) -> tuple[int, ...]:  # noqa: ANN401
    return _whole_numbers(name, value, "a tuple of sizes, such as (64,), or () for none")


def _whole_numbers(name: str, value: Any, expected: str) -> tuple[int, ...]:  # noqa: ANN401
    values = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        refuse(name, expected, value)
    try:
        return tuple(read_whole_number(name, each) for each in values)
    except InputError:
        refuse(name, expected, value)


def _class_weight(value: Any, kind: str) -> Any:  # noqa: ANN401
    if value is None:
        return "none"
    if isinstance(value, str):
        return str.__str__(value)
    if not isinstance(value, Mapping):
        refuse("class_weight", "None, 'balanced', or a dict from labels to weights", value)
    return {
        name_of(label, kind, "class_weight"): read_number("class_weight", weight) for label, weight in value.items()
    }


def _label_names(value: Any, kind: str) -> dict[str, str] | None:  # noqa: ANN401
    if value is None:
        return None
    if not isinstance(value, Mapping):
        refuse("label_names", "None, or a dict from labels to words", value)
    return {name_of(label, kind, "label_names"): read_string("label_names", words) for label, words in value.items()}


def _seed(value: Any) -> int:  # noqa: ANN401
    value = _scalar(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    try:
        return int(check_random_state(value).randint(2**31 - 1))
    except ValueError:
        refuse("random_state", "a whole number, a RandomState, or None", value)


def _read_order(name: str, value: Any) -> bool | tuple[str, ...]:  # noqa: ANN401
    values = _scalar(value)
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return tuple(map(str, values))
    return read_truth(name, values)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "vectors": read_source,
    "recipe": read_string,
    "columns": read_string,
    "word_ngrams": _optional(read_whole_number),
    "pattern_ngrams": _optional(read_whole_number),
    "char_ngrams": _optional(_pair),
    "min_texts": _optional(read_whole_number),
    "hidden": _sizes,
    "activation": read_string,
    "l2": _optional(read_number),
    "valid_fraction": read_number,
    "calibrate": read_truth,
    "threads": read_whole_number,
    "multi_label": read_truth,
    "ordinal": _read_order,
}


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
