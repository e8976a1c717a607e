"""Parquet is read and written in a process of its own, within limits, and its values are text by rule."""

import base64
import json
import re
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, open_writer, read_examples
from textclf.tables import parquet as module

CHILD = Path(module.__file__).with_name("reader_child.py")


def cells_of(path, **options):
    with open_table(path, TableOptions(**options), labelled=False) as table:
        return [cells for batch in table.batches() for cells in table.cells(batch)]


def test_every_type_of_a_column_has_its_spelling_as_text(parquet):
    path = parquet({
        "text": ["é", ""],
        "whole": [2**40, None],
        "share": [0.1, None],
        "half": pl.Series([0.5, None], dtype=pl.Float32),
        "sure": [True, None],
        "day": [date(2024, 2, 29), None],
        "kind": pl.Series(["ü", None], dtype=pl.Enum(["ü"])),
        "list": [["é", "b"], None],
        "pair": [{"a": 1, "b": date(2024, 2, 29)}, None],
        "raw": [b"\xff\x00", None],
    })  # fmt: skip
    first, second = cells_of(path)
    assert first == [
        "é", str(2**40), "0.1", "0.5", "true", "2024-02-29", "ü", '["é", "b"]', '{"a": 1, "b": "2024-02-29"}', "ff00",
    ]  # fmt: skip
    assert second[1:] in ([None] * 9, [*[None] * 7, '{"a": null, "b": null}', None])


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["a", "é"])])
def test_lists_of_strings_are_labels_where_a_row_may_have_several(dtype, parquet):
    path = parquet({"text": ["t", "u"], "labels": pl.Series([["a", "é"], []], dtype=pl.List(dtype))})
    options = TableOptions(multi_label=True)
    assert read_examples(path, options).labels == ["a|é", ""]
    said = "expected text in column 'labels', found nested values. Name another; lists of labels go with --multi-label"
    with pytest.raises(DataError, match=f"{said}"):
        read_examples(path, TableOptions(label_column="labels"))
    with pytest.raises(DataError, match=r"expected text in column 'labels', found nested values\. Name another\.$"):
        cells_of(path, text_column="labels", multi_label=True)


@pytest.mark.parametrize(
    ("values", "kind"), [([[1]], "nested"), ([{"a": "b"}], "nested"), ([b"a"], "binary"), ([[["a"]]], "nested")]
)
@pytest.mark.parametrize("role", ["text", "label", "weight"])
def test_a_column_that_is_read_holds_plain_values(values, kind, role, parquet):
    path = parquet({"text": ["t"], "label": ["x"], "weight": [1.0]} | {role: values})
    for multi_label in (False, True):
        with pytest.raises(
            DataError, match=rf"expected text in column '{role}', found {kind} values\. Name another\.$"
        ):
            read_examples(path, TableOptions(weight_column="weight", multi_label=multi_label))


def test_rows_are_all_there_in_order_beyond_what_is_taken_at_a_time(parquet):
    path = parquet({"text": [str(n) for n in range(20_001)], "label": ["x", "y", "z"] * 6667})
    examples = read_examples(path, TableOptions())
    assert examples.texts == [str(n) for n in range(20_001)]
    assert examples.labels == ["x", "y", "z"] * 6667
    assert list(examples.rows) == list(range(1, 20_002))


def test_columns_are_joined_to_the_rows_that_were_used_with_their_types(parquet, tmp_path):
    path = parquet({"text": ["a", None, "c"], "day": [date(2024, 2, 29)] * 3})
    with (
        open_table(path, TableOptions(on_error="skip"), labelled=False) as table,
        open_writer(tmp_path / "o.parquet", table, ["é", "text", "n"]) as writer,
    ):
        for batch in table.batches():
            writer.write(batch, [["ü"] * 2, ["x", "y"], [0.5, 2]])
    assert writer.added == ("é", "text_2", "n")
    found = pl.read_parquet(tmp_path / "o.parquet")
    assert found.columns == ["text", "day", "é", "text_2", "n"]
    assert found.rows() == [("a", date(2024, 2, 29), "ü", "x", 0.5), ("c", date(2024, 2, 29), "ü", "y", 2.0)]


@pytest.mark.parametrize("name", ["t.parquet", "t.PARQUET", "t"])
def test_a_parquet_file_is_known_by_its_suffix_or_by_what_is_said(name, parquet):
    path = parquet({"text": ["t"], "label": ["x"]}, name)
    assert read_examples(path, TableOptions(format=None if "." in name else "parquet", encoding="latin-1")).texts == [
        "t"
    ]
    path.write_bytes(b"PAR2" + path.read_bytes()[4:])
    with pytest.raises(DataError, match="expected a Parquet file, found other bytes at its start"):
        read_examples(path, TableOptions(format="parquet"))


@pytest.fixture
def child(monkeypatch):
    """Return what stands for the child: it notes how it is called, and ends as it is told."""
    calls = []

    def child(code, said=b""):
        def run(command, **settings):
            calls.append((command, settings))
            return subprocess.CompletedProcess(command, code, b"", said)

        monkeypatch.setattr(subprocess, "run", run)
        return calls

    return child


def test_the_child_has_memory_and_time_in_proportion_to_the_file(child, tmp_path):
    path = tmp_path / "t.parquet"
    with path.open("wb") as stream:
        stream.write(b"PAR1")
        stream.truncate(5_999_999)
    calls = child(1)
    with pytest.raises(DataError, match="the reader died, code 1"):
        read_examples(path, TableOptions())
    (command, settings) = calls[0]
    memory = (8 << 30) + 30 * 5_999_999
    assert command[:5] == [sys.executable, "-I", str(CHILD), "lines", str(path)]
    assert command[7:] == [str(memory), "65", str(Path(pl.__file__).parents[1])]
    assert settings == {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 30 * 65, "check": False}


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (3, b"panic\nat\nthe reason \n", "found a damaged one ('the reason'). Write it again."),
        (3, b"\xff", "found a damaged one ('�'). Write it again."),
        (3, b"", "found a damaged one ('the reader died, code 3'). Write it again."),
        (5, b"memory", "found that it needs more. Split the file."),
        (-6, b"memory allocation of 99 bytes failed", "found that it needs more. Split the file."),
        (1, b"no reason", "found a damaged one ('the reader died, code 1'). Write it again."),
        (-6, b"no reason", "found a damaged one ('the reader died, code -6'). Write it again."),
        (-signal.SIGXCPU, b"", "found none that is read in 60 s. Write it again."),
        (3, b"x" * 121, "found a damaged one ('" + "x" * 120 + "…'). Write it again."),
    ],
)
def test_how_the_child_ended_is_told(code, said, reason, child, parquet):
    path = parquet({"text": ["t"], "label": ["x"]})
    child(code, said)
    with pytest.raises(DataError, match=re.escape(reason) + "$"):
        read_examples(path, TableOptions())


PROGRAM = """
import resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_CORE, resource.RLIMIT_AS, resource.RLIMIT_CPU)]
    print(end.code, *limits, sys.path[-1])
"""


def test_the_child_takes_its_limits_and_says_what_it_holds(parquet, tmp_path):
    path = parquet({"text": ["é", "b"], "n": [1, None]})
    arguments = ["lines", str(path), str(tmp_path / "rows"), "null", str(8 << 30), "50", "/the/library"]
    command = [sys.executable, "-c", PROGRAM, str(CHILD), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"0 (0, 0) ({8 << 30}, {8 << 30}) (50, 55) /the/library\n"
    first, *rows = (tmp_path / "rows").read_text("utf-8").splitlines()
    assert json.loads(first) == {"rows": 2, "columns": {"text": "plain", "n": "plain"}, "class_names": {}}
    assert rows == ['{"text": "é", "n": "1"}', '{"text": "b", "n": null}']
    path.write_bytes(b"PAR1")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("3 (0, 0)")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_duration_that_nobody_asked_for_does_not_make_a_file_damaged(parquet):
    path = parquet({"text": ["a", "b"], "label": ["x", "y"], "took": [timedelta(days=1, seconds=2), None]})
    assert read_examples(path, TableOptions()).texts == ["a", "b"]
    assert [row[2] for row in cells_of(path)] == ["1 day, 0:00:02", None]


def test_a_column_that_is_damaged_matters_only_when_it_is_used(parquet, tmp_path, monkeypatch):
    broken = tmp_path / "broken_child.py"
    source = CHILD.read_text("utf-8").replace(
        "def _values(series)", "def _values(series, depth=0):\n    if series.name == 'n': raise ValueError('page 1')\n"
        "    return _texts(series)\n\n\ndef _texts(series)"
    )  # fmt: skip
    broken.write_text(source, "utf-8")
    monkeypatch.setattr(module, "_CHILD", broken)
    path = parquet({"text": ["a", "b"], "label": ["x", "y"], "n": [1, 2]})
    assert read_examples(path, TableOptions()).labels == ["x", "y"]
    with pytest.raises(DataError, match=r"column 'n' has no text \('page 1'\)\. Write the output as \.parquet"):
        cells_of(path)
    with pytest.raises(
        DataError, match=r"column 'n' has no text \('page 1'\)\. Name another column, or write it as text"
    ):
        read_examples(path, TableOptions(label_column="n"))


WIDE_DECIMAL = (
    "UEFSMRUAFSAVICwVBBUAFQYVBhwAAAACAAAABAEBAAAAYQEAAABiFQAVIBUgLBUEFQAVBhUGHAAAAAIAAAAEAQEAAAB4AQAAAHkVABV0FXQsFQQV"
    "ABUGFQYcAAAAAgAAAAQBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAlhUEGUw1ABgGc2NoZW1hFQYA"
    "FQwlAhgEdGV4dCUATBwAAAAVDCUCGAVsYWJlbCUATBwAAAAVDhU0FQIYBXByaWNlJQoVBBV4LFwVBBV4AAAAFgQZHBk8JgAcFQwZJQYAGRgEdGV4"
    "dBUAFgQWRhZGJghJHBUAFQAVAgA8FgQZBhkmAAQAAAAmABwVDBklBgAZGAVsYWJlbBUAFgQWRhZGJk5JHBUAFQAVAgA8FgQZBhkmAAQAAAAmABwV"
    "DhklBgAZGAVwcmljZRUAFgQWmgEWmgEmlAFJHBUAFQAVAgA8KQYZJgAEAAAAFqYCFgQmCBamAgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24g"
    "MjYuMC4xGTwcAAAcAAAcAAAAHwEAAFBBUjE="
)
"""The columns text, label and price: a decimal of 60 digits (decimal256), which Polars cannot hold."""


def test_a_column_of_a_type_that_polars_does_not_know_is_no_damaged_file(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(base64.b64decode(WIDE_DECIMAL))
    assert read_examples(path, TableOptions()).texts == ["a", "b"]
    why = r"t\.parquet: column 'price' cannot be read \(.*\): it is damaged, or of a type that Polars"
    with pytest.raises(DataError, match=why):
        cells_of(path)
    with pytest.raises(DataError, match=why):
        read_examples(path, TableOptions(label_column="price"))
    with (
        pytest.raises(DataError, match=why),
        open_table(path, TableOptions(), labelled=False) as table,
        open_writer(tmp_path / "o.parquet", table, ["n"]),
    ):
        pytest.fail("the writer was opened, and all rows would be labelled in vain")
    assert not (tmp_path / "o.parquet").exists()


def test_a_reader_that_dies_of_a_column_that_is_not_used_is_started_again_without_it(parquet, tmp_path, monkeypatch):
    dying = tmp_path / "dying_child.py"
    source = CHILD.read_text("utf-8").replace(
        "def _values(series)", "def _values(series, depth=0):\n    if series.name == 'n': import os; os.abort()\n"
        "    return _texts(series)\n\n\ndef _texts(series)"
    )  # fmt: skip
    dying.write_text(source, "utf-8")
    monkeypatch.setattr(module, "_CHILD", dying)
    path = parquet({"text": ["a", "b"], "label": ["x", "y"], "n": [1, 2]})
    assert read_examples(path, TableOptions()).labels == ["x", "y"]
    with pytest.raises(DataError, match="the reader died, code -6"):
        read_examples(path, TableOptions(label_column="n"))


FULL = """
import errno, runpy, sys
from pathlib import Path
def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")
Path.open = full
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_full_disk_is_not_called_a_damaged_file(parquet, tmp_path, monkeypatch):
    full = tmp_path / "full.py"
    full.write_text(FULL.replace("sys.argv[1:]", f"[{str(CHILD)!r}, *sys.argv[1:]]"), "utf-8")
    monkeypatch.setattr(module, "_CHILD", full)
    with pytest.raises(DataError, match=r"cannot be unpacked on this machine .*No space left.*Free space in .*TMPDIR"):
        read_examples(parquet({"text": ["a"], "label": ["x"]}), TableOptions())


def test_a_system_that_lets_no_limit_be_set_reads_all_the_same(parquet, tmp_path, monkeypatch):
    unlimited = tmp_path / "unlimited.py"
    program = (
        FULL[: FULL.index("def full")] + "import resource\ndef refuse(*_):\n    raise ValueError('not supported')\n"
    )
    program += "resource.setrlimit = refuse\n" + FULL[FULL.index("sys.argv") :]
    unlimited.write_text(program.replace("sys.argv[1:]", f"[{str(CHILD)!r}, *sys.argv[1:]]"), "utf-8")
    monkeypatch.setattr(module, "_CHILD", unlimited)
    assert read_examples(parquet({"text": ["a"], "label": ["x"]}), TableOptions()).labels == ["x"]
