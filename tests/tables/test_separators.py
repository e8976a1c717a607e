"""Separators are found where they leave no doubt, Excel's first line is understood, and a header may be missing."""

import pytest

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, open_writer, read_examples


def seen(path, **options):
    examples = read_examples(path, TableOptions(**options))
    return list(zip(examples.texts, examples.labels, strict=True)), examples.notes.sentences()


def written(path, target, **options):
    with (
        open_table(path, TableOptions(**options), labelled=True) as table,
        open_writer(target, table, ["n"]) as writer,
    ):
        for batch in table.batches():
            writer.write(batch, [[7] * len(batch)])
    return target.read_bytes()


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_separator_that_makes_columns_of_all_rows_is_taken_and_said(separator, write):
    path = write(f'text{separator}label\n"a{separator}, b"{separator}x\nc, d{separator}y\n')
    rows, said = seen(path)
    assert rows == [(f"a{separator}, b", "x"), ("c, d", "y")]
    assert said == [f"separator: {separator!r}, detected from the first rows"]


def test_a_comma_is_found_in_a_file_that_is_named_tsv(write):
    assert seen(write("text,label\na,x\n", "t.tsv"))[0] == [("a", "x")]


@pytest.mark.parametrize(
    "content",
    ["text;label\na;x\nb;c;y\n", "text;label\na,x\n", "text;label|more\na;x|z\n", "text;label;\na;x;\n"],
)
def test_where_the_separator_is_in_doubt_the_table_is_refused(content, write):
    with pytest.raises(DataError, match=r"(Is the separator|no column 'label')"):
        seen(write(content))


def test_a_separator_that_is_said_is_the_one(write):
    with pytest.raises(DataError, match="Is the separator ';'"):
        seen(write("text;label\na;x\n"), separator="|")


def test_texts_with_a_sign_in_them_stay_one_column(write):
    with open_table(write("text\na;b\nc;d\n"), TableOptions(), labelled=False) as table:
        assert [text for batch in table.batches() for text in batch.texts] == ["a;b", "c;d"]


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_the_line_in_which_excel_names_the_separator_is_understood_and_kept(line, write, tmp_path):
    path = write(f"\ufeff{line}text;label\r\na, b;x\r\n")
    rows, said = seen(path)
    assert (rows, said) == ([("a, b", "x")], [])
    content = written(path, tmp_path / "o.csv").decode()
    assert content == f"\ufeff{line}text;label;n\r\na, b;x;7\r\n"


def test_lines_are_counted_with_the_line_that_names_the_separator(write):
    with pytest.raises(DataError, match=r"t\.csv:4: row 2: expected 2 fields, found 1"):
        seen(write("sep=;\ntext;label\na;x\nb\n"))


def test_without_a_header_columns_are_numbers(write, tmp_path):
    path = write('x,"a, b",1\ny,c,2\n')
    options = {"header": False, "text_column": "2", "label_column": "1"}
    assert seen(path, **options)[0] == [("a, b", "x"), ("c", "y")]
    assert written(path, tmp_path / "o.csv", **options) == b'x,"a, b",1,7\ny,c,2,7\n'
    assert written(path, tmp_path / "o.tsv", **options) == b"1\t2\t3\tn\nx\ta, b\t1\t7\ny\tc\t2\t7\n"
    with pytest.raises(DataError, match=r"no column 'text'; it has '1', '2' and '3'\. Use --text-column"):
        seen(path, header=False)
    with pytest.raises(DataError, match=r"no column '4'; it has '1', '2' and '3'"):
        seen(path, header=False, text_column="4")


def test_without_a_header_the_first_row_is_row_one_and_separators_are_found(write):
    path = write("\n\na;x\n;y;z\n")
    with pytest.raises(DataError, match=r"t\.csv:4: row 2: expected 2 fields, found 3"):
        seen(path, header=False, text_column="1", label_column="2", separator=";")
    path = write("a;x\nb;y\n")
    assert seen(path, header=False, text_column="1", label_column="2")[0] == [("a", "x"), ("b", "y")]


def test_no_header_goes_with_csv_and_tsv(write):
    with pytest.raises(DataError, match="expected CSV, TSV or Excel with --no-header, found jsonl"):
        seen(write('{"text": "a", "label": "x"}\n', "t.jsonl"), header=False)


def test_comment_lines_before_the_header_are_skipped_counted_and_kept(write, tmp_path):
    path = write("# made by hand, on Monday\r\n## twice\r\ntext,label\r\na,x\r\n# b,y\r\n")
    assert seen(path) == ([("a", "x"), ("# b", "y")], ["comment lines before the header, skipped: 2"])
    content = written(path, tmp_path / "o.csv").decode()
    assert content == "# made by hand, on Monday\r\n## twice\r\ntext,label,n\r\na,x,7\r\n# b,y,7\r\n"
    with pytest.raises(DataError, match=r"t\.csv:4: row 2: expected 2 fields, found 1"):
        seen(write("# note\ntext,label\na,x\nb\n"))
    assert seen(write("# note\ntext;label\na, b;x\n"))[0] == [("a, b", "x")]


@pytest.mark.parametrize("header", ["#,text,label", "# text,label", "#id,text,label", "# a,b"])
def test_a_header_that_begins_like_a_comment_is_a_header(header, write):
    path = write(f"{header}\n{'1,' * (header.count(',') - 1)}good,x\n")
    options = {"text_column": header.split(",")[-2], "label_column": header.split(",")[-1]}
    assert seen(path, **options) == ([("good", "x")], [])


def test_without_a_header_no_line_is_a_comment(write):
    path = write("# metoo,x\nb,y\n")
    assert seen(path, header=False, text_column="1", label_column="2")[0] == [("# metoo", "x"), ("b", "y")]


def test_a_first_row_of_data_is_told_with_the_option_for_it(write):
    with pytest.raises(DataError, match=r"no column 'text'.*Is this a row of data\? Then give --no-header"):
        seen(write("pos,the film was good fun\nneg,a bore\n"))
    with pytest.raises(DataError, match=r"it has '1' and '2'\. Use --text-column with the number of the text column\."):
        seen(write("pos,good\nneg,bad\n"), header=False)
