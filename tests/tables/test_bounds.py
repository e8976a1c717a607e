"""Rows, lines and bytes are counted as an editor would count them, in every format and in blocks of any size."""

import io

import pytest
from streams import Trickle

from textclf.errors import DataError
from textclf.storage.array_store import ArrayStore
from textclf.tables import TableOptions, open_table, read_examples
from textclf.tables.fast_csv import ColumnPositions, Dialect, parse_fast
from textclf.tables.json_tables import read_keys
from textclf.tables.records import Position
from textclf.tables.strict_csv import csv_records, fields


def seen(origin, labelled=True, **options):
    """Return all that a table says of its rows: those used, those refused, what is odd."""
    with open_table(origin, TableOptions(on_error="skip", **options), labelled) as table:
        used = [
            (row, text, batch.labels and batch.labels[at], batch.weights and batch.weights[at])
            for batch in table.batches()
            for at, (row, text) in enumerate(zip(batch.rows, batch.texts, strict=True))
        ]
        return used, [(r.row, r.line, r.reason) for r in table.refused], table.notes.sentences()


def in_every_way(path, **options):
    """Return what is seen of a table, which is the same from a file and from a stream that trickles."""
    found = seen(path, **options)
    assert seen(Trickle(path.read_bytes()), **options) == found
    return found


NOT_UTF8 = "expected UTF-8, found byte 0xff at byte {} of the file. If the file has another encoding, give it, for"
NOT_UTF8 += " example --encoding latin-1"
NUL = "expected text, found nothing but NUL characters"
ODD = ["labels that begin or end with a blank, kept as written: 1", "texts that hold a NUL character, kept: 1"]


def test_csv_is_counted_by_rows_and_lines_and_bytes(write):
    content = (
        b'\xef\xbb\xbf\n\ntext,label,w\r\na\0,x,0\n\n"b\nb", y,0.5\nc,x\na,b,1,2\n\xff,x,1\n\0\0\nd,z,1e400\n,,x\ne,x,3'
    )
    used, refused, notes = in_every_way(write(content), format="csv", weight_column="w")
    assert used == [(1, "a\0", "x", 0.0), (2, "b\nb", " y", 0.5), (9, "e", "x", 3.0)]
    assert refused == [
        (3, 8, "expected 3 fields, found 2"),
        (4, 9, "expected 3 fields, found 4. A field that holds ',' must stand in quotes"),
        (5, 10, NOT_UTF8.format(content.index(b"\xff"))),
        (6, 11, NUL),
        (7, 12, "expected a weight of 0 to 1,000,000,000,000, found '1e400'"),
        (8, 13, "expected a label, found none"),
    ]
    assert notes == ["blank lines, skipped: 3", *ODD]


def test_a_table_of_one_column_has_a_row_in_every_line(write):
    content = b"text\r\n\r\na\r\n\n\0\n\xffb,\nlast\r"
    used, refused, notes = in_every_way(write(content), format="csv", labelled=False)
    assert used == [(1, "", None, None), (2, "a", None, None), (3, "", None, None), (6, "last", None, None)]
    assert refused == [(4, 5, NUL), (5, 6, "expected 1 field, found 2. A field that holds ',' must stand in quotes")]
    assert notes == []


def test_json_lines_are_counted_by_rows_and_lines_and_bytes(write):
    good = b'{"text": "a", "label": "x", "w": 1}\n'
    content = b"\xef\xbb\xbf\n" + good + b'\r\n{"text": "\\u0000", "label": " y", "w": 0.50}\r\n \n"\xff"\n\0\n5\n{}\n'
    content += b'{"text": "b", "label": "x"}\n{"text": "c", "label": ["p", "q"], "w": "2"}'
    used, refused, notes = in_every_way(write(content, "t.jsonl"), format="jsonl", weight_column="w")
    assert used == [(1, "a", "x", 1.0), (2, "\0", " y", 0.5), (8, "c", '["p","q"]', 2.0)]
    assert refused == [
        (3, 6, NOT_UTF8.format(content.index(b"\xff"))),
        (4, 7, NUL),
        (5, 8, "expected a JSON object, found the number '5'"),
        (6, 9, "expected the key 'text', found no key"),
        (7, 10, "expected a weight of 0 to 1,000,000,000,000, found ''"),
    ]
    assert notes == ["blank lines, skipped: 3", *ODD]


def test_fasttext_lines_are_counted_by_rows_and_lines_and_bytes(write):
    content = b"\n__label__x a\0 \r\n"
    content += b"__label__p\t__label__q\t b c\n \n__label__ \n\xff\nd\n__label__x e __label__y\n__label__z"
    used, refused, notes = in_every_way(write(content, "t.txt"), format="fasttext")
    assert used == [(1, "a\0 ", "x", None), (2, "b c", "p|q", None), (7, "", "z", None)]
    assert refused == [
        (3, 5, "expected __label__ and a label at the start of the line, found '__label__ '"),
        (4, 6, NOT_UTF8.format(content.index(b"\xff"))),
        (5, 7, "expected __label__ and a label at the start of the line, found 'd'"),
        (6, 8, "expected labels at the start of the line only, found one after the text"),
    ]
    assert notes == ["blank lines, skipped: 2", ODD[1]]
    several, refused, _ = in_every_way(
        write(content.replace(b"d\n", b"__label__a|b d\n"), "t.txt"), format="fasttext", multi_label=True
    )
    assert [(row, text, label) for row, text, label, _ in several] == [
        (1, "a\0 ", "x"), (2, "b c", "p|q"), (3, "", ""), (5, "d", '["a|b"]'), (7, "", "z"),
    ]  # fmt: skip
    assert [row for row, *_ in refused] == [4, 6]


def test_plain_lines_are_counted_by_rows_and_lines_and_bytes(write):
    content = b"\nX\r\n\r\n\0\na\r\n\xff\nb\r"
    used, refused, notes = in_every_way(write(content, "t.txt"), labelled=False)
    assert [(row, text) for row, text, *_ in used] == [(1, ""), (2, "X"), (3, ""), (5, "a"), (7, "b\r")]
    assert refused == [(4, 4, NUL), (6, 6, NOT_UTF8.format(content.index(b"\xff")))]
    assert notes == []


def test_the_first_refused_row_stops_a_table_that_is_not_to_skip(write):
    content = b"\xef\xbb\xbf\ntext,label\na,x\nb,y,\n"
    with pytest.raises(DataError, match=r"^\S*t\.csv:4: row 2: expected 2 fields, found 3\. .* --on-error skip\.$"):
        read_examples(write(content), TableOptions())
    at = len(b"\xef\xbb\xbf\ntext,lab")
    with pytest.raises(DataError, match=rf"^\S*t\.csv:2: expected UTF-8, found byte 0xff at byte {at} of the file"):
        read_examples(write(content.replace(b"label", b"lab\xff")), TableOptions())


def test_a_table_says_what_it_holds_and_closes_what_it_opened(write):
    with open_table(write("text,label,w\na,x,1\nb,y,2\n"), TableOptions(), labelled=True, batch_rows=1) as table:
        assert (table.columns, table.text_column, table.label_column) == (("text", "label", "w"), "text", "label")
        assert (table.rows_read, table.rows_used, table.refused) == (0, 0, [])
        batches = list(table.batches())
        assert [len(batch) for batch in batches] == [1, 1]
        assert (table.rows_read, table.rows_used) == (2, 2)
        assert [cells for batch in batches for cells in table.cells(batch)] == [["a", "x", "1"], ["b", "y", "2"]]
        assert table.values(batches[1], "w") == ["2"]
    assert table._source._opened.closed
    stream = io.BytesIO(b"text\na\n")
    with open_table(stream, TableOptions(format="csv"), labelled=False) as table:
        list(table.batches())
    assert not stream.closed


def test_examples_are_gathered_from_all_batches_and_keep_their_labels_once(write, monkeypatch):
    monkeypatch.setattr("textclf.tables.source.BLOCK", 8)
    rows = [(f"t{i}", "xy"[i % 2], i / 4) for i in range(50)]
    path = write("text,label,w\n" + "".join(f"{text},{label},{w}\n" for text, label, w in rows))
    examples = read_examples(path, TableOptions(weight_column="w"))
    assert list(zip(examples.texts, examples.labels, examples.weights, strict=True)) == rows
    assert list(examples.rows) == list(range(1, 51))
    assert len(set(map(id, examples.labels))) == 2
    assert read_examples(path, TableOptions()).weights is None
    packed = read_examples(path, TableOptions(), ArrayStore(budget=1))
    assert list(packed.texts) == list(read_examples(path, TableOptions()).texts)


def test_rows_up_to_the_limit_are_read_and_longer_ones_refused_before_all_is_in_memory(write, monkeypatch):
    monkeypatch.setattr("textclf.tables.interface.RECORD_LIMIT", 100)
    monkeypatch.setattr("textclf.tables.source.BLOCK", 1)
    for name, start in (("t.csv", b'text,label\n"'), ("t.csv", b'"text,'), ("t.jsonl", b'{"text": "')):
        line = 2 if b"\n" in start else 1
        with pytest.raises(DataError, match=rf"{name}:{line}: expected rows of at most 0 MiB, found a longer one"):
            read_examples(write(start + b"a" * 5000, name), TableOptions())
        with pytest.raises(DataError, match=r"expected a closing quote|found none in the first rows"):
            read_examples(write(start + b"a" * 100, name), TableOptions())


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", b"\n\n"), ("t.csv", b"text,label"), ("t.jsonl", b"\n \n"), ("t.csv", b"\xef\xbb\xbf")],
)
def test_a_table_without_rows_is_refused_from_a_file_and_from_a_stream(name, content, write):
    for origin in (write(content, name), Trickle(content)):
        with pytest.raises(DataError, match=r"expected (a table with rows|rows of data), found no rows"):
            read_examples(origin, TableOptions(format=name[2:]))


# JSON


def test_keys_are_those_of_the_first_hundred_rows_in_their_order(write):
    early, late = b'{"text": "a"}\n', b'{"late": 1, "text": "b", "label": "x"}\n'
    options = TableOptions(label_column="label", on_error="skip")
    for blanks in (b"", b"\n" * 100):
        assert read_keys(blanks + early * 99 + late * 2, False, options, True, "t").columns == ("text", "late", "label")
    for blanks in (b"", b"\n" * 101):
        assert read_keys(blanks + early * 100 + late, True, options, True, "t").columns == ("text",)
    assert read_keys(b"\n" * 200 + early, True, options, True, "t") is None
    assert read_keys(early[:-1], False, options, True, "t") is None
    assert read_keys(early + late[:-1], False, options, True, "t").columns == ("text",)
    assert read_keys(early + late[:-1], True, options, True, "t").columns == ("text", "late", "label")
    named = TableOptions(text_column="t", label_column="l", weight_column="w")
    assert read_keys(early, True, named, True, "t").chosen.__dict__ == {
        "text": "t",
        "label": "l",
        "weight": "w",
        "others": (),
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"text": "a", "label": true}', None),
        (b'{"text": "a", "label": ["p", "\\u00e9"]}', None),
        (b'{"text": "a", "label": [1]}', "expected a string, a number or a list of strings under the key 'label'"),
        (b'{"text": "a", "label": ["p", null]}', "a list of strings under the key 'label', found a list"),
        (b'{"text": true, "label": "x"}', "expected a string under the key 'text', found true or false"),
        (b'{"text": 1234567890123456789012345678901, "label": "x"}', "the number '123456789012345678901234567890…'"),
        (b'{"a": 1, "b": 2}', "expected the key 'text', found 'a, b'"),
        (b'"s"', "expected a JSON object, found a string"),
        (b"null", "expected a JSON object, found null"),
        (b"[]", "expected a JSON object, found a list"),
        (b'{"text": "a", "label": "x", "n": 1e999}', "expected numbers that can be held, found '1e999'"),
        (b'{"text": "a", "label": "x", "n": -1e999}', "expected numbers that can be held, found '-1e999'"),
        (b'{"text": "a", "label": "x", "n": {"k": 1, "l": 2, "l": 3}}', "expected keys that differ, found 'l' twice"),
        (b'{"text" "a"}', r"expected a JSON object, found '{\"text\" \"a\"}' \(Expecting ':' delimiter, column 9\)"),
        (b"{} {}", r"expected a JSON object, found '{} {}' \(Extra data, column 4\)\. One object a line"),
        (b'{"text": "\\ud83d", "label": "x"}', r"expected Unicode text, found half of a surrogate pair .*"),
        (b'{"text": "\\ud83d\\ude42", "label": "x"}', None),
    ],
)  # fmt: skip
def test_a_row_of_json_is_read_or_refused_for_what_it_is(row, reason, write):
    path = write(b'{"text": "a", "label": "x"}\n' + row + b"\n", "t.jsonl")
    if reason is None:
        assert len(read_examples(path, TableOptions())) == 2
        return
    with pytest.raises(DataError, match=rf"t\.jsonl:2: row 2: .*{reason}.*\. Fix"):
        read_examples(path, TableOptions())


@pytest.mark.parametrize(
    ("value", "spelt"),
    [("1.10", "1.10"), ("true", "true"), ("null", None), ('"é"', "é"), ('["é", 1.0, null]', '["é",1.0,null]'),
     ('{"é": {"b": [2]}}', '{"é":{"b":[2]}}'), ('"\\u0000"', "\0")],
)  # fmt: skip
def test_a_value_of_json_is_text_as_it_was_spelt(value, spelt, write):
    with open_table(write(f'{{"text": "a", "v": {value}}}\n', "t.jsonl"), TableOptions(), labelled=False) as table:
        (batch,) = table.batches()
        assert table.values(batch, "v") == [spelt]
        assert list(table.cells(batch)) == [["a", spelt]]


# CSV, carefully and fast


def test_a_block_that_is_not_the_last_gives_its_whole_records_alone():
    dialect = Dialect(ord(","))

    def records(block, final):
        return [(r.cells, r.start, r.end, r.stop, r.lines) for r in csv_records(block, Position(), final, dialect, "t")]

    whole = [(["a", "b\n"], 0, 6, 8, 2), ([], 8, 8, 9, 1), (["c"], 9, 10, 11, 1)]
    block = b'a,"b\n"\r\n\nc\n'
    assert records(block, True) == records(block, False) == whole
    for cut in (b"d", b"d,", b"d\r", b'"d\n', b'"d\n\n', b'"d"\r'):
        assert records(block + cut, False) == whole
    assert records(block + b"d\r", True) == [*whole, (["d"], 11, 12, 13, 1)]
    assert records(b"", False) == records(b"", True) == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b'"a"b\n', "expected ',' or the end of the row after a closing quote, found more text. Write a quote"),
        (b'"a\n', "expected a closing quote for a .*, found the end of the file. Write a quote inside"),
        (b'"a\\"b"\n', "expected ',' or the end .* found more text. Quotes after a backslash are not read"),
        (b'"a\\""\n', "expected a closing quote .* end of the file. Quotes after a backslash are not read"),
    ],
)
def test_quotes_that_are_wrong_are_told_with_the_line_where_their_row_begins(row, said):
    with pytest.raises(DataError, match=f"^t:7: {said}"):
        list(csv_records(b'x\n"\n"\n' + row, Position(line=4), True, Dialect(ord(",")), "t"))


def test_a_record_that_was_accepted_is_parted_again():
    assert fields(b'a,"b\n""c"""', Dialect(ord(","))) == ["a", 'b\n"c"']
    assert fields(b'a;"b', Dialect(ord(";"), quotes=False)) == ["a", '"b']
    assert fields(b"", Dialect(ord(","))) == [""]


@pytest.mark.parametrize(
    "block",
    [
        b"a,b\n",
        b"a,b",
        b",\n",
        b'"",""\r\n',
        b'"a,\n""","b"\n',
        "é,ü\n".encode(),
        b'a,b\n"c","d"\r\n',
        b"a\r\n,b\n"[:0] + b"a,\r\n",
    ],
)
def test_plain_blocks_are_read_the_fast_way(block):
    assert parse_fast(block, Position(), True, Dialect(ord(",")), ColumnPositions(2, 0, 1)) is not None
    assert parse_fast(
        block * 2, Position(), False, Dialect(ord(",")), ColumnPositions(2, 1)
    ) is not None or not block.endswith(b"\n")


def test_the_fast_way_counts_on_from_where_it_stands():
    run = parse_fast(b'a,b\n"c\n",d\ne', Position(5, 9, 100), False, Dialect(ord(",")), ColumnPositions(2, 0, 1, 1))
    assert (list(run.rows), list(run.lines), run.texts, run.labels, run.weights) == (
        [5, 6],
        [9, 10],
        ["a", "c\n"],
        ["b", "d"],
        ["b", "d"],
    )
    assert (run.end, run.blank_lines, run.refused) == (Position(7, 12, 111), 0, [])
    assert list(run.records) == [(b"a,b", b"\n"), (b'"c\n",d', b"\n")]
