"""Open a table of any format and read it in batches: labels and weights are checked, every row used or refused."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from sys import intern
from types import TracebackType
from typing import TYPE_CHECKING, Self

from textclf.errors import DataError
from textclf.labels import SEPARATOR, KnownLabels, cut_labels, join_labels, spelling_key, unknown_label
from textclf.settings import LARGEST_WEIGHT
from textclf.storage.row_columns import RowColumns, parse_number
from textclf.tables.columns import list_names, missing_column
from textclf.tables.excel import EXCEL
from textclf.tables.formats import find_format, format_by_content, format_by_suffix
from textclf.tables.interface import RowParser, Sample, TableInput
from textclf.tables.records import (
    Batch,
    LoadedTable,
    Notes,
    ParsedBlock,
    Position,
    Refusal,
    RowRefused,
    TableOptions,
    clip,
)
from textclf.tables.source import Blocks, Origin, TableSource

if TYPE_CHECKING:
    from textclf.storage.array_store import ArrayStore


class Table:
    """An open table: `name`, `format`, `columns`, the columns read; as batches come, `rows_used`, `refused`, `notes`.

    It is read once, from first to last, in constant memory.
    """

    def __init__(self, origin: Origin, options: TableOptions, labelled: bool, batch_rows: int) -> None:
        self.origin = origin
        self.refused: list[Refusal] = []
        self.rows_used = 0
        self.parts: Counter[str] = Counter()
        self._options = options
        self._known = None if options.known_labels is None else KnownLabels(options.known_labels)
        self._labelled = labelled
        self._batch_rows = batch_rows
        self._resources = ExitStack()
        try:
            self._open(origin, options, labelled)
        except BaseException:
            self._resources.close()
            raise

    def _open(self, origin: Origin, options: TableOptions, labelled: bool) -> None:
        named = None if options.format is None else find_format(options.format)
        source = self._source = self._resources.enter_context(TableSource(origin, options))
        self.name = source.name
        blocks = Blocks(source.blocks())
        form = named or (EXCEL if source.is_workbook else format_by_suffix(source.file_name))
        if form is None:
            blocks.begin()
            form = format_by_content(Sample(blocks.pending, labelled, source))
        elif not form.is_file:
            blocks.grow()
        if source.is_workbook and form is not EXCEL:
            raise DataError(f"{self.name}: expected {form.name}, found an Excel workbook. Leave --format out.")
        if form.is_file and source.is_compressed:
            raise DataError(f"{self.name}: expected a table of text, found compressed {form.name}. Unpack it first.")
        if form.is_file and source.is_stream:
            raise DataError(
                f"{self.name}: expected a stream of text, found {form.name}, which is read from a file. Name the file."
            )
        if options.label_separator is not None and labelled and not options.multi_label:
            raise DataError(
                f"{self.name}: expected --label-separator where rows may have several labels. Give --multi-label, or"
                " leave it out."
            )
        if not options.header and not form.has_header:
            raise DataError(
                f"{self.name}: expected CSV, TSV or Excel with --no-header, found {form.name}. Leave it out."
            )
        if options.sheet is not None and form is not EXCEL:
            raise DataError(f"{self.name}: expected an Excel workbook with --sheet, found {form.name}. Leave it out.")
        self.format = form
        at = Position(byte=3 if source.has_mark else 0)
        self._input = TableInput(source, options, labelled, self._resources, blocks, at)
        self.parser = form.open(self._input)
        if self.parser.chosen.others != options.others:
            raise DataError(
                f"{self.name}: expected a table with the columns {list_names(options.others)}, found {form.name}."
                " Give a table that has them."
            )
        self.row_columns = RowColumns(
            (self.text_column, *options.more_text_columns), options.category_columns, options.number_columns
        )
        self.notes = Notes(
            byte_order_mark=source.has_mark,
            separator=self._input.separator_found,
            blank_lines=self._input.blank_lines,
            comment_lines=self._input.comment_lines,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._resources.close()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the file's order."""
        return self.parser.columns

    @property
    def text_column(self) -> str:
        """The name of the column that is read as text."""
        return self.parser.chosen.text

    @property
    def label_column(self) -> str | None:
        """The name of the column that is read as label, if any."""
        return self.parser.chosen.label

    def batches(self) -> Iterator[Batch]:
        """Give the valid rows, in order, at most `batch_rows` at a time.

        Raises DataError at an invalid row, unless invalid rows are skipped; where the rest of the file
        cannot be read; when the file changes meanwhile; and, at the end, when there was no row at all.
        """
        table = self._input
        while table.blocks.pending or not table.blocks.is_final:
            parsed = self.parser.parse(table.blocks.pending, table.at, table.blocks.is_final)
            if parsed.end != table.at:
                table.skip(parsed.end)
                batch = self._validate(parsed)
                whole = len(batch) <= self._batch_rows
                for start in range(0, len(batch), self._batch_rows):
                    yield batch if whole else batch.part(start, start + self._batch_rows)
            if not table.blocks.is_final:
                table.check_length()
                table.blocks.grow()
        self._check_rows()
        if not self.rows_read:
            raise DataError(f"{self.name}: expected rows of data, found no rows. Give a table with at least one.")

    def _validate(self, parsed: ParsedBlock) -> Batch:
        """Return the rows of a block that can be used; count them, and list the others or stop at the first."""
        options = self._options
        if options.split_column is not None:
            parsed = take_part(parsed, self.parser, options.split_column, options.part, self.parts)
        if options.label_columns and self._labelled:
            parsed = read_label_columns(parsed, self.parser, options)
        if not self.row_columns.is_plain:
            parsed = pack_rows(parsed, self.parser, self.row_columns)
        batch, refused = validate_rows(
            parsed,
            multi_label=options.multi_label,
            separator=options.label_separator if self.format.has_columns and not options.label_columns else None,
            known=self._known,
            may_be_new=options.may_be_new,
        )
        if not self._input.has_lines:
            refused = [replace(refusal, line=None) for refusal in refused]
        if refused and options.on_error == "fail":
            raise DataError(self._first_refusal(refused[0]))
        self.rows_used += len(batch)
        self.refused += refused
        self._note(parsed, batch)
        return batch

    @property
    def rows_read(self) -> int:
        """How many rows were met up to now, as the reader of the bytes counts them."""
        return self._input.at.row - 1

    def _check_rows(self) -> None:
        """Hold the rows used and refused to the rows read: none is lost, none comes twice."""
        counted = self.rows_used + len(self.refused) + self.parts.total() - self.parts[self._options.part]
        if counted != self.rows_read or self._input.rows_promised not in (None, self.rows_read):
            promised = self.rows_read if self._input.rows_promised is None else self._input.rows_promised
            raise DataError(
                f"{self.name}: expected {promised:,} rows, found {self.rows_read:,}, of which {counted:,} are used or"
                " skipped. This is a fault in textclf: report it."
            )

    def cells(self, batch: Batch) -> Iterator[list[str | None]]:
        """Give the value of every column, as text, of each row of a batch; None where there is none.

        Raises DataError when a row of JSON Lines has a key that none of the first rows has.
        """
        for row, (record, _) in zip(batch.rows, batch.records, strict=True):
            try:
                yield self.parser.cells(record)
            except RowRefused as refusal:
                raise DataError(f"{self.name}: row {row}: {refusal}. Write the output as .jsonl.") from refusal

    def check_column(self, column: str, option: str) -> None:
        """Raise DataError when the table lacks a column, which the command's `option` (`slice_by`) names."""
        if column not in self.columns:
            raise DataError(missing_column(column, self.columns, option, self.name))

    def values(self, batch: Batch, column: str) -> list[str | None]:
        """Return the value of one column, as text, of each row of a batch; None where there is none."""
        return [self.parser.values(record, (column,))[0] for record, _ in batch.records]

    def check_unchanged(self) -> None:
        """Raise DataError when the file is not as it was when it was opened."""
        self._source.check_unchanged()

    def _first_refusal(self, refusal: Refusal) -> str:
        place = self.name if refusal.line is None else f"{self.name}:{refusal.line}"
        stop = "" if refusal.reason.endswith("?") else "."
        return (
            f"{place}: row {refusal.row}: {refusal.reason}{stop} Fix the row, or skip invalid rows with"
            " --on-error skip."
        )

    def _note(self, parsed: ParsedBlock, batch: Batch) -> None:
        notes = self.notes
        self.notes = replace(
            notes,
            blank_lines=notes.blank_lines + parsed.blank_lines,
            labels_with_outer_blanks=notes.labels_with_outer_blanks
            + sum(label != label.strip() for label in batch.labels or ()),
            texts_with_nul=notes.texts_with_nul + sum("\0" in text for text in batch.texts),
        )


def open_table(origin: Origin, options: TableOptions, labelled: bool, batch_rows: int = 16_384) -> Table:
    """Open a table from a path, a binary stream, or `-` for standard input.

    With `labelled` each row must have a label, unless the options let it have several or none. Raises DataError when
    the file cannot be opened, when its format or its columns are in doubt, and when it has no header.
    """
    return Table(origin, options, labelled, batch_rows)


def read_examples(path: Origin, options: TableOptions, store: "ArrayStore | None" = None) -> LoadedTable:
    """Return all labelled rows of a table; the texts are a list, or packed on the store.

    Raises DataError as `Table.batches` does, and when no row can be used.
    """
    texts: list[str] = []
    labels: list[str] = []
    weights: list[float] = []
    rows = array("q")
    packed = None if store is None else store.build_strings()
    add = texts.extend if packed is None else packed.add
    with open_table(path, options, labelled=True) as table:
        for batch in table.batches():
            add(batch.texts)
            labels.extend(map(intern, batch.labels or []))  # the same few objects, row after row
            weights.extend(batch.weights or [])
            rows.extend(batch.rows)
        if not rows and not table.refused:
            raise DataError(
                f"{table.name}: expected rows of the part {options.part!r} in the column"
                f" {clip(options.split_column or '')}, found none. Check that column."
            )
        if not rows:
            first = table.refused[0]
            raise DataError(
                f"{table.name}: expected valid rows, found that all {len(table.refused)} are invalid; {first}."
            )
        return LoadedTable(
            table.name,
            texts if packed is None else packed.whole(),
            labels,
            weights if options.weight_column is not None else None,
            rows,
            table.refused,
            table.notes,
            table.row_columns,
            options.label_columns or (table.label_column or "",),
            table.parts,
        )


# --- labels and weights of the rows that could be read ---------------------------------------------------------------


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
                refused.setdefault(i, f"expected a weight of 0 to {LARGEST_WEIGHT:,.0f}, found {spelt[:30]!r}")
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
    return weight if 0 <= weight <= LARGEST_WEIGHT else math.nan
