"""A program of its own that turns a Parquet file into JSON Lines, or adds columns to one, with Polars.

Polars may abort the process on a damaged file, so the parent runs this file in a child with limits: it is never
imported. The last line on standard error is the reason when it fails; exit code 3 says that the file is at fault.
"""

import json
import resource
import sys
from pathlib import Path

_SLICE = 10_000


def main(arguments: list[str]) -> int:
    """Run `lines PARQUET JSONL` or `join PARQUET ADDED_JSONL OUTPUT`; return the exit code."""
    command, source, *paths, limit, seconds, library = arguments
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    sys.path.append(library)
    try:
        program = _lines if command == "lines" else _join
        program(Path(source), *map(Path, paths))
    except BaseException as error:  # noqa: BLE001, RUF100 -- a panic in Rust is a BaseException
        sys.stderr.write(f"\n{' '.join(str(error).split())[:200] or type(error).__name__}\n")
        return 3
    return 0


def _lines(source: Path, target: Path) -> None:
    import polars as pl

    frame = pl.read_parquet(source, use_statistics=False)
    with target.open("w", encoding="utf-8", newline="\n") as stream:
        kinds = {name: _kind(dtype) for name, dtype in frame.schema.items()}
        stream.write(json.dumps({"rows": frame.height, "columns": kinds}) + "\n")
        for start in range(0, frame.height, _SLICE):
            part = frame.slice(start, _SLICE)
            columns = [_values(part[name]) for name in part.columns]
            for cells in zip(*columns, strict=True):
                row = dict(zip(part.columns, cells, strict=True))
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _join(source: Path, added: Path, target: Path) -> None:
    import polars as pl

    frame = pl.read_parquet(source)
    with added.open(encoding="utf-8") as stream:
        names = json.loads(next(stream))
        rows = [json.loads(line) for line in stream]
    chosen = frame[[row[0] for row in rows]]
    extra = [pl.Series(name, [row[1][i] for row in rows], strict=True) for i, name in enumerate(names)]
    chosen.with_columns(extra).write_parquet(target)


def _kind(dtype) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- a Polars type: Polars is imported late
    """Return 'plain' for what has one spelling as text, else what it is."""
    if dtype.is_nested():
        inner = str(getattr(dtype, "inner", ""))
        return "nested strings" if inner.startswith(("String", "Categorical", "Enum")) else "nested"
    return "binary" if str(dtype) == "Binary" else "plain"


def _values(series) -> list[str | None]:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- as above
    """Return each value as text: numbers, dates and booleans by Python's spelling of JSON, null as None."""
    import polars as pl

    if _kind(series.dtype) == "binary":
        return [None if value is None else value.hex() for value in series.to_list()]
    if series.dtype.is_nested():
        return [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in series.to_list()
        ]
    if series.dtype.is_float():
        return [None if value is None else repr(value) for value in series.to_list()]
    texts: list[str | None] = series.cast(pl.String, strict=True).to_list()
    return texts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
