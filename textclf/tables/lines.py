"""Tables with one row a line: plain text, fastText files, JSON Lines."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from textclf.errors import DataError
from textclf.labels import SEPARATOR, join_labels
from textclf.tables.columns import Chosen, choose
from textclf.tables.model import RECORD_LIMIT, Position, Records, Refusal, RowRefused, Run, TableOptions, clip
from textclf.tables.strict_csv import check_utf8

LABEL_PREFIX = "__label__"


class Row(NamedTuple):
    """What is read from one line; a part that is not wanted is None."""

    text: str
    label: str | None = None
    weight: str | None = None


def line_run(block: bytes, at: Position, final: bool, chosen: Chosen, read: Callable[[str], Row | None]) -> Run:
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
            if (values := read(_decoded(block[start:end], at.byte + start))) is None:
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
    return Run(rows, lines, [values.text for values in found], labels, weights, records, refused, blanks, end_position)


@dataclass(frozen=True)
class LinesFormat:
    """Plain text: each line is a text, a blank one the empty text."""

    columns: tuple[str, ...] = ("text",)
    chosen: Chosen = Chosen("text")  # noqa: RUF009 -- frozen, so that it may be shared

    def parse(self, block: bytes, at: Position, final: bool) -> Run:
        """Return the rows of the block's whole lines."""
        return line_run(block, at, final, self.chosen, Row)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the line as the one column."""
        return [record.decode()]

    def value(self, record: bytes, column: str) -> str | None:
        """Return the line, whichever column is asked for: there is one."""
        return record.decode()


@dataclass(frozen=True)
class FastTextFormat:
    """A fastText file: `__label__x text`; several labels are joined by `|`, a label is only needed when `labelled`.

    With `multi_label` a row may have none, and labels are joined so that they can be told apart again.
    """

    labelled: bool
    multi_label: bool = False
    columns: tuple[str, ...] = ("label", "text")

    @property
    def chosen(self) -> Chosen:
        """The text, and the label when it is needed."""
        return Chosen("text", "label" if self.labelled else None)

    def parse(self, block: bytes, at: Position, final: bool) -> Run:
        """Return the rows of the block's whole lines."""
        return line_run(block, at, final, self.chosen, self._read)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the labels, joined, and the text."""
        labels, text = _fasttext(record.decode())
        return [SEPARATOR.join(labels), text]

    def value(self, record: bytes, column: str) -> str | None:
        """Return the labels, joined, or the text."""
        return self.cells(record)[self.columns.index(column)]

    def _read(self, line: str) -> Row | None:
        if not line.strip():
            return None
        labels, text = _fasttext(line)
        label = join_labels([label for label in labels if label]) if self.multi_label else SEPARATOR.join(labels)
        if self.labelled and not label and not self.multi_label:
            raise RowRefused(f"expected {LABEL_PREFIX} and a label at the start of the line, found {clip(line, 40)}")
        if f" {LABEL_PREFIX}" in text:
            raise RowRefused("expected labels at the start of the line only, found one after the text")
        return Row(text, label)


def _fasttext(line: str) -> tuple[list[str], str]:
    """Return the labels at the start of a line, and the text after them."""
    labels: list[str] = []
    rest = line
    while rest.startswith(LABEL_PREFIX):
        word = re.match(r"[^ \t]*", rest)[0]  # type: ignore[index]  # the pattern matches any text
        labels.append(word.removeprefix(LABEL_PREFIX))
        rest = rest[len(word) :].lstrip(" \t")
    return labels, rest


class _Number(str):
    """A number as it is spelt in the file: 1.10 is not 1.1."""

    __slots__ = ()


@dataclass(frozen=True)
class JsonLinesFormat:
    """JSON Lines: one object a line. `columns` are the keys of the first rows; later rows may have more."""

    columns: tuple[str, ...]
    chosen: Chosen

    def parse(self, block: bytes, at: Position, final: bool) -> Run:
        """Return the rows of the block's whole lines."""
        return line_run(block, at, final, self.chosen, self._read)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column in one row as text; raises RowRefused on a key that is no column."""
        values = parse_object(record.decode())
        if late := [key for key in values if key not in self.columns]:
            raise RowRefused(
                f"key {clip(late[0])} is in none of the first rows, so that the output has no column for it"
            )
        return [_as_text(values.get(column)) for column in self.columns]

    def value(self, record: bytes, column: str) -> str | None:
        """Return the value of one column in one row as text; keys that are no column do not matter here."""
        return _as_text(parse_object(record.decode()).get(column))

    def _read(self, line: str) -> Row | None:
        if not line.strip():
            return None
        values = parse_object(line)
        chosen = self.chosen
        if chosen.text not in values:
            raise RowRefused(
                f"expected the key {clip(chosen.text)}, found {clip(', '.join(values)) if values else 'no key'}"
            )
        text = values[chosen.text]
        if not isinstance(text, str) or isinstance(text, _Number):
            raise RowRefused(f"expected a string under the key {clip(chosen.text)}, found {_kind(text)}")
        label = None if chosen.label is None else _label(values.get(chosen.label), chosen.label)
        weight = None if chosen.weight is None else _as_text(values.get(chosen.weight))
        return Row(text, label, weight)


def read_keys(block: bytes, final: bool, options: TableOptions, labelled: bool, name: str) -> JsonLinesFormat | None:
    """Return the format with the keys of the first hundred rows; None when the block has no whole row.

    Raises DataError when the file is a JSON array or when the keys of text and label are missing or in doubt.
    """
    lines = block.split(b"\n")
    whole = [line for line in (lines if final else lines[:-1])[:200] if line.strip()][:100]
    if not whole:
        return None
    if whole[0].lstrip().startswith(b"["):
        raise DataError(
            f"{name}: expected one JSON object a line, found a JSON array. Write each element on a line of its own."
        )
    keys: dict[str, None] = {}
    problem: Exception | None = None
    for line in whole:
        try:
            keys.update(dict.fromkeys(parse_object(line.decode())))
        except (RowRefused, UnicodeDecodeError) as error:  # told with its line when the rows are read
            problem = problem or error
    if not keys:
        raise DataError(
            f"{name}: expected one JSON object a line, found none in the first rows ({problem})."
        ) from problem
    # A column that is named may first appear late.
    named = [c for c in (options.text_column, options.label_column, options.weight_column) if c is not None]
    chosen = choose(tuple(keys | dict.fromkeys(named)), options, labelled, name)
    return JsonLinesFormat(tuple(keys), chosen)


def parse_object(line: str) -> dict[str, object]:
    """Return the object on a line, numbers as spelt; raises RowRefused on what JSON readers disagree about."""
    try:
        values = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        hint = ". One object a line" if error.msg == "Extra data" else ""
        raise RowRefused(
            f"expected a JSON object, found {clip(line, 40)} ({error.msg}, column {error.colno}){hint}"
        ) from error
    except RecursionError as error:
        raise RowRefused("expected a JSON object, found values nested too deeply") from error
    if not isinstance(values, dict):
        raise RowRefused(f"expected a JSON object, found {_kind(values)}")
    if "\\u" in line and _has_surrogate(values):
        raise RowRefused("expected Unicode text, found half of a surrogate pair (\\ud800 to \\udfff)")
    return values


def _decoded(raw: bytes, offset: int) -> str:
    if len(raw) > RECORD_LIMIT:
        raise RowRefused(f"expected at most {RECORD_LIMIT >> 20} MiB in a row, found more")
    if raw and not raw.strip(b"\0"):
        raise RowRefused("expected text, found nothing but NUL characters")
    return check_utf8(raw, offset)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise RowRefused(f"expected keys that differ, found {clip(twice)} twice")
    return values


def _finite(spelt: str) -> _Number:
    if float(spelt) in (float("inf"), float("-inf")):
        raise RowRefused(f"expected numbers that can be held, found {clip(spelt, 30)}")
    return _Number(spelt)


def _no_constant(spelt: str) -> object:
    raise RowRefused(f"expected JSON, found {spelt}, which is no JSON value")


def _has_surrogate(values: object) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _label(value: object, key: str) -> str | None:
    is_list = isinstance(value, list) and all(isinstance(v, str) and not isinstance(v, _Number) for v in value)
    if is_list or value is None or isinstance(value, str | bool):
        return _as_text(value)
    raise RowRefused(
        f"expected a string, a number or a list of strings under the key {clip(key)}, found {_kind(value)}"
    )


def _as_text(value: object) -> str | None:
    return None if value is None else str(value) if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    """Return JSON text in which numbers stay as they were spelt."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_json(key)}:{_json(entry)}' for key, entry in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _kind(value: object) -> str:
    if isinstance(value, _Number):
        return f"the number {clip(value, 30)}"
    kinds = {str: "a string", bool: "true or false", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_Number, parse_float=_finite, parse_constant=_no_constant
)
