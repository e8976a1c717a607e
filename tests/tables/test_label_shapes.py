"""Labels in other shapes: one column for each, or several in a cell with a separator of its own."""

import polars as pl
import pytest
from hostile import accepted, refused

from textclf.errors import DataError
from textclf.tables import TableOptions, read_examples

JIGSAW = "id,comment_text,toxic,obscene\n1,a,1,0\n2,b,0,0\n3,c,1.0,True\n"
COLUMNS = {"text_column": "comment_text", "label_columns": ("toxic", "obscene")}


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_columns_of_ones_and_zeros_are_labels(name, write, tmp_path):
    frame = pl.DataFrame({"comment_text": ["a", "b", "c"], "toxic": [1, 0, 1], "obscene": [False, False, True]})
    path = tmp_path / name
    {"t.csv": frame.write_csv, "t.jsonl": frame.write_ndjson, "t.parquet": frame.write_parquet}[name](path)
    assert read_examples(path, TableOptions(multi_label=True, **COLUMNS)).labels == ["toxic", "", "toxic|obscene"]


def test_floats_and_truth_values_are_ones_too(write):
    assert read_examples(write(JIGSAW), TableOptions(multi_label=True, **COLUMNS)).labels[2] == "toxic|obscene"


def test_with_one_label_a_row_exactly_one_column_holds_it(write):
    path = write(JIGSAW)
    with pytest.raises(DataError, match=r"t\.csv:3: row 2: expected one label column that holds 1, found 0"):
        read_examples(path, TableOptions(**COLUMNS))
    found = read_examples(path, TableOptions(on_error="skip", **COLUMNS))
    assert (found.labels, [refusal.row for refusal in found.refused]) == (["toxic"], [2, 3])


def test_other_values_refuse_the_row(write):
    path = write("text,x,y\na,1,0\nb,-1,1\nc,maybe,0\nd,0,1\n")
    options = TableOptions(label_columns=("x", "y"), on_error="skip", multi_label=True)
    found = read_examples(path, options)
    assert (found.labels, list(found.rows)) == (["x", "y"], [1, 4])
    assert [str(refusal) for refusal in found.refused] == [
        "line 3 (row 2): expected 1 or 0 in the label column 'x', found '-1'",
        "line 4 (row 3): expected 1 or 0 in the label column 'x', found 'maybe'",
    ]


def test_a_label_column_that_is_missing_is_named(write):
    with pytest.raises(DataError, match=r"no column 'toxicc'.*Did you mean 'toxic'"):
        read_examples(write(JIGSAW), TableOptions(text_column="comment_text", label_columns=("toxicc", "obscene")))
    with pytest.raises(DataError, match="label_columns: expected two or more columns"):
        TableOptions(label_columns=("a",))


@pytest.mark.parametrize(
    ("separator", "cell"),
    [
        (",", '"neg, travel"'),
        (";", "neg;travel"),
        (" / ", "neg / travel"),
        (" ", " neg  travel "),
        ("\t", "neg\ttravel"),
        ("\n", '"neg\ntravel\n"'),
        ("、", "neg、travel"),
    ],
)
def test_a_cell_is_cut_at_the_separator_that_is_given(separator, cell, write):
    path = write(f"text,label\na,{cell}\nb,neg|x\n")
    options = TableOptions(multi_label=True, label_separator=separator)
    assert read_examples(path, options).labels == ["neg|travel", '["neg|x"]']
    with pytest.raises(DataError, match="expected --label-separator where rows may have several labels"):
        read_examples(path, TableOptions(label_separator=separator))


def test_the_labels_of_a_fasttext_line_are_cut_at_the_separator_too(write):
    path = write("__label__pos, __label__travel a\n__label__neg,food b\n__label__x c\n", "t.ft")
    assert read_examples(path, TableOptions(multi_label=True, label_separator=",")).labels == [
        "pos|travel",
        "neg|food",
        "x",
    ]


def test_a_model_of_label_columns_is_trained_and_measured(tmp_path):
    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.write_text("text,up,down\n" + "good film,1,0\nbad film,0,1\nmixed good bad film,1,1\n" * 8)
    shape = ("--label-columns", "up,down")
    accepted("train", table, "-o", model, "--multi-label", "--vectors", "none", "--recipe", "fast", *shape)
    assert "up" in accepted("evaluate", model, table, *shape).out
    refused("no column 'left'", "evaluate", model, table, "--label-columns", "up,left")
