"""What weights cost, chosen on validation rows: how hard the classes are to tell apart, the data alone can say.

Where texts of different classes look alike, weights must cost more than where a word or two settles it; in some
languages and kinds of text n-grams of words tell less than those of characters. Each move is one change of the
costs; a fit goes on from the best one so far, so a move takes a few steps of L-BFGS, not a whole training.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from textclf.types import Array

Fit = TypeVar("Fit")

_FACTOR = 3.0
LEAST_L2, MOST_L2 = 1e-3, 5.0
_LESS_FREE = 0.5
_GAIN = 0.002  # a move must lower the validation loss by this share …
_DEVIATIONS = 1.0  # … and by so many standard errors of the rows' differences: what a few rows decide is chance


@dataclass(frozen=True)
class Regularization:
    """`l2`: what a weight costs. `freedom`: for each kind of n-grams, what its scales are multiplied by.

    Half the freedom makes the weights of a kind cost four times as much.
    """

    l2: float
    freedom: tuple[float, ...]


@dataclass(frozen=True)
class Choice(Generic[Fit]):
    """The penalties that did best, the fit with them, and how many were tried."""

    penalties: Regularization
    fit: Fit
    tried: int


@dataclass(frozen=True)
class Moves(Generic[Fit]):
    """The moves so far: whether each was kept, and the best fit."""

    kept: tuple[bool, ...]
    fit: Fit


def choose_regularization(
    first: Regularization,
    fit: Callable[[Regularization, Fit | None], Fit],
    validation_losses: Callable[[Fit], Array],
    *,
    past: Moves[Fit] | None = None,
    after_move: Callable[[Moves[Fit]], None] = lambda _: None,
) -> Choice[Fit]:
    """Return the best penalties that greedy moves from `first` find: each is kept if the validation loss falls.

    `fit` fits with the penalties given, from scratch or on from an earlier fit; `validation_losses` returns the loss of
    each validation row, shape (n,). `after_move` is told of the first fit and of each move; with what it was told last
    as `past`, the search goes on from there.
    """
    best = first
    best_fit = past.fit if past else fit(first, None)
    lowest = validation_losses(best_fit)
    known, kept = past.kept if past else (), list[bool]()
    if past is None:
        after_move(Moves((), best_fit))

    def improves(candidate: Regularization) -> bool:
        nonlocal best, best_fit, lowest
        if len(kept) < len(known):
            kept.append(known[len(kept)])
            best = candidate if kept[-1] else best
            return kept[-1]
        found = fit(candidate, best_fit)
        losses = validation_losses(found)
        gain = lowest - losses
        kept.append(bool(gain.mean() > max(_GAIN * lowest.mean(), _DEVIATIONS * gain.std() / np.sqrt(len(gain)))))
        if kept[-1]:
            best, best_fit, lowest = candidate, found, losses
        after_move(Moves(tuple(kept), best_fit))
        return kept[-1]

    for factor in (1 / _FACTOR, _FACTOR):
        while LEAST_L2 <= best.l2 * factor <= MOST_L2 and improves(replace(best, l2=best.l2 * factor)):
            pass
        if best.l2 != first.l2:
            break
    any(improves(candidate) for candidate in _less_free(best))
    return Choice(best, best_fit, 1 + len(kept))


def _less_free(penalties: Regularization) -> Iterator[Regularization]:
    """Give the penalties with one kind of n-grams less free than it is; none where there is only one kind."""
    freedom = penalties.freedom
    if len(freedom) > 1:
        for kind in range(len(freedom)):
            yield replace(penalties, freedom=(*freedom[:kind], freedom[kind] * _LESS_FREE, *freedom[kind + 1 :]))
