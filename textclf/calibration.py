"""Probabilities that mean what they say: temperature scaling.

A model that is right in 80% of the cases should say 0.8. The last weighted sums Z are divided by one number, the
temperature T: above 1 it lowers every confidence, below 1 it raises it, and no label changes
(Guo et al. 2017, "On calibration of modern neural networks"). T is the one that
minimizes the loss on rows that the model was not fitted to.
"""

from collections.abc import Callable

import numpy as np

from textclf.arrays import Array
from textclf.network import Loss

_FARTHEST = float(np.log(8.0))  # |log T| stays below
_PRIOR = 4.0  # as if log T had been seen to be 0 with a deviation of ½: few rows, all right, do not make T fall to 0


def fit_temperature(Z: Array, Y: Array, weights: Array, loss: Loss) -> tuple[float, float]:
    """Return the temperature T and the mean loss of Z / T over the rows.

    `Z`, `Y`: shape (n, k); `weights`, shape (n,). Without rows T is 1 and the loss 0.
    """
    total = float(weights.sum())
    if not total > 0:
        return 1.0, 0.0
    Z, Y, weights = Z.astype(np.float64), Y.astype(np.float64), weights.astype(np.float64)

    def cost(log_T: float) -> float:
        return float(np.vdot(loss.value(Z * np.exp(-log_T), Y), weights)) + 0.5 * _PRIOR * log_T**2

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


def uncalibrated(P: Array, temperature: float) -> Array:
    """Return the softmax of Z, shape (n, k), given that of Z / T: what the probabilities were before scaling."""
    raised = np.maximum(P, 1e-300) ** temperature
    before: Array = raised / raised.sum(axis=1, keepdims=True)
    return before
