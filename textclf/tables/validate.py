"""Look at the labels and weights of the rows that could be read."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from textclf.errors import DataError
from textclf.labels import SEPARATOR, KnownLabels, cut_labels, join_labels, spelling_key, unknown_label
from textclf.row_columns import RowColumns, parse_number
from textclf.tables.interface import RowParser
from textclf.tables.records import Batch, ParsedBlock, Refusal, RowRefused, TableOptions, clip


def validate_rows(
    parsed: ParsedBlock,
    *,
    multi_label: bool,
    separator: str | None = None,
    known: KnownLabels | None = None,
    may_be_new: bool = False,
) -> tuple[Batch, list[Refusal]]:
    """Return the rows of a block whose labels and weight can be used, and the refused ones in order.

    Cells of several labels are cut at `separator`, by default `|`. With `known` labels are spelled as they are known,
    and others are refused unless they `may_be_new`.
    """
    refused: dict[int, str] = {}
    labels = parsed.labels
    if labels is not None and multi_label:
        labels = [_join_labels(cell, separator or SEPARATOR, refused, i) for i, cell in enumerate(labels)]
    elif labels is not None:
        refused |= {i: "expected a label, found none" for i, label in enumerate(labels) if not label.strip()}
    if labels is not None and known is not None:
        labels = [
            cell if i in refused else _spell(cell, multi_label, known, may_be_new, refused, i)
            for i, cell in enumerate(labels)
        ]
    weights = None
    if parsed.weights is not None:
        weights = [_weight(spelt) for spelt in parsed.weights]
        for i, spelt in enumerate(parsed.weights):
            if math.isnan(weights[i]):
                refused.setdefault(i, f"expected a weight of at least 0, found {spelt[:30]!r}")
    batch = Batch(parsed.rows, parsed.texts, labels, weights, parsed.records)
    if not refused:
        return batch, parsed.refused
    late = [Refusal(parsed.rows[i], parsed.lines[i], reason) for i, reason in refused.items()]
    kept = [i for i in range(len(parsed.rows)) if i not in refused]
    return batch.select(kept), sorted([*parsed.refused, *late], key=lambda refusal: refusal.row)


def read_label_columns(parsed: ParsedBlock, parser: RowParser, options: TableOptions) -> ParsedBlock:
    """Return the block with the labels of each row: the names of the label columns that hold 1 or true.

    A row with another value in one of them is refused, and, unless rows may have several labels, one without exactly
    one label.
    """

    def label(raw: bytes, _text: str) -> str:
        names = _mark(raw, parser, options.label_columns)
        if len(names) != 1 and not options.multi_label:
            advice = "" if names else "; rows without any go with --multi-label"
            raise RowRefused(f"expected one label column that holds 1, found {len(names)}{advice}")
        return join_labels(names) if options.multi_label else names[0]

    labels, used = _make_each(parsed, label)
    return replace(used, labels=labels)


def pack_rows(parsed: ParsedBlock, parser: RowParser, columns: RowColumns) -> ParsedBlock:
    """Return the block with each text packed with the row's other cells, an absent one empty.

    A row with something else than a number in a column of numbers is refused.
    """
    names, of_numbers = columns.names[1:], len(columns) - len(columns.numbers)

    def pack(raw: bytes, text: str) -> str:
        cells = [text, *(cell or "" for cell in parser.values(raw, names))]
        for name, cell in zip(columns.numbers, cells[of_numbers:], strict=True):
            try:
                parse_number(cell)
            except ValueError:
                raise RowRefused(f"expected a number in column {clip(name)}, found {clip(cell, 30)}") from None
        return columns.pack(cells)

    texts, used = _make_each(parsed, pack)
    return replace(used, texts=texts)


def _make_each(parsed: ParsedBlock, make: Callable[[bytes, str], str]) -> tuple[list[str], ParsedBlock]:
    """Return what `make` makes of each row's bytes and text, and the block without the rows that it refuses."""
    made: list[str] = []
    kept: list[int] = []
    refused = list(parsed.refused)
    for i, (raw, text) in enumerate(zip(parsed.records.raws(), parsed.texts, strict=True)):
        try:
            made.append(make(raw, text))
        except RowRefused as refusal:
            refused.append(Refusal(parsed.rows[i], parsed.lines[i], str(refusal)))
        else:
            kept.append(i)
    used = replace(
        parsed,
        rows=[parsed.rows[i] for i in kept],
        lines=[parsed.lines[i] for i in kept],
        texts=[parsed.texts[i] for i in kept],
        labels=None if parsed.labels is None else [parsed.labels[i] for i in kept],
        weights=None if parsed.weights is None else [parsed.weights[i] for i in kept],
        records=parsed.records.select(kept),
        refused=sorted(refused, key=lambda refusal: refusal.row),
    )
    return made, used


_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What is written in a column that says which part a row belongs to."""


def take_part(parsed: ParsedBlock, parser: RowParser, column: str, part: str, counts: Counter[str]) -> ParsedBlock:
    """Return the rows of the block whose value in a column says that they are of the part; count the rows of each part.

    A row whose value is that of no part is refused.
    """
    kept: list[int] = []
    refused: list[Refusal] = []
    for i, raw in enumerate(parsed.records.raws()):
        value = parser.values(raw, (column,))[0] or ""
        found = _PARTS.get(value.strip().lower())
        if found is None:
            reason = f"expected train, validation or test in the column {clip(column)}, found {clip(value, 30)}"
            refused.append(Refusal(parsed.rows[i], parsed.lines[i], reason))
            continue
        counts[found] += 1
        if found == part:
            kept.append(i)
    labels = None if parsed.labels is None else [parsed.labels[i] for i in kept]
    return parsed.select(kept, labels, refused)


def _mark(raw: bytes, parser: RowParser, columns: Sequence[str]) -> list[str]:
    """Return the columns that hold 1 or true in a row; raises RowRefused where one holds something else than 0."""
    found = []
    for column, cell in zip(columns, parser.values(raw, columns), strict=True):
        value = (cell or "").strip()
        key = spelling_key(value)
        if key in ("1", "true"):
            found.append(column)
        elif key not in ("0", "false", ""):
            raise RowRefused(f"expected 1 or 0 in the label column {clip(column)}, found {clip(value, 30)}")
    return found


def _join_labels(cell: str, separator: str, refused: dict[int, str], number: int) -> str:
    """Return a cell of labels in its one spelling; what is no such cell is noted under the row's number."""
    try:
        return join_labels(cut_labels(cell, separator))
    except DataError as error:
        refused[number] = str(error)
        return cell


def _spell(
    cell: str, multi_label: bool, known: KnownLabels, may_be_new: bool, refused: dict[int, str], number: int
) -> str:
    """Return a cell with each label as it is known; a label that is not is noted under the row's number."""
    labels = cut_labels(cell) if multi_label else (cell,)
    found = [known.find(label) for label in labels]
    spelled = [label if match is None else match for label, match in zip(labels, found, strict=True)]
    strange = [label for label, match in zip(labels, found, strict=True) if match is None]
    if strange and not may_be_new:
        refused[number] = unknown_label(strange[0], known.labels).removesuffix(".")
    return join_labels(tuple(dict.fromkeys(spelled))) if multi_label else spelled[0]


def _weight(spelt: str) -> float:
    """Return the number, NaN when it is none that can weigh an example."""
    try:
        # Python's own rules would take 1_0 and digits of every script.
        weight = float(spelt) if spelt.isascii() and "_" not in spelt else math.nan
    except ValueError:
        return math.nan
    return weight if 0 <= weight < math.inf else math.nan
