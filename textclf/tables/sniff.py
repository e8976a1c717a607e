"""Which format a table has: by its suffix, else by its first bytes."""

import re
from pathlib import Path

from textclf.errors import DataError
from textclf.tables.lines import LABEL_PREFIX
from textclf.tables.model import Format
from textclf.tables.parquet import MAGIC
from textclf.tables.source import Origin, Source

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_JSON = re.compile(rb'\{\s*"|\[\s*\{')


def kind_by_suffix(origin: Origin) -> Format | None:
    """Return the format that a file's name shows, if any."""
    return SUFFIXES.get(origin.suffix.lower()) if isinstance(origin, Path) else None


def kind_by_content(head: bytes, labelled: bool, source: Source) -> Format:
    """Return the format that the first bytes show; raises DataError when they leave it in doubt."""
    first = head.lstrip()
    line = first.split(b"\n", 1)[0]
    signs: list[tuple[bool, Format]] = [
        (head.startswith(MAGIC), "parquet"),
        (first.startswith(LABEL_PREFIX.encode()), "fasttext"),
        (_JSON.match(first) is not None, "jsonl"),
        (not labelled and (source.is_stream or source.name.lower().endswith(".txt")), "lines"),
        (labelled and b"\t" in line, "tsv"),
        (labelled and b"," in line, "csv"),
        (not first, "csv"),  # whose reader says that there are no rows
    ]
    found = next((kind for is_it, kind in signs if is_it), None)
    if found is None:
        raise DataError(
            f"{source.name}: expected .csv, .tsv, .jsonl, .parquet or .txt, found another name and no sure sign in the"
            " content. Give --format."
        )
    return found
