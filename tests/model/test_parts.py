"""Each part of a model is what it can be, up to its bounds, or is refused; an older file may lack some."""

import numpy as np
import pytest

from textclf.errors import ModelError
from textclf.model.drift import CELLS, quantities
from textclf.model.file import read_model, write_model
from textclf.model.parts import dictionary_of, ngram_table_of, record_of, thresholds_of, usual_of


@pytest.fixture
def holding(tmp_path):
    """Return what makes a model file that holds arrays."""

    def holding(**arrays):
        path = tmp_path / "m.safetensors"
        write_model(path, {name.replace("__", "."): array for name, array in arrays.items()}, {})
        return read_model(path)

    return holding


def record(classes, kinds=2):
    n = len(classes)
    return {
        "record__confidence": np.linspace(0.5, 1, n, dtype=np.float32),
        "record__classes": np.array(classes, np.int32),
        "record__right": np.array([number % 2 for number in range(n)], np.uint8),
        "record__least_familiar": np.zeros(kinds, np.float32),
    }


@pytest.mark.parametrize("classes", [[0, 2, 1], [0], []])
def test_a_track_record_is_kept_as_it_is(classes, holding):
    found = record_of(holding(**record(classes)), 3, 2)
    assert found.classes.tolist() == classes
    assert found.right.tolist() == [bool(number % 2) for number in range(len(classes))]


@pytest.mark.parametrize("classes", [[0, 3], [-1, 0]])
def test_a_track_record_of_classes_that_are_not_there_is_refused(classes, holding):
    with pytest.raises(ValueError, match=r"^$"):
        record_of(holding(**record(classes)), 3, 2)


def test_what_an_older_file_lacks_is_none(holding):
    file = holding(E=np.zeros(1, np.float32))
    assert usual_of(file, ["words"]) is None
    assert record_of(file, 2, 1) is None
    assert thresholds_of(file, 2, "sigmoid") is None


def test_counts_of_what_is_usual_are_not_negative(holding):
    counts = np.zeros((len(quantities(["words"])), CELLS), np.int32)
    assert usual_of(holding(usual__counts=counts), ["words"]).counts.sum() == 0
    counts[0, 1] = -1
    with pytest.raises(ValueError, match=r"^$"):
        usual_of(holding(usual__counts=counts), ["words"])


@pytest.mark.parametrize(
    ("thresholds", "output", "is_right"),
    [
        ([0, 1], "sigmoid", True),
        ([0, 1], "softmax", False),
        ([-0.1, 1], "sigmoid", False),
        ([0, 1.1], "sigmoid", False),
    ],
)
def test_thresholds_are_probabilities_of_sigmoids(thresholds, output, is_right, holding):
    file = holding(thresholds=np.array(thresholds, np.float32))
    if is_right:
        assert thresholds_of(file, 2, output).tolist() == thresholds
        return
    with pytest.raises(ValueError, match=r"^$"):
        thresholds_of(file, 2, output)


@pytest.mark.parametrize(
    ("kind", "shortest", "longest", "is_right"),
    [("words", 1, 1, True), ("chars", 2, 32, True), ("chars", 2, 33, False), ("words", 0, 1, False),
     ("words", 3, 2, False), ("files", 1, 2, False)],
)  # fmt: skip
def test_a_table_of_n_grams_has_one_of_two_kinds_and_lengths_up_to_32(kind, shortest, longest, is_right, holding):
    arrays = {f"{kind}__ngrams": np.array([3, 5], np.uint64), f"{kind}__idf": np.array([1, 2], np.float32)}
    file = holding(**arrays)
    if is_right:
        table = ngram_table_of(file, kind, shortest, longest)
        assert (table.kind, table.shortest, table.longest, len(table.index)) == (kind, shortest, longest, 2)
        return
    with pytest.raises(ValueError, match=r"^$"):
        ngram_table_of(file, kind, shortest, longest)


@pytest.mark.parametrize("keys", [[2, 2], [3, 2]])
def test_keys_out_of_order_are_refused(keys, holding):
    with pytest.raises(ModelError, match="the keys 'k' are not in rising order"):
        dictionary_of(holding(k=np.array(keys, np.uint64)), "k", None)


@pytest.mark.parametrize("kind", [np.uint64, np.uint32])
def test_keys_of_either_length_are_found(kind, holding):
    dictionary = dictionary_of(holding(k=np.array([2, 3, 9], kind)), "k", 3)
    assert dictionary.keys.tolist() == [2, 3, 9]
    with pytest.raises(ModelError, match=r"expected 'k' of .* and shape 2"):
        dictionary_of(holding(k=np.array([2, 3, 9], kind)), "k", 2)


def test_a_track_record_and_what_is_usual_have_the_numbers_of_the_model(holding):
    found = record_of(holding(**record([0, 1], kinds=2)), 2, 2)
    assert (found.confidence.tolist(), found.least_familiar.tolist()) == ([0.5, 1], [0, 0])
    with pytest.raises(ModelError, match=r"expected 'record\.least_familiar' of F32 and shape 3"):
        record_of(holding(**record([0, 1], kinds=2)), 2, 3)
    counts = np.arange(len(quantities(["words"])) * CELLS, dtype=np.int32).reshape(-1, CELLS)
    usual = usual_of(holding(usual__counts=counts), ["words"])
    assert (usual.quantities, usual.counts.tolist()) == (quantities(["words"]), counts.tolist())
    assert usual.counts.dtype == np.int64
