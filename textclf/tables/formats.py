"""The registry of table formats. A new format is one file that defines a `TableFormat`, and its entries here."""

from pathlib import PurePath

from textclf.errors import DataError
from textclf.tables.compression import strip_compression
from textclf.tables.delimited import CSV, TSV
from textclf.tables.excel import EXCEL
from textclf.tables.interface import Sample, TableFormat
from textclf.tables.json_tables import JSON, JSON_LINES
from textclf.tables.lines import FASTTEXT, LINES
from textclf.tables.parquet import PARQUET
from textclf.tables.records import clip

FORMATS: tuple[TableFormat, ...] = (CSV, TSV, JSON_LINES, JSON, PARQUET, EXCEL, FASTTEXT, LINES)
FORMAT_NAMES = tuple(each.name for each in FORMATS)
_RECOGNIZED = (PARQUET, EXCEL, FASTTEXT, JSON, JSON_LINES, LINES, TSV, CSV)
"""The formats in the order in which a table's content is held against them: the surest sign first."""


def find_format(name: str) -> TableFormat:
    """Return the format of that name; raises DataError when there is none."""
    found = next((each for each in FORMATS if each.name == name), None)
    if found is None:
        raise DataError(f"format: expected one of {', '.join(FORMAT_NAMES)}, found {clip(name)}.")
    return found


def format_by_suffix(name: str) -> TableFormat | None:
    """Return the format that a file's name shows, if any; `t.csv.gz` is CSV.

    >>> found = format_by_suffix("reviews.tsv.gz")
    >>> found.name if found else None
    'tsv'
    """
    suffix = PurePath(strip_compression(name)).suffix.lower()
    return next((each for each in FORMATS if suffix in each.suffixes), None)


def format_of_output(name: str) -> TableFormat | None:
    """Return the format that the name of an output asks for, if any."""
    suffix = PurePath(strip_compression(name)).suffix.lower()
    own = (each for each in FORMATS if each.has_columns and suffix in each.output_suffixes)
    return format_by_suffix(name) or next(own, None)


def is_table_name(name: str) -> bool:
    """Return whether a file of that name is a table, so that a folder's tables are known among other files.

    >>> is_table_name("reviews.csv"), is_table_name("photo.png")
    (True, False)
    """
    return format_of_output(name) is not None


def format_by_content(sample: Sample) -> TableFormat:
    """Return the format that a table's first bytes show; raises DataError when they leave it in doubt."""
    found = next((each for each in _RECOGNIZED if each.recognize(sample)), None)
    if found is None:
        raise DataError(
            f"{sample.source.name}: expected {list_suffixes()} or .txt, found another name and no sure sign in the"
            " content. Give --format."
        )
    return found


def list_suffixes() -> str:
    """Return the endings of the formats, one of each, for messages."""
    return ", ".join((each.suffixes or each.output_suffixes)[0] for each in FORMATS if each.has_columns)


def media_types() -> dict[str, str]:
    """Return the media type of each format that the service takes, by the format's name."""
    return {each.name: each.media_type for each in FORMATS if each.media_type is not None}
