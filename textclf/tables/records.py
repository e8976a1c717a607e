"""What the reading of tables is about: options, batches of rows, skipped rows, notes."""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Literal

from textclf.errors import DataError
from textclf.storage.row_columns import ONE_TEXT, RowColumns

RECORD_LIMIT = 64 << 20
"""A row, and so a field, may hold this many bytes: more is a quote left open or a file of another kind."""


@dataclass(frozen=True)
class TableOptions:
    """How a table is read.

    File: `format` is detected from the suffix, then from the content, if None. `separator` is one character; if None
    it is a comma (a tab in TSV), or the one that the first rows show. Without a `header` the columns are called 1, 2
    and so on. If `quotes` is False, a quote is a character like any other, as in many TSV files. `sheet` names the
    sheet of an Excel workbook, by default the only one with rows.

    Columns: `text_column` and `label_column` are detected from the header if None; `usual_text_column` is preferred if
    the table has it. Further texts, categories and numbers of a row are always named; such rows come as
    `RowColumns.pack` writes them.

    Labels: with `multi_label` a row has any number of labels, as `labels.join_labels` writes them; a cell is cut at
    `label_separator`, by default `|`. With `label_columns` a row has the names of those of these columns that hold 1 or
    true. A row with a label beyond `known_labels`, in any spelling of a truth value or a whole number, is invalid,
    unless `may_be_new`.

    Rows: at an invalid row `on_error` "fail" stops, and "skip" lists the row and continues. With `split_column` only
    rows of one `part` are read: those whose value in that column says so.

    Raises DataError if a value is not possible.
    """

    text_column: str | None = None
    label_column: str | None = None
    weight_column: str | None = None
    encoding: str = "utf-8"
    separator: str | None = None
    quotes: bool = True
    format: str | None = None
    on_error: Literal["fail", "skip"] = "fail"
    multi_label: bool = False
    known_labels: tuple[str, ...] | None = None
    may_be_new: bool = False
    header: bool = True
    label_separator: str | None = None
    label_columns: tuple[str, ...] = ()
    sheet: str | None = None
    more_text_columns: tuple[str, ...] = ()
    category_columns: tuple[str, ...] = ()
    number_columns: tuple[str, ...] = ()
    usual_text_column: str | None = None
    split_column: str | None = None
    part: Literal["train", "validation", "test"] = "train"

    def __post_init__(self) -> None:
        from textclf.tables.formats import find_format  # the registry's formats read these options

        if self.format is not None:
            find_format(self.format)
        if self.on_error not in ("fail", "skip"):
            raise DataError(f"on_error: expected 'fail' or 'skip', found {clip(self.on_error)}.")
        if self.separator is not None and not _can_separate(self.separator):
            raise DataError(
                f"separator: expected one ASCII character, no quote and no line end, found {clip(self.separator)}."
            )
        if self.label_separator == "":
            raise DataError(
                f"label_separator: expected a sign or a word between labels, found {clip(self.label_separator)}."
            )
        if self.label_columns and (self.label_column is not None or len({*self.label_columns}) < 2):
            raise DataError(
                f"label_columns: expected two or more columns, and no label_column beside them, found"
                f" {clip(','.join(self.label_columns))}."
            )
        try:
            "a".encode(self.encoding)
        except (LookupError, ValueError) as error:
            raise DataError(
                f"encoding: expected a text encoding such as utf-8, utf-16 or latin-1, found {clip(self.encoding)}."
            ) from error

    @property
    def others(self) -> tuple[str, ...]:
        """The columns of a row beside its first text, in the order of its cells."""
        return (*self.more_text_columns, *self.category_columns, *self.number_columns)

    def read_for(self, columns: RowColumns) -> "TableOptions":
        """Return the options of tables for a model that reads these columns; names of texts that are given stay.

        Raises DataError when more or fewer text columns are named than the model reads.
        """
        named = () if self.text_column is None else (self.text_column, *self.more_text_columns)
        if named and len(named) != len(columns.texts):
            raise DataError(
                f"text columns: expected {len(columns.texts)}, as the model reads, found {len(named)}"
                f" ({', '.join(named)}). Name a column for each of: {', '.join(columns.texts)}."
            )
        if columns.is_plain:
            return replace(self, usual_text_column=columns.texts[0])
        first, *more = named or columns.texts
        return replace(
            self,
            text_column=first,
            more_text_columns=tuple(more),
            category_columns=columns.categories,
            number_columns=columns.numbers,
        )

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes of the file are UTF-8 as they stand."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig", "ascii")


@dataclass(frozen=True)
class Position:
    """A place between two rows: the numbers of the next row and line, from 1, and of the next byte, from 0."""

    row: int = 1
    line: int = 1
    byte: int = 0


@dataclass(frozen=True)
class Refusal:
    """A skipped row: its number among the data rows (from 1), the line that it begins in, and why it is invalid."""

    row: int
    line: int | None
    reason: str

    def __str__(self) -> str:
        """Return `line 18 (row 17): the reason`."""
        place = f"row {self.row}" if self.line is None else f"line {self.line} (row {self.row})"
        return f"{place}: {self.reason}"


@dataclass(frozen=True)
class Records:
    """Rows as they are written in the file: spans of `block`; `ends` stand before the line ends, `stops` after them."""

    block: bytes
    starts: Sequence[int]
    ends: Sequence[int]
    stops: Sequence[int]

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Give each row's bytes and its line end, which the last row of a file may lack."""
        return zip(self.raws(), self.line_ends(), strict=True)

    def raws(self) -> list[bytes]:
        """Return each row's bytes without its line end."""
        block = self.block
        return [block[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    def line_ends(self) -> list[bytes]:
        """Return each row's line end."""
        block = self.block
        return [block[end:stop] for end, stop in zip(self.ends, self.stops, strict=True)]

    def part(self, start: int, stop: int) -> "Records":
        """Return the rows from `start`, from 0, up to `stop`, or as far as there are any."""
        return Records(self.block, self.starts[start:stop], self.ends[start:stop], self.stops[start:stop])

    def select(self, chosen: Sequence[int]) -> "Records":
        """Return the rows whose numbers, from 0, are `chosen`."""
        starts, ends, stops = ([column[i] for i in chosen] for column in (self.starts, self.ends, self.stops))
        return Records(self.block, starts, ends, stops)

    @staticmethod
    def join(parts: "Sequence[Records]") -> "Records":
        """Return the rows of all parts in a block of their own, so that the blocks they came from can go.

        A row without a line end, as the last one of a file may be, gets that of another row: it may stand anywhere now.
        """
        rows = [row for part in parts for row in part]
        usual = next((end for _, end in rows if end), b"\n")
        lengths = [(len(raw), len(end or usual)) for raw, end in rows]
        stops = list(accumulate(raw + end for raw, end in lengths))
        ends = [stop - end for stop, (_, end) in zip(stops, lengths, strict=True)]
        block = b"".join(raw + (end or usual) for raw, end in rows)
        return Records(block, [0, *stops[:-1]][: len(rows)], ends, stops)


@dataclass(frozen=True)
class ParsedBlock:
    """What one block of a table holds, before labels and weights are looked at.

    The lists have one entry for each row that could be read; labels and weights are text, None when not asked for.
    `end` is the place after the last whole row: what follows it in the block belongs to the next one.
    """

    rows: Sequence[int]
    lines: Sequence[int]
    texts: list[str]
    labels: list[str] | None
    weights: list[str] | None
    records: Records
    refused: list[Refusal]
    blank_lines: int
    end: Position

    def select(self, chosen: Sequence[int], labels: list[str] | None, refused: list[Refusal]) -> "ParsedBlock":
        """Return the rows at the places `chosen`, from 0, with these labels, and these refusals beside the others."""
        return replace(
            self,
            rows=[self.rows[i] for i in chosen],
            lines=[self.lines[i] for i in chosen],
            texts=[self.texts[i] for i in chosen],
            labels=labels,
            weights=None if self.weights is None else [self.weights[i] for i in chosen],
            records=self.records.select(chosen),
            refused=sorted([*self.refused, *refused], key=lambda refusal: refusal.row),
        )


@dataclass(frozen=True)
class Batch:
    """Rows that can be used, in the file's order; `rows` are their numbers among all data rows, from 1."""

    rows: Sequence[int]
    texts: list[str]
    labels: list[str] | None
    weights: list[float] | None
    records: Records

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, start: int, stop: int) -> "Batch":
        """Return the rows from `start`, from 0, up to `stop`, or as far as there are any."""
        labels, weights = self.labels, self.weights
        return Batch(
            self.rows[start:stop],
            self.texts[start:stop],
            None if labels is None else labels[start:stop],
            None if weights is None else weights[start:stop],
            self.records.part(start, stop),
        )

    def select(self, chosen: Sequence[int]) -> "Batch":
        """Return the rows at the places `chosen`, from 0."""
        return Batch(
            [self.rows[i] for i in chosen],
            [self.texts[i] for i in chosen],
            None if self.labels is None else [self.labels[i] for i in chosen],
            None if self.weights is None else [self.weights[i] for i in chosen],
            self.records.select(chosen),
        )

    @staticmethod
    def join(parts: "Sequence[Batch]") -> "Batch":
        """Return the rows of all parts, in their order, with bytes of their own; labels and weights are left out."""
        return Batch(
            [row for part in parts for row in part.rows],
            [text for part in parts for text in part.texts],
            None,
            None,
            Records.join([part.records for part in parts]),
        )


@dataclass(frozen=True)
class Notes:
    """What was met in a table that is no error but worth a word."""

    byte_order_mark: bool = False
    blank_lines: int = 0
    labels_with_outer_blanks: int = 0
    texts_with_nul: int = 0
    separator: str | None = None
    comment_lines: int = 0

    def sentences(self) -> list[str]:
        """Return a line for each thing that was met, with how often."""
        said = [
            ("comment lines before the header, skipped", self.comment_lines),
            ("blank lines, skipped", self.blank_lines),
            ("labels that begin or end with a blank, kept as written", self.labels_with_outer_blanks),
            ("texts that hold a NUL character, kept", self.texts_with_nul),
        ]
        found = [] if self.separator is None else [f"separator: {self.separator!r}, detected from the first rows"]
        return found + [f"{what}: {count:,}" for what, count in said if count]


@dataclass(frozen=True)
class LoadedTable:
    """A whole table in memory: texts, their labels and weights, and the numbers of the rows that they stand in.

    The texts are rows as `columns` packs them; `label_columns` are the columns that labels were read from.
    `parts` counts the rows read of each part, where a column says to which a row belongs.
    """

    name: str
    texts: Sequence[str]
    labels: list[str]
    weights: list[float] | None
    rows: Sequence[int]
    refused: list[Refusal] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    columns: RowColumns = ONE_TEXT
    label_columns: tuple[str, ...] = ("label",)
    parts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)


class RowRefused(Exception):  # noqa: N818 -- it is no error of the program: it carries a reason to whoever lists refusals
    """A row is invalid, for the reason that is its message."""


def clip(value: str, width: int = 60) -> str:
    """Return `value` in quotes, escaped, cut to about `width` characters."""
    return (
        ascii(value)
        if not value.isprintable() and len(value) <= width
        else repr(value[:width] + "…" * (len(value) > width))
    )


def _can_separate(separator: str) -> bool:
    return len(separator) == 1 and separator.isascii() and separator not in '"\r\n\0'
