"""What weights cost is found by moves that each lower the validation loss."""

import math

import numpy as np
import pytest

from textclf.training.regularization import LEAST_L2, MOST_L2, Regularization, choose_regularization

FIRST = Regularization(0.15, (1.0, 1.0))


def run(loss, first=FIRST):
    """Choose where the validation loss is a function of the penalties; return the choice and all starts of fits."""
    starts = []

    def fit(penalties, start):
        starts.append(start)
        return penalties

    return choose_regularization(first, fit, lambda found: np.full(10, loss(found))), starts


def bowl(l2, words, chars):
    """Return a loss that is lowest at these penalties."""
    at = (l2, words, chars)
    return lambda p: 1.0 + sum(math.log(a / b) ** 2 for a, b in zip((p.l2, *p.freedom), at, strict=True))


def test_moves_lead_to_where_the_loss_is_lower():
    assert run(bowl(1.35, 1.0, 1.0))[0].penalties == Regularization(0.15 * 3 * 3, (1.0, 1.0))
    assert run(bowl(0.05, 1.0, 1.0))[0].penalties == Regularization(0.15 / 3, (1.0, 1.0))
    assert run(bowl(0.15, 0.5, 1.0))[0].penalties == Regularization(0.15, (0.5, 1.0))
    assert run(bowl(0.15, 1.0, 0.5))[0].penalties == Regularization(0.15, (1.0, 0.5))


def test_nothing_moves_where_the_first_is_best_or_the_gain_is_small():
    assert run(bowl(0.15, 1.0, 1.0))[0].penalties == FIRST
    assert run(lambda p: 1.0 - 0.0005 * (p != FIRST))[0].penalties == FIRST


def test_each_fit_goes_on_from_the_best_one_so_far():
    choice, starts = run(bowl(1.35, 1.0, 1.0))
    assert starts[:4] == [None, FIRST, FIRST, Regularization(0.15 * 3, (1.0, 1.0))]
    assert choice.fit == choice.penalties
    assert choice.tried == len(starts) == 7


def test_the_search_for_l2_goes_on_as_far_as_it_gains_within_its_bounds():
    assert run(bowl(0.15 / 81, 1.0, 1.0))[0].penalties.l2 == pytest.approx(0.15 / 81)
    assert run(bowl(1e-6, 1.0, 1.0))[0].penalties.l2 >= LEAST_L2
    assert run(bowl(1e6, 1.0, 1.0))[0].penalties.l2 <= MOST_L2


def test_with_one_kind_of_ngrams_only_the_penalty_of_all_is_chosen():
    choice, starts = run(lambda p: 1.0, Regularization(0.15, (1.0,)))
    assert choice.penalties == Regularization(0.15, (1.0,))
    assert len(starts) == 3


def test_what_a_few_rows_decide_is_chance():
    def run_with(gains):
        losses = np.full(100, 1.0)
        return choose_regularization(FIRST, lambda p, _start: p, lambda p: losses - gains * (p != FIRST)).penalties

    assert run_with(np.array([0.9, -0.5] + [0.0] * 98)) == FIRST
    assert run_with(np.full(100, 0.004)) != FIRST
