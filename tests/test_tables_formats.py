"""JSON Lines, fastText files, plain lines and Parquet; where a table comes from; which columns are read."""

import io
import os
import subprocess
import sys
import threading
import time

import polars as pl
import pytest

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, read_examples


@pytest.fixture
def write(tmp_path):
    def write(content, name="t.jsonl"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def rows_of(path, **options):
    examples = read_examples(path, TableOptions(**options))
    return list(zip(examples.texts, examples.labels, strict=True))


def texts_of(origin, **options):
    with open_table(origin, TableOptions(**options), labelled=False) as table:
        return [text for batch in table.batches() for text in batch.texts]


# JSON Lines

GOOD = b'{"text": "a", "label": "x"}\n'


def test_json_lines_are_read_in_order_with_their_labels_as_spelt(write):
    lines = ['"x"', "1", "1.10", "true", '["a", "b"]', '"01"', '"\\u00e9"']
    path = write("".join(f'{{"text": "t", "label": {label}}}\n' for label in lines))
    assert [label for _, label in rows_of(path)] == ["x", "1", "1.10", "true", '["a","b"]', "01", "é"]


def test_json_lines_may_lack_the_last_line_end_and_hold_blank_lines_and_odd_line_breaks(write):
    examples = read_examples(
        write('{"text": "a\u2028\x85b", "label": "x"}\r\n\n{"text": "", "label": "y"}'), TableOptions()
    )
    assert list(zip(examples.texts, examples.labels, strict=True)) == [("a\u2028\x85b", "x"), ("", "y")]
    assert examples.notes.blank_lines == 1


def test_t27_a_key_that_first_appears_late_is_not_lost(write):
    early = b'{"text": "a"}\n' * 5000
    examples = read_examples(write(early + GOOD), TableOptions(label_column="label", on_error="skip"))
    assert (examples.rows, examples.labels) == ([5001], ["x"])
    assert len(examples.refused) == 5000


JSON_REFUSED = {
    "T26-cut-last-line": (GOOD + b'{"text": "b", "la', r"t\.jsonl:2: row 2: expected a JSON object"),
    "T26-bad-middle": (GOOD + b"oops\n" + GOOD, r"t\.jsonl:2: row 2: expected a JSON object, found 'oops'"),
    "T28-duplicate-key": (GOOD + b'{"text": "a", "text": "b", "label": "x"}\n', r":2: .*'text' twice"),
    "T28-nan": (GOOD + b'{"text": "a", "label": NaN}\n', r":2: .*NaN"),
    "T28-infinity": (GOOD + b'{"text": "a", "label": "x", "n": -Infinity}\n', r":2: .*-Infinity"),
    "T28-1e400": (GOOD + b'{"text": "a", "label": "x", "n": 1e400}\n', r":2: .*1e400"),
    "T28-surrogate": (GOOD + b'{"text": "\\ud800", "label": "x"}\n', r":2: .*surrogate"),
    "T28-surrogate-in-another-key": (GOOD + b'{"text": "a", "label": "x", "k": ["\\udfff"]}\n', r":2: .*surrogate"),
    "T28-number-as-text": (GOOD + b'{"text": 5, "label": "x"}\n', r":2: .*expected a string.*the number '5'"),
    "T28-list-as-text": (GOOD + b'{"text": ["a"], "label": "x"}\n', r":2: .*expected a string.*a list"),
    "T28-object-as-text": (GOOD + b'{"text": {}, "label": "x"}\n', r":2: .*expected a string.*an object"),
    "T28-null-as-text": (GOOD + b'{"text": null, "label": "x"}\n', r":2: .*expected a string.*null"),
    "T29-array-file": (b'[{"text": "a", "label": "x"}]\n', "JSON array"),
    "T29-two-objects": (GOOD + GOOD.strip() + GOOD, r":2: .*Extra data.*One object a line"),
    "T29-array-line": (GOOD + b"[1]\n", r":2: .*found a list"),
    "nested-too-deeply": (GOOD + b'{"text": "a", "label": ' + b"[" * 100_000 + b"\n", r":2: .*nested too deeply"),
    "missing-text": (GOOD + b'{"label": "x"}\n', r":2: .*expected the key 'text', found 'label'"),
    "missing-label": (GOOD + b'{"text": "a"}\n', r":2: .*expected a label, found none"),
    "null-label": (GOOD + b'{"text": "a", "label": null}\n', r":2: .*expected a label, found none"),
    "object-label": (GOOD + b'{"text": "a", "label": {}}\n', r":2: .*found an object"),
    "list-of-numbers-label": (GOOD + b'{"text": "a", "label": [1]}\n', r":2: .*list of strings.*found a list"),
    "latin1": (GOOD + b'{"text": "\xe9", "label": "x"}\n', r":2: row 2: .*0xe9 at byte 38 "),
    "nul-line": (GOOD + b"\0\0\n", r":2: .*NUL"),
    "empty": (b"", "no rows"),
    "blank": (b"\n \n", "no rows"),
    "no-object-at-all": (b"hello\n", "expected one JSON object a line, found none"),
    "only-empty-objects": (b"{}\n", "expected one JSON object a line, found none"),
}


@pytest.mark.parametrize("case", JSON_REFUSED)
def test_json_lines_are_refused_with_the_line(case, write):
    content, message = JSON_REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        rows_of(write(content))
    assert "\n" not in str(caught.value)


def test_bad_json_lines_are_passed_over_when_asked(write):
    examples = read_examples(write(GOOD + b"oops\n\n" + GOOD), TableOptions(on_error="skip"))
    assert (examples.rows, [(r.row, r.line) for r in examples.refused]) == ([1, 3], [(2, 2)])


# fastText files and plain lines


def test_a_fasttext_file_is_known_by_its_content(write):
    path = write(b"__label__x  a b\n__label__y __label__z c\n\n__label__w\n", "t.txt")
    assert rows_of(path) == [("a b", "x"), ("c", "y|z"), ("", "w")]
    assert texts_of(path) == ["a b", "c", ""]


@pytest.mark.parametrize(
    ("line", "message"),
    [("no label", "row 2: expected __label__ and a label"), ("__label__ a", "expected __label__ and a label"),
     ("__label__x a __label__y", "found one after the text")],
)  # fmt: skip
def test_a_fasttext_line_without_its_label_in_front_is_refused(line, message, write):
    with pytest.raises(DataError, match=message):
        rows_of(write(f"__label__x a\n{line}\n", "t.txt"))


def test_plain_lines_are_texts_one_a_line_and_a_blank_one_is_the_empty_text():
    stream = io.BytesIO("a, b\x85c\u2028d\x0c\r\n\n{e\nlast".encode())
    assert texts_of(stream, format="lines") == ["a, b\x85c\u2028d\x0c", "", "{e", "last"]


def test_lines_that_are_not_utf8_are_refused_by_number():
    with pytest.raises(DataError, match=r"row 2: expected UTF-8, found byte 0xe9 at byte 5 "):
        texts_of(io.BytesIO(b"a\ncaf\xe9\n"), format="lines")


def test_plain_lines_have_no_labels(write):
    with pytest.raises(DataError, match="expected labels, found plain lines"):
        rows_of(write(b"a\n"), format="lines")


# Which format


@pytest.mark.parametrize(
    ("content", "labelled", "kind"),
    [
        (b'{"text": "a", "label": "x"}\n', True, "jsonl"),
        (b"__label__x a\n", True, "fasttext"),
        (b"text\tlabel\na\tx\n", True, "tsv"),
        (b"text,label\na,x\n", True, "csv"),
        (b"a, b\n", False, "lines"),
    ],
)
def test_the_format_of_a_stream_is_told_by_its_content(content, labelled, kind):
    with open_table(io.BytesIO(content), TableOptions(), labelled) as table:
        assert table.kind == kind


def test_a_file_whose_format_is_in_doubt_is_refused(write):
    with pytest.raises(DataError, match=r"no sure sign in the content\. Give --format"):
        texts_of(write(b"a, b\n", "t.dat"))


@pytest.mark.parametrize(
    "options",
    [
        {"format": "xls"},
        {"on_error": "ignore"},
        {"separator": ";;"},
        {"separator": '"'},
        {"encoding": "klingon"},
        {"encoding": "rot13"},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(DataError, match=r"^(format|on_error|separator|encoding): expected .* found"):
        TableOptions(**options)


# Which columns


@pytest.mark.parametrize(
    ("header", "options", "chosen"),
    [
        ("text,label", {}, ("text", "label")),
        ("Label,TEXT,id", {}, ("TEXT", "Label")),
        ("id,review,stars", {}, ("review", "stars")),
        ("title,text,class", {}, ("text", "class")),
        ("sentiment,words", {}, ("words", "sentiment")),
        ("tweet,kind", {}, ("tweet", "kind")),
        ("words,kind", {"label_column": "kind"}, ("words", "kind")),
        ("words,kind", {"text_column": "words"}, ("words", "kind")),
        ("text,label,kind", {"label_column": "kind"}, ("text", "kind")),
        ("w,words,label", {"weight_column": "w"}, ("words", "label")),
    ],
)
def test_the_columns_are_guessed_when_there_is_no_doubt(header, options, chosen, write):
    with open_table(write(header + "\n", "t.csv"), TableOptions(**options), labelled=True) as table:
        assert (table.text_column, table.label_column) == chosen


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("a,b,c", {}, r"t\.csv: no column 'text'; it has 'a', 'b' and 'c'\. Use --text-column"),
        ("review,comment,label", {}, r"expected one text column, found 'review' and 'comment'\. Use --text-column"),
        ("text,stars,rating", {}, r"expected one label column, found 'stars' and 'rating'\. Use --label-column"),
        ("text", {}, r"no column 'label'; it has 'text'\."),
        ("review,stars", {"text_column": "text"}, r"no column 'text'; it has 'review' and 'stars'\. Use --text-column"),
        ("reviews,stars", {"text_column": "review"}, r"no column 'review'.* Did you mean 'reviews'\?"),
        ("text,label", {"text_column": "label", "label_column": "label"}, "different columns"),
        ("text,label", {"weight_column": "weight"}, r"no column 'weight'.*"),
    ],
)  # fmt: skip
def test_a09_columns_that_are_missing_or_in_doubt_are_named(header, options, message, write):
    with pytest.raises(DataError, match=message):
        open_table(write(header + "\n", "t.csv"), TableOptions(**options), labelled=True)


def test_without_labels_the_single_column_is_the_text(write):
    assert texts_of(write(b"words\na\n", "t.csv")) == ["a"]
    assert texts_of(write(b"words,label\na,x\n", "t.csv")) == ["a"]


# Where a table comes from


def test_a03_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no\.csv: no such file"):
        read_examples(tmp_path / "no.csv", TableOptions())


def test_a03_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="found a folder"):
        read_examples(tmp_path, TableOptions())


def test_a03_a_file_that_may_not_be_read_is_refused(write, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = write(GOOD)
    monkeypatch.setattr("pathlib.Path.open", forbidden)  # root may open everything
    with pytest.raises(DataError, match=r"t\.jsonl: cannot be opened \(Permission denied\)"):
        rows_of(path)


def test_a_stream_that_breaks_is_a_data_error():
    class Broken(io.BytesIO):
        def read1(self, _=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(DataError, match="cannot be read"):
        texts_of(Broken(), format="lines")


def test_an_empty_file_of_unknown_kind_has_no_rows(write):
    with pytest.raises(DataError, match="no rows"):
        rows_of(write(b"", "t.txt"))


def test_a06_a_file_with_any_name_is_read_and_named_on_one_line(write):
    for name in ("-rf.jsonl", "a\nb.jsonl", os.fsdecode(b"\xff.jsonl")):
        assert rows_of(write(GOOD, name)) == [("a", "x")]
        with pytest.raises(DataError, match="no rows") as caught:
            rows_of(write(b"", name))
        assert str(caught.value).isprintable()


def test_a08_a_closed_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="standard input: expected texts, found it closed"):
        texts_of("-", format="lines")


def test_a08_an_empty_standard_input_has_no_rows(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="standard input: expected rows of data, found no rows"):
        texts_of("-", format="lines")


def test_a_named_pipe_is_read_as_it_comes(tmp_path):
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(GOOD * 10_000))
    writer.start()
    assert rows_of(path) == [("a", "x")] * 10_000
    writer.join()


def test_a_slow_pipe_is_answered_line_by_line():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as stream, os.fdopen(write_end, "wb", buffering=0) as pipe:
        pipe.write(b"first\n")
        with open_table(stream, TableOptions(format="lines"), labelled=False) as table:
            batches = table.batches()
            assert next(batches).texts == ["first"]
            pipe.write(b"second\n")
            assert next(batches).texts == ["second"]


# Parquet


@pytest.fixture
def parquet(tmp_path):
    def parquet(columns, name="t.parquet"):
        path = tmp_path / name
        pl.DataFrame(columns).write_parquet(path)
        return path

    return parquet


def test_t31_parquet_columns_are_text_by_rule(parquet):
    path = parquet({
        "text": pl.Series(["a", "b\n", "c"], dtype=pl.Categorical),
        "label": [1, 2, 3],
        "share": [0.1, 1.0, None],
        "list": [[1], [], None],
        "raw": [b"\xff", b"", None],
    })  # fmt: skip
    assert rows_of(path) == [("a", "1"), ("b\n", "2"), ("c", "3")]
    with open_table(path, TableOptions(), labelled=False) as table:
        cells = [row for batch in table.batches() for row in table.cells(batch)]
    assert cells[0] == ["a", "1", "0.1", "[1]", "ff"]
    assert cells[2] == ["c", "3", None, None, None]


@pytest.mark.parametrize(("values", "kind"), [([["a"]], "nested"), ([{"a": 1}], "nested"), ([b"a"], "binary")])
def test_t31_a_text_column_that_is_no_text_is_refused(values, kind, parquet):
    with pytest.raises(DataError, match=f"expected text in column 'text', found {kind} values"):
        rows_of(parquet({"text": values, "label": ["x"]}))


def test_t31_null_texts_and_labels_are_refused_by_row(parquet):
    path = parquet({"text": ["a", None, "c"], "label": ["x", "y", None]})
    with pytest.raises(DataError, match=r"t\.parquet: row 2: expected a string under the key 'text', found null"):
        rows_of(path)
    examples = read_examples(path, TableOptions(on_error="skip"))
    assert (examples.texts, [(r.row, r.line) for r in examples.refused]) == (["a"], [(2, None), (3, None)])


def test_t30_damaged_parquet_is_refused_and_nothing_dies(parquet, write):
    sound = parquet({"text": ["a", "b"] * 50, "label": ["x", "y"] * 50}).read_bytes()
    damaged = {
        "magic only": b"PAR1",
        "cut": sound[: len(sound) // 2],
        "footer beyond the file": sound[:-8] + b"\xff\xff\xff\x7fPAR1",
        "zeros": b"PAR1" + bytes(len(sound) - 8) + b"PAR1",
        "text": b"text,label\na,x\n",
        "empty": b"",
    }
    for content in damaged.values():
        with pytest.raises(DataError, match=r"expected a (sound )?Parquet file, found") as caught:
            rows_of(write(content, "broken.parquet"))
        assert "\n" not in str(caught.value)


def test_t30_a_reader_that_dies_or_hangs_is_a_data_error(parquet, monkeypatch):
    path = parquet({"text": ["a"], "label": ["x"]})
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -6, b"", b"aborted"))
    with pytest.raises(DataError, match="the reader died, code -6"):
        rows_of(path)

    def hang(*_, **__):
        raise subprocess.TimeoutExpired("child", 60)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(DataError, match="read in 60 s"):
        rows_of(path)


def test_an_empty_parquet_table_has_no_rows(parquet):
    with pytest.raises(DataError, match="no rows"):
        rows_of(parquet({"text": pl.Series([], dtype=pl.String), "label": pl.Series([], dtype=pl.String)}))


def test_parquet_is_not_read_from_a_stream():
    with pytest.raises(DataError, match="read from a file"):
        texts_of(io.BytesIO(b"PAR1"))


def test_reading_a_table_imports_no_heavy_package(write):
    path = write(GOOD)
    program = (
        "import sys; from pathlib import Path; from textclf.tables import *;"
        f"read_examples(Path({str(path)!r}), TableOptions());"
        "sys.exit(bool({'polars', 'scipy', 'sklearn', 'gensim'} & set(sys.modules)))"
    )
    start = time.perf_counter()
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert time.perf_counter() - start < 5


# One column of any table


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'text,label,by\n"a, ""b""",x,"1,5"\nc,y,\n'),
        ("t.tsv", "by\ttext\tlabel\n1,5\ta\tx\n\tc\ty\n"),
        ("t.jsonl", '{"text": "a", "label": "x", "by": "1,5"}\n{"text": "c", "label": "y", "by": "", "late": 2}\n'),
    ],
)
def test_the_values_of_one_column_are_those_of_the_rows(write, name, content):
    with open_table(write(content, name), TableOptions(), labelled=True) as table:
        batches = [(batch.labels, table.values(batch, "by")) for batch in table.batches()]
    assert batches == [(["x", "y"], ["1,5", ""])]


def test_a_value_that_is_absent_is_none_and_parquet_has_columns_too(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"text": ["a", "b"], "label": ["x", "y"], "by": [3, None]}).write_parquet(path)
    with open_table(path, TableOptions(), labelled=True) as table:
        table.check_column("by", "slice_by")
        assert [table.values(batch, "by") for batch in table.batches()] == [["3", None]]
        with pytest.raises(DataError, match=r"no column 'bye'.*Did you mean 'by'"):
            table.check_column("bye", "slice_by")


def test_the_columns_of_a_fasttext_file_are_label_and_text(write):
    with open_table(write("__label__x a b\n", "t.ft"), TableOptions(format="fasttext"), labelled=True) as table:
        assert [(table.values(batch, "label"), table.values(batch, "text")) for batch in table.batches()] == [
            (["x"], ["a b"])
        ]
