"""Copies of a text stay on one side of a split, and no row is judged by a model that never met its label."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.errors import TextclfError, TrainingError
from textclf.metrics.multi_label import new_tally
from textclf.nn.network import one_hot
from textclf.settings import Settings
from textclf.text.copies import group_copies, group_keys, text_keys
from textclf.training.data import RowsByClass, deal, split
from textclf.training.resources import Listener, Resources
from textclf.training.train import LabelledTexts, train

texts_of_few_kinds = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60)
FAST = Settings(vectors="none", dimension=8, recipe="fast", char_ngrams=(0, 0))


@given(texts_of_few_kinds, st.integers(2, 5), st.integers(0, 20))
def test_no_row_is_judged_by_a_model_that_saw_its_text_or_never_saw_its_class(rows, folds, seed):
    y = np.array([label for _, label in rows])
    groups = group_copies([f"text {number}" for number, _ in rows])
    fold = deal(RowsByClass(y, groups), folds, np.random.default_rng(seed))
    for number in np.unique(fold[fold >= 0]):
        out, rest = fold == number, fold != number
        assert not set(groups[out]) & set(groups[rest])
        assert set(y[out]) <= set(y[rest])
    for fraction in (0.1, 0.4):
        train_rows, valid_rows = split(RowsByClass(y, groups), fraction, np.random.default_rng(seed))
        assert sorted([*train_rows, *valid_rows]) == list(range(len(y)))
        assert not set(groups[train_rows]) & set(groups[valid_rows])
        assert set(y[valid_rows]) <= set(y[train_rows])


def test_no_row_is_judged_that_has_a_label_of_no_other_fold_beside_common_ones():
    Y = np.tile([[1, 0, 0], [0, 1, 0]], (20, 1))
    Y[7] = [1, 1, 1]
    y = np.where(Y[:, 0] > 0, 0, 1)  # as if another label of that row were its rarest
    for seed in range(5):
        assert deal(RowsByClass(y, Y=Y), 5, np.random.default_rng(seed))[7] == -1
        assert 7 in split(RowsByClass(y, Y=Y), 0.5, np.random.default_rng(seed))[0]


def test_texts_are_copies_whatever_their_case_and_blanks():
    assert group_copies(["Good  film", " good film", "goodfilm", "good\tFILM\n", "\ud800"]).tolist() == [0, 0, 2, 0, 4]


def test_files_that_are_split_one_by_one_hold_out_the_same_texts():
    rng = np.random.default_rng(0)
    texts = [f"text {number}" for number in range(1000)]
    held_out = []
    for _ in range(2):
        rows = rng.permutation(1000)[:900]
        keys = text_keys([texts[row] for row in rows])
        _, valid = split(RowsByClass(rows % 2, group_keys(keys)), 0.1, rng, keys=keys)
        assert len(valid) == 90
        held_out.append({texts[rows[row]] for row in valid} | {texts[row] for row in set(range(1000)) - set(rows)})
    assert len(held_out[0] & held_out[1]) > 80


def test_copies_of_training_rows_in_a_validation_table_are_told():
    texts, labels = reviews(100)
    said = []
    valid = LabelledTexts([texts[0].upper(), *reviews(9, seed=1)[0]], labels[:10])
    train(LabelledTexts(texts, labels), FAST, None, valid=valid, resources=Resources(Listener(say=said.append)))
    assert any(sentence.startswith("1 of 10 validation rows have the text of a training row") for sentence in said)


def test_one_text_in_half_of_all_rows_is_not_all_that_is_validated_on():
    groups = np.concatenate([np.zeros(50, int), np.arange(50, 100)])
    for seed in range(5):
        _, valid = split(RowsByClass(np.zeros(100, int), groups), 0.1, np.random.default_rng(seed))
        assert len(valid) == 10
        assert valid.min() >= 50


def reviews(n, seed=0):
    """Return texts of two classes that share most of their words, so that a tenth or so is labelled wrongly."""
    rng = np.random.default_rng(seed)
    labels = ["good" if number % 2 else "bad" for number in range(n)]
    texts = [
        " ".join(f"w{word}" for word in rng.integers(0, 400, 8) + 60 * (label == "good")) for label in labels
    ]  # fmt: skip
    return texts, labels


def measured(data, texts, labels, settings=FAST):
    """Return the temperature, and calibration error and accuracy on other rows, of a model of the data."""
    found = train(data, settings, None)
    tally = new_tally(found.model.labels, None)
    predictions = found.model.predict(texts)
    tally.add_rows(
        one_hot(np.array([found.model.labels.index(label) for label in labels]), len(found.model.labels)),
        predictions.P, words=predictions.tokens, known=predictions.known,
    )  # fmt: skip
    return found, tally.evaluation()


@pytest.mark.parametrize("typos", [("postive",), ("postive", "negatve", "good.")])
@pytest.mark.parametrize("target", [None, 0.8])
def test_a_mistyped_label_in_1000_rows_leaves_temperature_and_calibration_as_they_were(typos, target):
    texts, labels = reviews(1000)
    unseen = reviews(1000, seed=1)
    settings = replace(FAST, target_precision=target)
    sound, before = measured(LabelledTexts(texts, labels), *unseen, settings)
    wrong = [*typos, *labels[len(typos) :]]
    found, after = measured(LabelledTexts(texts, wrong), *unseen, settings)
    assert found.model.temperature == pytest.approx(sound.model.temperature, rel=0.1)
    assert after.reliability.ece == pytest.approx(before.reliability.ece, abs=0.02)
    assert after.log_loss == pytest.approx(before.log_loss, abs=0.02)
    assert found.validation.n == 1000 - len(typos)
    assert found.held_out_rows.tolist() == list(range(len(typos), 1000))


def test_copies_do_not_leak_into_validation_and_are_told():
    texts, labels = reviews(400)
    copies = [text.upper() if number else text for number in range(3) for text in texts]
    said = []
    listener = Listener(say=said.append)
    found = train(LabelledTexts(copies, labels * 3), FAST, None, resources=Resources(listener))
    _, test = measured(LabelledTexts(copies, labels * 3), *reviews(1000, seed=1))
    assert found.validation.accuracy == pytest.approx(test.accuracy, abs=0.1)
    assert test.reliability.ece < 0.1
    assert any(sentence.startswith("800 of 1,200 rows repeat the text of an earlier row") for sentence in said)
    found = train(LabelledTexts(copies, labels * 3), replace(FAST, optimizer="adam", epochs=20), None)
    assert found.validation.accuracy == pytest.approx(test.accuracy, abs=0.1)


@given(texts_of_few_kinds, st.integers(0, 20))
def test_a_row_that_weighs_nothing_shows_no_label_to_others(rows, seed):
    y = np.array([label for _, label in rows])
    weights, groups = np.array([number % 3 for number, _ in rows]), group_copies([f"{number}" for number, _ in rows])
    fold = deal(RowsByClass(y, groups, weights=weights), 3, np.random.default_rng(seed))
    for number in np.unique(fold[fold >= 0]):
        assert set(y[fold == number]) <= set(y[(fold != number) & (weights > 0)])
    train_rows, valid_rows = split(RowsByClass(y, groups, weights=weights), 0.4, np.random.default_rng(seed))
    assert set(y[valid_rows]) <= set(y[train_rows][weights[train_rows] > 0])


@pytest.mark.parametrize("parts", [(0, 0), (3, 5)])
@pytest.mark.parametrize("weight", [2e7, 1e9, 1e12])
def test_large_weights_fit_what_small_ones_fit(weight, parts):
    texts, labels = reviews(300)
    settings = replace(FAST, l2=0.15, valid_fraction=0.0, char_ngrams=parts)
    P = [
        train(LabelledTexts(texts, labels, [each] * 300), settings, None).model.predict(texts).P
        for each in (1.0, weight)
    ]
    assert np.isfinite(P[1]).all()
    assert (P[1].argmax(axis=1) == P[0].argmax(axis=1)).mean() > 0.95


def test_a_weight_that_sums_cannot_hold_is_refused():
    texts, labels = reviews(20)
    with pytest.raises(TrainingError, match=r"weights: expected at most 1,000,000,000,000, found 1e\+13\. Divide"):
        train(LabelledTexts(texts, labels, [1e13] * 20), FAST, None)
    with pytest.raises(TextclfError, match=r"class_weight: expected weights of 0 to 1,000,000,000,000, found 1e\+300"):
        replace(FAST, class_weight={"good": 1e300})
