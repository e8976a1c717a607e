"""Labels' own words guide a fit to few rows, if the rows say that they mean something."""

import numpy as np
import pytest

from textclf.errors import TrainingError
from textclf.nn.network import LOSSES, Network
from textclf.settings import Settings
from textclf.text.features import Features
from textclf.training.label_names import guess_by_names, name_vectors
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

LOSS = LOSSES["cross-entropy", "softmax"]
AXES = np.eye(2, dtype=np.float32)
NETWORK = Network.start((2, 2), "relu", np.random.default_rng(0))


def rows(*classes):
    """Return S and Y of examples that lie on the axis of their class."""
    y = np.array(classes)
    return AXES[y], AXES[y]


def guess(S, Y, vectors=AXES):
    return guess_by_names(vectors, NETWORK, S, Y, np.ones(len(S), np.float32), LOSS)


def test_names_that_label_the_rows_are_a_strong_guess():
    found = guess(*rows(0, 1, 0, 1))
    assert found.strength == 4.0
    np.testing.assert_allclose(found.network.layers[-1].W, 4 * AXES)


def test_names_that_mislabel_the_rows_are_no_guess():
    S, Y = rows(0, 1, 0, 1)
    assert guess(S, Y[:, ::-1]) is None


def test_names_that_no_word_is_known_of_are_no_guess():
    assert guess(*rows(0, 1), vectors=np.zeros((2, 2), np.float32)) is None


def test_the_guess_is_weaker_the_more_rows_there_are_and_ends_with_64_a_class():
    strengths = [guess(*rows(*[0, 1] * per_class)).strength for per_class in (8, 16, 64)]
    np.testing.assert_allclose(strengths, [4.0, 2.0, 0.5])
    assert guess(*rows(*[0, 1] * 65)) is None


def test_rows_that_weigh_nothing_have_no_say():
    S, Y = rows(0, 1, 0, 0, 1, 1)
    Y[2:] = Y[2:, ::-1]
    assert guess(S, Y) is None
    assert guess_by_names(AXES, NETWORK, S, Y, np.array([1, 1, 0, 0, 0, 0], np.float32), LOSS).strength == 4.0


def test_a_row_of_weight_2_counts_as_two_rows_in_how_strong_the_guess_is():
    S, Y = rows(*[0, 1] * 8)
    once, twice = (
        guess_by_names(AXES, NETWORK, S, Y, np.full(16, weight, np.float32), LOSS).strength for weight in (1, 2)
    )
    assert (once, twice) == (4.0, 2.0)


@pytest.mark.filterwarnings("error")
def test_a_label_that_each_row_has_or_none_leaves_the_guess_of_the_others():
    S, Y = rows(0, 1, 0, 1)
    S, vectors = np.pad(S, ((0, 0), (0, 2))), np.eye(4, dtype=np.float32)
    Y = np.column_stack([Y, np.ones(4), np.zeros(4)]).astype(np.float32)
    network = Network.start((4, 4), "relu", np.random.default_rng(0))
    loss = LOSSES["cross-entropy", "sigmoid"]
    found = guess_by_names(vectors, network, S, Y, np.ones(4, np.float32), loss)
    assert found is not None
    assert found.strength == 4.0


@pytest.fixture(scope="module")
def fitted():
    texts = ["the striker scored twice", "shares fell on monday", "the keeper saved it", "the bank raised its rates"]
    return train(LabelledTexts(texts, ["sports", "business"] * 2), Settings(), open_vectors("starter")).model


def names_of(features: Features, E, labels, names=None):
    vectors = name_vectors(features, np.asarray(E), labels, names)
    return vectors, np.linalg.norm(vectors, axis=1).round(5).tolist()


def test_labels_are_cut_into_words_and_those_without_known_words_have_no_vector(fitted):
    labels = ["card_arrival", "cardArrival", "cash", "C04xq"]
    vectors, lengths = names_of(fitted.features, fitted.E, labels)
    assert lengths == [1, 1, 1, 0]
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_names_given_take_the_place_of_the_labels(fitted):
    given, lengths = names_of(fitted.features, fitted.E, ["A", "B", "C"], {"A": "money bank", "B": "football"})
    own, _ = names_of(fitted.features, fitted.E, ["money bank", "football"])
    assert lengths == [1, 1, 0]
    np.testing.assert_array_equal(given[:2], own)
    with pytest.raises(TrainingError, match="label names: no row has the label 'D'"):
        names_of(fitted.features, fitted.E, ["A", "B"], {"D": "rain"})


def test_four_rows_and_their_labels_names_tell_sports_from_business(fitted):
    texts = ["a late goal won the match", "profits rose and investors bought stock"]
    assert [fitted.labels[i] for i in fitted.predict(texts).classes] == ["sports", "business"]
