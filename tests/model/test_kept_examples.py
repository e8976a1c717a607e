"""A model keeps typical texts of each label where that is asked for."""

import numpy as np
import pytest

from textclf.errors import ModelError
from textclf.model.kept_examples import LONGEST_EXAMPLE, KeptExamples, keep_examples
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.storage.packed_strings import PackedStrings
from textclf.training.train import LabelledTexts, train

TEXTS = [f"{word} film number {i}" for i in range(12) for word in ("good", "bad")]
LABELS = ["up", "down"] * 12


def trained(labels=LABELS, **settings):
    return train(LabelledTexts(TEXTS, labels), Settings(vectors="none", dimension=4, **settings), None).model


def test_the_texts_that_are_kept_are_the_surest_of_their_label_once_each():
    model = trained()
    texts = [*TEXTS, *TEXTS, "good " * LONGEST_EXAMPLE, " ", "bad film"]
    kept = keep_examples(model, texts, [*LABELS, *LABELS, "up", "up", "up"], 3)
    for number, label in enumerate(model.labels):
        found = kept.examples.of_class(number)
        assert len(set(found)) == 3
        P = model.predict(TEXTS).P[:, number]
        own = sorted((p for p, each in zip(P, LABELS, strict=True) if each == label), reverse=True)
        np.testing.assert_allclose(model.predict(found).P[:, number], own[:3])


def test_the_texts_of_a_multi_label_model_stand_with_each_of_their_labels():
    labels = ["film|up", "film|down"] * 12
    model = trained(labels, multi_label=True, output="sigmoid")
    kept = keep_examples(model, TEXTS, labels, 2)
    assert {label: len(kept.examples.of_class(j)) for j, label in enumerate(model.labels)} == {
        "down": 2, "film": 2, "up": 2,
    }  # fmt: skip


def test_a_model_file_holds_them_and_nothing_where_they_were_not_asked_for(tmp_path):
    model = trained()
    model.save(tmp_path / "m")
    assert Model.load(tmp_path / "m").examples is None
    keep_examples(model, TEXTS, LABELS, 2).save(tmp_path / "m")
    found = Model.load(tmp_path / "m").examples
    assert [len(found.of_class(number)) for number in range(2)] == [2, 2]
    assert set(found.texts) <= set(TEXTS)


def test_a_model_file_whose_examples_have_labels_that_are_none_is_refused(tmp_path):
    model = trained()
    examples = KeptExamples(PackedStrings.of(["a text"]), np.array([2]))
    with pytest.raises(ModelError, match=r"examples\.classes: expected numbers of 0 to 1"):
        Model(**{**vars(model), "examples": examples}).save(tmp_path / "m")
