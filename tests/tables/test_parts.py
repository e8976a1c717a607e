"""One table may hold training, validation and test rows: a column says which, and every row is of one part."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import accepted, refused

from textclf.errors import DataError
from textclf.tables import TableOptions, read_examples

pytestmark = pytest.mark.usefixtures("small_starter")

CONTENT = "text,label,split\na,x,train\nb,y,Validation\nc,x,TEST\nd,y,training\ne,x,dev\n"


def part(path, name, **options):
    found = read_examples(path, TableOptions(split_column="split", part=name, **options))
    return found.texts, dict(found.parts), [str(refusal) for refusal in found.refused]


def test_each_part_has_its_rows(write):
    path = write(CONTENT)
    counts = {"train": 2, "validation": 2, "test": 1}
    assert part(path, "train") == (["a", "d"], counts, [])
    assert part(path, "validation") == (["b", "e"], counts, [])
    assert part(path, "test") == (["c"], counts, [])


def test_a_row_of_no_part_is_refused_and_a_part_without_rows_is_told(write):
    path = write(CONTENT + "f,x,holdout\n")
    with pytest.raises(DataError, match=r"t\.csv:7: row 6: expected train, validation or test in the column 'split'"):
        part(path, "train")
    said = "line 7 (row 6): expected train, validation or test in the column 'split', found 'holdout'"
    assert part(path, "test", on_error="skip")[2] == [said]
    with pytest.raises(DataError, match="expected rows of the part 'test' in the column 'split', found none"):
        part(write("text,label,split\na,x,train\n"), "test")
    with pytest.raises(DataError, match=r"no column 'splits'; it has .*Did you mean 'split'"):
        read_examples(path, TableOptions(split_column="splits"))


def test_commands_train_validate_and_test_on_the_rows_of_their_part(write, tmp_path):
    parts = ["train"] * 4 + ["valid", "test"]
    rows = "".join(f"{'good' if n % 2 else 'bad'} film {n},{n % 2},{parts[n % 6]}\n" for n in range(60))
    path = write("text,label,split\n" + rows + "no label,,test\n")
    options = ["--split-column", "split", "--on-error", "skip"]
    said = accepted("train", path, "-o", tmp_path / "m", "--recipe", "fast", *options).err
    assert "parts by column 'split': train 40, validation 10, test 11; test rows are left out" in said
    assert "(10 texts)" in said
    assert said.count("not used") == 0, "a test row without a label is nothing to training"
    assert "(10 texts)" in accepted("evaluate", tmp_path / "m", path, *options).out
    refused("does not go with --valid", "train", path, "-o", "m", *options, "--valid", path, code=2)


HF = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}


@pytest.fixture
def dataset(tmp_path):
    """Return a function that writes Parquet as the library `datasets` does, numbers with the names of their classes."""

    def write(features, **columns):
        said = json.dumps({"info": {"features": features}}) if isinstance(features, dict) else features
        pq.write_table(pa.table(columns).replace_schema_metadata({"huggingface": said}), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


def test_numbers_of_classes_are_read_by_their_names(dataset):
    path = dataset(HF, text=["a", "b", "c"], label=pa.array([1, 0, -1], pa.int64()))
    with pytest.raises(DataError, match="row 3: expected a label, found none"):
        read_examples(path, TableOptions())
    assert read_examples(path, TableOptions(on_error="skip")).labels == ["pos", "neg"]
    with pytest.raises(DataError, match="row 1: expected the number of one of 2 classes, found '7'"):
        read_examples(dataset(HF, text=["a"], label=[7]), TableOptions())


def test_lists_of_numbers_of_classes_are_labels_of_one_row(dataset):
    of_list = {"feature": HF["label"], "_type": "Sequence"}
    path = dataset({**HF, "labels": of_list}, text=["a", "b"], labels=[[1, 0], []])
    assert read_examples(path, TableOptions(multi_label=True)).labels == ["pos|neg", ""]


@pytest.mark.parametrize(
    "said", ["", "{", "[]", '{"info": 3}', '{"info": {"features": {"label": {"names": 3, "_type": "ClassLabel"}}}}',
             '{"info": {"features": {"label": {"names": ["neg", 1], "_type": "ClassLabel"}}}}', "[" * 5000],
)  # fmt: skip
def test_metadata_that_say_nothing_change_nothing(said, dataset):
    path = dataset(said, text=["a"], label=pa.array([1], pa.int64()))
    assert read_examples(path, TableOptions()).labels == ["1"]
