"""JSON files that hold one table: an array of objects, one a row, or an object of columns."""

import re
from collections.abc import Iterator, Mapping

from textclf.errors import DataError
from textclf.storage.files import temporary_folder
from textclf.tables.interface import Columns, Sample, TableFormat, TableInput, rows_of
from textclf.tables.json_lines import JsonLinesParser, JsonLinesWriter, open_json_lines, parse_object, spell_json
from textclf.tables.records import Batch, RowRefused, clip
from textclf.tables.source import Blocks

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
