"""Tables of texts: CSV, TSV, JSON Lines, Parquet, fastText files and plain lines, read and written without loss."""

from textclf.tables.compression import find_compression, strip_compression
from textclf.tables.formats import FORMAT_NAMES, is_table_name, media_types
from textclf.tables.records import Batch, LoadedTable, Notes, Refusal, TableOptions
from textclf.tables.source import Origin
from textclf.tables.table import Table, open_table, read_examples
from textclf.tables.writer import TableWriter, check_not_same, check_output_name, open_writer

__all__ = [
    "FORMAT_NAMES",
    "Batch",
    "LoadedTable",
    "Notes",
    "Origin",
    "Refusal",
    "Table",
    "TableOptions",
    "TableWriter",
    "check_not_same",
    "check_output_name",
    "find_compression",
    "is_table_name",
    "media_types",
    "open_table",
    "open_writer",
    "read_examples",
    "strip_compression",
]
