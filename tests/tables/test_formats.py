"""JSON Lines, fastText files, plain lines and Parquet; where a table comes from; which columns are read."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest

from textclf import serve
from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, read_examples
from textclf.tables.formats import FORMATS
from textclf.tables.interface import TableInput

DEFAULT_NAME = "t.jsonl"
"""What the fixture `write` calls a table without a name."""


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


def test_bad_json_lines_are_passed_over_when_asked(write):
    examples = read_examples(write(GOOD + b"oops\n\n" + GOOD), TableOptions(on_error="skip"))
    assert (list(examples.rows), [(r.row, r.line) for r in examples.refused]) == ([1, 3], [(2, 2)])


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
        assert table.format.name == kind


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
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


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


def test_a_parquet_table_without_columns_is_refused(parquet):
    with pytest.raises(DataError, match="expected columns, found none"):
        texts_of(parquet({}))


def test_a_plain_line_is_the_value_of_its_one_column(write):
    with open_table(write("a\n\nb\n", "t.txt"), TableOptions(), labelled=False) as table:
        (batch,) = table.batches()
        assert table.values(batch, "text") == ["a", "", "b"]


def test_a_line_above_the_limit_is_refused_by_number(write, monkeypatch):
    monkeypatch.setattr("textclf.tables.lines.RECORD_LIMIT", 4)
    examples = [(b"four\n", ["four"], None), (b"a\nfive5\n", None, "t.txt:2: row 2: expected at most 0 MiB in a row")]
    for content, texts, said in examples:
        path = write(content, "t.txt")
        if said is None:
            assert texts_of(path) == texts
            continue
        with pytest.raises(DataError, match=said):
            texts_of(path)


def test_nested_values_of_json_lines_keep_the_spelling_of_their_numbers(write):
    path = write('{"text": "t", "more": {"a": 1.10, "b": [true, null, "é", {}]}}\n')
    with open_table(path, TableOptions(), labelled=False) as table:
        (batch,) = table.batches()
        assert list(table.cells(batch)) == [["t", '{"a":1.10,"b":[true,null,"é",{}]}']]


def test_a_row_that_is_lost_on_the_way_stops_the_command(write, monkeypatch):
    from textclf.tables import table as module

    def losing(parsed, **options):
        batch, refused = validate_rows(parsed, **options)
        return batch.select(range(len(batch) - 1)), refused

    validate_rows = module.validate_rows
    monkeypatch.setattr(module, "validate_rows", losing)
    with pytest.raises(DataError, match=r"expected 2 rows, found 2, of which 1 are used or skipped\. This is a fault"):
        rows_of(write(GOOD * 2))


def test_a_parquet_row_that_is_promised_and_not_there_stops_the_command(parquet, monkeypatch):
    def promising(table, lines, rows):
        return read_rows_of(table, lines, rows + 1)

    read_rows_of = TableInput.read_rows_of
    monkeypatch.setattr(TableInput, "read_rows_of", promising)
    with pytest.raises(DataError, match=r"expected 3 rows, found 2, of which 2 are used or skipped"):
        texts_of(parquet({"text": ["a", "b"]}))


def test_a_parquet_reader_that_uses_up_its_time_is_ended_and_told(parquet, tmp_path, monkeypatch):
    endless = tmp_path / "endless.py"
    endless.write_text(f"import os\nos.kill(os.getpid(), {int(signal.SIGXCPU)})\n")  # what its limit does to it
    monkeypatch.setattr("textclf.tables.parquet._CHILD", endless)
    with pytest.raises(DataError, match="expected a Parquet file, found none that is read in 60 s"):
        texts_of(parquet({"text": ["a"]}))


def test_the_page_of_the_service_knows_the_endings_of_the_formats_that_the_service_takes():
    page = Path(serve.__file__).parent / "page"
    taken = [each for each in FORMATS if each.media_type]
    endings = {ending: each.name for each in taken for ending in (*each.suffixes, *each.output_suffixes)}
    accepted = re.search(r'accept="([^"]*)"', (page / "index.html").read_text("utf-8"))[1].split(",")
    assert {ending for ending in accepted if ending.startswith(".")} == set(endings)
    known = dict(
        re.findall(r"(\w+): \"(\w+)\"", (page / "table.js").read_text("utf-8").split("FORMATS = {")[1].split("}")[0])
    )
    assert {f".{ending}": name for ending, name in known.items()} | {".csv": "csv"} == endings


def test_the_registry_has_each_name_and_each_ending_once():
    names = [each.name for each in FORMATS]
    endings = [ending for each in FORMATS for ending in each.suffixes]
    assert len({*names}) == len(names)
    assert len({*endings}) == len(endings)
