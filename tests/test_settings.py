"""What a user may choose is checked once, by name and with the range."""

import json

import pytest

from textclf.errors import TextclfError
from textclf.settings import CHOICES, RANGES, Settings


@pytest.mark.parametrize("name", RANGES)
def test_a_number_out_of_its_range_is_refused_with_the_range(name):
    lowest, highest = RANGES[name]
    for value in (lowest - 1, highest + 1, float("nan")):
        with pytest.raises(
            TextclfError, match=f"^{name}: expected {lowest:g} to {highest:g}, found ".replace("+", ".")
        ):
            Settings(**{name: value})
    Settings(**{name: lowest})
    Settings(**{name: highest})


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_that_is_none_is_refused_with_the_choices(name):
    with pytest.raises(TextclfError, match=f"{name}: expected one of {', '.join(CHOICES[name])}, found 'other'"):
        Settings(**{name: "other"})


@pytest.mark.parametrize("hidden", [(0,), (8, -1), (200_000,)])
def test_layer_sizes_are_checked(hidden):
    with pytest.raises(TextclfError, match="hidden: expected sizes of 1 to 100000"):
        Settings(hidden=hidden)


@pytest.mark.parametrize("span", [(3, 2), (0, 3), (1, 11), (-1, 2)])
def test_spans_of_ngrams_are_checked(span):
    with pytest.raises(TextclfError, match="char_ngrams: expected SHORTEST-LONGEST"):
        Settings(char_ngrams=span)


@pytest.mark.parametrize("weights", ["balance", {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_class_weights_are_checked(weights):
    with pytest.raises(TextclfError, match="class_weight: expected "):
        Settings(class_weight=weights)


def test_settings_are_plain_values_and_threads_are_not_among_them():
    assert json.loads(json.dumps(Settings(hidden=(8, 4)).as_dict()))["hidden"] == [8, 4]
    assert Settings(threads=1).as_dict() == Settings(threads=9).as_dict()
