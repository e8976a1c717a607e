"""What weights cost is found by moves that each lower the validation loss."""

import math

import numpy as np
import pytest

from textclf.training.regularization import (
    LEAST_L2,
    MOST_L2,
    PATTERN_SCALE,
    UNUSED,
    Moves,
    Regularization,
    choose_regularization,
)

FIRST = Regularization(0.15, (1.0, 1.0))


def run(loss, first=FIRST):
    """Choose by a loss that depends on the regularization alone; return the choice and the starts of all fits."""
    starts = []

    def fit(regularization, start):
        starts.append(start)
        return regularization

    return choose_regularization(first, Moves((), first), fit, lambda found: np.full(10, loss(found))), starts


def bowl(l2, words, chars):
    """Return a loss that is lowest at this regularization."""
    at = (l2, words, chars)
    return lambda p: 1.0 + sum(math.log(a / b) ** 2 for a, b in zip((p.l2, *p.ngram_scales), at, strict=True))


def test_moves_lead_to_where_the_loss_is_lower():
    assert run(bowl(1.35, 1.0, 1.0))[0].regularization == Regularization(0.15 * 3 * 3, (1.0, 1.0))
    assert run(bowl(0.05, 1.0, 1.0))[0].regularization == Regularization(0.15 / 3, (1.0, 1.0))
    assert run(bowl(0.15, 0.5, 1.0))[0].regularization == Regularization(0.15, (0.5, 1.0))
    assert run(bowl(0.15, 1.0, 0.5))[0].regularization == Regularization(0.15, (1.0, 0.5))


def test_nothing_moves_where_the_first_is_best_or_the_gain_is_small():
    assert run(bowl(0.15, 1.0, 1.0))[0].regularization == FIRST
    assert run(lambda p: 1.0 - 0.0005 * (p != FIRST))[0].regularization == FIRST


def test_each_fit_goes_on_from_the_best_one_so_far():
    choice, starts = run(bowl(1.35, 1.0, 1.0))
    assert starts[:3] == [FIRST, FIRST, Regularization(0.15 * 3, (1.0, 1.0))]
    assert choice.fit == choice.regularization
    assert choice.tried == 1 + len(starts) == 7


def test_the_search_for_l2_goes_on_as_far_as_it_gains_within_its_bounds():
    assert run(bowl(0.15 / 81, 1.0, 1.0))[0].regularization.l2 == pytest.approx(0.15 / 81)
    assert run(bowl(1e-6, 1.0, 1.0))[0].regularization.l2 >= LEAST_L2
    assert run(bowl(1e6, 1.0, 1.0))[0].regularization.l2 <= MOST_L2


def test_with_one_kind_of_ngrams_only_the_l2_strength_is_chosen():
    choice, starts = run(lambda p: 1.0, Regularization(0.15, (1.0,)))
    assert choice.regularization == Regularization(0.15, (1.0,))
    assert len(starts) == 2


def test_what_a_few_rows_decide_is_chance():
    def run_with(gains):
        losses = np.full(100, 1.0)
        moves = Moves((), FIRST)
        return choose_regularization(
            FIRST, moves, lambda p, _start: p, lambda p: losses - gains * (p != FIRST)
        ).regularization

    assert run_with(np.array([0.9, -0.5] + [0.0] * 98)) == FIRST
    assert run_with(np.full(100, 0.004)) != FIRST


def test_a_search_that_is_resumed_after_any_move_ends_like_one_that_never_stopped():
    for at in (bowl(1.35, 1.0, 0.5), bowl(0.05, 0.5, 1.0), bowl(0.15, 1.0, 1.0)):
        losses, told = (lambda found, at=at: np.full(10, at(found))), [Moves((), FIRST)]
        whole = choose_regularization(FIRST, told[0], lambda p, _start: p, losses, after_move=told.append)
        assert [choose_regularization(FIRST, moves, lambda p, _start: p, losses) for moves in told] == [whole] * len(
            told
        )


@pytest.mark.parametrize(("gain", "scale"), [(0.1, PATTERN_SCALE), (0.0, UNUSED)])
def test_a_kind_that_is_not_used_at_first_is_tried_once_and_used_if_it_lowers_the_loss(gain, scale):
    first = Regularization(0.15, (1.0, UNUSED, 1.0))
    choice, starts = run(lambda p: 1.0 - gain * (p.ngram_scales[1] == PATTERN_SCALE), first)
    assert choice.regularization == Regularization(0.15, (1.0, scale, 1.0))
    assert starts[0] == first
