"""Tables of text that fit a terminal of 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textclf.errors import spell

if TYPE_CHECKING:
    from textclf.metrics.bootstrap import Interval

WIDEST = 80
MANY_COPIES = 0.99
"""The share of independent texts below which the copies are spoken of."""
COPIES_COUNT_ONCE = "texts repeat: intervals and tests count copies of a text about once"
_LONGEST_LABEL = 32
_NARROWEST = 10  # of the first column
_GAP = 2


def columns_text(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of aligned columns, the first to the left, the others to the right.

    Where they are wider than a terminal, headings are cut down to their columns, and then the first column's cells.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    least = [max((len(cell) for cell in column[1:]), default=0) for column in zip(*rows, strict=True)]
    least[0] = _NARROWEST
    for columns in (range(1, len(widths)), range(1)):
        while sum(widths) + _GAP * (len(widths) - 1) > WIDEST:
            cuttable = [j for j in columns if widths[j] > least[j]]
            if not cuttable:
                break
            widths[max(cuttable, key=widths.__getitem__)] -= 1
    return [
        (" " * _GAP)
        .join(
            fit_width(cell, width).ljust(width) if j == 0 else fit_width(cell, width).rjust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in rows
    ]


def interval_columns(interval: "Interval", sign: str = "") -> list[str]:
    """Return a figure and its interval as two columns; with the sign "+" differences show theirs."""
    if interval.low is None or interval.high is None:
        return [f"{interval.value:{sign}.4f}", "–"]
    return [f"{interval.value:{sign}.4f}", f"{interval.low:{sign}.3f} to {interval.high:{sign}.3f}"]


def short(label: str) -> str:
    """Return a label or another name as it fits into a column."""
    return fit_width(spell(label), _LONGEST_LABEL)


def fit_width(text: str, width: int) -> str:
    """Return the text, or its beginning and an ellipsis where it is longer than the width."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
