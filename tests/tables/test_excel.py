"""Excel workbooks: one sheet is a table like any other, numbers are read as they are shown, and nothing is lost."""

import datetime
import json
import random

import pytest
import xlsxwriter
from hostile import accepted, refused

from textclf.errors import DataError, OutputError
from textclf.tables import TableOptions, open_table, open_writer, read_examples
from textclf.tables import child as module
from textclf.tables.excel import _LONGEST_CELL


@pytest.fixture
def workbook(tmp_path):
    """Return a function that writes a workbook: sheets by name, each a list of rows."""

    def write(name="t.xlsx", hidden=(), **sheets):
        book = xlsxwriter.Workbook(tmp_path / name)
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        for sheet_name, rows in sheets.items():
            sheet = book.add_worksheet(sheet_name)
            for i, row in enumerate(rows):
                for j, cell in enumerate(row):
                    is_date = isinstance(cell, datetime.datetime)
                    if is_date:
                        sheet.write_datetime(i, j, cell, date)
                    else:
                        sheet.write(i, j, cell)
            if sheet_name in hidden:
                sheet.hide()
        book.close()
        return tmp_path / name

    return write


def cells_of(path, **options):
    with open_table(path, TableOptions(**options), labelled=False) as table:
        return table.columns, [row for batch in table.batches() for row in table.cells(batch)]


def converted(source, target, added=(), columns=()):
    with open_table(source, TableOptions(), labelled=False) as table, open_writer(target, table, added) as writer:
        for batch in table.batches():
            writer.write(batch, columns)
    return target


def test_the_only_sheet_with_rows_is_read_and_cells_are_spelled_as_they_are_shown(workbook):
    rows = [
        ["text", "label", "n", "is", "day"],
        ["a film", 5, 2.5, True, datetime.datetime(2024, 1, 5)],
        [42, 4, 1e21, False, None],
    ]
    path = workbook(Notes=[], Reviews=rows)
    found = read_examples(path, TableOptions())
    assert (found.texts, found.labels, list(found.rows)) == (["a film", "42"], ["5", "4"], [1, 2])
    assert cells_of(path)[1] == [["a film", "5", "2.5", "true", "2024-01-05"], ["42", "4", "1e+21", "false", ""]]


def test_which_sheet_is_meant_must_be_clear(workbook):
    table = [["text", "label"], ["a", "x"]]
    path = workbook(One=table, Two=[["text", "label"], ["b", "y"]], Three=table, hidden=["Three"])
    with pytest.raises(DataError, match=r"expected one sheet, found 'One' and 'Two'\. Use --sheet with one of these\."):
        read_examples(path, TableOptions())
    assert read_examples(path, TableOptions(sheet="Two")).texts == ["b"]
    assert read_examples(path, TableOptions(sheet="Three")).texts == ["a"], "a hidden sheet can be named"
    with pytest.raises(DataError, match=r"no sheet 'two'; it has 'One', 'Two' and 'Three'\."):
        read_examples(path, TableOptions(sheet="two"))
    with pytest.raises(DataError, match="expected a sheet with rows, found an empty one"):
        read_examples(workbook("e.xlsx", Empty=[]), TableOptions(sheet="Empty"))


def test_rows_are_numbered_as_in_the_sheet_and_empty_ones_are_counted(workbook):
    path = workbook(S=[[], [], [None, "text", "label"], [None, "a", "x"], [], [None, "b", None], [None, "c", "z"]])
    with pytest.raises(DataError, match=r"t\.xlsx:6: row 2: expected a label, found none"):
        read_examples(path, TableOptions())
    found = read_examples(path, TableOptions(on_error="skip"))
    assert (found.texts, list(found.rows), found.notes.blank_lines) == (["a", "c"], [1, 3], 1)


def test_a_column_without_a_name_is_refused_if_it_has_values(workbook):
    with pytest.raises(DataError, match="expected a name for each column, found none for column 3"):
        read_examples(workbook(S=[["text", "label"], ["a", "x", 3]]), TableOptions())
    with pytest.raises(DataError, match="found 'label' more than once"):
        read_examples(workbook(S=[["text", "label", "label"], ["a", "x", 3]]), TableOptions())


def test_without_a_header_columns_are_numbers(workbook):
    path = workbook(S=[["x", "a"], ["y", "b"]])
    options = TableOptions(header=False, text_column="2", label_column="1")
    assert read_examples(path, options).texts == ["a", "b"]


def test_a_workbook_is_known_by_its_content(workbook, tmp_path, write):
    path = workbook(S=[["text", "label"], ["a", "x"]])
    for name in ("t", "t.csv"):
        (tmp_path / name).write_bytes(path.read_bytes())
        assert read_examples(tmp_path / name, TableOptions()).texts == ["a"]
    with pytest.raises(DataError, match="expected csv, found an Excel workbook"):
        read_examples(path, TableOptions(format="csv"))
    with pytest.raises(DataError, match="expected an Excel workbook, found another file, or one with a password"):
        read_examples(write("text,label\na,x\n", "c.xlsx"), TableOptions())
    with pytest.raises(DataError, match="expected an Excel workbook with --sheet, found csv"):
        read_examples(write("text,label\na,x\n"), TableOptions(sheet="S"))


def test_numbers_stay_numbers_from_workbook_to_workbook_and_texts_stay_texts(workbook, tmp_path):
    path = workbook(S=[["text", "n", "is"], ["=1+1", 2.5, True], ["007", 7, False]])
    target = converted(path, tmp_path / "o.xlsx", ["label", "confidence"], [["x", "y"], [0.5, 1.0]])
    assert cells_of(target) == (
        ("text", "n", "is", "label", "confidence"),
        [["0", "2.5", "true", "x", "0.5"], ["007", "7", "false", "y", "1"]],
    )
    with open_table(target, TableOptions(), labelled=False) as table:
        records = [json.loads(record) for batch in table.batches() for record in batch.records.raws()]
    assert records[1] == {"text": "007", "n": 7, "is": False, "label": "y", "confidence": 1}


PARTS = ["=1+1", "_x0041_", "\r", "\n", "\t", " ", '"', ",", "ä", "😀", "\0", "\x01", "\x85", "\u2028", "007", "#N/A"]


def test_texts_of_other_tables_come_back_as_they_were(tmp_path, write):
    draw = random.Random(3)
    rows = [{"text": "".join(draw.choices(PARTS, k=draw.randrange(1, 5))), "n": "1.10"} for _ in range(50)]
    source = write("".join(json.dumps(row) + "\n" for row in rows), "t.jsonl")
    back = converted(converted(source, tmp_path / "t.xlsx"), tmp_path / "back.jsonl")
    assert [json.loads(line) for line in back.read_bytes().decode().split("\n") if line] == rows
    again = converted(source, tmp_path / "again.xlsx")
    assert again.read_bytes() == (tmp_path / "t.xlsx").read_bytes(), "the same rows are the same bytes"


@pytest.mark.parametrize(
    ("text", "said"), [("x" * (_LONGEST_CELL + 1), "one of 32,768 characters"), ("😀" * 16384, "32,768"),
                       ("\ufffe", "XML")],
)  # fmt: skip
def test_what_a_cell_cannot_hold_is_refused_with_its_place_and_nothing_is_written(text, said, tmp_path, write):
    source = write(json.dumps({"text": "a"}) + "\n" + json.dumps({"text": text}) + "\n", "t.jsonl")
    with pytest.raises(OutputError, match=rf"row 2, column 'text'.*{said}.*Write \.csv"):
        converted(source, tmp_path / "o.xlsx")
    assert not (tmp_path / "o.xlsx").exists()


def test_a_damaged_workbook_is_told(workbook, tmp_path, monkeypatch):
    path = workbook(S=[["text", "label"], ["a", "x"]])
    content = path.read_bytes()
    broken = content.replace(b"xl/worksheets/sheet1.xml", b"xl/worksheets/sheet9.xml")
    path.write_bytes(broken)
    with pytest.raises(DataError, match=r"t\.xlsx: expected a sound Excel workbook, found a damaged one"):
        read_examples(path, TableOptions())
    far = workbook("far.xlsx", S=[["text"]])
    monkeypatch.setattr(module, "_MEMORY_FLOOR", 1 << 30)
    book = xlsxwriter.Workbook(far)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "text")
    sheet.write(1_048_575, 16_383, "x")
    book.close()
    with pytest.raises(DataError, match=r"that is read in 1,024 MiB of memory.*Delete cells that stand far below"):
        read_examples(far, TableOptions())


def test_commands_read_and_write_workbooks(workbook, tmp_path):
    rows = [["review", "sentiment"], *([f"{'good' if n % 2 else 'bad'} film {n}", n % 2] for n in range(40))]
    path = workbook(Reviews=rows, More=rows)
    refused("expected one sheet, found 'Reviews' and 'More'", "train", path, "-o", tmp_path / "m")
    accepted("train", path, "-o", tmp_path / "m", "--sheet", "More", "--recipe", "fast", "-q")
    accepted("predict", tmp_path / "m", "-i", path, "--sheet", "More", "-o", tmp_path / "o.xlsx", "-q")
    columns, cells = cells_of(tmp_path / "o.xlsx", text_column="review")
    assert columns == ("review", "sentiment", "label", "confidence")
    assert [row[1] for row in cells] == [row[2] for row in cells] == [str(n % 2) for n in range(40)]
    accepted("split", path, "--sheet", "More", "-q")
    assert len(cells_of(tmp_path / "t-train.xlsx")[1]) + len(cells_of(tmp_path / "t-test.xlsx")[1]) == 40


def test_an_empty_row_which_a_sheet_would_lose_is_refused(tmp_path, write):
    source = write('{"text": "a", "n": ""}\n{"text": "", "n": ""}\n', "t.jsonl")
    with pytest.raises(OutputError, match="row 2: expected a value, found an empty row"):
        converted(source, tmp_path / "o.xlsx")
