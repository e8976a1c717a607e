"""Optimizers: how a step changes the parameters, given the gradient. They alone write parameters.

Each keeps its state (velocities, moments) in arrays like the parameter it moves, and works in place, so a step
costs a few passes over memory and no new array.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from textclf.arrays import Array


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
    """m, v and a buffer: three rows, each like the parameter."""

    def step(self, theta: Array, gradient: Array) -> None:
        """Change `theta` in place by one step."""
        if self.moments is None:
            self.moments = np.zeros((3, *theta.shape), theta.dtype)
        m, v, buffer = self.moments
        self.steps += 1
        np.subtract(gradient, m, out=buffer)
        buffer *= 1.0 - self.beta1
        m += buffer  # β₁ m + (1 − β₁) g = m + (1 − β₁) (g − m)
        np.multiply(gradient, gradient, out=buffer)
        buffer -= v
        buffer *= 1.0 - self.beta2
        v += buffer
        # √v̂ = √v / √(1 − β₂ᵗ); the constant is drawn out, so that one pass over the array serves
        root = np.sqrt(1.0 - self.beta2**self.steps)
        np.sqrt(v, out=buffer)
        buffer += self.epsilon * root
        np.divide(m, buffer, out=buffer)
        buffer *= self.learning_rate * root / (1.0 - self.beta1**self.steps)
        theta -= buffer

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
