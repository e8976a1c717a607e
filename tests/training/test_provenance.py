"""What a model's description says of the rows it was made of."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import textclf
from textclf.storage.packed_strings import PackedStrings
from textclf.training.provenance import RowsDigest, digest_of, provenance

TEXTS, LABELS = ["a b", "", "é 😀", "c"], ["x", "y", "x", "z"]


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_digest_of_rows_is_the_same_however_they_come(at_once, monkeypatch):
    monkeypatch.setattr("textclf.training.provenance._ROWS_AT_ONCE", at_once)
    digest = RowsDigest()
    digest.add(TEXTS[:2], LABELS[:2])
    digest.add(PackedStrings.of(TEXTS)[2:], LABELS[2:])
    monkeypatch.undo()
    assert digest.hexdigest() == digest_of(TEXTS, LABELS) == digest_of(PackedStrings.of(TEXTS), LABELS)


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["a ", "b", "é 😀", "c"], LABELS),
        (TEXTS, ["xy", "", "x", "z"]),
        (TEXTS[::-1], LABELS),
        (TEXTS, LABELS[::-1]),
        (TEXTS[:3], LABELS[:3]),
        (LABELS, TEXTS),
    ],
)
def test_other_rows_have_another_digest(texts, labels):
    assert digest_of(texts, labels) != digest_of(TEXTS, LABELS)


def test_rows_without_labels_have_no_digest():
    with pytest.raises(ValueError, match="4 texts, 3 labels"):
        digest_of(TEXTS, LABELS[:3])


def test_a_model_says_with_what_it_was_made_and_for_which_processor_numpy_calculated():
    found = provenance(None)
    assert (found.textclf, found.numpy, found.vectors) == (textclf.__version__, np.__version__, None)
    architectures = [each.get("architecture") for each in threadpool_info()]
    assert found.kernel == (", ".join(sorted({*architectures} - {None})) or None)


def test_the_kernels_of_numpy_and_scipy_are_named_in_one_order(monkeypatch):
    found = [{"architecture": "Zen"}, {"architecture": None}, {"architecture": "Haswell"}, {"architecture": "Zen"}]
    for order in (found, found[::-1]):
        monkeypatch.setattr("threadpoolctl.threadpool_info", lambda order=order: order)
        assert provenance(None).kernel == "Haswell, Zen"
