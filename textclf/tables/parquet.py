"""Parquet through Polars in a child process: a damaged file may abort the child, never this program.

Parquet's pages mostly carry no checksum: a byte changed inside a value can go unseen (3 of 202 random damages did).
"""

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from textclf.errors import DataError
from textclf.tables.columns import check_header, choose
from textclf.tables.lines import JsonLinesFormat
from textclf.tables.model import TableOptions, clip
from textclf.tables.source import display_name, open_bytes

MAGIC = b"PAR1"

_CHILD = Path(__file__).with_name("parquet_child.py")
_MOST_WAITING = 30
"""How many times the processor time that the child may take it may take by the clock."""
_MEMORY_FLOOR = 8 << 30
"""Bytes of address space that the child may take beside thirty times the file: allocators reserve more than is used."""


@contextmanager
def parquet_as_lines(path: Path, options: TableOptions, labelled: bool) -> Iterator[tuple[JsonLinesFormat, Path, int]]:
    """Give a Parquet file's format, a temporary JSON Lines file of its rows, every value as text, and their number.

    Raises DataError when the file is damaged, or when a column that is to be read is nested or binary.
    """
    name = display_name(path)
    with open_bytes(path) as stream:
        if stream.read(4) != MAGIC:
            raise DataError(f"{name}: expected a Parquet file, found other bytes at its start. Give --format.")
    with TemporaryDirectory(prefix="textclf-") as folder:
        lines = Path(folder) / "rows.jsonl"
        _run_child(["lines", str(path), str(lines)], path)
        with lines.open("rb") as stream:
            header = stream.readline()
        said = json.loads(header)
        kinds: dict[str, str] = said["columns"]
        check_header(tuple(kinds), name)
        chosen = choose(tuple(kinds), options, labelled, name)
        for column in (chosen.text, chosen.label, chosen.weight):
            is_list = options.multi_label and column == chosen.label and kinds.get(column or "") == "nested strings"
            if column is not None and kinds[column] != "plain" and not is_list:
                kind, *inner = kinds[column].split()
                hint = "; lists of labels go with --multi-label" if inner and column == chosen.label else ""
                raise DataError(
                    f"{name}: expected text in column {clip(column)}, found {kind} values. Name another{hint}."
                )
        yield JsonLinesFormat(tuple(kinds), chosen), lines, said["rows"]


def join_columns(path: Path, added: Path, target: Path) -> None:
    """Write to `target` the rows of the Parquet file that `added` lists, with its columns after the file's own.

    `added` holds the names as JSON on its first line, then `[row from 0, [values]]` on each.
    """
    _run_child(["join", str(path), str(added), str(target)], path)


def _run_child(arguments: list[str], path: Path) -> None:
    size = path.stat().st_size
    polars = importlib.util.find_spec("polars")
    library = str(Path(str(polars.origin)).parents[1]) if polars else ""
    seconds = 60 + size // 1_000_000
    limits = [str(_MEMORY_FLOOR + 30 * size), str(seconds)]
    command = [sys.executable, "-I", str(_CHILD), *arguments, *limits, library]
    name = display_name(path)
    too_long = f"{name}: expected a Parquet file, found none that is read in {seconds} s. Write it again."
    try:
        # The child's limit is processor time: on a machine that is busy with other things a sound file takes long.
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_MOST_WAITING * seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(too_long) from error
    if done.returncode == -signal.SIGXCPU:
        raise DataError(too_long)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if done.returncode == 3 and said else f"the reader died, code {done.returncode}"
        raise DataError(
            f"{name}: expected a sound Parquet file, found a damaged one ({clip(reason, 120)}). Write it again."
        )
