"""Random tables through every format and compression and back: no row, no cell and no byte may change.

Each table is written in the format, read, and written again. The cells must be those of the source, the second file
the first byte for byte, and rows that cannot be used must be listed, not lost. The program that reads Parquet and Excel
runs in this process, because starting one for each table takes long.

    python benchmarks/round_trips.py --count 10000            all formats
    python benchmarks/round_trips.py t.csv.gz t.xlsx          two of them
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from textclf.errors import OutputError
from textclf.tables import TableOptions, excel, open_table, open_writer, parquet, reader_child

ENDINGS = ("", ".gz", ".bz2", ".xz", ".zst", ".zip")
FORMATS = (
    *(f"t.{kind}{packed}" for kind in ("csv", "tsv", "jsonl", "json") for packed in ENDINGS),
    "t.parquet",
    "t.xlsx",
)
PARTS = (
    "a", "B", " ", "  ", ",", ";", "\t", "|", '"', '""', "'", "\n", "\r", "\r\n", "\0", "\x01", "\x1c", "\x85",
    "\u2028", "\ufeff", "ä", "ß", "汉字", "😀", "\\", "\\n", "=1+1", "_x0041_", "007", "1.0", "NaN", "null", "[", "{",
    "}", "#", "# ", "sep=;", "__label__x", "true",
)  # fmt: skip
"""What texts are put together from: signs that some format gives a meaning."""
LIMIT = 1 << 40


def draw_table(draw: random.Random) -> list[dict[str, str]]:
    """Return the rows of a table: strings alone, the same columns in each."""
    names = {"text": "", "label": ""}
    for _ in range(draw.randrange(4)):
        name = "n" + "".join(draw.choices(PARTS, k=draw.randrange(3))) + "n"
        names[name] = ""
    columns = list(names)
    draw.shuffle(columns)
    count = draw.choice((1, 2, 3, 10, 40))
    return [{name: draw_cell(name, draw) for name in columns} for _ in range(count)]


def draw_cell(name: str, draw: random.Random) -> str:
    """Return one cell; now and then a row has no label, and cannot be used."""
    if name == "label" and draw.random() < 0.9:
        return draw.choice(("x", "y", "a|b", "1.0", " z"))
    return "".join(draw.choices(PARTS, k=draw.randrange(6)))


def read(path: Path) -> tuple[tuple[str, ...], list[list[str | None]], int, int]:
    """Return the columns, the cells of the rows that can be used, and how many rows there are and are refused."""
    options = TableOptions(on_error="skip", text_column="text", label_column="label")
    with open_table(path, options, labelled=True) as table:
        cells = [row for batch in table.batches() for row in table.cells(batch)]
        return table.columns, cells, table.rows_read, len(table.refused)


def convert(source: Path, target: Path) -> None:
    """Write a table's rows, whether they can be used or not, to another file."""
    options = TableOptions(text_column="text")
    with open_table(source, options, labelled=False) as table, open_writer(target, table, ()) as writer:
        for batch in table.batches():
            writer.write(batch, [])


def check(name: str, rows: list[dict[str, str]], folder: Path) -> None:
    """Raise AssertionError when a table does not come back as it was."""
    source, first, second = folder / "source.jsonl", folder / name, folder / f"again-{name}"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    if name == "t.xlsx" and not all(any(row.values()) for row in rows):
        _check_refused(source, first)
        return
    convert(source, first)
    usable = [row for row in rows if row["label"].strip()]
    columns, cells, count, refused = read(first)
    assert columns == tuple(rows[0]), columns
    assert count == len(rows), f"{len(rows)} rows written, {count} read"
    assert refused == len(rows) - len(usable), f"{refused} rows refused"
    assert cells == [list(row.values()) for row in usable], "cells differ"
    convert(first, second)
    if name.endswith(".zip"):
        return  # the archive holds the name of the file
    assert first.read_bytes() == second.read_bytes(), "bytes differ"


def _check_refused(source: Path, target: Path) -> None:
    """Raise AssertionError unless a sheet, which has no empty rows, is not written."""
    try:
        convert(source, target)
    except OutputError:
        return
    raise AssertionError("an empty row was written to a sheet")


def run_here(_: Path, arguments: list[str], path: Path, **settings: str) -> None:
    """Run the program that reads Parquet and Excel in this process."""
    assert not reader_child.main([*arguments, str(LIMIT), str(LIMIT), sys.path[-1]]), path


def read_here() -> None:
    """Let that program run in this process from now on, without its limits."""
    reader_child._set_limits = lambda *_: None
    parquet.run_child = excel.run_child = run_here


def soak(count: int, seed: int, formats: tuple[str, ...] = FORMATS) -> dict[str, int]:
    """Check `count` tables of each format; return how many did not come back, and print the first of each."""
    wrong = dict.fromkeys(formats, 0)
    with tempfile.TemporaryDirectory() as place:
        for name in formats:
            began = time.process_time()
            for number in range(count):
                draw = random.Random(f"{seed}/{name}/{number}")
                rows = draw_table(draw)
                try:
                    check(name, rows, Path(place))
                except Exception as error:
                    wrong[name] += 1
                    if wrong[name] == 1:
                        print(f"{name}: table {number}: {type(error).__name__}: {error}: {rows!r}"[:1000])
            seconds = time.process_time() - began
            print(f"{name}: {count:,} tables, {wrong[name]:,} wrong, {seconds:.0f} s", flush=True)
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=FORMATS, help="such as t.csv.gz; by default all")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    read_here()
    sys.exit(any(soak(given.count, given.seed, tuple(given.formats)).values()))
