"""Which column is the text, which the label: by name, or guessed from the header when there is no doubt."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from textclf.errors import DataError
from textclf.tables.records import TableOptions, clip

TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "content",
    "body",
    "message",
    "comment",
    "tweet",
    "question",
    "title",
    "headline",
    "utterance",
    "document",
)
LABEL_NAMES = (
    "label",
    "class",
    "category",
    "sentiment",
    "target",
    "intent",
    "stars",
    "rating",
    "topic",
    "tag",
    "score",
)

LABELS_NAMES = ("labels", "classes", "categories", "targets", "intents", "topics", "tags", "genres")
"""Where a row may have several labels, their column may be called so too."""


_WORDS_OF_A_TEXT = 5
"""The name of a column that has so many words is hardly a name."""


@dataclass(frozen=True)
class ColumnChoice:
    """The names of the columns that are read; `others` are those of a row beside its first text."""

    text: str
    label: str | None = None
    weight: str | None = None
    others: tuple[str, ...] = ()


def choose(columns: Sequence[str], options: TableOptions, labelled: bool, name: str) -> ColumnChoice:
    """Return the columns to read; raises DataError, with the columns found, when one is missing or in doubt.

    A label is looked for when `labelled`, or when the options name one. The plain names `text` and `label` win; then a
    column is guessed when exactly one has a usual name, then, for texts, when exactly one ends with such a name as a
    word (`comment_text`), then when it is the only one left.

    >>> choose(["id", "review", "stars"], TableOptions(label_column="stars"), labelled=True, name="t.csv")
    ColumnChoice(text='review', label='stars', weight=None, others=())
    """
    given = {
        option: getattr(options, option) for option in ("text_column", "label_column", "weight_column", "split_column")
    }
    for option, column in given.items():
        if column is not None and column not in columns:
            raise DataError(missing_column(column, columns, option, name))
    for column in options.label_columns if labelled else ():
        if column not in columns:
            raise DataError(missing_column(column, columns, "label_columns", name))
    for option in ("more_text_columns", "category_columns", "number_columns"):
        for column in getattr(options, option):
            if column not in columns:
                raise DataError(missing_column(column, columns, None, name))
    read = (*given.values(), *options.label_columns, *options.others)
    used = [column for column in read if column is not None]
    if len(set(used)) < len(used):
        twice = next(column for column in used if used.count(column) > 1)
        raise DataError(
            f"{name}: expected different columns, each for one purpose, found {clip(twice)} twice. Name each once."
        )
    free = [column for column in columns if column not in used]
    usual = options.usual_text_column if options.usual_text_column in free else None
    text = options.text_column or usual or _guess(free, TEXT_NAMES) or _guess_by_last_word(free)
    labelled = labelled and not options.label_columns
    wants_label = labelled and options.label_column is None
    names = (*LABEL_NAMES, *LABELS_NAMES) if options.multi_label else LABEL_NAMES
    label = _guess(free, names) if wants_label else options.label_column
    text = text or _only_one(free, [label or _guess(free, names)])
    label = label or (_only_one(free, [text]) if wants_label else None)
    if text is None or (labelled and label is None):
        raise DataError(_unclear(columns, "text" if text is None else "label", name))
    return ColumnChoice(text, label, options.weight_column, options.others)


def check_header(columns: Sequence[str], name: str) -> None:
    """Raise DataError when there is no column, when one has no name, and when two have the same."""
    if not columns:
        raise DataError(f"{name}: expected columns, found none. Give a table with a column of texts.")
    for number, column in enumerate(columns, 1):
        if not column.strip():
            raise DataError(
                f"{name}: expected a name for each column, found none for column {number}. Name it in the header"
                " (pandas leaves it blank for its index: write with index=False)."
            )
    if len(set(columns)) < len(columns):
        seen: set[str] = set()
        twice = next(column for column in columns if column in seen or seen.add(column))  # type: ignore[func-returns-value]
        raise DataError(f"{name}: expected column names that differ, found {clip(twice)} more than once. Rename one.")


def list_names(columns: Sequence[str], most: int = 8) -> str:
    """Return the names of columns as a person writes a list, cut after `most`.

    >>> list_names(["id", "review", "stars"])
    "'id', 'review' and 'stars'"
    """
    names = [clip(column, 30) for column in columns[:most]]
    if len(columns) > most:
        return f"{', '.join(names)} and {len(columns) - most:,} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def separator_hint(columns: Sequence[str], separator: str) -> str:
    """Return advice when the only column's name looks like a header in another separator, else an empty string.

    >>> separator_hint(["text;label"], ",")
    "Is the separator ';'? Then give --separator ';'."
    """
    if len(columns) == 1:
        for other in ";\t|,":
            names = [part.strip(' "').lower() for part in columns[0].split(other)]
            if other != separator and len(names) > 1 and set(names) & {*TEXT_NAMES, *LABEL_NAMES}:
                return f"Is the separator {other!r}? Then give --separator {other!r}."
    return ""


def _guess(columns: Sequence[str], names: tuple[str, ...]) -> str | None:
    plain = [column for column in columns if column.lower() == names[0]]
    usual = [column for column in columns if column.lower() in names]
    found = plain or usual
    return found[0] if len(found) == 1 else None


def _guess_by_last_word(columns: Sequence[str]) -> str | None:
    """Return the only column whose name ends with a usual name of texts: `comment_text`, `Review Body`."""
    words = {column: re.split(r"[\s_.-]+", column.strip().lower()) for column in columns}
    found = [column for column, parts in words.items() if len(parts) > 1 and parts[-1] in TEXT_NAMES]
    is_usual = any(column.lower() in TEXT_NAMES for column in columns)  # then several are, and it is in doubt
    return found[0] if len(found) == 1 and not is_usual else None


def _only_one(columns: Sequence[str], others: Sequence[str | None]) -> str | None:
    left = [column for column in columns if column not in others]
    return left[0] if len(left) == 1 else None


def missing_column(column: str, columns: Sequence[str], option: str | None, name: str) -> str:
    """Return what to say of a column that an option, or a model, names and the table `name` does not have."""
    near = _near(column, columns)
    use = "Add the column, or name" if option is None else f"Use --{option.replace('_', '-')} with"
    advice = f"Did you mean {clip(near)}?" if near else f"{use} one of these."
    return f"{name}: no column {clip(column)}; it has {list_names(columns)}. {advice}"


def _unclear(columns: Sequence[str], role: str, name: str) -> str:
    names = TEXT_NAMES if role == "text" else LABEL_NAMES
    matches = [column for column in columns if column.lower() in names]
    advice = f"Use --{role}-column with the name of the {role} column."
    if len(matches) > 1:
        return f"{name}: expected one {role} column, found {list_names(matches)}. {advice}"
    if any(len(column.split()) >= _WORDS_OF_A_TEXT for column in columns):
        advice = f"Is this a row of data? Then give --no-header and --{role}-column with a number from 1."
    elif columns[0] == "1" and all(column.isdecimal() for column in columns):
        advice = f"Use --{role}-column with the number of the {role} column."
    near = next((column for column in columns if column.strip().lower() in names), None)
    if near is not None:
        advice = f"Use --{role}-column {clip(near)}, or take the blanks out of the header."
    return f"{name}: no column {role!r}; it has {list_names(columns)}. {advice}"


def _near(column: str, columns: Sequence[str]) -> str | None:
    folded = {other.strip().lower(): other for other in columns[:1000]}
    found = difflib.get_close_matches(column.strip().lower(), folded, n=1, cutoff=0.75)
    return folded[found[0]] if found else None
