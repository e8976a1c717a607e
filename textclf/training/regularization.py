"""Choose the L2 regularization and the n-gram scales on validation rows, by a greedy search.

Noisy classes need a stronger regularization than classes that a word or two separates. In some languages word n-grams
say less than sub-words, and then a smaller scale suits them. Patterns help where the build of a sentence tells the
class, as of questions, and are else left out. Each move changes one value. Its fit starts from the best fit so far, so
a move takes a few steps of L-BFGS instead of a whole training.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from textclf.metrics.bootstrap import standard_error
from textclf.types import Array, Integers

Fit = TypeVar("Fit")

_FACTOR = 3.0
LEAST_L2, MOST_L2 = 1e-3, 5.0
_SMALLER_SCALE = 0.5
FEWEST_JUDGES = 50
"""Fewer validation rows choose by chance: then the regularization stays where the search would start."""
UNUSED = 1e-6
"""The scale of a kind of n-grams that is not used: its weights stay as good as 0."""
PATTERN_SCALE = 0.5
"""The scale of patterns, where they are used: they say less than the words that they stand for."""
_GAIN = 0.002  # a move must lower the validation loss by this share …
_GAIN_OF_A_KIND = 0.04  # … or by this one where it adds patterns, with which labelling takes half as long again …
_DEVIATIONS = 1.0  # … and by so many standard errors of the rows' differences: what a few rows decide is chance


@dataclass(frozen=True)
class Regularization:
    """`l2`: strength of the L2 regularization. `ngram_scales`: a factor for the scales of each kind of n-grams.

    Half the scale regularizes the weights of a kind four times as strongly.
    """

    l2: float
    ngram_scales: tuple[float, ...]


@dataclass(frozen=True)
class Choice(Generic[Fit]):
    """The best regularization, the fit with it, and how many were tried."""

    regularization: Regularization
    fit: Fit
    tried: int


@dataclass(frozen=True)
class Moves(Generic[Fit]):
    """The moves so far: whether each was kept, and the best fit."""

    kept: tuple[bool, ...]
    fit: Fit


def choose_regularization(
    first: Regularization,
    moves: Moves[Fit],
    fit: Callable[[Regularization, Fit], Fit],
    validation_losses: Callable[[Fit], Array],
    groups: Integers | None = None,
    after_move: Callable[[Moves[Fit]], None] = lambda _: None,
) -> Choice[Fit]:
    """Return the best regularization that greedy moves from `first` find; a move is kept if the validation loss falls.

    `moves` holds the fit with `first`. `fit` fits with another regularization, from an earlier fit. `validation_losses`
    returns the loss of each validation row, shape (n,). Rows with one number in `groups`, shape (n,), have the same
    text. `after_move` receives each move. The last that it received, given as `moves`, resumes the search there.
    """
    best_fit, kept = moves.fit, [*moves.kept]
    lowest = validation_losses(best_fit)
    best, candidate = next_move(first, kept)
    while candidate is not None:
        found = fit(candidate, best_fit)
        losses = validation_losses(found)
        gain = lowest - losses
        is_addition = UNUSED in best.ngram_scales and UNUSED not in candidate.ngram_scales
        least = (_GAIN_OF_A_KIND if is_addition else _GAIN) * lowest.mean()
        kept.append(bool(gain.mean() > max(least, _DEVIATIONS * standard_error(gain, groups))))
        if kept[-1]:
            best_fit, lowest = found, losses
        after_move(Moves(tuple(kept), best_fit))
        best, candidate = next_move(first, kept)
    return Choice(best, best_fit, 1 + len(kept))


def next_move(first: Regularization, kept: Sequence[bool]) -> tuple[Regularization, Regularization | None]:
    """Return the regularization that moves from `first` led to, and the one to try next, or None at the end.

    `kept`: whether each move so far was kept.

    >>> next_move(Regularization(0.1, (1.0,)), [False, False])
    (Regularization(l2=0.1, ngram_scales=(1.0,)), None)
    """
    best, answers = first, iter(kept)
    if UNUSED in best.ngram_scales:
        scales = (PATTERN_SCALE if scale == UNUSED else scale for scale in best.ngram_scales)
        candidate = replace(best, ngram_scales=tuple(scales))
        is_kept = next(answers, None)
        if is_kept is None:
            return best, candidate
        best = candidate if is_kept else best
    for factor in (1 / _FACTOR, _FACTOR):
        while LEAST_L2 <= best.l2 * factor <= MOST_L2:
            candidate = replace(best, l2=best.l2 * factor)
            is_kept = next(answers, None)
            if is_kept is None:
                return best, candidate
            if not is_kept:
                break
            best = candidate
        if best.l2 != first.l2:
            break
    for candidate in _with_smaller_scale(best):
        is_kept = next(answers, None)
        if is_kept is not False:
            return (best, candidate) if is_kept is None else (candidate, None)
    return best, None


def _with_smaller_scale(regularization: Regularization) -> Iterator[Regularization]:
    """Yield the regularization with a smaller scale for each kind of n-grams in turn; nothing if one kind is used."""
    scales = regularization.ngram_scales
    used = [kind for kind, scale in enumerate(scales) if scale != UNUSED]
    if len(used) > 1:
        for kind in used:
            smaller = (*scales[:kind], scales[kind] * _SMALLER_SCALE, *scales[kind + 1 :])
            yield replace(regularization, ngram_scales=smaller)
