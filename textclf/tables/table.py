"""Open a table of any format and read it in batches, with every row used or listed as refused."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import Protocol, Self

from textclf.errors import DataError
from textclf.tables.columns import Chosen, missing_column
from textclf.tables.delimited import read_header
from textclf.tables.lines import FastTextFormat, LinesFormat, read_keys
from textclf.tables.model import (
    RECORD_LIMIT,
    Batch,
    Examples,
    Format,
    Notes,
    Position,
    Refusal,
    RowRefused,
    Run,
    TableOptions,
)
from textclf.tables.parquet import parquet_as_lines
from textclf.tables.sniff import kind_by_content, kind_by_suffix
from textclf.tables.source import Blocks, Origin, Source
from textclf.tables.validate import settled


class TableFormat(Protocol):
    """What a format does: give the rows of a block, and all values of one row."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""

    @property
    def chosen(self) -> Chosen:
        """The names of those that are read."""

    def parse(self, block: bytes, at: Position, final: bool) -> Run:
        """Return the rows of the block's whole records."""

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column of a row as written."""

    def value(self, record: bytes, column: str) -> str | None:
        """Return the value of one column of a row as written."""


class Table:
    """An open table: `name`, `kind`, `columns`, the columns read; as batches come, `rows_used`, `refused`, `notes`.

    It is read once, from first to last, in constant memory.
    """

    def __init__(self, origin: Origin, options: TableOptions, labelled: bool, batch_rows: int) -> None:
        self.origin = origin
        self.refused: list[Refusal] = []
        self.rows_used = 0
        self.notes = Notes()
        self._options = options
        self._batch_rows = batch_rows
        self._resources = ExitStack()
        self._rows_promised: int | None = None
        try:
            self._open(origin, options, labelled)
        except BaseException:
            self._resources.close()
            raise

    def _open(self, origin: Origin, options: TableOptions, labelled: bool) -> None:
        source = self._source = self._resources.enter_context(Source(origin, options))
        self.name = source.name
        self._blocks = Blocks(source.blocks())
        kind = options.format or kind_by_suffix(origin)
        if kind is None:
            self._blocks.begin()
        elif kind != "parquet":
            self._blocks.grow()
        self.kind: Format = kind or kind_by_content(self._blocks.pending, labelled, source)
        self._at = Position(byte=3 if source.has_mark else 0)
        self.notes = Notes(byte_order_mark=source.has_mark)
        self.format: TableFormat = self._format(source, options, labelled)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._resources.close()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the file's order."""
        return self.format.columns

    @property
    def text_column(self) -> str:
        """The name of the column that is read as text."""
        return self.format.chosen.text

    @property
    def label_column(self) -> str | None:
        """The name of the column that is read as label, if any."""
        return self.format.chosen.label

    def batches(self) -> Iterator[Batch]:
        """Give the rows that can be used, in order, at most `batch_rows` at a time.

        Raises DataError at a row that cannot be used, unless refused rows are skipped; where the rest of the file
        cannot be read; when the file changes meanwhile; and, at the end, when there was no row at all.
        """
        for run in self._runs():
            batch, refused = settled(run, multi_label=self._options.multi_label)
            if refused and self._options.on_error == "fail":
                raise DataError(self._first_refusal(refused[0]))
            self.rows_used += len(batch)
            self.refused += [replace(r, line=None) for r in refused] if self.kind == "parquet" else refused
            self._note(run, batch)
            for start in range(0, len(batch), self._batch_rows):
                whole = len(batch) <= self._batch_rows
                yield batch if whole else batch.part(start, start + self._batch_rows)
        self._check_rows()
        if self._at.row == 1:
            raise DataError(f"{self.name}: expected rows of data, found no rows. Give a table with at least one.")

    @property
    def rows_read(self) -> int:
        """How many rows were met up to now, as the reader of the bytes counts them."""
        return self._at.row - 1

    def _check_rows(self) -> None:
        """Hold the rows used and refused to the rows read: none is lost, none comes twice."""
        counted = self.rows_used + len(self.refused)
        if counted != self.rows_read or self._rows_promised not in (None, self.rows_read):
            promised = self.rows_read if self._rows_promised is None else self._rows_promised
            raise DataError(
                f"{self.name}: expected {promised:,} rows, found {self.rows_read:,}, of which {counted:,} are used or"
                " refused. This is a fault in textclf: report it."
            )

    def cells(self, batch: Batch) -> Iterator[list[str | None]]:
        """Give the value of every column, as text, of each row of a batch; None where there is none.

        Raises DataError when a row of JSON Lines has a key that none of the first rows has.
        """
        for row, (record, _) in zip(batch.rows, batch.records, strict=True):
            try:
                yield self.format.cells(record)
            except RowRefused as refusal:
                raise DataError(f"{self.name}: row {row}: {refusal}. Write the output as .jsonl.") from refusal

    def check_column(self, column: str, option: str) -> None:
        """Raise DataError when the table lacks a column, which the command's `option` (`slice_by`) names."""
        if column not in self.columns:
            raise DataError(missing_column(column, self.columns, option, self.name))

    def values(self, batch: Batch, column: str) -> list[str | None]:
        """Return the value of one column, as text, of each row of a batch; None where there is none."""
        return [self.format.value(record, column) for record, _ in batch.records]

    def check_unchanged(self) -> None:
        """Raise DataError when the file is not as it was when it was opened."""
        self._source.check_unchanged()

    def _runs(self) -> Iterator[Run]:
        blocks = self._blocks
        while blocks.pending or not blocks.is_final:
            run = self.format.parse(blocks.pending, self._at, blocks.is_final)
            used = run.end.byte - self._at.byte
            if used:
                blocks.drop(used)
                self._at = run.end
                yield run
            if not blocks.is_final:
                self._check_length()
                blocks.grow()

    def _check_length(self) -> None:
        if len(self._blocks.pending) > 2 * RECORD_LIMIT:
            raise DataError(
                f"{self.name}:{self._at.line}: expected rows of at most {RECORD_LIMIT >> 20} MiB, found a longer one."
                " Is a quote left open here, or is the file of another kind?"
            )

    def _format(self, source: Source, options: TableOptions, labelled: bool) -> TableFormat:
        if self.kind == "parquet":
            return self._parquet(source, options, labelled)
        if self.kind == "lines":
            if labelled:
                raise DataError(
                    f"{self.name}: expected labels, found plain lines. Give a CSV or another table with labels."
                )
            return LinesFormat()
        if self.kind == "fasttext":
            return FastTextFormat(labelled, options.multi_label)
        while True:
            opened = self._delimited(options, labelled) if self.kind != "jsonl" else self._jsonl(options, labelled)
            if opened is not None:
                return opened
            if self._blocks.is_final:
                raise DataError(
                    f"{self.name}: expected a table with rows, found no rows. Give a table with at least one."
                )
            self._check_length()
            self._blocks.grow()

    def _delimited(self, options: TableOptions, labelled: bool) -> TableFormat | None:
        blocks = self._blocks
        found = read_header(blocks.pending, self._at, blocks.is_final, options, labelled, self.kind, self.name)
        if found is None:
            return None
        form, after, blanks = found
        blocks.drop(after.byte - self._at.byte)
        self._at = after
        self.notes = replace(self.notes, blank_lines=blanks)
        return form

    def _jsonl(self, options: TableOptions, labelled: bool) -> TableFormat | None:
        return read_keys(self._blocks.pending, self._blocks.is_final, options, labelled, self.name)

    def _parquet(self, source: Source, options: TableOptions, labelled: bool) -> TableFormat:
        if not isinstance(self.origin, Path):
            raise DataError(
                f"{self.name}: expected a stream of text, found Parquet, which is read from a file. Name the file."
            )
        form, lines, self._rows_promised = self._resources.enter_context(
            parquet_as_lines(self.origin, options, labelled)
        )
        source.check_unchanged()
        rows = self._resources.enter_context(Source(lines, replace(options, encoding="utf-8")))
        self._blocks = Blocks(rows.blocks())
        self._blocks.grow()
        self._blocks.drop(self._blocks.pending.index(b"\n") + 1)  # the line that lists the columns
        return form

    def _first_refusal(self, refusal: Refusal) -> str:
        place = f"{self.name}:{refusal.line}" if self.kind != "parquet" else self.name
        return (
            f"{place}: row {refusal.row}: {refusal.reason}. Mend the row, or pass over such rows with --on-error skip."
        )

    def _note(self, run: Run, batch: Batch) -> None:
        notes = self.notes
        self.notes = replace(
            notes,
            blank_lines=notes.blank_lines + run.blank_lines,
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


def _listed(batches: Iterable[Sequence[str]]) -> Sequence[str]:
    return [text for batch in batches for text in batch]


def read_examples(
    path: Origin,
    options: TableOptions,
    keep: Callable[[Iterable[Sequence[str]]], Sequence[str]] = _listed,
) -> Examples:
    """Return all labelled rows of a table; `keep` says where the texts go that come batch by batch.

    Raises DataError as `Table.batches` does, and when no row can be used.
    """
    labels: list[str] = []
    weights: list[float] = []
    rows = array("q")
    with open_table(path, options, labelled=True) as table:

        def texts_of_batches() -> Iterator[Sequence[str]]:
            for batch in table.batches():
                labels.extend(map(intern, batch.labels or []))  # the same few objects, row after row
                weights.extend(batch.weights or [])
                rows.extend(batch.rows)
                yield batch.texts

        texts = keep(texts_of_batches())
        if not texts:
            first = table.refused[0]
            raise DataError(
                f"{table.name}: expected rows to use, found that all {len(table.refused)} are refused; {first}."
            )
        weighted = weights if options.weight_column is not None else None
        return Examples(table.name, texts, labels, weighted, rows, table.refused, table.notes)
