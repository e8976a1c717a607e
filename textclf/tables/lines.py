"""Tables with one row a line: plain text and fastText files."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from textclf.errors import DataError
from textclf.labels import SEPARATOR, join_labels
from textclf.tables.columns import ColumnChoice
from textclf.tables.interface import Columns, Sample, TableFormat, TableInput, TextWriter
from textclf.tables.records import RECORD_LIMIT, ParsedBlock, Position, Records, Refusal, RowRefused, clip
from textclf.tables.strict_csv import check_utf8

LABEL_PREFIX = "__label__"


class Row(NamedTuple):
    """What is read from one line; a part that is not wanted is None."""

    text: str
    label: str | None = None
    weight: str | None = None


def parse_lines(
    block: bytes, at: Position, final: bool, chosen: ColumnChoice, read: Callable[[str], Row | None]
) -> ParsedBlock:
    """Return the rows of the block's whole lines; `read` gives a line's row, None for a blank line.

    Lines end at a line feed only: texts hold form feeds, U+0085 and lone carriage returns.
    """
    rows: list[int] = []
    lines: list[int] = []
    found: list[Row] = []
    spans: list[tuple[int, int, int]] = []
    refused: list[Refusal] = []
    row, line, start, blanks = at.row, at.line, 0, 0
    while start < len(block):
        newline = block.find(b"\n", start)
        if newline < 0 and not final:
            break
        stop = newline + 1 if newline >= 0 else len(block)
        end = stop - (newline >= 0)
        end -= end > start and newline >= 0 and block[end - 1] == 0x0D
        try:
            if (values := read(_decode(block[start:end], at.byte + start))) is None:
                blanks += 1
                row -= 1
            else:
                rows.append(row)
                lines.append(line)
                found.append(values)
                spans.append((start, end, stop))
        except RowRefused as refusal:
            refused.append(Refusal(row, line, str(refusal)))
        row, line, start = row + 1, line + 1, stop
    records = Records(block, [s for s, _, _ in spans], [e for _, e, _ in spans], [s for _, _, s in spans])
    labels = None if chosen.label is None else [values.label or "" for values in found]
    weights = None if chosen.weight is None else [values.weight or "" for values in found]
    end_position = Position(row, line, at.byte + start)
    return ParsedBlock(
        rows, lines, [values.text for values in found], labels, weights, records, refused, blanks, end_position
    )


@dataclass(frozen=True)
class LineParser:
    """Plain text: each line is a text, a blank one the empty text."""

    columns: tuple[str, ...] = ("text",)
    chosen: ColumnChoice = ColumnChoice("text")  # noqa: RUF009 -- frozen, so that it may be shared

    def parse(self, block: bytes, at: Position, final: bool) -> ParsedBlock:
        """Return the rows of the block's whole lines."""
        return parse_lines(block, at, final, self.chosen, Row)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the line as the one column."""
        return [record.decode()]

    def values(self, record: bytes, columns: Sequence[str]) -> list[str | None]:
        """Return the line for each column that is asked for: there is one."""
        return [record.decode()] * len(columns)

    def extend(self, records: Records, added: Sequence[str], columns: Columns) -> Iterable[bytes]:
        """Return the lines as written; no column can be added to them."""
        return chain.from_iterable(records)


@dataclass(frozen=True)
class FastTextParser:
    """A fastText file: `__label__x text`; several labels are joined by `|`, a label is only needed when `labelled`.

    With `multi_label` a row may have none, and labels are joined so that they can be told apart again; each is cut at
    `label_separator`, too.
    """

    labelled: bool
    multi_label: bool = False
    label_separator: str | None = None
    columns: tuple[str, ...] = ("label", "text")

    @property
    def chosen(self) -> ColumnChoice:
        """The text, and the label when it is needed."""
        return ColumnChoice("text", "label" if self.labelled else None)

    def parse(self, block: bytes, at: Position, final: bool) -> ParsedBlock:
        """Return the rows of the block's whole lines."""
        return parse_lines(block, at, final, self.chosen, self._read)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the labels, joined, and the text."""
        labels, text = _fasttext(record.decode())
        return [SEPARATOR.join(labels), text]

    def values(self, record: bytes, columns: Sequence[str]) -> list[str | None]:
        """Return the labels, joined, and the text, as far as they are asked for."""
        cells = dict(zip(self.columns, self.cells(record), strict=True))
        return [cells[column] for column in columns]

    def extend(self, records: Records, added: Sequence[str], columns: Columns) -> Iterable[bytes]:
        """Return the lines as written; no column can be added to them."""
        return chain.from_iterable(records)

    def _read(self, line: str) -> Row | None:
        if not line.strip():
            return None
        labels, text = _fasttext(line)
        label = join_labels(self._cut(labels)) if self.multi_label else SEPARATOR.join(labels)
        if self.labelled and not label and not self.multi_label:
            raise RowRefused(f"expected {LABEL_PREFIX} and a label at the start of the line, found {clip(line, 40)}")
        if f" {LABEL_PREFIX}" in text:
            raise RowRefused("expected labels at the start of the line only, found one after the text")
        return Row(text, label)

    def _cut(self, labels: Sequence[str]) -> list[str]:
        separator = self.label_separator
        parts = labels if separator is None else [part.strip() for label in labels for part in label.split(separator)]
        return list(dict.fromkeys(part for part in parts if part))


def _fasttext(line: str) -> tuple[list[str], str]:
    """Return the labels at the start of a line, and the text after them."""
    labels: list[str] = []
    rest = line
    while rest.startswith(LABEL_PREFIX):
        word = re.match(r"[^ \t]*", rest)[0]  # type: ignore[index]  # the pattern matches any text
        labels.append(word.removeprefix(LABEL_PREFIX))
        rest = rest[len(word) :].lstrip(" \t")
    return labels, rest


def _decode(raw: bytes, offset: int) -> str:
    if len(raw) > RECORD_LIMIT:
        raise RowRefused(f"expected at most {RECORD_LIMIT >> 20} MiB in a row, found more")
    if raw and not raw.strip(b"\0"):
        raise RowRefused("expected text, found nothing but NUL characters")
    return check_utf8(raw, offset)


def _open_fasttext(table: TableInput) -> FastTextParser:
    return FastTextParser(table.labelled, table.options.multi_label, table.options.label_separator)


def _open_lines(table: TableInput) -> LineParser:
    if table.labelled:
        raise DataError(f"{table.name}: expected labels, found plain lines. Give a CSV or another table with labels.")
    return LineParser()


def _looks_like_lines(sample: Sample) -> bool:
    source = sample.source
    is_named = source.is_stream or source.is_compressed or source.file_name.lower().endswith(".txt")
    return is_named and not sample.labelled


FASTTEXT = TableFormat(
    "fasttext",
    open=_open_fasttext,
    open_writer=TextWriter,
    recognize=lambda sample: sample.text.startswith(LABEL_PREFIX.encode()),
    output_suffixes=(".txt", ".ft"),
    has_columns=False,
)
LINES = TableFormat(
    "lines",
    open=_open_lines,
    open_writer=TextWriter,
    recognize=_looks_like_lines,
    output_suffixes=(".txt",),
    has_columns=False,
)
