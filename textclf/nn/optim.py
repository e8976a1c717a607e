"""Optimizers: how a step changes the parameters, given the gradient. They alone write parameters.

Each keeps its state (velocities, moments) in arrays like the parameter it moves, and works in place, so a step
costs a few passes over memory and no new array.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

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
    """θ ← θ − η ∂L/∂θ.

    >>> theta = np.array([1.0])
    >>> GradientDescent(learning_rate=0.1).step(theta, np.array([2.0]))
    >>> theta
    array([0.8])
    """

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
    """v ← μ v + ∂L/∂θ; θ ← θ − η v (Polyak 1964, in the form of Sutskever et al. 2013).

    >>> momentum, theta = Momentum(learning_rate=0.1), np.array([1.0])
    >>> for _ in range(2):
    ...     momentum.step(theta, np.array([1.0]))
    >>> theta.round(3)
    array([0.71])
    """

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
