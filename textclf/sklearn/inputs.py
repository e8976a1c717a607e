"""What Python hands over: columns of texts, labels of any kind, weights; and labels as a model file keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from textclf.errors import DataError
from textclf.model.card import LabelKind

Classes = npt.NDArray[Any]
KINDS: dict[LabelKind, str] = {"bool": "b", "int": "iu", "float": "f", "str": "OUS"}
"""What labels can be, by what a model file calls it, and NumPy's letters of the kind."""
_SHOWN = 40


class InputError(DataError, ValueError):
    """An argument is not as it should be: a ValueError, as scikit-learn's tools expect, that says what to do."""


def texts_of(X: Any) -> list[str]:  # noqa: ANN401 - whatever holds a column of texts
    """Return the texts of a list, a NumPy array, or a column of pandas or Polars; a table of one column is one too.

    Raises InputError when there is something else, or a text is missing.
    """
    if isinstance(X, str | bytes | Mapping):
        _refuse(f"a list or a column of texts, found one {type(X).__name__}", "Put the text into a list: [text]")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        if len(shape) != 2 or shape[1] != 1 or hasattr(X, "tocsr"):
            _refuse(f"one column of texts, found an array of shape {shape}", 'Choose the column, as in table["text"]')
        X = X.iloc[:, 0] if hasattr(X, "iloc") else X[:, 0]
    texts = X.tolist() if hasattr(X, "tolist") else list(X)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            found = "nothing" if text is None or text != text else repr(text)[:_SHOWN]
            _refuse(f"a text in row {row}, found {found}", "Fill it with a text, which may be empty, or leave it out")
    return [str(text) for text in texts]


def _refuse(found: str, advice: str) -> NoReturn:
    raise InputError(f"X: expected {found}. {advice}.")


def labels_of(y: Any, n: int) -> Classes:  # noqa: ANN401 - whatever holds a column of labels
    """Return the labels of n texts, shape (n,); raises InputError, or ValueError, when they are not one a text."""
    if y is None:
        raise InputError(
            "y: expected labels: fit requires y to be passed, but the target y is None. Give one for each text."
        )
    if hasattr(y, "to_numpy"):
        y = y.to_numpy()
    y = column_or_1d(y, warn=True)
    if len(y) != n:
        raise InputError(f"y: expected as many labels as texts, {n}, found {len(y)}. Give one for each.")
    if y.dtype.kind == "O" and any(label is None or label != label for label in y.tolist()):
        raise InputError("y: expected a label in each row, found none (None or NaN). Fill it, or leave the row out.")
    labels: Classes = _of_one_kind(y)
    check_classification_targets(labels)
    return labels


def _of_one_kind(y: Classes) -> Classes:
    """Return labels as strings, numbers or truth values; raises InputError when an array of objects mixes them."""
    kinds = {type(label) for label in y.tolist()} if y.dtype.kind == "O" else {str}
    if all(issubclass(kind, str) for kind in kinds):
        return y
    if len(kinds) > 1 or not kinds <= {bool, int, float}:
        found = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(f"y: expected strings, whole numbers or truth values, found {found}. Convert them.")
    return np.array(y.tolist())


def weights_of(sample_weight: Any, texts: Sequence[str]) -> npt.NDArray[np.float64] | None:  # noqa: ANN401
    """Return the weight of each text, shape (n,), or None; raises ValueError when there are not so many, or below 0."""
    if sample_weight is None:
        return None
    weights: npt.NDArray[np.float64] = _check_sample_weight(
        sample_weight, np.zeros((len(texts), 1)), ensure_non_negative=True, dtype=np.float64
    )
    return weights


def kind_of(classes: Classes) -> LabelKind:
    """Return what labels these are, as a model file calls it."""
    return next((name for name, letters in KINDS.items() if classes.dtype.kind in letters), "str")


def names_of(labels: Classes) -> list[str]:
    """Return each label as a model file writes it; raises InputError when that cannot be told back."""
    names = [str(label) for label in labels.tolist()]
    if "" in names:
        raise InputError("y: expected labels, found an empty one. Give it a name, such as 'none'.")
    return names


def classes_of(names: Sequence[str], kind: str) -> Classes:
    """Return labels, shape (k,), as what they were before they were written into a model file."""
    if kind == "bool":
        return np.array([name == "True" for name in names])
    if kind in ("int", "float"):
        return np.array([int(name) if kind == "int" else float(name) for name in names])
    return np.array(names, dtype=object) if any(name.endswith("\0") for name in names) else np.array(names)
