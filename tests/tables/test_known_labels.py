"""A table's labels are held to those that a model has: one spelling for a truth value and a whole number."""

import json

import polars as pl
import pytest
from hostile import accepted, refused

from textclf.errors import DataError
from textclf.labels import KnownLabels, spelling_key
from textclf.tables import TableOptions, read_examples

pytestmark = pytest.mark.usefixtures("small_starter")


@pytest.mark.parametrize(
    ("label", "key"),
    [("True", "true"), ("TRUE", "true"), ("false", "false"), ("1.0", "1"), ("-2.00", "-2"), ("1", "1"), ("01", "01"),
     ("1.10", "1.10"), ("v1.0", "v1.0"), ("1.", "1."), (".0", ".0"), ("truth", "truth"), ("1e0", "1e0")],
)  # fmt: skip
def test_truth_values_and_whole_numbers_have_one_key(label, key):
    assert spelling_key(label) == key


def test_a_label_that_is_known_as_it_stands_is_no_other():
    known = KnownLabels(["1", "1.0", "True", "no"])
    assert [known.find(label) for label in ["1", "1.0", "1.00", "true", "True", "no", "NO"]] == [
        "1", "1.0", None, "True", "True", "no", None,
    ]  # fmt: skip


def write_all(folder, labels):
    """Write the same rows in every format, as its own library does; return the paths."""
    texts = [f"text {n}" for n in range(len(labels))]
    frame = pl.DataFrame({"text": texts, "label": labels})
    frame.write_parquet(folder / "t.parquet")
    rows = zip(texts, labels, strict=True)
    (folder / "t.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    frame.write_ndjson(folder / "t.jsonl")
    return [folder / name for name in ("t.csv", "t.parquet", "t.jsonl")]


@pytest.mark.parametrize(
    ("values", "known"),
    [([True, False], ("false", "true")), ([True, False], ("False", "True")), ([1.0, 2.0], ("1", "2")),
     ([1, 2], ("1.0", "2.0"))],
)  # fmt: skip
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_format_gives_the_labels_that_are_known(values, known, multi_label, tmp_path):
    for path in write_all(tmp_path, values):
        found = read_examples(path, TableOptions(known_labels=known, multi_label=multi_label))
        assert set(found.labels) == set(known)


def test_a_label_that_is_not_known_is_a_refused_row(write):
    path = write("text,label\na,x\nb,z\nc,y\n")
    with pytest.raises(
        DataError,
        match=r"t\.csv:3: row 2: label 'z' was not in the training data\. Known labels: 'x', 'y'\. Correct the label",
    ):
        read_examples(path, TableOptions(known_labels=("x", "y")))
    found = read_examples(path, TableOptions(known_labels=("x", "y"), on_error="skip"))
    assert (found.labels, [refusal.row for refusal in found.refused]) == (["x", "y"], [2])
    found = read_examples(path, TableOptions(known_labels=("x", "y"), may_be_new=True))
    assert found.labels == ["x", "z", "y"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    table = folder / "train.csv"
    table.write_text("text,label\n" + "good film,True\nbad film,False\n" * 12)
    accepted("train", table, "-o", folder / "m.safetensors", "--vectors", "none", "--recipe", "fast")
    return folder / "m.safetensors"


def test_a_model_of_true_and_false_is_measured_on_a_table_of_any_format(model, tmp_path):
    for path in write_all(tmp_path, [True, False, True]):
        assert json.loads(accepted("evaluate", model, path, "--json").out)["n"] == 3


@pytest.mark.parametrize("where", [(), ("--workers", "1")])
def test_rows_with_an_unknown_label_are_skipped_alone_in_one_table_and_in_many(where, model, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\ngood film,True\nodd film,maybe\nbad film,false\n")
    outcome = accepted("evaluate", model, table, "--json", "--on-error", "skip", *where)
    assert json.loads(outcome.out)["n"] == 2
    assert "skipped" in outcome.err
    assert "was not in the training data" in refused("label 'maybe' was not in", "evaluate", model, table, *where).err


def test_rows_to_validate_on_are_spelled_as_those_of_training(tmp_path):
    train, valid = tmp_path / "t.csv", tmp_path / "v.csv"
    train.write_text("text,label\n" + "good film,1\nbad film,0\n" * 12)
    valid.write_text("text,label\ngood,1.0\nbad,0.0\n")
    options = ("--vectors", "none", "--recipe", "fast", "--valid", valid)
    accepted("train", train, "-o", tmp_path / "m", *options)
