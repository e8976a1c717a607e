"""JSON arrays and objects of columns: rows as they are spelled, none lost, and what is damaged refused."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Trickle

from textclf.errors import DataError
from textclf.tables import TableOptions, open_table, open_writer, read_examples

SIGNS = '[]{}",\\\n\r:'
ROWS = [{"text": "a", "label": "x"}, {"text": 'b]"{\n', "label": "y", "more": [1, {"k": None}]}]


def rows_of(origin, **options):
    examples = read_examples(origin, TableOptions(**options))
    return list(zip(examples.texts, examples.labels, strict=True))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["t.json", "t.dat", "t.json.gz"])
def test_an_array_of_objects_is_a_table(indent, name, write):
    found = rows_of(write(json.dumps(ROWS, indent=indent), name))
    assert found == [("a", "x"), ('b]"{\n', "y")]


def test_an_array_is_read_from_a_pipe_byte_by_byte():
    content = json.dumps(ROWS, indent=1).encode("utf-16")
    assert rows_of(Trickle(content), format="json", encoding="utf-16") == [("a", "x"), ('b]"{\n', "y")]


@pytest.mark.parametrize(
    "content",
    [
        '{"text": ["a", "b"], "label": ["x", "y"]}',
        '{"text": {"0": "a", "1": "b"}, "label": {"1": "y", "0": "x"}}',
        '{\n "text": ["a", "b"],\n "label": [\n"x", "y"]\n}\n',
    ],
)
def test_an_object_of_columns_is_a_table(content, write):
    assert rows_of(write(content, "t.json")) == [("a", "x"), ("b", "y")]


def test_json_lines_may_be_named_json(write):
    lines = '{"tokens": ["a"], "text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n'
    with open_table(write(lines, "t.json"), TableOptions(), labelled=True) as table:
        assert table.format.name == "jsonl"
    assert rows_of(write(lines, "t.json")) == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a", "label": "x"}', "expected the end of the JSON array, found that the file ends after row 0"),
        ('[{"text": "a", "label": "x"},', "found that the file ends after row 1"),
        ('[{"text": "a", "label": "x"},]', r"expected a row after row 1 of the JSON array, found '\]'"),
        ('[{"text": "a", "label": "x"}] []', "expected the end of the file after the JSON array, found"),
        ("[]", "no rows"),
        ('[{"text": "a", "label": "x"} {"text": "b", "label": "y"}]', "Extra data"),
        ('[{"text": "a", "label": "x"}, 5]', "row 2: expected a JSON object, found the number '5'"),
        ('[{"text": "a\nb", "label": "x"}]', "Invalid control character"),
        ('{"text": ["a"], "label": ["x", "y"]}', "expected columns of the same length, found 1 and 2"),
        ('{"text": {"0": "a"}, "label": {"1": "y"}}', "expected columns with the same rows, found others in 'label'"),
        ('{"text": ["a"], "label"', "expected a JSON array of objects or an object of columns"),
    ],
)
def test_what_is_damaged_is_refused(content, message, write):
    with pytest.raises(DataError, match=message):
        rows_of(write(content, "t.json"))


def test_bad_elements_are_refused_rows_when_asked(write):
    path = write('[{"text": "a", "label": "x"}, 5, {"text": "b"}, {"text": "c", "label": "y"}]', "t.json")
    examples = read_examples(path, TableOptions(on_error="skip"))
    assert (list(examples.rows), [refusal.row for refusal in examples.refused]) == ([1, 4], [2, 3])
    assert {refusal.line for refusal in examples.refused} == {None}


def label(path, target, options=TableOptions()):  # noqa: B008 -- frozen
    with open_table(path, options, labelled=False) as table, open_writer(target, table, ["n"]) as writer:
        for batch in table.batches():
            writer.write(batch, [list(range(len(batch)))])


def test_an_array_is_written_as_an_array_with_numbers_as_they_were_spelled(write, tmp_path):
    path = write('[{"text": "a", "w": 1.10},\n {"text": "b"\n, "w": 2e1}]', "t.json")
    label(path, tmp_path / "o.json")
    content = (tmp_path / "o.json").read_text("utf-8")
    assert '"w": 1.10' in content
    assert '"w": 2e1' in content
    assert json.loads(content) == [{"text": "a", "w": 1.1, "n": 0}, {"text": "b", "w": 20.0, "n": 1}]


def test_other_tables_are_written_as_arrays_too(write, tmp_path):
    label(write('text,by\n"a\nb",1\n', "t.csv"), tmp_path / "o.json")
    assert json.loads((tmp_path / "o.json").read_text("utf-8")) == [{"text": "a\nb", "by": "1", "n": 0}]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.text(st.characters(codec="utf-8"), max_size=8)},
            optional={"more": st.recursive(st.integers() | st.text(SIGNS, max_size=5), st.lists, max_leaves=4)},
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
)  # fmt: skip
def test_any_array_comes_back_whole(rows, indent, plain):
    content = json.dumps(rows, indent=indent, ensure_ascii=plain).encode()
    held = io.BytesIO()
    with (
        open_table(Trickle(content), TableOptions(format="json"), labelled=False) as table,
        open_writer(held, table, ["n"]) as writer,
    ):
        texts = []
        for batch in table.batches():
            texts += batch.texts
            writer.write(batch, [[1] * len(batch)])
    assert texts == [row["text"] for row in rows]
    assert json.loads(held.getvalue()) == [row | {"n": 1} for row in rows]
