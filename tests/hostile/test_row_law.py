"""Rows read are rows used and rows refused, each refused one listed; each row written is one read, in order."""

import csv
import io
import json

import pytest
from children import TABLES
from hostile import MODEL, accepted, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table


@settings(max_examples=round(300 * TABLES))
@given(
    st.lists(
        st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xe9", b"x,y\n", b'"b",y\n']), max_size=40
    )
)
def test_any_bytes_are_read_row_by_row_or_refused_as_a_whole(parts):
    with open_table(
        io.BytesIO(b"text,label\n" + b"".join(parts)), TableOptions(format="csv", on_error="skip"), True
    ) as table:
        try:
            rows = [row for batch in table.batches() for row in batch.rows]
        except DataError:
            return
    assert sorted([*rows, *(refusal.row for refusal in table.refused)]) == list(range(1, table.rows_read + 1))
    assert rows == sorted(rows)
    assert table.rows_used == len(rows)


ROWS = b'text,label\n"good",positive\nno label,\n"a\nb",negative\nx,y,z\ncaf\xe9,positive\n\n,negative\n'


def test_every_row_is_used_or_listed_with_its_number_and_reason(write, tmp_path):
    path = write(ROWS)
    options = ("--on-error", "skip", "--refused", tmp_path / "refused.csv")
    figures = json.loads(accepted("evaluate", MODEL, path, "--json", *options).out)
    with (tmp_path / "refused.csv").open(newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert [(row["table"], row["row"], row["line"]) for row in listed] == [
        (str(path), "2", "3"),
        (str(path), "4", "6"),
        (str(path), "5", "7"),
    ]
    assert [row["reason"].split(",")[0] for row in listed] == [
        "expected a label",
        "expected 2 fields",
        "expected UTF-8",
    ]
    assert figures["n"] + len(listed) == 6


def test_each_row_that_predict_writes_is_a_row_that_it_read_in_order(write, tmp_path):
    outcome = accepted("predict", MODEL, "-i", write(ROWS), "--on-error", "skip", "--refused", tmp_path / "r.csv")
    rows = list(csv.reader(io.StringIO(outcome.out, newline="")))
    assert [row[:2] for row in rows] == [
        ["text", "label"],
        ["good", "positive"],
        ["no label", ""],
        ["a\nb", "negative"],
        ["", "negative"],
    ]
    assert (tmp_path / "r.csv").read_text().count("\n") == 3
    assert "4 rows labelled, 2 skipped" in outcome.err
    out = accepted("predict", MODEL, "-i", write(ROWS), "--on-error", "skip", "--json", "--quiet").out
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["good", "no label", "a\nb", ""]


def test_many_refused_rows_are_counted_and_only_the_first_are_shown(write, tmp_path):
    path = write(b"text,label\nfine,positive\n" + b"a,b,c\n" * 1000)
    outcome = accepted("evaluate", MODEL, path, "--on-error", "skip", "--refused", tmp_path / "r.csv")
    assert len(outcome.err.splitlines()) == 21
    assert "skipped: 980 more rows" in outcome.err
    assert (tmp_path / "r.csv").read_bytes().count(b"\n") == 1001


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_a_list_of_refused_rows_goes_with_skip(command, write, tmp_path):
    table = write("text,label\na,x\n")
    arguments = {"train": [table, "-o", tmp_path / "m"], "evaluate": [MODEL, table], "predict": [MODEL, "-i", table]}
    refused("--refused goes with --on-error skip", command, *arguments[command], "--refused", tmp_path / "r", code=2)
    assert not (tmp_path / "r").exists()


def test_rows_to_validate_on_that_are_not_used_are_listed_too(write, tmp_path):
    table, valid = write("text,label\n" + "good,a\nbad,b\n" * 10), write("text,label\ngood,a\nx,,y\nbad,b\n", "v.csv")
    options = ("--vectors", "none", "--on-error", "skip", "--valid", valid, "--refused", tmp_path / "r.csv")
    outcome = accepted("train", table, "-o", tmp_path / "m", *options)
    assert "v.csv: skipped: line 3 (row 2): expected 2 fields, found 3" in outcome.err
    assert "v.csv,2,3," in (tmp_path / "r.csv").read_text()
