"""Optimizers: how a step changes the parameters, given the gradient. They alone write parameters.

Each keeps its state (velocities, moments) in arrays like the parameter it moves, and works in place, so a step
costs a few passes over memory and no new array.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from textclf.storage.memory import let_go
from textclf.types import Array, Integers


class Optimizer(Protocol):
    """Moves one parameter array against its gradient."""

    learning_rate: float

    def step(self, theta: Array, gradient: Array) -> None:
        """Change `theta` in place by one step; `gradient` has its shape."""

    def state(self) -> dict[str, Array]:
        """Return what must be kept to go on later as if never stopped; see `restore`."""

    def restore(self, state: dict[str, Array]) -> None:
        """Take up a state returned by `state`."""


@dataclass
class GradientDescent:
    """θ ← θ − η ∂L/∂θ."""

    learning_rate: float

    def step(self, theta: Array, gradient: Array) -> None:
        """Change `theta` in place by one step."""
        theta -= self.learning_rate * gradient

    def state(self) -> dict[str, Array]:
        """Return nothing: gradient descent remembers nothing."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """Take up nothing."""


@dataclass
class Momentum:
    """v ← μ v + ∂L/∂θ; θ ← θ − η v (Polyak 1964, in the form of Sutskever et al. 2013)."""

    learning_rate: float
    mu: float = 0.9
    velocity: Array | None = field(default=None, repr=False)

    def step(self, theta: Array, gradient: Array) -> None:
        """Change `theta` in place by one step."""
        if self.velocity is None:
            self.velocity = np.zeros_like(theta)
        self.velocity *= self.mu
        self.velocity += gradient
        theta -= self.learning_rate * self.velocity

    def state(self) -> dict[str, Array]:
        """Return the velocity."""
        return {} if self.velocity is None else {"velocity": self.velocity.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Take up the velocity."""
        self.velocity = state["velocity"].copy() if state else None


@dataclass
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), with its corrections for the zero start of the moments.

    m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  θ ← θ − η m̂ / (√v̂ + ε),
    where m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    steps: int = 0
    moments: Array | None = field(default=None, repr=False)
    """m / (1 − β₁), v / (1 − β₂) and a buffer: three rows, each like the parameter."""

    def step(self, theta: Array, gradient: Array) -> None:
        """Change `theta` in place by one step."""
        epsilon, rate = self.advance(theta)
        assert self.moments is not None
        m, v, buffer = self.moments
        m *= self.beta1
        m += gradient
        np.multiply(gradient, gradient, out=buffer)
        v *= self.beta2
        v += buffer
        np.sqrt(v, out=buffer)
        buffer += epsilon
        np.divide(m, buffer, out=buffer)
        buffer *= rate
        theta -= buffer

    def advance(self, theta: Array) -> tuple[float, float]:
        """Count a step, and return what stands for ε and for η in it.

        m and v are kept without their factors (1 − β₁) and (1 − β₂), which are drawn out of the sums and come in at
        the end as constants, as the corrections do: ten passes over the arrays instead of more. The constants are
        Python's numbers, as NumPy's of float64 would make it calculate in float64.
        """
        if self.moments is None:
            self.moments = np.zeros((3, *theta.shape), theta.dtype)
        self.steps += 1
        root = math.sqrt((1.0 - self.beta2**self.steps) / (1.0 - self.beta2))  # √v̂ = √v / root
        rate = self.learning_rate * root * (1.0 - self.beta1) / (1.0 - self.beta1**self.steps)
        return self.epsilon * root, rate

    def state(self) -> dict[str, Array]:
        """Return both moments and the number of steps taken."""
        if self.moments is None:
            return {}
        return {"moments": self.moments[:2].copy(), "steps": np.array([float(self.steps)])}

    def restore(self, state: dict[str, Array]) -> None:
        """Take up both moments and the number of steps taken."""
        self.moments, self.steps = None, 0
        if state:
            self.moments = np.concatenate([state["moments"], np.zeros_like(state["moments"][:1])])
            self.steps = int(state["steps"][0])


OPTIMIZERS: dict[str, type[GradientDescent] | type[Momentum] | type[Adam]] = {
    "sgd": GradientDescent,
    "momentum": Momentum,
    "adam": Adam,
}


@dataclass(frozen=True)
class Minimum:
    """Where L-BFGS ended: the parameters, their loss, and how many iterations and evaluations that took."""

    theta: Array
    loss: float
    iterations: int
    evaluations: int


@dataclass(frozen=True)
class Steps:
    """Where L-BFGS is after an iteration: all that it needs to go on as if never stopped; no array is changed later."""

    theta: Array
    gradient: Array
    loss: float
    iteration: int
    evaluations: int
    wanted: float
    """At what length of the gradient it ends."""
    history: tuple[tuple[Array, Array, float], ...]
    """s, the change y of the gradient along it, and 1 / sᵀy, oldest first."""


def lbfgs(
    loss_and_gradient: Callable[[Array], tuple[float, Array]],
    start: Array | Steps,
    *,
    iterations: int,
    tolerance: float = 1e-3,
    gain: float = 0.0,
    curvature: Array | None = None,
    memory: int = 8,
    keep: Callable[[Array], Array] = lambda array: array,
    after_iteration: Callable[[Steps], None] | None = None,
) -> Minimum:
    """Minimize a smooth function of all parameters by L-BFGS (Nocedal & Wright 2006, algorithms 7.4 and 3.1).

    A step goes along −H ∂L/∂θ, where H, an estimate of the inverse Hessian, is made of the last `memory` steps and
    the changes of the gradient along them. It starts from the inverse of `curvature`, an estimate of the Hessian's
    diagonal (None: all alike), times the number that suits the last step; where parameters are of very different
    curvature that saves most of the steps. It ends when the gradient is `tolerance` times as long as at the start,
    when the next step promises to lower the loss by less than `gain` times the loss, after `iterations`, or when no
    step along the direction makes the loss smaller. `start` is left as it is; given `Steps`, it goes on from there.
    `keep` returns arrays as they are kept while the loss of a step is found: in a file, it may be.
    """
    begin = start if isinstance(start, Steps) else _first_steps(loss_and_gradient, start, tolerance)
    theta, gradient, loss, wanted = begin.theta, begin.gradient, begin.loss, begin.wanted
    history = deque(begin.history, maxlen=memory)
    evaluations, iteration = begin.evaluations, begin.iteration
    curvature = None if curvature is None else keep(curvature)
    del start, begin  # and, further down, others: large arrays, of no use while the loss and the next ones are made
    while iteration < iterations and float(np.linalg.norm(gradient)) > wanted:
        direction = keep(_quasi_newton(gradient, history, curvature))
        slope = float(np.vdot(direction, gradient))
        if -0.5 * slope <= gain * abs(loss):  # what the quadratic model of the loss falls by along the direction
            break
        iteration += 1
        length = 1.0 if history else _first_length(gradient, curvature)
        for _ in range(_MOST_TRIES):
            candidate = keep(theta + theta.dtype.type(length) * direction)
            let_go(theta, gradient, direction)
            new_loss, new_gradient = loss_and_gradient(candidate)
            evaluations += 1
            if new_loss <= loss + 1e-4 * length * slope:  # Armijo's condition: the loss falls as the slope promises
                break
            # The parabola through both losses and the slope has its lowest point here.
            lowest = -slope * length**2 / (2.0 * (new_loss - loss - length * slope))
            length = min(max(lowest, 0.1 * length), 0.5 * length)
        else:
            break
        history.extend(_bends(candidate - theta, new_gradient - gradient, keep))
        theta, loss, gradient = candidate, new_loss, keep(new_gradient)
        del candidate, new_gradient, direction
        if after_iteration is not None:
            after_iteration(Steps(theta, gradient, loss, iteration, evaluations, wanted, tuple(history)))
    return Minimum(theta, loss, iteration, evaluations)


_MOST_TRIES = 20
_OF_DIAGONAL = 1 / 32
"""How far to go along −∂L/∂θ over the Hessian's diagonal alone: it knows nothing of parameters that pull together, as
those of all words of a text do. Fits that tried all of it first came back to 1/80 to 1/4, an evaluation a halving."""


def _first_length(gradient: Array, curvature: Array | None) -> float:
    if curvature is not None:
        return _OF_DIAGONAL
    return min(1.0, 1.0 / max(float(np.linalg.norm(gradient)), 1e-12))


def _first_steps(loss_and_gradient: Callable[[Array], tuple[float, Array]], theta: Array, tolerance: float) -> Steps:
    loss, gradient = loss_and_gradient(theta)
    return Steps(theta, gradient, loss, 0, 1, tolerance * float(np.linalg.norm(gradient)), ())


def _bends(step: Array, change: Array, keep: Callable[[Array], Array]) -> Iterator[tuple[Array, Array, float]]:
    """Give what the history keeps of a step, and the change of the gradient along it: nothing where it did not bend."""
    bend = float(np.vdot(step, change))
    if bend > 1e-10 * float(np.linalg.norm(step)) * float(np.linalg.norm(change)):
        yield keep(step), keep(change), 1.0 / bend


def _quasi_newton(
    gradient: Array, history: Sequence[tuple[Array, Array, float]], curvature: Array | None = None
) -> Array:
    """Return −H ∂L/∂θ by the two-loop recursion; `history` holds s, the change of ∂L/∂θ, and 1 / sᵀy, oldest first."""
    q = gradient.copy()
    alphas = []
    for step, change, rho in reversed(history):
        alpha = rho * float(np.vdot(step, q))
        alphas.append(alpha)
        q -= q.dtype.type(alpha) * change
        let_go(step, change)
    if curvature is not None:
        q /= curvature
        let_go(curvature)
    if history:
        step, change, rho = history[-1]
        weighted = change if curvature is None else change / curvature
        q *= q.dtype.type(1.0 / (rho * float(np.vdot(change, weighted))))
        del weighted
    for (step, change, rho), alpha in zip(history, reversed(alphas), strict=True):
        beta = rho * float(np.vdot(change, q))
        q += q.dtype.type(alpha - beta) * step
        let_go(step, change)
    return np.negative(q, out=q)


@dataclass
class RowAdagrad:
    """Adagrad (Duchi et al. 2011) for a table of which a step touches few rows, with one sum of squares a row.

    vᵣ ← vᵣ + mean(gᵣ²);  Eᵣ ← Eᵣ − η gᵣ / (√vᵣ + ε), for the rows r of the batch alone: a rare word's vector moves as
    far at its first meeting as a common one's did at its own.
    """

    learning_rate: float
    epsilon: float = 1e-8
    squares: Array | None = field(default=None, repr=False)

    def step_rows(self, E: Array, rows: Integers, gradient: Array) -> None:
        """Change the distinct `rows` of E in place; `gradient` has a row for each."""
        if self.squares is None:
            self.squares = np.zeros(len(E), E.dtype)
        self.squares[rows] += np.einsum("rd,rd->r", gradient, gradient) / E.shape[1]
        rate = self.learning_rate / (np.sqrt(self.squares[rows]) + self.epsilon)
        E[rows] -= rate.astype(E.dtype)[:, None] * gradient

    def state(self) -> dict[str, Array]:
        """Return the sums of squares."""
        return {} if self.squares is None else {"squares": self.squares.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Take up the sums of squares."""
        self.squares = state["squares"].copy() if state else None
