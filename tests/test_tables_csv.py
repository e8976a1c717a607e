"""CSV and TSV: the hostile cases by number, and the fast reader held to the careful one."""

import csv
import io
import os
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, read_examples
from textclf.tables.careful import careful_run
from textclf.tables.model import Position
from textclf.tables.plain import Dialect, Wanted, plain_run


@pytest.fixture
def write(tmp_path):
    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def rows_of(path, **options):
    examples = read_examples(path, TableOptions(**options))
    return list(zip(examples.texts, examples.labels, strict=True))


READ_RIGHT = {
    "T01-nul-in-a-text-is-kept": (b"text,label\na\0b,x\n", [("a\0b", "x")]),
    "T03-byte-order-mark": (b"\xef\xbb\xbftext,label\na,x\n", [("a", "x")]),
    "T07-quote-inside-a-field": (b'text,label\n5" disk,x\nb,y\n', [('5" disk', "x"), ("b", "y")]),
    "T07-quote-inside-a-field-and-a-quoted-one": (
        b'text,label\n5" disk,"x"\n"b,c",y\n',
        [('5" disk', "x"), ("b,c", "y")],
    ),
    "T17-carriage-returns-only": (b"text,label\ra,x\rb,y\r", [("a", "x"), ("b", "y")]),
    "T18-mixed-line-ends": (b"text,label\r\na,x\nb,y\rc,z", [("a", "x"), ("b", "y"), ("c", "z")]),
    "T19-line-ends-in-quotes": (b'text,label\n"a\nb\r\nc\rd",x\n', [("a\nb\r\nc\rd", "x")]),
    "T20-blank-lines": (b"text,label\n\na,x\n\n\nb,y\n\n", [("a", "x"), ("b", "y")]),
    "T20-blank-lines-before-the-header": (b"\n\ntext,label\na,x\n", [("a", "x")]),
    "T21-labels-stay-as-written": (
        b"text,label\n" + b"\n".join(b"t," + w for w in b"01 1 true 1.0 1.10 NA null None nan".split()),
        [("t", w) for w in ["01", "1", "true", "1.0", "1.10", "NA", "null", "None", "nan"]],
    ),
    "T23-outer-blanks-are-kept": (b"text,label\na, x\nb,x\n", [("a", " x"), ("b", "x")]),
    "empty-text-bare-and-quoted": (b'text,label\n,x\n"",y\n', [("", "x"), ("", "y")]),
    "doubled-quotes": (b'text,label\n"say ""hi"", ok","x"\n"""",y\n', [('say "hi", ok', "x"), ('"', "y")]),
    "no-final-line-end": (b"text,label\na,x", [("a", "x")]),
    "windows-line-ends": (b'text,label\r\n"a",x\r\nb,"y"\r\n', [("a", "x"), ("b", "y")]),
    "odd-characters": ("text,label\n# a\x1a\u2028\x85\x0c😀,x\n".encode(), [("# a\x1a\u2028\x85\x0c😀", "x")]),
}


@pytest.mark.parametrize("case", READ_RIGHT)
def test_a_table_is_read_right(case, write):
    content, expected = READ_RIGHT[case]
    assert rows_of(write(content)) == expected


REFUSED = {
    "T01-line-of-nul": (b"text,label\na,x\n\0\0\0\n", r"t\.csv:3: row 2: .*NUL"),
    "T02-utf16-le-mark": ("\ufefftext,label\na,x\n".encode("utf-16-le"), r"UTF-16.*--encoding utf-16\."),
    "T02-utf16-be-mark": ("\ufefftext,label\na,x\n".encode("utf-16-be"), r"UTF-16.*--encoding utf-16\."),
    "T02-utf16-le": ("text,label\na,x\n".encode("utf-16-le"), r"UTF-16.*--encoding utf-16-le\."),
    "T02-utf16-be": ("text,label\na,x\n".encode("utf-16-be"), r"UTF-16.*--encoding utf-16-be\."),
    "T04-latin1": (b"text,label\na,x\ncaf\xe9,y\n", r"t\.csv:3: row 2: .*byte 0xe9 at byte 18 .*--encoding latin-1"),
    "T05-cut-utf8": (b"text,label\n\xe2\x82,x\n", r"row 1: expected UTF-8.*0xe2"),
    "T05-surrogate": (b"text,label\n\xed\xa0\x80,x\n", r"row 1: expected UTF-8.*0xed"),
    "T05-overlong": (b"text,label\n\xc0\xaf,x\n", r"row 1: expected UTF-8.*0xc0"),
    "T05-header": (b"text,label\xe9\na,x\n", r"t\.csv:1: expected UTF-8.*0xe9"),
    "T06-lone-quote": (b'text,label\na,x\n"b,y\nc,z\n', r"t\.csv:3: expected a closing quote.*end of the file"),
    "T06-lone-quote-closed-later": (b'text,label\na,x\n"b,y\nc,"z"\n', r"t\.csv:3: expected ',' or the end of the row"),
    "T08-text-after-a-quote": (b'text,label\n"good" film,x\n', r"t\.csv:2: expected ',' or the end of the row"),
    "T09-backslash-quotes": (b'text,label\n"he said \\"hi\\", ok",x\n', r"t\.csv:2: .*after a backslash"),
    "T10-short-row": (b"text,label\na,x\nb\n", r"t\.csv:3: row 2: expected 2 fields, found 1\. .*--on-error skip"),
    "T11-long-row": (
        b"text,label\nno, really,x\n",
        r"t\.csv:2: row 1: expected 2 fields, found 3\. .*must stand in quotes",
    ),
    "T12-other-separator": (b"text;label\na;x\n", r"Is the separator ';'\? Then give --separator ';'"),
    "T13-trailing-comma": (b"text,label\na,x,\nb,y,\n", r"row 1: expected 2 fields, found 3"),
    "T15-empty": (b"", "no rows"),
    "T15-newlines-only": (b"\n\n\n", "no rows"),
    "T15-header-only": (b"text,label\n", "no rows"),
    "T15-header-without-line-end": (b"text,label", "no rows"),
    "T15-mark-only": (b"\xef\xbb\xbf", "no rows"),
    "T16-duplicate-names": (b"text,label,text\na,x,b\n", r"'text' more than once"),
    "T16-blank-name": (b",text,label\n0,a,x\n", r"none for column 1.*index=False"),
    "T16-spaced-names": (
        b"text, label,id\na,x,1\n",
        r"no column 'label'; it has 'text', ' label' and 'id'.*--label-column ' label'",
    ),
    "T24-ends-in-quotes": (b'text,label\n"a', r"t\.csv:2: expected a closing quote"),
    "empty-label": (b"text,label\na,x\nb,\n", r"t\.csv:3: row 2: expected a label, found none"),
    "blank-label": (b'text,label\na,x\nb," "\n', r"t\.csv:3: row 2: expected a label, found none"),
    "gzip": (b"\x1f\x8b\x08\0\0", "gzip file.*Unpack"),
    "excel": (b"PK\x03\x04aaaa", "Excel"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_is_refused_in_one_line(case, write):
    content, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        read_examples(write(content), TableOptions())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"])
def test_t02_t04_another_encoding_is_read_when_it_is_given(encoding, write):
    path = write('text,label\ncafé,x\n"a\nb",y\n'.encode(encoding))
    assert rows_of(path, encoding=encoding) == [("café", "x"), ("a\nb", "y")]


def test_t02_bytes_that_are_not_of_the_given_encoding_are_refused(write):
    with pytest.raises(DataError, match=r"expected utf-16 text, found bytes that are not.*--encoding"):
        rows_of(write(b"\xff\xfet\0e\0x"), encoding="utf-16")


def test_t14_a_field_of_10_mb_is_read_whole(write):
    text = "longer, " * 1_310_720
    assert rows_of(write(f'text,label\na,x\n"{text}",y\nb,z\n')) == [("a", "x"), (text, "y"), ("b", "z")]


def test_t14_a_field_above_the_limit_is_refused_in_bounded_time(write, monkeypatch):
    monkeypatch.setattr("textclf.tables.table.RECORD_LIMIT", 1 << 20)
    monkeypatch.setattr("textclf.tables.source.BLOCK", 1 << 16)
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"t\.csv:2: expected rows of at most 1 MiB.*quote left open"):
        rows_of(write(b'text,label\n"' + b"a,b\n" * (1 << 20)))
    assert time.perf_counter() - start < 5


def test_t20_a_blank_line_of_a_single_column_is_an_empty_text(write):
    with open_table(write(b"text\na\n\nb\n"), TableOptions(), labelled=False) as table:
        batches = list(table.batches())
    assert [text for batch in batches for text in batch.texts] == ["a", "", "b"]


def test_t01_t20_t23_what_is_odd_is_counted(write):
    examples = read_examples(write(b"text,label\na\0,x\n\nb, x\n\n"), TableOptions())
    assert examples.notes.sentences() == [
        "blank lines, passed over: 2",
        "labels that begin or end with a blank, kept as written: 1",
        "texts that hold a NUL character, kept: 1",
    ]


def test_t22_a_word_after_many_numbers_changes_no_label(write):
    labels = [f"{i % 7:02d}" for i in range(50_000)] + ["neg"]
    content = "text,label\n" + "".join(f"t,{label}\n" for label in labels)
    assert [label for _, label in rows_of(write(content))] == labels


def test_t32_a_header_of_a_hundred_thousand_columns_is_refused_soon(write):
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"no column 'text'; it has 'c0', .* and 99,992 more"):
        rows_of(write(",".join(f"c{i}" for i in range(100_000)) + "\n"))
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("change", ["grow", "touch"])
def test_t33_a_file_that_changes_while_it_is_read_is_refused(change, write):
    path = write(b"text,label\na,x\n")

    def read():
        with open_table(path, TableOptions(), labelled=True) as table:
            if change == "grow":
                with path.open("ab") as stream:
                    stream.write(b"b,y\n")
            else:
                os.utime(path, (1, 1))
            list(table.batches())

    with pytest.raises(DataError, match="changed while it was read"):
        read()


def test_rows_that_cannot_be_used_are_listed_and_the_others_kept(write):
    content = b'text,label\na,x\nb\n\n"c\nd",y\nlong,er,z\ne,\ncaf\xe9,x\nf,z\n'
    examples = read_examples(write(content), TableOptions(on_error="skip"))
    assert list(zip(examples.rows, examples.texts, examples.labels, strict=True)) == [
        (1, "a", "x"),
        (3, "c\nd", "y"),
        (7, "f", "z"),
    ]
    assert [(r.row, r.line, r.reason.split(",")[0]) for r in examples.refused] == [
        (2, 3, "expected 2 fields"),
        (4, 7, "expected 2 fields"),
        (5, 8, "expected a label"),
        (6, 9, "expected UTF-8"),
    ]
    assert len(examples) + len(examples.refused) == 7


def test_a_quote_that_never_closes_is_an_error_even_when_rows_are_skipped(write):
    with pytest.raises(DataError, match=r"t\.csv:3: expected a closing quote"):
        rows_of(write(b'text,label\na,x\n"b,y\n'), on_error="skip")


def test_a_table_without_a_single_usable_row_says_what_is_wrong_with_the_first(write):
    with pytest.raises(DataError, match=r"all 2 are refused; line 2 \(row 1\): expected 2 fields"):
        rows_of(write(b"text,label\na\nb\n"), on_error="skip")


def test_quotes_mean_nothing_when_the_file_is_said_to_have_none(write):
    path = write(b'text\tlabel\n"good" film\tx\n"\ty\n', "t.tsv")
    assert rows_of(path, quotes=False) == [('"good" film', "x"), ('"', "y")]


def test_another_separator_is_used_when_it_is_given(write):
    assert rows_of(write(b'text;label\n"a;b";x\n'), separator=";") == [("a;b", "x")]


def test_weights_are_read_as_numbers(write):
    path = write(b"text,label,weight\na,x,1\nb,y,0.25\n")
    assert read_examples(path, TableOptions(weight_column="weight")).weights == [1.0, 0.25]


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "", "heavy", "1_0", "٣"])
def test_a_weight_that_cannot_weigh_is_refused(weight, write):
    with pytest.raises(DataError, match=r"t\.csv:2: row 1: expected a weight of at least 0"):
        rows_of(write(f"text,label,w\na,x,{weight}\n"), weight_column="w")


def test_batches_hold_at_most_the_rows_asked_for(write):
    path = write("text,label\n" + "".join(f"t{i},x\n" for i in range(25)))
    with open_table(path, TableOptions(), labelled=True, batch_rows=10) as table:
        batches = list(table.batches())
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [row for batch in batches for row in batch.rows] == list(range(1, 26))


# The fast reader and the careful one


CSV_BYTES = st.lists(
    st.sampled_from(
        [b"a", b"b", b",", b",", b"\n", b"\n", b'"', b'"', b'""', b"\r", b"\r\n", b"\0", b" ", "é".encode(), b"\xff"]
    ),
    max_size=40,
).map(b"".join)


def both(block, final, width, quotes=True):
    wanted = Wanted(width, 0, width - 1 if width > 1 else None)
    fast = plain_run(block, Position(), final, Dialect(ord(","), quotes), wanted)
    try:
        careful = careful_run(block, Position(), final, Dialect(ord(","), quotes), wanted, "t.csv")
    except DataError:
        careful = None
    return fast, careful


def seen(run):
    return (
        list(run.rows),
        list(run.lines),
        run.texts,
        run.labels,
        list(run.records),
        run.refused,
        run.blank_lines,
        run.end,
    )


@given(CSV_BYTES, st.booleans(), st.integers(1, 3), st.booleans())
@settings(max_examples=1500, deadline=None)
@example(b'a,"b"\r\n', True, 2, True)
@example(b'"",""\n""""', True, 2, True)
@example(b"a,\n", True, 2, True)
@example(b"a,\r", True, 2, True)
def test_what_the_fast_reader_accepts_the_careful_one_reads_the_same(block, final, width, quotes):
    fast, _ = both(block, final, width, quotes)
    if fast is not None:
        # What follows the last line feed is left to the next block, where a carriage return may end a row.
        again, careful = both(block[: fast.end.byte], final, width, quotes)
        assert careful is not None
        assert seen(fast) == seen(again) == seen(careful)


FIELD = st.text(st.sampled_from('ab,"\n é😀'), max_size=6)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=300, deadline=None)
def test_what_the_csv_module_writes_the_fast_reader_reads(rows, line_end):
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=line_end).writerows(rows)
    fast, _ = both(stream.getvalue().encode(), True, 2)
    assert fast is not None
    assert list(zip(fast.texts, fast.labels, strict=True)) == rows


@given(CSV_BYTES, st.integers(1, 7))
@settings(max_examples=500, deadline=None)
def test_the_size_of_the_blocks_changes_no_row(content, size):
    def read(raw):
        with open_table(raw, TableOptions(format="csv", on_error="skip"), labelled=True) as table:
            found = [
                (row, *pair)
                for b in table.batches()
                for row, *pair in zip(b.rows, b.texts, b.labels, b.records, strict=True)
            ]
            return found, table.refused, table.notes

    class Trickle(io.BytesIO):
        def read1(self, _=-1):
            return super().read1(size)

    outcomes = []
    for raw in (io.BytesIO(b"text,label\n" + content), Trickle(b"text,label\n" + content)):
        try:
            outcomes.append(read(raw))
        except DataError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
