"""JSON Lines: one object a line."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from textclf.errors import DataError, OutputError
from textclf.tables.columns import ColumnChoice, choose
from textclf.tables.interface import Cell, Columns, TableFormat, TableInput, TextWriter, rows_of
from textclf.tables.lines import Row, parse_lines
from textclf.tables.records import ParsedBlock, Position, Records, RowRefused, TableOptions, clip


class _Number(str):
    """A number as it is spelt in the file: 1.10 is not 1.1."""

    __slots__ = ()


@dataclass(frozen=True)
class JsonLinesParser:
    """JSON Lines: one object a line. `columns` are the keys of the first rows; later rows may have more."""

    name: str
    columns: tuple[str, ...]
    chosen: ColumnChoice

    def parse(self, block: bytes, at: Position, final: bool) -> ParsedBlock:
        """Return the rows of the block's whole lines."""
        return parse_lines(block, at, final, self.chosen, self._read)

    def cells(self, record: bytes) -> list[str | None]:
        """Return the value of each column in one row as text; raises RowRefused on a key that is no column."""
        values = parse_object(record.decode())
        if late := [key for key in values if key not in self.columns]:
            raise RowRefused(
                f"key {clip(late[0])} is in none of the first rows, so that the output has no column for it"
            )
        return [as_text(values.get(column)) for column in self.columns]

    def values(self, record: bytes, columns: Sequence[str]) -> list[str | None]:
        """Return the values of these columns in one row as text; keys that are no column do not matter here."""
        found = parse_object(record.decode())
        return [as_text(found.get(column)) for column in columns]

    def extend(self, records: Records, added: Sequence[str], columns: Columns) -> Iterable[bytes]:
        """Return the lines with the added keys at the end of each object."""
        if not added:
            return chain.from_iterable(records)
        rows = zip(records, rows_of(columns, len(records)), strict=True)
        return (self._extend(raw, dict(zip(added, row, strict=True))) + end for (raw, end), row in rows)

    def _extend(self, raw: bytes, added: dict[str, Cell]) -> bytes:
        for key in added:
            # The key may first appear far down the file, after the names were chosen.
            if (b"\\u" in raw or json.dumps(key, ensure_ascii=False).encode() in raw) and key in json.loads(raw):
                raise OutputError(
                    f"{self.name}: expected no key {clip(key)}, found one in a later row. Rename the key in the file."
                )
        return raw.rstrip()[:-1].rstrip() + b", " + encode_json(added)[1:]

    def _read(self, line: str) -> Row | None:
        if not line.strip():
            return None
        values = parse_object(line)
        chosen = self.chosen
        if chosen.text not in values:
            raise RowRefused(
                f"expected the key {clip(chosen.text)}, found {clip(', '.join(values)) if values else 'no key'}"
            )
        text = self._text(values[chosen.text])
        label = None if chosen.label is None else self._label(values.get(chosen.label))
        weight = None if chosen.weight is None else as_text(values.get(chosen.weight))
        return Row(text, label, weight)

    def _text(self, value: object) -> str:
        if not isinstance(value, str) or isinstance(value, _Number):
            raise RowRefused(f"expected a string under the key {clip(self.chosen.text)}, found {_kind(value)}")
        return value

    def _label(self, value: object) -> str | None:
        return _label(value, self.chosen.label or "")


def read_keys(block: bytes, final: bool, options: TableOptions, labelled: bool, name: str) -> JsonLinesParser | None:
    """Return the format with the keys of the first hundred rows; None when the block has no whole row.

    Raises DataError when the file is a JSON array or when the keys of text and label are missing or in doubt.
    """
    lines = block.split(b"\n")
    whole = [line for line in (lines if final else lines[:-1])[:200] if line.strip()][:100]
    if not whole:
        return None
    if whole[0].lstrip().startswith(b"["):
        raise DataError(f"{name}: expected one JSON object a line, found a JSON array. Give --format json.")
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
    read = (options.text_column, options.label_column, options.weight_column, *options.others)
    named = [column for column in read if column is not None]
    chosen = choose(tuple(keys | dict.fromkeys(named)), options, labelled, name)
    return JsonLinesParser(name, tuple(keys), chosen)


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


def _require_unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise RowRefused(f"expected keys that differ, found {clip(twice)} twice")
    return values


def _parse_finite(spelt: str) -> _Number:
    if float(spelt) in (float("inf"), float("-inf")):
        raise RowRefused(f"expected numbers that can be held, found {clip(spelt, 30)}")
    return _Number(spelt)


def _refuse_constant(spelt: str) -> object:
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
        return as_text(value)
    raise RowRefused(
        f"expected a string, a number or a list of strings under the key {clip(key)}, found {_kind(value)}"
    )


def as_text(value: object) -> str | None:
    """Return a value as text, numbers as spelt; None for null."""
    return None if value is None else str(value) if isinstance(value, str) else spell_json(value)


def spell_json(value: object) -> str:
    """Return JSON text in which numbers stay as they were spelt."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(spell_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{spell_json(key)}:{spell_json(entry)}' for key, entry in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _kind(value: object) -> str:
    if isinstance(value, _Number):
        return f"the number {clip(value, 30)}"
    kinds = {str: "a string", bool: "true or false", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_require_unique, parse_int=_Number, parse_float=_parse_finite, parse_constant=_refuse_constant
)


class JsonLinesWriter(TextWriter):
    """Writes an object a line."""

    def encode(self, cells: Sequence[Cell | None]) -> bytes:
        """Return one row with its line end."""
        return encode_json(dict(zip([*self.table.columns, *self.added], cells, strict=True))) + b"\n"


def encode_json(values: Mapping[str, Cell | None]) -> bytes:
    """Return an object as JSON in UTF-8."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()


def open_json_lines(table: TableInput) -> JsonLinesParser:
    """Read the keys of the first rows, among which the columns are."""
    blocks = table.blocks
    while (found := read_keys(blocks.pending, blocks.is_final, table.options, table.labelled, table.name)) is None:
        table.grow()
    return found


_OBJECT = re.compile(rb'\{\s*"')

JSON_LINES = TableFormat(
    "jsonl",
    open=open_json_lines,
    open_writer=JsonLinesWriter,
    recognize=lambda sample: _OBJECT.match(sample.text) is not None,
    suffixes=(".jsonl", ".ndjson"),
    media_type="application/jsonl",
)
