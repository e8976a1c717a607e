"""The columns that a model reads of a row, and the one string that holds their cells.

A row that has more than one text is its cells joined by U+001F, which ASCII calls the unit separator: texts first, then
categories, then numbers. So whatever takes texts (tables, files, processes, the service) takes rows, and a model whose
columns say how many cells there are takes them apart again. The tokenizer takes the separator for a blank.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from textclf.errors import DataError

SEPARATOR = "\x1f"
MISSING = ("", "nan", "na", "n/a", "null", "none")
"""Cells that stand for no number, in letters of either case."""
LARGEST_NUMBER = 1e100
"""Squares of larger ones could be infinite."""
MOST_CATEGORIES, MOST_TEXTS = 16, 16
_ROWS_AT_ONCE = 1 << 13


@dataclass(frozen=True)
class RowColumns:
    """The names of the columns of a row, in the order of its cells: texts, categories, numbers.

    >>> columns = RowColumns(("text",), categories=("colour",), numbers=("price",))
    >>> row = columns.pack(["A fine bag.", "red", "9.50"])
    >>> columns.only_texts([row]), columns.others([row])
    (['A fine bag.'], [['red', '9.50']])
    """

    texts: tuple[str, ...] = ("text",)
    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise DataError(f"columns: expected different ones, found {', '.join(self.names)}. Name each once.")
        if len(self.texts) > MOST_TEXTS:
            raise DataError(f"text columns: expected at most {MOST_TEXTS}, found {len(self.texts)}. Name fewer.")
        if len(self.categories) > MOST_CATEGORIES:
            raise DataError(
                f"category columns: expected at most {MOST_CATEGORIES}, found {len(self.categories)}. Name fewer."
            )

    @property
    def is_plain(self) -> bool:
        """Whether a row is one text and nothing else, so that its string is that text."""
        return len(self) == 1

    @property
    def has_others(self) -> bool:
        """Whether there are columns beside the texts."""
        return bool(self.categories or self.numbers)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return (*self.texts, *self.categories, *self.numbers)

    def __len__(self) -> int:
        return len(self.texts) + len(self.categories) + len(self.numbers)

    def fits(self, other: "RowColumns") -> bool:
        """Return whether both have as many texts, whatever these are called, and the same other columns."""
        return (len(self.texts), self.categories, self.numbers) == (len(other.texts), other.categories, other.numbers)

    def pack(self, cells: Iterable[str]) -> str:
        """Return the row of these cells, one for each column."""
        return SEPARATOR.join(cell.replace(SEPARATOR, " ") for cell in cells)

    def fill(self, texts: Sequence[str]) -> list[str]:
        """Return rows of these texts, which stand in the first column, and of empty cells."""
        return [text + SEPARATOR * (len(self) - 1) for text in texts]

    def only_texts(self, rows: Sequence[str]) -> Sequence[str]:
        """Return the texts of rows: rows as they are where they hold nothing else, several texts still joined."""
        if not self.has_others:
            return rows
        return [SEPARATOR.join(cells[: len(self.texts)]) for cells in self.cells(rows)]

    def show(self, row: str) -> str:
        """Return a row as people read it: a text as it is; else the texts, and each other cell after its name.

        >>> RowColumns(("title", "body"), numbers=("price",)).show("Bag\x1fA fine one.\x1f9.50")
        'Bag | A fine one. | price=9.50'
        """
        if self.is_plain:
            return row
        cells = self.cells([row])[0]
        n = len(self.texts)
        return " | ".join(
            [*cells[:n], *(f"{name}={cell}" for name, cell in zip(self.names[n:], cells[n:], strict=True))]
        )

    def first_texts(self, rows: Sequence[str]) -> Sequence[str]:
        """Return the first text of each row."""
        return rows if self.is_plain else [cells[0] for cells in self.cells(rows)]

    def others(self, rows: Sequence[str]) -> list[list[str]]:
        """Return the cells of categories and numbers of each row."""
        return [cells[len(self.texts) :] for cells in self.cells(rows)]

    def cells(self, rows: Sequence[str]) -> list[list[str]]:
        """Return all cells of each row; raises DataError at one that has not a cell for each column."""
        found = [row.split(SEPARATOR) for row in rows]
        for cells in found:
            if len(cells) != len(self):
                raise DataError(
                    f"row: expected the columns {', '.join(self.names)}, which the model reads, found {len(cells)} of"
                    f" {len(self)}. Give a table that has them."
                )
        return found

    def batches(self, rows: Sequence[str]) -> Iterator[Sequence[str]]:
        """Give the rows some thousand at a time."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            yield rows[start : start + _ROWS_AT_ONCE]


ONE_TEXT = RowColumns()
"""Rows that are one text each."""


def parse_number(cell: str) -> float:
    """Return the number that a cell holds, NaN where there is none; raises ValueError at anything else.

    >>> parse_number(" 1.5e3 "), parse_number("n/a")
    (1500.0, nan)
    """
    spelt = cell.strip()
    if spelt.lower() in MISSING:
        return math.nan
    # Python's own rules would take 1_0 and digits of every script.
    number = float(spelt) if spelt.isascii() and "_" not in spelt else math.nan
    if not abs(number) <= LARGEST_NUMBER:
        raise ValueError(f"expected a number, found {cell[:30]!r}")
    return number
