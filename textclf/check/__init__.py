"""Look at a table of texts and labels before training: what is damaged, doubled, torn or odd, and what to do."""

from textclf.check.check import check, rows_to_drop, write_without
from textclf.check.findings import DEFAULT_DROPS, DROPPABLE, KINDS, Checked, Finding

__all__ = [
    "DEFAULT_DROPS",
    "DROPPABLE",
    "KINDS",
    "Checked",
    "Finding",
    "check",
    "rows_to_drop",
    "write_without",
]
