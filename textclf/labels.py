"""The labels of a row as one cell of a table: `a|b`, or a JSON list where a label would not survive that; their order.

A cell that is empty, or ``[]``, says that the row has no label. Letters: ``n`` rows, ``k`` labels.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from difflib import get_close_matches
from functools import lru_cache

import numpy as np

from textclf.errors import DataError, TrainingError
from textclf.types import Array, Integers

SEPARATOR = "|"
_LIST = "["
_SHOWN_LABELS = 10
_BETWEEN = re.compile(r"[^\w\s]+|_{2,}|\s+(?:[^\w\s]+|and|und|et|y|or)\s+|\s+")
_IS_WORD = re.compile(r"\s\w").match
_IS_LIST = re.compile(r"(?s)\[\s*(['\"]).*\1\s*\]|\{.+,.+\}").fullmatch
_LISTING = {SEPARATOR, ",", ";", "\n", "\t", "、", "，", "；"}
_MISSING = {
    "nan", "na", "n/a", "#n/a", "<na>", "n.a.", "null", "(null)", "none", "nil", "nat", "\\n", "(blank)", "undefined",
    "#value!", "#ref!", "#name?", "#div/0!", "-", "--", "?",
}  # fmt: skip

LabelSet = tuple[str, ...]
"""The labels of one row, each once, in the order in which they were first met."""


@lru_cache(maxsize=1 << 14)  # the same few combinations stand in row after row
def cut_labels(cell: str, separator: str = SEPARATOR) -> LabelSet:
    """Return the labels of a cell; blanks around the parts of `a|b` go, parts that are empty too.

    Raises DataError, a phrase without a place, when the cell begins with `[` and is no JSON list of labels.

    >>> cut_labels("billing | refund")
    ('billing', 'refund')
    >>> cut_labels('["a|b", "c"]')
    ('a|b', 'c')
    """
    stripped = cell.strip()
    if not stripped.startswith(_LIST):
        return tuple(dict.fromkeys(part for raw in stripped.split(separator) if (part := raw.strip())))
    try:
        values = json.loads(stripped)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        found = stripped[:40] + ("…" if len(stripped) > 40 else "")
        raise DataError(f'expected labels such as a|b or a JSON list of them such as ["a", "b"], found {found!r}')
    return tuple(dict.fromkeys(values))


def join_labels(labels: Sequence[str]) -> str:
    """Return the cell from which `cut_labels` makes these labels, which must differ and not be blank.

    >>> join_labels(["billing", "refund"])
    'billing|refund'
    >>> join_labels(["a|b", "c"])
    '["a|b", "c"]'
    """
    if all(SEPARATOR not in label and label == label.strip() and not label.startswith(_LIST) for label in labels):
        return SEPARATOR.join(labels)
    return json.dumps(list(labels), ensure_ascii=False)


def label_sets(cells: Sequence[str], *, multi_label: bool) -> list[LabelSet]:
    """Return each row's labels: those that its cell lists, or, unless `multi_label`, the cell itself.

    Raises DataError at a cell that `cut_labels` refuses.
    """
    if not multi_label:
        made = {cell: (cell,) for cell in set(cells)}  # a tuple for each label, not one for each row
        return [made[cell] for cell in cells]
    sets = []
    for row, cell in enumerate(cells, 1):
        try:
            sets.append(cut_labels(cell))
        except DataError as error:
            raise DataError(f"labels: row {row}: {error}. Correct the row.") from None
    return sets


def find_joined_labels(labels: Set[str]) -> dict[str, str]:
    """Return the labels that are others with a sign or a word between them, each with it: such a label may be several.

    With one label a text `|` is such a sign too, and blanks are one. At a sign that lists things, a part that is no
    label of its own may stand in another such label instead, if one part is a label. Lists as Python and databases
    write them are several labels by themselves.

    >>> find_joined_labels({"neg", "travel", "neg,travel"})
    {'neg,travel': ','}
    >>> find_joined_labels({"neg", "pos", "neg;travel", "pos;travel", "food,"})
    {'neg;travel': ';', 'pos;travel': ';'}
    """
    found = {label: "," for label in labels if _IS_LIST(label)}
    having: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        for between in _BETWEEN.findall(label):
            having[between if _IS_WORD(between) else between.strip() or between].add(label)
    for sign in sorted(having, key=lambda sign: (sign.isspace(), sign)):  # a blank last: it stands beside other signs
        parts = {label: {part for raw in label.split(sign) if (part := raw.strip())} for label in having[sign]}
        times = Counter(part for cut in parts.values() for part in cut)
        for label, cut in parts.items():
            own = cut & labels
            is_cut = len(cut) > 1 or sign in _LISTING
            if is_cut and own and (own == cut or (sign in _LISTING and all(times[part] > 1 for part in cut - own))):
                found.setdefault(label, sign)
    return dict(sorted(found.items()))


def missing_labels(labels: Set[str]) -> list[str]:
    """Return the labels that other programs write where there is no value.

    >>> missing_labels({"spam", "NaN", "n/a"})
    ['NaN', 'n/a']
    """
    return sorted(label for label in labels if label.strip().casefold() in _MISSING)


def multi_hot(sets: Sequence[LabelSet], labels: Sequence[str]) -> Array:
    """Return Y, shape (n, k): 1 in the column of each label that a row has, 0 elsewhere.

    >>> multi_hot([("a",), (), ("a", "b")], ["a", "b"])
    array([[1., 0.],
           [0., 0.],
           [1., 1.]], dtype=float32)
    """
    numbers = {label: number for number, label in enumerate(labels)}
    columns = np.array([numbers[label] for row in sets for label in row], np.int64)
    Y: Array = np.zeros((len(sets), len(labels)), np.float32)
    Y[np.repeat(np.arange(len(sets)), [len(row) for row in sets]), columns] = 1.0
    return Y


MOST_SINGLE_LABELS = 1000
"""Beyond so many, with fewer than two rows each, it is not labels: rows times labels would fill the memory."""


_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def spelling_key(label: str) -> str:
    """Return what the spellings of a truth value (True, TRUE, true) and of a whole number (1.0, 1) have in common.

    >>> spelling_key("True"), spelling_key("1.0"), spelling_key("Spam")
    ('true', '1', 'Spam')
    """
    if label.lower() in ("true", "false"):
        return label.lower()
    whole = _WHOLE.fullmatch(label)
    return label if whole is None else whole[1]


class KnownLabels:
    """The labels that a model has, or will have: a table's labels are held to them, however they are spelled there.

    pandas writes True and 1.0 where JSON has true and a table without gaps has 1. A label that is known as it stands
    is never taken for another.

    >>> KnownLabels(["true", "false"]).find("True")
    'true'
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._found: dict[str, str | None] = {label: label for label in labels}
        self._by_key: dict[str, str | None] = {}
        for label in labels:
            key = spelling_key(label)
            self._by_key[key] = None if key in self._by_key else label  # None: two labels would answer to it

    def find(self, label: str) -> str | None:
        """Return the known label that this one is, None when there is none."""
        if label not in self._found:
            self._found[label] = self._by_key.get(spelling_key(label))
        return self._found[label]


_SHOWN_LABELS = 10


def unknown_label(label: str, known: Sequence[str]) -> str:
    """Return what to say of a label that training did not have."""
    listed = ", ".join(repr(name) for name in known[:_SHOWN_LABELS]) + (" …" if len(known) > _SHOWN_LABELS else "")
    near = get_close_matches(label, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " Correct the label, or train with it."
    return f"label {label[:60]!r} was not in the training data. Known labels: {listed}.{hint}"


def classes_of(sets: Sequence[LabelSet], multi_label: bool, known: Set[str]) -> tuple[str, ...]:
    """Return the labels of rows, and those that are known though no row may have them, in order.

    Raises TrainingError when they cannot be told apart, or are no labels.
    """
    found_here = {label for row in sets for label in row}
    classes = tuple(sorted(found_here | known))
    if multi_label and not known and all(len(row) == len(classes) for row in sets):
        found = f"that every row has {', '.join(map(repr, classes))[:60]}" if classes else "no label in any row"
        raise TrainingError(f"labels: expected some that rows have and others lack, found {found}. Add other rows.")
    if len(found_here) > MOST_SINGLE_LABELS and 2 * len(found_here) > len(sets):
        raise TrainingError(
            f"labels: expected several rows of each, found {len(found_here):,} labels in {len(sets):,} rows. "
            "Is this the right label column?"
        )
    if not multi_label and len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no rows"
        raise TrainingError(f"labels: expected at least two classes, found {found}. Add rows of another class.")
    return classes


def what_labels(sets: Sequence[LabelSet], k: int, multi_label: bool) -> str:
    """Return in words how many labels there are, and how many a text has.

    >>> what_labels([("a",), ("a", "b"), ()], 2, multi_label=True)
    '2 labels, 1.0 a text; without any: 1'
    """
    if not multi_label:
        return f"{k} classes"
    without = sum(not row for row in sets)
    said = f"{k} label{'s' * (k > 1)}, {sum(map(len, sets)) / len(sets):.1f} a text"
    return f"{said}; without any: {without:,}" if without else said


def class_weights(chosen: str | Mapping[str, float], labels: Sequence[str], rows: Array | Integers) -> Array:
    """Return what a row of each class weighs, shape (k,), 1 in the mean, given how many rows, or what weight, each has.

    Raises TrainingError when a weight is chosen for an unknown label, or no row would weigh anything.

    >>> class_weights("balanced", ["ham", "spam"], np.array([80, 20]))
    array([0.625, 2.5  ])
    """
    if chosen == "none":
        return np.ones(len(labels))
    if isinstance(chosen, str):
        of_class: Array = 1.0 / np.maximum(rows, 1e-9)
    else:
        strangers = sorted(set(chosen) - set(labels))
        if strangers:
            raise TrainingError(f"class weights: no row has the label {strangers[0]!r}. Correct it, or leave it out.")
        of_class = np.array([chosen.get(label, 1.0) for label in labels])
    total = float(of_class @ rows)
    if not total > 0:
        raise TrainingError("class weights: expected some above 0 for labels that rows have, found none. Correct them.")
    weights: Array = of_class * (rows.sum() / total)
    return weights


# --- labels that have an order ---------------------------------------------------------------------------------------

_FEWEST, _MOST = 3, 20
"""Two labels have no order worth a figure; of more than 20, numbers are more likely names than grades."""


def order_labels(labels: Sequence[str], ordinal: bool | Sequence[str] = False) -> Array | None:
    """Return the value of each label, shape (k,): its number, or its place among `ordinal`, the labels in their order.

    With `ordinal` False labels have an order if they are 3 to 20 different numbers; else the result is None.
    Raises TrainingError where `ordinal` is True and they are no numbers, or where it lists other labels.

    >>> order_labels(["1", "2.5", "4"]), order_labels(["good", "bad", "so-so"])
    (array([1. , 2.5, 4. ]), None)
    >>> order_labels(["bad", "good", "so-so"], ["bad", "so-so", "good"])
    array([0., 2., 1.])
    """
    if isinstance(ordinal, Sequence):
        if sorted(ordinal) != sorted(labels):
            odd = sorted({*ordinal}.symmetric_difference(labels)) or sorted(ordinal)
            where = "the order" if odd[0] not in ordinal else "the rows" if odd[0] not in labels else "it once"
            raise TrainingError(f"ordinal: expected each label once in the order, {odd[0]!r} not found in {where}.")
        return np.array([ordinal.index(label) for label in labels], np.float64)
    values = _read_numbers(labels)
    if ordinal and values is None:
        odd = [label for label in labels if _read_numbers([label]) is None] or list(labels)
        raise TrainingError(
            f"ordinal: expected labels that are different numbers, found {odd[0]!r}."
            " List all of them in their order (--label-order)."
        )
    return values if ordinal or _FEWEST <= len(labels) <= _MOST else None


def _read_numbers(labels: Sequence[str]) -> Array | None:
    try:
        values = [float(label) for label in labels]
    except ValueError:
        return None
    is_order = all(map(math.isfinite, values)) and len(set(values)) == len(values)
    return np.array(values) if is_order else None
