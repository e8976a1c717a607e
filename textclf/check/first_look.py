"""What `train` says of a table before it trains: which columns are read, and why they may be the wrong ones."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from textclf.check.signs import variants
from textclf.errors import say_count
from textclf.labels import find_joined_labels, label_sets, missing_labels
from textclf.tables import LoadedTable
from textclf.tables.records import clip
from textclf.text.language import guess_language

_LABELS_LISTED = 5
_LONGEST_LISTED = 30
_MOST_COMPARED = 1_000
"""Each label is held against each other, to find slips."""
_SLIPS_LISTED = 5
_FEWEST_ROWS = 20
"""Of fewer rows nearly all may well have a label of their own."""
_MOST_UNIQUE = 0.5
_MOST_WORDS = 8
"""Labels are names; those of this many words in the mean are texts."""
_OF_STARTER = "English"


def describe_table(table: LoadedTable, *, multi_label: bool) -> str:
    """Return one line: the columns of texts and labels, the texts' language, and the rows of each label."""
    language = guess_language(table.texts)
    texts = f"texts: {_name_columns(table.columns.texts)}" + (f", in {language}" if language else "")
    counts = _count_labels(table.labels, multi_label=multi_label)
    listed = [f"{clip(label, _LONGEST_LISTED)[1:-1]} {n:,}" for label, n in counts.most_common(_LABELS_LISTED)]
    if len(counts) > _LABELS_LISTED:
        listed.append(f"and {len(counts) - _LABELS_LISTED:,} more")
    return f"{texts}; labels: {_name_columns(table.label_columns).removeprefix('column ')} ({', '.join(listed)})"


def doubt_table(table: LoadedTable, *, multi_label: bool, vectors: str) -> list[str]:
    """Return a sentence for each reason to doubt that columns, labels and the vectors of that name are those meant."""
    counts = _count_labels(table.labels, multi_label=multi_label)
    return [
        *_doubt_column(table, counts, multi_label=multi_label),
        *_doubt_spelling(counts, multi_label=multi_label),
        *_doubt_vectors(table.texts, vectors),
    ]


def _count_labels(labels: Sequence[str], *, multi_label: bool) -> Counter[str]:
    return Counter(label for row in label_sets(labels, multi_label=multi_label) for label in row)


def _name_columns(columns: Sequence[str]) -> str:
    names = ", ".join(clip(column, _LONGEST_LISTED) for column in columns[:_LABELS_LISTED])
    more = f" and {len(columns) - _LABELS_LISTED:,} more" if len(columns) > _LABELS_LISTED else ""
    return f"{'column' if len(columns) == 1 else 'columns'} {names}{more}"


def _doubt_column(table: LoadedTable, counts: Counter[str], *, multi_label: bool) -> list[str]:
    """Doubt that the labels are labels: each stands in one row, or they are as long as texts."""
    found = []
    n = len(table)
    if not multi_label and n >= _FEWEST_ROWS and len(counts) > _MOST_UNIQUE * n:
        found.append(f"{len(counts):,} different labels in {n:,} rows. Is this the label column?")
    words = fmean(len(label.split()) for label in counts) if counts else 0.0
    if words >= _MOST_WORDS:
        example = clip(next(iter(counts)), 40)
        of_texts = fmean(len(text.split()) for text in table.texts[:_MOST_COMPARED])
        question = "Are text and label column exchanged?" if words > of_texts else "Is this the label column?"
        found.append(f"labels are long texts, such as {example}. {question}")
    return found


def _doubt_spelling(counts: Counter[str], *, multi_label: bool) -> list[str]:
    """Doubt labels that may be several, a slip of another, or no label at all: one sentence for each kind."""
    found = []
    for label, sign in list(find_joined_labels(counts.keys()).items())[:1]:
        advice = (
            "Separate them by |, or give --label-separator." if multi_label else "Train with --multi-label if they are."
        )
        found.append(f"labels such as {label!r} look like several, separated by {sign!r}. {advice}")
    for label in missing_labels(counts.keys()):
        rows = say_count(counts[label], "row")
        found.append(f"the label {label!r} ({rows}) looks like a missing value. `textclf check` tells more.")
    slips = variants(counts) if len(counts) <= _MOST_COMPARED else {}
    if slips:
        listed = ", ".join(f"{slip!r} (of {original!r})" for slip, original in sorted(slips.items())[:_SLIPS_LISTED])
        more = f" and {len(slips) - _SLIPS_LISTED:,} more" if len(slips) > _SLIPS_LISTED else ""
        found.append(f"labels that look misspelt: {listed}{more}. `textclf check` tells more.")
    return found


def _doubt_vectors(texts: Sequence[str], vectors: str) -> list[str]:
    """Doubt the built-in vectors where the texts are in another language than they are."""
    language = guess_language(texts) if vectors == "starter" else None
    if language in (None, _OF_STARTER):
        return []
    advice = f"Give vectors for {language} with --vectors FILE, or train without: --vectors none."
    return [f"the texts seem to be in {language}, and the built-in vectors are {_OF_STARTER}. {advice}"]
