"""Tables that are damaged, lie about themselves, or hold what other readers lose in silence: T01 to T34."""

import os
import subprocess

import numpy as np
import polars as pl
import pytest
from hostile import MODEL, accepted, assert_clean, long_running, refused, textclf, within

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, read_examples


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
    "T15-a-row-without-line-end": (b"text,label\na,x", [("a", "x")]),
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
    "T12-other-separator": (b"text;label\na;x\nb\n", r"Is the separator ';'\? Then give --separator ';'"),
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
    "gzip": (b"\x1f\x8b\x08\0\0", "expected sound gzip data, found damaged ones"),
    "excel": (b"PK\x03\x04aaaa", "expected a sound zip archive, found a damaged one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_is_refused_in_one_line(case, write, tmp_path):
    content, message = REFUSED[case]
    assert not refused(message, "train", write(content), "-o", tmp_path / "m").out
    assert not (tmp_path / "m").exists()


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
    monkeypatch.setattr("textclf.tables.interface.RECORD_LIMIT", 1 << 20)
    monkeypatch.setattr("textclf.tables.source.BLOCK", 1 << 16)
    with within(20), pytest.raises(DataError, match=r"t\.csv:2: expected rows of at most 1 MiB.*quote left open"):
        rows_of(write(b'text,label\n"' + b"a,b\n" * (1 << 20)))


def test_t20_a_blank_line_of_a_single_column_is_an_empty_text(write):
    with open_table(write(b"text\na\n\nb\n"), TableOptions(), labelled=False) as table:
        batches = list(table.batches())
    assert [text for batch in batches for text in batch.texts] == ["a", "", "b"]


def test_t01_t20_t23_what_is_odd_is_counted(write):
    examples = read_examples(write(b"text,label\na\0,x\n\nb, x\n\n"), TableOptions())
    assert examples.notes.sentences() == [
        "blank lines, skipped: 2",
        "labels that begin or end with a blank, kept as written: 1",
        "texts that hold a NUL character, kept: 1",
    ]


def test_t22_a_word_after_many_numbers_changes_no_label(write):
    labels = [f"{i % 7:02d}" for i in range(50_000)] + ["neg"]
    content = "text,label\n" + "".join(f"t,{label}\n" for label in labels)
    assert [label for _, label in rows_of(write(content))] == labels


def test_t32_a_header_of_a_hundred_thousand_columns_is_refused_soon(write):
    with within(20), pytest.raises(DataError, match=r"no column 'text'; it has 'c0', .* and 99,992 more"):
        rows_of(write(",".join(f"c{i}" for i in range(100_000)) + "\n"))


def test_t28_a_key_twice_among_a_hundred_thousand_is_refused_soon(write):
    keys = ", ".join(f'"k{i}": 0' for i in range(100_000))
    row = f'{{"text": "a", {keys}, "k99999": 1}}\n'
    with within(20), pytest.raises(DataError, match=r"t\.jsonl:2: .*'k99999' twice"):
        rows_of(write(GOOD + row.encode(), "t.jsonl"))


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


GOOD = b'{"text": "a", "label": "x"}\n'


def test_t27_a_key_that_first_appears_late_is_not_lost(write):
    early = b'{"text": "a"}\n' * 5000
    examples = read_examples(write(early + GOOD, "t.jsonl"), TableOptions(label_column="label", on_error="skip"))
    assert (list(examples.rows), examples.labels) == ([5001], ["x"])
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
def test_json_lines_are_refused_with_the_line(case, write, tmp_path):
    content, message = JSON_REFUSED[case]
    assert not refused(message, "train", write(content, "t.jsonl"), "-o", tmp_path / "m").out
    assert not (tmp_path / "m").exists()


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


@pytest.mark.parametrize(
    "mutants",
    [pytest.param(5, id="T30 a sample of flips"), pytest.param(4000, id="T30 all flips", marks=long_running)],
)
def test_a_parquet_file_with_flipped_bytes_is_read_or_refused_and_never_ends_the_program(mutants, parquet, write):
    sound = parquet({"text": ["a", "b"] * 20, "label": ["negative", "positive"] * 20}).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(mutants):
        content = bytearray(sound)
        for place in rng.integers(len(sound), size=rng.integers(1, 5)).tolist():
            content[place] ^= 1 << int(rng.integers(8))
        with within(60):
            outcome = textclf("evaluate", MODEL, write(bytes(content), "flipped.parquet"), "--json")
        assert_clean(outcome)
        assert outcome.code == 0 or outcome.err.startswith("Error: ")


SPREADSHEET = ["=1+1", "+", "-", "@SUM(1)", "\t=1", '"\r=1"', "01", "1.10", '""', " x "]


@pytest.mark.parametrize("value", SPREADSHEET, ids=[f"T25 {value!a}" for value in SPREADSHEET])
def test_what_a_spreadsheet_would_run_or_change_comes_back_as_it_was(value, write, tmp_path):
    accepted("predict", MODEL, "-i", write(f"text,id\na,{value}\n"), "-o", tmp_path / "o.csv", "--quiet")
    header, row = (tmp_path / "o.csv").read_bytes().split(b"\n", 1)
    assert header == b"text,id,label,confidence"
    assert row.startswith(f"a,{value},".encode())


@pytest.mark.parametrize("kind", ["T34 the same", "T34 a hard link", "T34 a symbolic link", "T34 a dotted path"])
def test_an_output_that_is_the_input_is_refused(kind, write, tmp_path):
    path, target = write("text\na\n"), tmp_path / "link.csv"
    if kind == "T34 the same":
        target = path
    elif kind == "T34 a hard link":
        target.hardlink_to(path)
    elif kind == "T34 a symbolic link":
        target.symlink_to(path)
    else:
        target = tmp_path / ".." / tmp_path.name / path.name
    refused("found the same file", "predict", MODEL, "-i", path, "-o", target)
    assert path.read_text() == "text\na\n"


def test_t34_a_model_is_not_written_over_the_table_or_the_model_in_use(write, tmp_path):
    path = write("text,label\na,x\nb,y\n")
    refused("found the same file", "train", path, "-o", path)
    model = tmp_path / "m.safetensors"
    model.write_bytes(MODEL.read_bytes())
    refused("found the same file", "predict", model, "-i", path, "-o", model)
    assert model.read_bytes() == MODEL.read_bytes()
