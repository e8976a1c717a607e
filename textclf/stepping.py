"""A step of training: a batch goes forward through the network, and what it should have said back, into θ.

What is here is NumPy's form, the definition. Whoever takes steps otherwise must change θ to the same bits.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeAlias

import numpy as np

from textclf.arrays import Array, Integers
from textclf.network import Network, Trace
from textclf.optim import Optimizer


class Steps(Protocol):
    """Takes steps with one network, a `forward` and then a `backward` each."""

    def epoch(self) -> AbstractContextManager[None]:
        """Return what the steps of an epoch stand in."""

    def forward(self, S: Array, rows: Integers | None, rng: np.random.Generator) -> Array:
        """Return Z[L], shape (n, k), of these rows of S (None: of all); it may be changed by the next step."""

    def backward(self, delta: Array, optimizer: Optimizer, *, to_input: bool) -> Array:
        """Let `optimizer` move θ, given δ[L] of what was propagated last; return ∂L/∂X if asked for, else no rows."""


MakeSteps: TypeAlias = Callable[[Network, int, float, float], Steps]
"""Given a network, how many examples a batch has at the most, the share of dropout, and l2."""


class PlainSteps:
    """Steps of `Network` and an optimizer as they are."""

    def __init__(self, network: Network, batch_size: int, dropout: float, l2: float) -> None:
        self._network, self._dropout, self._l2 = network, dropout, l2
        self._trace: Trace | None = None

    def epoch(self) -> AbstractContextManager[None]:
        """Return nothing that does anything."""
        return nullcontext()

    def forward(self, S: Array, rows: Integers | None, rng: np.random.Generator) -> Array:
        """Return Z[L]."""
        X = S if rows is None else S.take(rows, axis=0)
        self._trace = self._network.forward(X, dropout=self._dropout, rng=rng)
        return self._trace.Z[-1]

    def backward(self, delta: Array, optimizer: Optimizer, *, to_input: bool) -> Array:
        """Move θ; return ∂L/∂X."""
        assert self._trace is not None
        gradients = self._network.backward(delta, self._trace, l2=self._l2, to_input=to_input)
        optimizer.step(self._network.theta, gradients.theta)
        return gradients.dX
