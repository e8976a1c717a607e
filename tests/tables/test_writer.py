"""Rows are written back as they were read, with columns added."""

import io
import json

import polars as pl
import pytest
from children import TABLES
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.errors import DataError, OutputError
from textclf.tables import TableOptions, check_not_same, open_table, open_writer
from textclf.tables.writer import fresh_names


def copy(source, target, added=("label", "confidence"), values=("pos", 0.5), **options):
    """Copy a table with the same added values in every row; return the names of the added columns."""
    with (
        open_table(source, TableOptions(**options), labelled=False) as table,
        open_writer(target, table, added) as writer,
    ):
        for batch in table.batches():
            writer.write(batch, [[value] * len(batch) for value in values])
        return writer.added


DEFAULT_NAME = "in.csv"
"""What the fixture `write` calls a table without a name."""


def test_a_thousand_rough_rows_keep_every_byte(write, tmp_path):
    texts = ['"a\nb, ""c"""', '"x,\r\ny"', "😀 plain", "", '""', ' " inside', "=1+1", "'", "01", '"\r"']
    rows = [f"{i:04d},{texts[i % len(texts)]},{i % 3}.10,  ☃ " for i in range(1000)]
    ends = ["\n" if i % 7 else "\r\n" for i in range(999)] + [""]
    path = write("id,text,n,other\r\n" + "".join(row + end for row, end in zip(rows, ends, strict=True)))
    copy(path, tmp_path / "out.csv")
    expected = "id,text,n,other,label,confidence\r\n"
    expected += "".join(f"{row},pos,0.5{end}" for row, end in zip(rows, ends, strict=True))
    assert (tmp_path / "out.csv").read_bytes() == expected.encode()


@pytest.mark.parametrize("value", ["=1+1", "+", "-", "@SUM(1)", "\tx", '"\rx"', "01", "1.10", '""', " x "])
def test_t25_what_a_spreadsheet_would_change_goes_through_as_written(value, write):
    stream = io.BytesIO()
    copy(write(f"text,id\na,{value}\n"), stream)
    assert stream.getvalue() == f"text,id,label,confidence\na,{value},pos,0.5\n".encode()


def test_a_name_that_is_taken_gets_a_number(write, tmp_path):
    added = copy(write("text,label,label_2\na,x,y\n"), tmp_path / "out.csv")
    assert added == ("label_3", "confidence")
    assert (tmp_path / "out.csv").read_text() == "text,label,label_2,label_3,confidence\na,x,y,pos,0.5\n"


def test_the_byte_order_mark_and_the_separator_stay(write):
    stream = io.BytesIO()
    copy(write(b"\xef\xbb\xbftext;id\r\na;1\r\n"), stream, values=("a;b", 1), separator=";")
    assert stream.getvalue() == b'\xef\xbb\xbftext;id;label;confidence\r\na;1;"a;b";1\r\n'


def test_added_values_are_quoted_where_they_must_be(write):
    stream = io.BytesIO()
    copy(write("text\na\n"), stream, values=('say "x", y\n', 1))
    assert stream.getvalue() == b'text,label,confidence\na,"say ""x"", y\n",1\n'


def test_a_file_without_quotes_takes_no_value_that_needs_them(write):
    path = write('text\tid\n"a\t1\n', "in.tsv")
    stream = io.BytesIO()
    copy(path, stream, quotes=False)
    assert stream.getvalue() == b'text\tid\tlabel\tconfidence\n"a\t1\tpos\t0.5\n'
    with pytest.raises(OutputError, match="without quotes, found 'a"):
        copy(path, io.BytesIO(), values=("a\tb", 1), quotes=False)


def test_refused_rows_are_left_out_and_the_others_keep_their_order(write):
    stream = io.BytesIO()
    copy(write("text,id\na,1\nb\nc,3\n"), stream, on_error="skip")
    assert stream.getvalue() == b"text,id,label,confidence\na,1,pos,0.5\nc,3,pos,0.5\n"


def test_json_lines_keep_their_bytes_and_get_the_keys_at_the_end(write, tmp_path):
    path = write('{"text":"\\u00e9" , "n":1.10}\r\n\n { "text" : "b", "label": [1, {"a": null}] } \n', "in.jsonl")
    assert copy(path, tmp_path / "out.jsonl") == ("label_2", "confidence")
    assert (tmp_path / "out.jsonl").read_bytes() == (
        b'{"text":"\\u00e9" , "n":1.10, "label_2": "pos", "confidence": 0.5}\r\n'
        b' { "text" : "b", "label": [1, {"a": null}], "label_2": "pos", "confidence": 0.5}\n'
    )


def test_a_json_key_that_first_appears_late_is_never_written_twice(write):
    path = write('{"text": "a"}\n' * 200 + '{"text": "b", "label": "x"}\n', "in.jsonl")
    with pytest.raises(OutputError, match="expected no key 'label'"):
        copy(path, io.BytesIO())


def test_json_lines_become_columns(write, tmp_path):
    path = write('{"text": "a,b", "n": 1.10, "l": ["x", 2.0]}\n{"text": "c", "n": null, "l": true}\n', "in.jsonl")
    copy(path, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == (
        'text,n,l,label,confidence\n"a,b",1.10,"[""x"",2.0]",pos,0.5\nc,,true,pos,0.5\n'
    )


def test_a_late_json_key_without_a_column_is_refused(write, tmp_path):
    path = write('{"text": "a"}\n' * 200 + '{"text": "b", "more": 1}\n', "in.jsonl")
    with pytest.raises(DataError, match=r"row 201: key 'more' .* Write the output as \.jsonl"):
        copy(path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_columns_become_json_lines(write, tmp_path):
    copy(write('text,id\n"a\n""b""",01\n'), tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {
        "text": 'a\n"b"', "id": "01", "label": "pos", "confidence": 0.5
    }  # fmt: skip


def test_fasttext_and_plain_lines_need_an_output_with_columns(write, tmp_path):
    path = write("__label__x a\n__label__y __label__z b\n", "in.txt")
    copy(path, tmp_path / "out.tsv", added=("guess",), values=("x",))
    assert (tmp_path / "out.tsv").read_text() == "label\ttext\tguess\nx\ta\tx\ny|z\tb\tx\n"
    with pytest.raises(OutputError, match="expected an output that has columns"):
        copy(path, tmp_path / "out.txt")
    copy(write("a, b\n\n", "lines.txt"), tmp_path / "out.csv", added=("guess",), values=("x",))
    assert (tmp_path / "out.csv").read_text() == 'text,guess\n"a, b",x\n,x\n'


def test_parquet_keeps_the_types_of_its_columns(tmp_path):
    frame = pl.DataFrame({"text": ["a", None, "c"], "n": [1, 2, 3], "l": [[1.5], [], None], "b": [b"\xff", None, b""]})
    frame.write_parquet(tmp_path / "in.parquet")
    copy(tmp_path / "in.parquet", tmp_path / "out.parquet", on_error="skip")
    expected = frame[[0, 2]].with_columns(label=pl.lit("pos"), confidence=pl.lit(0.5))
    assert pl.read_parquet(tmp_path / "out.parquet").equals(expected)


def test_t33_a_parquet_file_that_is_replaced_before_the_end_is_refused(tmp_path):
    path, other = tmp_path / "in.parquet", tmp_path / "other.parquet"
    pl.DataFrame({"text": ["a", "b"]}).write_parquet(path)
    pl.DataFrame({"text": ["c", "d"]}).write_parquet(other)

    def rewrite():
        with (
            open_table(path, TableOptions(), labelled=False) as table,
            open_writer(tmp_path / "out.parquet", table, ["label"]) as writer,
        ):
            for batch in table.batches():
                writer.write(batch, [["x"] * len(batch)])
            other.replace(path)

    with pytest.raises(DataError, match="changed while it was read"):
        rewrite()
    assert not (tmp_path / "out.parquet").exists()


def test_columns_become_parquet_as_text(write, tmp_path):
    copy(write("text,id\na,01\n,2\n"), tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").rows() == [("a", "01", "pos", 0.5), ("", "2", "pos", 0.5)]


def test_parquet_is_not_written_to_a_stream(tmp_path):
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "in.parquet")
    with pytest.raises(OutputError, match="expected a text format, found parquet"):
        copy(tmp_path / "in.parquet", io.BytesIO())


def test_a_json_key_spelt_with_an_escape_is_a_key_all_the_same(write):
    path = write('{"text": "a"}\n' * 200 + '{"text": "b", "lab\\u0065l": "x"}\n', "in.jsonl")
    with pytest.raises(OutputError, match="expected no key 'label'"):
        copy(path, io.BytesIO())


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_an_output_appears_whole_or_not_at_all(name, write, tmp_path):
    path = write("text\na\nb\n\n" + "c,d\n")
    target = tmp_path / name
    target.write_bytes(b"old")
    with pytest.raises(DataError, match="expected 1 field, found 2"):
        copy(path, target)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", name]


@pytest.mark.parametrize("kind", ["same", "hard link", "symbolic link", "dotted"])
def test_t34_the_output_may_not_be_the_input(kind, write, tmp_path):
    path = write("text\na\n")
    target = tmp_path / "link.csv"
    if kind == "same":
        target = path
    elif kind == "hard link":
        target.hardlink_to(path)
    elif kind == "symbolic link":
        target.symlink_to(path)
    else:
        target = tmp_path / ".." / tmp_path.name / "in.csv"
    with pytest.raises(DataError, match="found the same file"):
        copy(path, target)
    assert path.read_text() == "text\na\n"


def test_t34_standard_input_redirected_from_the_output_is_refused(write, monkeypatch):
    path = write("text\na\n")
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(DataError, match="found the same file"):
            check_not_same("-", path)


def test_an_output_folder_that_is_missing_is_refused_before_any_work(write, tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        copy(write("text\na\n"), tmp_path / "no" / "out.csv")


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_added_values_are_counted_also_where_rows_change_their_format(form, write):
    with (
        open_table(write("text\na\nb\n"), TableOptions(), labelled=False) as table,
        open_writer(io.BytesIO(), table, ["x"], form) as writer,
    ):
        batch = next(table.batches())
        with pytest.raises(ValueError, match="zip"):
            writer.write(batch, [["only one"]])


def test_without_added_columns_json_lines_stay_as_they_are(write, tmp_path):
    content = '{"text": "a",  "n": 1.10}\r\n{"text": "b"}'
    copy(write(content, "t.jsonl"), tmp_path / "o.jsonl", added=(), values=())
    assert (tmp_path / "o.jsonl").read_bytes() == content.encode()


def test_names_that_are_taken_are_numbered_on():
    assert fresh_names(["a", "b", "a"], ["a", "a_2", "c"]) == ("a_3", "b", "a_4")
    assert fresh_names([], ["a"]) == ()


def copied(content, kind, columns, added=("n", "w"), **options):
    """Return a table with columns added, in a format; the values are those of all rows, whatever the batches."""
    target, at = io.BytesIO(), 0
    with (
        open_table(io.BytesIO(content), TableOptions(**options), labelled=False) as table,
        open_writer(target, table, added, kind) as writer,
    ):
        for batch in table.batches():
            writer.write(batch, [column[at : at + len(batch)] for column in columns])
            at += len(batch)
    return target.getvalue()


VALUES = [[1, 20], ["p,q", 'r"\r']]
COPIES = {
    ("csv", "csv"): b'text,n,w\r\na,1,"p,q"\r\nb,20,"r""\r"\n',
    ("csv", "tsv"): b'text\tn\tw\na\t1\tp,q\nb\t20\t"r""\r"\n',
    ("csv", "jsonl"): b'{"text": "a", "n": 1, "w": "p,q"}\n{"text": "b", "n": 20, "w": "r\\"\\r"}\n',
    ("jsonl", "jsonl"): b'{"text":"a", "n": 1, "w": "p,q"}\r\n {"text":"b", "n": 20, "w": "r\\"\\r"}',
    ("jsonl", "csv"): b'text,n,w\na,1,"p,q"\nb,20,"r""\r"\n',
    ("lines", "csv"): b'text,n,w\na,1,"p,q"\nb,20,"r""\r"\n',
}
CONTENTS = {"csv": b"text\r\na\r\nb\n", "jsonl": b'{"text":"a" }\r\n {"text":"b"} ', "lines": b"a\r\nb"}


@pytest.mark.parametrize(("form", "kind"), COPIES)
def test_rows_get_their_values_in_every_pair_of_formats(form, kind):
    assert copied(CONTENTS[form], kind, VALUES, format=form) == COPIES[form, kind]


def test_rows_keep_their_bytes_where_nothing_is_added():
    assert copied(b'"text"\r\n"a"\nb', "csv", [], added=(), format="csv") == b'"text"\r\n"a"\nb'
    assert copied(b"a\r\n\nb", "lines", [], added=(), format="lines") == b"a\r\n\nb"
    fast = b"__label__x  a\n\n__label__y b"
    assert copied(fast, "fasttext", [], added=()) == fast.replace(b"\n\n", b"\n")


@pytest.mark.parametrize(
    ("form", "kind"), [("lines", "lines"), ("csv", "lines"), ("csv", "fasttext"), ("csv", "parquet")]
)
def test_a_format_that_cannot_hold_the_columns_is_refused(form, kind):
    added = () if form != kind else ("n",)
    with pytest.raises(OutputError, match=r"expected (an output that has columns|a text format), found"):
        copied(CONTENTS[form], kind, [], added=added, format=form)


def test_a_value_that_a_file_without_quotes_cannot_hold_is_refused():
    for value in ("p\tq", "p\nq", "p\rq"):
        with pytest.raises(
            OutputError, match=r"expected values without '\\t' and line ends in a file without quotes, found"
        ):
            copied(b"text\tid\na\t1\n", "tsv", [[value]], added=("n",), format="tsv", quotes=False)
    written = copied(b"text\tid\na\t1\n", "tsv", [['p"q']], added=("n",), format="tsv", quotes=False)
    assert written == b'text\tid\tn\na\t1\tp"q\n'


def test_a_number_that_json_does_not_know_is_no_value():
    with pytest.raises(ValueError, match="not JSON compliant"):
        copied(CONTENTS["jsonl"], "jsonl", [[float("nan")] * 2], added=("n",), format="jsonl")
    assert "é".encode() in copied(CONTENTS["csv"], "jsonl", [["é"] * 2], added=("ü",), format="csv")
    late = '{"text": "a"}\n' * 100 + '{"text": "b", "é": 1}\n'
    with pytest.raises(OutputError, match="expected no key 'é', found one in a later row"):
        copied(late.encode(), "jsonl", [["x"] * 101], added=("é",))


@pytest.mark.parametrize(("form", "kind"), [("csv", "csv"), ("csv", "tsv"), ("jsonl", "jsonl"), ("csv", "jsonl")])
@pytest.mark.parametrize("columns", [[["x"]], [["x"] * 3], [[1], [2, 3]], [[1, 2, 3], [4, 5]]])
def test_values_that_are_not_as_many_as_the_rows_are_an_error(form, kind, columns):
    content = {"csv": b"text\na\nb\n", "jsonl": b'{"text": "a"}\n{"text": "b"}\n'}[form]
    with (
        open_table(io.BytesIO(content), TableOptions(format=form), labelled=False) as table,
        open_writer(io.BytesIO(), table, ["n", "w"][: len(columns)], kind) as writer,
    ):
        (batch,) = table.batches()
        with pytest.raises(ValueError, match="zip"):
            writer.write(batch, columns)


CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=20), st.sampled_from([("csv", ","), ("tsv", "\t")]))
@settings(max_examples=round(200 * TABLES), deadline=None)
def test_what_is_written_is_read_again(rows, kind):
    rows = [row for row in rows if "".join(row).strip("\0") or not any(row)]  # a line of nothing but NUL is refused
    lines = "".join(json.dumps({"text": text, "other": other}) + "\n" for text, other in rows) or '{"text": "a"}\n'
    form, separator = kind
    stream = io.BytesIO()
    options = TableOptions(format="jsonl")
    with (
        open_table(io.BytesIO(lines.encode()), options, labelled=False) as table,
        open_writer(stream, table, ["x"], form) as writer,
    ):
        for batch in table.batches():
            writer.write(batch, [["y"] * len(batch)])
    again = io.BytesIO(stream.getvalue())
    with open_table(again, TableOptions(format=form, separator=separator), labelled=False) as table:
        read = [tuple(cells[:2]) for batch in table.batches() for cells in table.cells(batch)]
    assert read == (rows or [("a", "y")])
