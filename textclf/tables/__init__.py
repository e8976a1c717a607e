"""Tables of texts: CSV, TSV, JSON Lines, Parquet, fastText files and plain lines, read and written without loss."""

from textclf.tables.model import FORMATS, Batch, Examples, Format, Notes, Refusal, TableOptions
from textclf.tables.sniff import SUFFIXES
from textclf.tables.source import Origin
from textclf.tables.table import Table, open_table, read_examples
from textclf.tables.writer import TableWriter, check_not_same, open_writer

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Batch",
    "Examples",
    "Format",
    "Notes",
    "Origin",
    "Refusal",
    "Table",
    "TableOptions",
    "TableWriter",
    "check_not_same",
    "open_table",
    "open_writer",
    "read_examples",
]
