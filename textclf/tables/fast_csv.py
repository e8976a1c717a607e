"""The fast way to read CSV: prove with NumPy that a block is plain, then cut it where the separators stand.

A block is plain when it is UTF-8 without NUL and without lone carriage returns, when every quote opens a field, closes
one or is doubled inside one, and when each row has as many fields as the header. For such a block the number of quotes
before a byte tells whether it stands inside quotes, so that rows and fields follow from positions alone. Every other
block is left to `careful`, which gives the same rows for a plain one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.tables.records import RECORD_LIMIT, ParsedBlock, Position, Records

Places = npt.NDArray[np.intp]

_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


@dataclass(frozen=True)
class Dialect:
    """How fields are parted: the separator's byte, and whether quotes have a meaning."""

    separator: int
    quotes: bool = True


@dataclass(frozen=True)
class ColumnPositions:
    """The header's width and the places, from 0, of the columns that are read."""

    width: int
    text: int
    label: int | None = None
    weight: int | None = None


@dataclass(frozen=True)
class _Grid:
    """Where the fields of a plain block stand; `separators` has shape (rows, width - 1), the others (rows,)."""

    block: bytes
    data: npt.NDArray[np.uint8]
    quotes: Places
    newlines: Places
    separators: Places
    starts: Places
    ends: Places
    stops: Places


def parse_fast(
    block: bytes, at: Position, final: bool, dialect: Dialect, wanted: ColumnPositions
) -> ParsedBlock | None:
    """Return the rows of the block's whole records, or None when the block is not plain."""
    grid = _grid(block, final, dialect, wanted.width)
    if grid is None:
        return None
    count = len(grid.starts)
    stop = int(grid.stops[-1])
    lines = at.line + np.searchsorted(grid.newlines, grid.starts)
    records = Records(block, grid.starts.tolist(), grid.ends.tolist(), np.minimum(grid.stops, len(block)).tolist())
    end = Position(at.row + count, at.line + len(grid.newlines), at.byte + min(stop, len(block)))
    texts, labels, weights = (_strings(grid, column) for column in (wanted.text, wanted.label, wanted.weight))
    return ParsedBlock(range(at.row, at.row + count), lines.tolist(), texts or [], labels, weights, records, [], 0, end)


def _grid(block: bytes, final: bool, dialect: Dialect, width: int) -> _Grid | None:
    if final and not block.endswith(b"\n"):
        block += b"\n"  # the last row may lack its line end
    data = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE)
    quotes = np.flatnonzero(data == _QUOTE) if dialect.quotes else newlines[:0]
    row_ends = _outside(newlines, quotes)
    if not row_ends.size:
        return None
    stop = int(row_ends[-1]) + 1
    quotes, newlines = quotes[quotes < stop], newlines[newlines < stop]
    if (final and stop < len(block)) or not _is_clean(block, stop) or not _are_placed(data, quotes, dialect):
        return None
    separators = _outside(np.flatnonzero(data[:stop] == dialect.separator), quotes)
    if separators.size != len(row_ends) * (width - 1):
        return None
    separators = separators.reshape(len(row_ends), width - 1)
    starts = np.concatenate([[0], row_ends[:-1] + 1])
    # A row's line end is \n or \r\n; no other carriage return is left in a clean block.
    ends = row_ends - ((data[row_ends - 1] == _RETURN) & (row_ends > starts))
    if not _are_rows(starts, ends, separators):
        return None
    return _Grid(block, data, quotes, newlines, separators, starts, ends, row_ends + 1)


def _outside(places: Places, quotes: Places) -> Places:
    return places[np.searchsorted(quotes, places) % 2 == 0] if quotes.size else places


def _is_clean(block: bytes, stop: int) -> bool:
    if b"\0" in block or (b"\r" in block and block.count(b"\r", 0, stop) != block.count(b"\r\n", 0, stop)):
        return False
    try:
        return block.isascii() or bool(str(memoryview(block)[:stop], "utf-8"))
    except UnicodeDecodeError:
        return False


def _are_placed(data: npt.NDArray[np.uint8], quotes: Places, dialect: Dialect) -> bool:
    opening, closing = quotes[0::2], quotes[1::2]
    # A quote at the very start of the block has no byte before it: the line end of the row before stands in.
    before = np.where(opening > 0, data[opening - 1], _NEWLINE)
    after = data[closing + 1]
    parted = [dialect.separator, _NEWLINE, _QUOTE]
    return bool(np.isin(before, parted).all() and np.isin(after, [*parted, _RETURN]).all())


def _are_rows(starts: Places, ends: Places, separators: Places) -> bool:
    if int((ends - starts).max()) > RECORD_LIMIT:
        return False
    if separators.shape[1] == 0:
        return bool((ends > starts).all())  # a blank line is for the careful reader to count
    return bool((separators[:, 0] >= starts).all() and (separators[:, -1] < ends).all())


def _strings(grid: _Grid, column: int | None) -> list[str] | None:
    """Return the values of one column, with their quotes taken off."""
    if column is None:
        return None
    starts = grid.starts if column == 0 else grid.separators[:, column - 1] + 1
    ends = grid.ends if column == grid.separators.shape[1] else grid.separators[:, column]
    if grid.quotes.size:
        quoted = (grid.data[starts] == _QUOTE) & (ends > starts)
        starts, ends = starts + quoted, ends - quoted
        doubled = np.flatnonzero(np.searchsorted(grid.quotes, ends) > np.searchsorted(grid.quotes, starts)).tolist()
    else:
        doubled = []
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    if grid.block.isascii():
        text = grid.block.decode("ascii")
        values = [text[start:end] for start, end in spans]
    else:
        values = [grid.block[start:end].decode() for start, end in spans]
    for i in doubled:
        values[i] = values[i].replace('""', '"')
    return values
