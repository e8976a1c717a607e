"""L-BFGS: a quasi-Newton method that remembers the last few steps (Nocedal & Wright 2006, chapter 7.2)."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from textclf.types import Array

_MOST_TRIES = 20
_SUFFICIENT_DECREASE = 1e-4
"""c₁ of Armijo's condition (Nocedal & Wright 2006, eq. 3.4)."""
_LEAST_CURVATURE = 1e-10
_FIRST_STEP = 1 / 32
"""How far to go along −∂L/∂θ over the Hessian's diagonal alone: it knows nothing of parameters that pull together, as
those of all words of a text do. Fits that tried all of it first came back to 1/80 to 1/4, an evaluation a halving."""


@dataclass(frozen=True)
class Pair:
    """A step s, the change y of the gradient along it, and ρ = 1 / yᵀs."""

    s: Array
    y: Array
    rho: float


@dataclass(frozen=True)
class Steps:
    """Where L-BFGS is after an iteration: all that it needs to continue as if never stopped; no array changes later."""

    theta: Array
    gradient: Array
    loss: float
    iteration: int
    evaluations: int
    wanted: float
    """The length of the gradient at which it ends."""
    history: tuple[Pair, ...]
    """Oldest first."""


@dataclass(frozen=True)
class Minimum:
    """Where L-BFGS ended: the parameters, their loss, and how many iterations and evaluations that took."""

    theta: Array
    loss: float
    iterations: int
    evaluations: int


@dataclass(frozen=True)
class LbfgsSettings:
    """When L-BFGS ends, and how many steps it remembers.

    It ends after `iterations`, when the gradient is `tolerance` times as long as at the start, or when the next step
    promises to lower the loss by less than `gain` times the loss.
    """

    iterations: int
    tolerance: float = 1e-3
    gain: float = 0.0
    memory: int = 8


def lbfgs(
    loss_and_gradient: Callable[[Array], tuple[float, Array]],
    start: Array | Steps,
    settings: LbfgsSettings,
    *,
    curvature: Array | None = None,
    after_iteration: Callable[[Steps], None] = lambda _: None,
) -> Minimum:
    """Minimize a smooth function of all parameters (Nocedal & Wright 2006, algorithm 7.5, with line search 3.1).

    A step goes along −H ∂L/∂θ, where H, an estimate of the inverse Hessian, is made of the last steps and the changes
    of the gradient along them. It starts from the inverse of `curvature`, an estimate of the Hessian's diagonal (None:
    all alike), times the number that suits the last step; where parameters are of very different curvature that saves
    most of the steps. It also ends when no step along the direction makes the loss smaller. `start` is left as it is;
    given `Steps`, it continues from there.
    """
    if isinstance(start, Steps):
        at = start
    else:
        loss, gradient = loss_and_gradient(start)
        at = Steps(start, gradient, loss, 0, 1, settings.tolerance * float(np.linalg.norm(gradient)), ())
    history = deque(at.history, maxlen=settings.memory)
    evaluations, iteration = at.evaluations, at.iteration
    while iteration < settings.iterations and float(np.linalg.norm(at.gradient)) > at.wanted:
        direction = -two_loop(at.gradient, history, curvature)
        slope = float(np.vdot(direction, at.gradient))
        if -0.5 * slope <= settings.gain * abs(at.loss):  # what the quadratic model of the loss falls by
            break
        iteration += 1
        length = 1.0 if history else _first_length(at.gradient, curvature)
        for _ in range(_MOST_TRIES):
            theta = at.theta + at.theta.dtype.type(length) * direction
            loss, gradient = loss_and_gradient(theta)
            evaluations += 1
            if loss <= at.loss + _SUFFICIENT_DECREASE * length * slope:
                break
            # The parabola through both losses and the slope has its lowest point here (Nocedal & Wright, eq. 3.58).
            lowest = -slope * length**2 / (2.0 * (loss - at.loss - length * slope))
            length = min(max(lowest, 0.1 * length), 0.5 * length)
        else:
            break
        _remember(history, theta - at.theta, gradient - at.gradient)
        at = Steps(theta, gradient, loss, iteration, evaluations, at.wanted, tuple(history))
        after_iteration(at)
    return Minimum(at.theta, at.loss, iteration, evaluations)


def two_loop(gradient: Array, history: Sequence[Pair], curvature: Array | None = None) -> Array:
    """Return H ∂L/∂θ by the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4); `history` is oldest first."""
    q = gradient.copy()
    alphas = []
    for pair in reversed(history):
        alpha = pair.rho * float(np.vdot(pair.s, q))
        alphas.append(alpha)
        q -= q.dtype.type(alpha) * pair.y
    r = q if curvature is None else q / curvature
    if history:
        last = history[-1]
        y_H_y = float(np.vdot(last.y, last.y if curvature is None else last.y / curvature))
        r *= r.dtype.type(1.0 / (last.rho * y_H_y))  # γ = sᵀy / yᵀH⁰y (eq. 7.20)
    for pair, alpha in zip(history, reversed(alphas), strict=True):
        beta = pair.rho * float(np.vdot(pair.y, r))
        r += r.dtype.type(alpha - beta) * pair.s
    return r


def _first_length(gradient: Array, curvature: Array | None) -> float:
    if curvature is not None:
        return _FIRST_STEP
    return min(1.0, 1.0 / max(float(np.linalg.norm(gradient)), 1e-12))


def _remember(history: deque[Pair], s: Array, y: Array) -> None:
    """Add a step and the change of the gradient along it, unless the loss did not bend there (yᵀs > 0 must hold)."""
    bend = float(np.vdot(y, s))
    if bend > _LEAST_CURVATURE * float(np.linalg.norm(s)) * float(np.linalg.norm(y)):
        history.append(Pair(s, y, 1.0 / bend))
