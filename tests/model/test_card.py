"""A model card holds what its types and bounds allow, and an error names the field that does not fit."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from textclf.errors import ModelError
from textclf.model.card import (
    BeforeAfter,
    EpochFigures,
    ExportFacts,
    ExportValidation,
    ModelCard,
    Provenance,
    RegularizationFigures,
    Scaling,
    TrainingData,
    ValidationFigures,
    VectorSource,
    read_as,
)
from textclf.model.file import read_model, write_model
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train

FULL = ModelCard(
    history=(EpochFigures(1, 0.7, 0.6, 0.5, 0.4), EpochFigures(2, 0.3)),
    scaling=Scaling((1.5, 0.5), (0.0, -0.25)),
    settings=Settings(hidden=(4, 3), char_ngrams=(2, 4), class_weight={"a": 2.0, "b": 1.0}, l2=0.5, threads=2),
    regularization=RegularizationFigures(0.1, (1.0, 2.0)),
    validation=ValidationFigures(10, 0.8, 0.4, accuracy=0.9),
    data=TrainingData(100, "0" * 64, 2, 60, files=3, missing_counts=(0, 7)),
    before=(TrainingData(5, "1" * 64, 2, 3),),
    provenance=Provenance("1.0", "3.11", "2.4", VectorSource("starter", "2" * 64, "word2vec")),
    label_kind="int",
    export=ExportFacts(
        "int8", "3" * 64, True, 5, 6, ExportValidation(9, BeforeAfter(1, 2), 0.1, BeforeAfter(0.9, 0.8))
    ),
)


PLAIN = FULL.as_dict()


def through_json(value):
    return json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "card", [FULL, ModelCard(), replace(FULL, settings=Settings(multi_label=True, output="sigmoid"))]
)
def test_a_card_is_read_as_it_was_written(card):
    assert read_as(ModelCard, through_json(card.as_dict())) == card


def test_an_empty_card_says_nothing_and_what_a_later_version_adds_is_left_out():
    assert ModelCard().as_dict() == {}
    later = {**PLAIN, "mood": {"good": 1e999}, "data": {**PLAIN["data"], "colour": [1]}}
    assert read_as(ModelCard, later) == FULL


REFUSED = {
    "history: expected a list, found names with values": {"history": {}},
    "history[1]: expected names with values, found 7": {"history": [{"number": 1, "loss": 1.0}, 7]},
    "history[0].loss: expected a finite number, found inf": {"history": [{"number": 1, "loss": float("inf")}]},
    "history[0].loss: expected a value, found none": {"history": [{"number": 1}]},
    "history[0].number: expected 0 to": {"history": [{"number": -1, "loss": 1.0}]},
    "data.texts: expected a whole number, found 'many'": {"data": {**PLAIN["data"], "texts": "many"}},
    "data.texts: expected a whole number, found True": {"data": {**PLAIN["data"], "texts": True}},
    "data.sha256: expected a text, found null": {"data": {**PLAIN["data"], "sha256": None}},
    "before[0].classes: expected a whole number, found 2.5": {"before": [{**PLAIN["before"][0], "classes": 2.5}]},
    "validation.accuracy: expected 0 to 1, found 1.5": {"validation": {**PLAIN["validation"], "accuracy": 1.5}},
    "scaling.factors[1]: expected 1e-06 to 1e+06, found 0": {"scaling": {"factors": [1, 0], "biases": [0, 0]}},
    "regularization: expected names with values, found a list": {"regularization": []},
    "settings.hidden[0]: expected a whole number, found '4'": {"settings": {"hidden": ["4"]}},
    "settings.char_ngrams: expected a list of 2, found a list": {"settings": {"char_ngrams": [1]}},
    "settings.optimizer: expected one of lbfgs, adam": {"settings": {"optimizer": "luck"}},
    "settings.class_weight.a: expected a number, found null": {"settings": {"class_weight": {"a": None}}},
    "settings: epochs: expected 1 to 100000, found 0": {"settings": {"epochs": 0}},
    "settings.freeze_vectors: expected true or false, found 1": {"settings": {"freeze_vectors": 1}},
    "provenance.vectors.name: expected a value": {"provenance": {**PLAIN["provenance"], "vectors": {}}},
    "provenance.textclf: expected a text, found names with values": {
        "provenance": {**PLAIN["provenance"], "textclf": {"__class__": 1}}
    },
    "label_kind: expected one of str, int, float, bool, found 'object'": {"label_kind": "object"},
    "export.folded: expected true or false": {"export": {**PLAIN["export"], "folded": "yes"}},
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_value_of_another_type_or_out_of_bounds_is_refused_by_the_name_of_its_field(said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        read_as(ModelCard, {**PLAIN, **REFUSED[said]})


@pytest.fixture(scope="module")
def model():
    words, labels = ["good", "bad"] * 4, ["up", "down"] * 4
    texts = [f"{word} film number {number}" for number, word in enumerate(words)]
    return train(LabelledTexts(texts, labels), Settings(vectors="none", dimension=3), None).model


def test_what_would_be_refused_from_a_file_is_not_written(model, tmp_path):
    wrong = [
        replace(model, card=replace(model.card, data=replace(model.card.data, texts=-1))),
        replace(model, card=replace(model.card, history=(EpochFigures(1, float("nan")),))),
        replace(model, E=np.asarray(model.E) * np.float32("nan")),
        replace(model, temperature=0.0),
        replace(model, labels=("up", "up")),
        replace(model, labels=("up", "")),
        replace(model, labels=("\ud800", "\ud801")),  # both become U+FFFD
        replace(model, U=model.U[:-1]),
        replace(model, features=replace(model.features, ngrams=model.features.ngrams[:1] * 2)),
    ]
    (tmp_path / "m").write_bytes(b"old")
    for each in wrong:
        with pytest.raises(ModelError, match="m: not written, as it could not be read again: "):
            each.save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("words.weights", 0.0, r"words\.weights: expected numbers of 1e-06 to 1e\+06, found 0 to"),
        ("words.weights", -0.0, r"words\.weights: expected numbers of 1e-06"),
        ("words.idf", 0.0, r"words\.idf: expected numbers of 1e-06"),
        ("record.confidence", 1.5, r"record\.confidence: expected numbers of 0 to 1"),
        ("record.least_familiar", -1.0, r"record\.least_familiar: expected numbers of 0 to 1"),
        ("E.scales", float("nan"), "'E.scales' holds a number that is not finite"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused_in_whichever_array(name, value, said, model, tmp_path):
    model.save(tmp_path / "m")
    file = read_model(tmp_path / "m")
    array = file.arrays[name].copy()
    array.flat[0] = value
    description = {key: entry for key, entry in file.description.items() if key not in ("format", "sha256")}
    write_model(tmp_path / "m", {**file.arrays, name: array}, description)
    with pytest.raises(ModelError, match=said):
        Model.load(tmp_path / "m")
