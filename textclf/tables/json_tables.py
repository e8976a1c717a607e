"""JSON Lines, one object a line; and JSON files of one table: an array of objects, or an object of columns."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from textclf.errors import DataError, OutputError
from textclf.storage.files import temporary_folder
from textclf.tables.columns import ColumnChoice, choose
from textclf.tables.interface import Cell, Columns, Sample, TableFormat, TableInput, TextWriter, rows_of
from textclf.tables.lines import Row, parse_lines
from textclf.tables.records import Batch, ParsedBlock, Position, Records, RowRefused, TableOptions, clip
from textclf.tables.source import Blocks


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


# --- one table in JSON -----------------------------------------------------------------------------------------------

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:"]|[^\s\[\]{},:"]+', re.DOTALL)
"""A string, a sign, a number or word; a lone quote opens a string whose end has not come yet."""
_LINE_ENDS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\r\n]', re.DOTALL)
_LARGEST_OBJECT = 1 << 30
"""Bytes of an object of columns, which has to be in memory as a whole."""


def open_json(table: TableInput) -> JsonLinesParser:
    """Turn the file into a temporary JSON Lines file, each row as it is spelled, and read that.

    Raises DataError when the file is neither an array nor an object of columns, or is cut.
    """
    table.blocks.begin()
    start = table.blocks.pending.lstrip()[:1]
    if start not in (b"[", b"{"):
        found = f"a file that begins with {clip(start.decode('utf-8', 'replace'))}" if start else "no rows"
        raise DataError(f"{table.name}: expected a JSON array of objects or an object of columns, found {found}.")
    folder = table.resources.enter_context(temporary_folder())
    lines = folder / "rows.jsonl"
    rows = 0
    with lines.open("wb") as stream:
        stream.write(b"\n")
        for row in _elements(table) if start == b"[" else _rows_of_columns(table):
            stream.write(row + b"\n")
            rows += 1
    if not rows:
        raise DataError(f"{table.name}: expected a table with rows, found no rows. Give a table with at least one.")
    table.read_rows_of(lines, rows)
    return open_json_lines(table)


def _elements(table: TableInput) -> Iterator[bytes]:
    """Give each element of the array on one line."""
    blocks, name = table.blocks, table.name
    depth = rows = 0
    start: int | None = None  # of the element that is being read
    at = 0
    while True:
        for token in _TOKEN.finditer(blocks.pending, at):
            sign, place, stop = token[0], token.start(), token.end()
            if not blocks.is_final and (sign == b'"' or stop == len(blocks.pending)):
                break  # the rest of it is still to come
            at = stop
            if depth == 1 and sign in (b",", b"]"):
                if start is not None:
                    rows += 1
                    yield _on_one_line(blocks.pending[start:place].strip())
                else:
                    _check_empty(sign, rows, name)
                start = None
            elif depth == 1 and start is None:
                start = place
            depth += (sign in (b"[", b"{")) - (sign in (b"]", b"}"))
            if not depth:
                _check_end(blocks, at, name)
                return
        if blocks.is_final:
            raise DataError(f"{name}: expected the end of the JSON array, found that the file ends after row {rows}.")
        done = at if start is None else start
        blocks.drop(done)
        at, start = at - done, None if start is None else 0
        table.check_length()
        blocks.grow()


def _check_empty(sign: bytes, rows: int, name: str) -> None:
    """Raise DataError where there is nothing between two signs, unless the array is empty."""
    if sign == b"," or rows:
        raise DataError(f"{name}: expected a row after row {rows} of the JSON array, found {_show(sign)}.")


def _check_end(blocks: Blocks, at: int, name: str) -> None:
    while True:
        rest = blocks.pending[at:].strip()
        if rest:
            raise DataError(f"{name}: expected the end of the file after the JSON array, found {_show(rest)}.")
        if blocks.is_final:
            return
        blocks.drop(len(blocks.pending))
        at = 0
        blocks.grow()


def _show(found: bytes) -> str:
    return clip(found[:30].decode("utf-8", "replace"))


def _on_one_line(element: bytes) -> bytes:
    """Return an element with blanks for its line ends; in a string, where JSON allows none, a sign that is refused."""
    if b"\n" not in element and b"\r" not in element:
        return element
    return _LINE_ENDS.sub(
        lambda found: b" " if found[0] in b"\r\n" else found[0].replace(b"\n", b"\x01").replace(b"\r", b"\x01"), element
    )


def _rows_of_columns(table: TableInput) -> Iterator[bytes]:
    """Give the rows of an object whose values are lists of values, or objects of values by row, as pandas writes."""
    blocks, name = table.blocks, table.name
    while not blocks.is_final:
        if len(blocks.pending) > _LARGEST_OBJECT:
            raise DataError(f"{name}: expected an object of at most 1 GiB, found a larger one. Write JSON Lines.")
        blocks.grow()
    try:
        columns = parse_object(blocks.pending.decode())
    except (RowRefused, UnicodeDecodeError) as error:
        raise DataError(f"{name}: expected a JSON array of objects or an object of columns ({error}).") from error
    lists: dict[str, list[object]] = {}
    keys: list[str] | None = None
    for column, values in columns.items():
        if isinstance(values, Mapping):
            keys = list(values) if keys is None else keys
            if values.keys() != set(keys):
                raise DataError(f"{name}: expected columns with the same rows, found others in {clip(column)}.")
            lists[column] = [values[key] for key in keys]
        elif isinstance(values, list):
            lists[column] = values
        else:
            raise DataError(
                f"{name}: expected a list of values for each column, found a single value for {clip(column)}. Write an"
                " array of objects, or one object a line."
            )
    lengths = {len(values) for values in lists.values()}
    if len(lengths) > 1:
        raise DataError(f"{name}: expected columns of the same length, found {min(lengths):,} and {max(lengths):,}.")
    for row in zip(*lists.values(), strict=True):
        yield spell_json(dict(zip(lists, row, strict=True))).encode("utf-8", "surrogatepass")


class JsonWriter(JsonLinesWriter):
    """Writes an array of objects, one a line."""

    is_first = True

    def header(self) -> bytes:
        """Return the sign that opens the array."""
        return b"["

    def write(self, batch: Batch, columns: Columns) -> None:
        """Write the rows of a batch with the values of the added columns."""
        if self.keeps_bytes:
            content = b"".join(self.table.parser.extend(batch.records, self.added, columns))
        else:
            rows = zip(self.table.cells(batch), rows_of(columns, len(batch)), strict=True)
            content = b"".join(self.encode([*own, *values]) for own, values in rows)
        for row in content.splitlines():
            self.stream.write((b"\n" if self.is_first else b",\n") + row)
            self.is_first = False

    def finish(self) -> None:
        """Close the array."""
        self.stream.write(b"\n]\n")


def _looks_like_json(sample: Sample) -> bool:
    if sample.text[:1] == b"[":
        return re.match(rb"\[\s*[{\]]", sample.text) is not None
    return sample.text[:1] == b"{" and _has_columns(sample.text)


def _has_columns(head: bytes) -> bool:
    """Say whether each value of the first object is a list or an object, as far as it is seen."""
    depth, values, after_colon = 0, 0, False
    for token in _TOKEN.finditer(head):
        sign = token[0]
        if depth == 1 and after_colon:
            if sign not in (b"[", b"{"):
                return False
            values += 1
        after_colon = depth == 1 and sign == b":"
        depth += (sign in (b"[", b"{")) - (sign in (b"]", b"}"))
        if not depth:
            break
    return values > 0


JSON = TableFormat(
    "json",
    open=open_json,
    open_writer=JsonWriter,
    recognize=_looks_like_json,
    output_suffixes=(".json",),  # a table of that name may as well hold JSON Lines: its content decides
    media_type="application/json",
)
