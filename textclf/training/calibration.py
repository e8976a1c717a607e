"""Probabilities that mean what they say: temperature scaling, and vector scaling where rows show that it is better.

A model that is right in 80% of the cases should say 0.8. The last weighted sums Z are divided by one number, the
temperature T: above 1 it lowers every confidence, below 1 it raises it, and no label changes
(Guo et al. 2017, "On calibration of modern neural networks", section 4.2). T is the one that
minimizes the loss on rows that the model was not fitted to.

Vector scaling gives each class a factor and a bias of its own besides: Z ⊙ a + b, over T (the same section). It has 2k
numbers to find, so it must show its worth: fitted to four fifths of those rows in turn, it must lower the loss of the
fifth by more than the standard error of that gain. Where it does, a and b become part of the last layer and of the
n-grams' numbers (see `Model.scaled`): nothing that uses a model needs to know of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from textclf.metrics.bootstrap import standard_error
from textclf.model.card import Scaling
from textclf.nn.lbfgs import LbfgsSettings, lbfgs
from textclf.nn.network import Loss
from textclf.types import Array, BoolArray, Integers

_FARTHEST = float(np.log(8.0))  # |log T|, and |log a|, stay below
_PRIOR = 4.0  # as if log T had been seen to be 0 with a deviation of ½: few rows, all right, do not make T fall to 0
_CLASS_PRIOR = 16.0  # log a and b: a deviation of ¼, for classes of one model differ less than models do
FOLDS = 5
"""Vector scaling is judged by so many folds."""
_ROWS_A_NUMBER = 10
"""With fewer rows for each number to find, vector scaling is not tried: it was never chosen there."""
_MOST_ROWS_A_NUMBER = 5_000
"""More do no good: fitted to so many rows for each, numbers cost other rows 10⁻⁴ nats on average (½ over the rows)."""
_STEPS = 100


@dataclass(frozen=True)
class Rescaling:
    """The temperature T that comes last, and what is done to Z before, if vector scaling showed its worth."""

    temperature: float
    scaling: Scaling | None = None

    def apply(self, Z: Array) -> Array:
        """Return Z, or Z ⊙ a + b, over T."""
        scaled: Array = (Z if self.scaling is None else self.scaling.apply(Z)) / self.temperature
        return scaled


@dataclass(frozen=True)
class CalibrationRows:
    """n rows that the model was not fitted to: weighted sums Z and truth Y, shape (n, k), and weights, shape (n,).

    `fold`, shape (n,): 0 to `FOLDS` - 1, or -1 for rows that are fitted to every time; None deals at random. `groups`,
    shape (n,): rows of one number have the same text; None says that all texts differ.
    """

    Z: Array
    Y: Array
    weights: Array
    fold: Integers | None = None
    groups: Integers | None = None

    def take(self, rows: Integers) -> "CalibrationRows":
        """Return these rows."""
        fold, groups = (None if each is None else each[rows] for each in (self.fold, self.groups))
        return CalibrationRows(self.Z[rows], self.Y[rows], self.weights[rows], fold, groups)


def fit_calibration(rows: CalibrationRows, loss: Loss, rng: "np.random.Generator") -> Rescaling:
    """Return the calibration that suits these rows.

    Vector scaling is chosen only for a softmax, by cross-validation on these rows, by the one-standard-error rule. Of
    very many rows some are drawn.
    """
    most = _MOST_ROWS_A_NUMBER * (2 * rows.Z.shape[1] + 1)
    if len(rows.Z) > most:
        rows = rows.take(np.sort(rng.choice(len(rows.Z), most, replace=False)))

    def of_rows(chosen: BoolArray) -> Integers | None:
        return None if rows.groups is None else rows.groups[chosen]

    temperature = Rescaling(fit_temperature(rows.Z, rows.Y, rows.weights, loss)[0])
    n, k = rows.Z.shape
    if loss.output != "softmax" or n < 2 * k * _ROWS_A_NUMBER:
        return temperature
    Z, Y, weights = (each.astype(np.float64) for each in (rows.Z, rows.Y, rows.weights))
    fold = rng.permutation(np.arange(n) % FOLDS) if rows.fold is None else rows.fold
    gain, numbers = np.zeros(n), np.unique(fold[fold >= 0]).tolist()
    for number in numbers:
        fitted, held_out = fold != number, fold == number
        others = Z[fitted], Y[fitted], weights[fitted], loss
        T, vector = fit_temperature(*others)[0], fit_vector(*others)
        before = loss.value(Z[held_out] / T, Y[held_out])
        gain[held_out] = weights[held_out] * (before - loss.value(vector.apply(Z[held_out]), Y[held_out]))
        if number == numbers[0] and gain[held_out].mean() <= -standard_error(gain[held_out], of_rows(held_out)):
            return temperature  # it plainly loses: four more fits would not turn that
    judged = fold >= 0
    is_better = judged.any() and gain[judged].mean() > standard_error(gain[judged], of_rows(judged))
    return fit_vector(Z, Y, weights, loss) if is_better else temperature


def fit_temperature(Z: Array, Y: Array, weights: Array, loss: Loss) -> tuple[float, float]:
    """Return the temperature T and the mean loss of Z / T over the rows.

    `Z`, `Y`: shape (n, k); `weights`, shape (n,). Without rows T is 1 and the loss 0.

    >>> from textclf.nn.network import LOSSES
    >>> Z, Y = np.tile([4.0, 0.0], (100, 1)), np.zeros((100, 2))
    >>> Y[:80, 0] = Y[80:, 1] = 1.0  # 80% right where 98% is said
    >>> T, loss = fit_temperature(Z, Y, np.ones(100), LOSSES["cross-entropy", "softmax"])
    >>> round(T, 1)
    2.6
    """
    total = float(weights.sum())
    if not total > 0:
        return 1.0, 0.0
    length = max(1, _NUMBERS_AT_ONCE // Z.shape[1])
    rows = (slice(start, start + length) for start in range(0, len(Z), length))
    parts = [  # NumPy is slow along rows as short as those of few classes
        (np.asfortranarray(Z[some], np.float64), np.asfortranarray(Y[some]), weights[some].astype(np.float64))
        for some in rows
    ]

    def cost(log_T: float) -> float:
        losses = (float(np.vdot(loss.value(Z * np.exp(-log_T), Y), weights)) for Z, Y, weights in parts)
        return sum(losses) + 0.5 * _PRIOR * log_T**2

    log_T = _lowest(cost, -_FARTHEST, _FARTHEST)
    mean_loss = (cost(log_T) - 0.5 * _PRIOR * log_T**2) / total
    return float(np.exp(log_T)), mean_loss


def _lowest(cost: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one valley is lowest, to 1e-4, by golden sections (Kiefer 1953).

    scipy.optimize does so in half as many evaluations, and takes longer to be imported than all of them.
    """
    share = (5**0.5 - 1) / 2
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > _EXACT:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = cost(right)
    return (low + high) / 2


_EXACT = 1e-4
_NUMBERS_AT_ONCE = 1 << 20


def fit_vector(Z: Array, Y: Array, weights: Array, loss: Loss) -> Rescaling:
    """Return T, a and b that minimize the loss of (Z ⊙ a + b) / T over the rows, few rows held near 1, 1 and 0.

    A class that none of these rows has keeps a = 1 and b = 0: they would teach that it is never right.
    """
    k = Z.shape[1]
    has_rows = weights @ Y > 0
    moves = np.concatenate([[True], has_rows, has_rows])

    def cost(theta: Array) -> tuple[float, Array]:
        log_T, log_a, b = theta[0], theta[1 : k + 1], theta[k + 1 :]
        factors = np.exp(np.clip(log_a - log_T, -2 * _FARTHEST, 2 * _FARTHEST))  # a first step may lead anywhere
        scaled = Z * factors + b  # b is what is added after the division by T
        losses, delta = loss.value_and_delta(scaled, Y)
        of_factors = weights @ (delta * Z) * factors
        gradient = np.concatenate([[-of_factors.sum()], of_factors, weights @ delta]) + prior * theta
        return float(np.vdot(losses, weights)) + 0.5 * float(prior @ theta**2), gradient * moves

    prior = np.concatenate([[_PRIOR], np.full(2 * k, _CLASS_PRIOR)])
    found = lbfgs(cost, np.zeros(2 * k + 1), LbfgsSettings(_STEPS, tolerance=1e-6, gain=1e-9)).theta
    logs = np.clip(found[: k + 1], -_FARTHEST, _FARTHEST)
    T = float(np.exp(logs[0]))
    return Rescaling(T, Scaling(tuple(np.exp(logs[1:]).tolist()), tuple((found[k + 1 :] * T).tolist())))
