"""CSV and TSV: the hostile cases by number, and the fast reader held to the careful one."""

import csv
import io
import sys

import pytest
from children import TABLES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from streams import Trickle

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, read_examples
from textclf.tables.fast_csv import ColumnPositions, Dialect, parse_fast
from textclf.tables.records import Position
from textclf.tables.strict_csv import parse_strictly


def rows_of(path, **options):
    examples = read_examples(path, TableOptions(**options))
    return list(zip(examples.texts, examples.labels, strict=True))


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
    with pytest.raises(DataError, match=r"all 2 are invalid; line 2 \(row 1\): expected 2 fields"):
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
    with pytest.raises(DataError, match=r"t\.csv:2: row 1: expected a weight of 0 to 1,000,000,000,000"):
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
    wanted = ColumnPositions(width, 0, width - 1 if width > 1 else None)
    fast = parse_fast(block, Position(), final, Dialect(ord(","), quotes), wanted)
    try:
        careful = parse_strictly(block, Position(), final, Dialect(ord(","), quotes), wanted, "t.csv")
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
@settings(max_examples=round(1500 * TABLES), deadline=None)
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


def test_a_row_above_the_limit_is_left_to_the_careful_reader(monkeypatch):
    block = b"a,b\nlonger,b\n"
    assert parse_fast(block, Position(), True, Dialect(ord(",")), ColumnPositions(2, 0, 1)).texts == ["a", "longer"]
    for limit, is_plain in ((8, True), (7, False)):
        monkeypatch.setattr("textclf.tables.fast_csv.RECORD_LIMIT", limit)
        assert (
            parse_fast(block, Position(), True, Dialect(ord(",")), ColumnPositions(2, 0, 1)) is not None
        ) == is_plain


def test_a_field_above_the_limit_is_refused_by_the_careful_reader(monkeypatch, write):
    monkeypatch.setattr("textclf.tables.strict_csv.RECORD_LIMIT", 200_000)
    kept = csv.field_size_limit(200_000)
    try:
        rows = f"text,label\n\0,x\n{'a' * 200_000},y\n"
        assert [label for _, label in rows_of(write(rows))] == ["x", "y"]
        with pytest.raises(DataError, match=r"t\.csv:3: expected fields of at most 0 MiB, found a longer one"):
            rows_of(write(rows.replace("a,y", "aa,y")))
    finally:
        csv.field_size_limit(kept)


FIELD = st.text(st.sampled_from('ab,"\n é😀'), max_size=6)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=round(300 * TABLES), deadline=None)
def test_what_the_csv_module_writes_the_fast_reader_reads(rows, line_end):
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=line_end).writerows(rows)
    fast, _ = both(stream.getvalue().encode(), True, 2)
    assert fast is not None
    assert list(zip(fast.texts, fast.labels, strict=True)) == rows


@given(CSV_BYTES, st.integers(1, 7))
@example(b"\0a\0a\0a\0", 1)  # was taken for UTF-16 where it came at once
@settings(max_examples=round(500 * TABLES), deadline=None)
def test_the_size_of_the_blocks_changes_no_row(content, size):
    def read(raw):
        with open_table(raw, TableOptions(format="csv", on_error="skip"), labelled=True) as table:
            found = [
                (row, *pair)
                for b in table.batches()
                for row, *pair in zip(b.rows, b.texts, b.labels, b.records, strict=True)
            ]
            return found, table.refused, table.notes

    outcomes = []
    for at_once in (1 << 20, size):
        try:
            outcomes.append(read(Trickle(b"text,label\n" + content, at_once)))
        except DataError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_the_way_from_a_file_to_the_fast_reader_is_seven_calls(write):
    path = write(b"text,label\na,x\nb,y\n")
    deepest = 0

    def look(frame, event, _):
        nonlocal deepest
        names = []
        while frame is not None:
            if "/textclf/tables/" in frame.f_code.co_filename:
                names.append(frame.f_code.co_name)
            frame = frame.f_back
        if names[:1] == ["parse_fast"]:
            deepest = max(deepest, len(names))

    sys.setprofile(look)
    try:
        read_examples(path, TableOptions())
    finally:
        sys.setprofile(None)
    assert 0 < deepest <= 7
