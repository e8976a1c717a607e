"""The smooth fit of network and n-grams together, on all examples at every step.

Letters: ``n`` examples, ``k`` classes, ``C`` the n-grams of each text, ``S`` = C E its averaged vectors, ``Y`` the
truth, ``U`` the n-grams' rows. The examples are passed over in blocks of rows, several at once where threads are
given. The blocks depend on the data alone and their sums are added in their order, so the number of threads, and
whether the arrays lie in memory or in a file, do not change a bit of the result.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from textclf.nn.network import Loss, Network
from textclf.nn.optim import Steps, lbfgs
from textclf.storage.memory import let_go
from textclf.text.csr import SparseRows, blocks_of
from textclf.training.checkpoint import NO_CHECKPOINT, Checkpoint, state_of, steps_of
from textclf.training.data import Examples
from textclf.types import Array

_NOTED = "steps"
_TYPICAL_VARIANCE = 0.15
"""Of p (1 − p) at the classes' shares, what it is on average while the fit goes on (0.1 to 0.3 do as well)."""


@dataclass(frozen=True)
class JointSettings:
    """How network and n-grams are fitted together, on all examples at every step."""

    iterations: int
    tolerance: float
    """The fit ends when the next step promises to lower the loss by less than this share of it."""
    l2: float
    """What a weight costs, in units of one example's loss: the same for the network's W and the n-grams' U."""
    threads: int
    held: "Held | None" = None
    """Where old parameters are held, if the fit goes on from a model; else all are held at 0."""
    keep: Callable[[Array], Array] = lambda array: array
    """Returns the arrays of past steps, and what was found at the end, as they are kept, such as on a store."""
    largest_noted: int = 1 << 28
    """Bytes; a fit whose steps are larger is started again when it was stopped."""


@dataclass(frozen=True)
class Held:
    """Old parameters θ⁰ and U⁰: ½ Σ costs (θ − θ⁰)² + ½ l2 ‖(U − U⁰) / scales‖² is then what parameters cost.

    `costs`, shape of θ, are those of the network's parameters, biases too.
    """

    network: Network
    U: Array
    costs: Array


@dataclass(frozen=True)
class JointFit:
    """The network and the n-grams' rows U, shape (V, k), that were found together, and the loss after each step.

    The losses of a fit that went on from another begin with the other's.
    """

    network: Network
    U: Array
    losses: list[float]


def fit_jointly(
    network: Network,
    S: Array,
    examples: Examples,
    scales: Array,
    loss: Loss,
    settings: JointSettings,
    *,
    start: JointFit | None = None,
    after_step: Callable[[int, float], None] = lambda _number, _loss: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> JointFit:
    """Minimize Σ w L(Z, y) + ½ l2 (Σ‖W‖² + ‖U / scales‖²) over the network and U, by L-BFGS.

    It starts from `network` and zero U, or from what is `held`, or goes on from an earlier fit with other `scales`, l2
    or weights.

    Z is the network's last weighted sum over S, shape (n, d), plus C U. `scales`, shape (V, k), says how freely each
    n-gram's number may move (see `nbsvm_scales`): the fit moves U / scales, so that one cost serves all. Of the
    scales those that `columns_moved` returns will do.
    After each step `checkpoint` notes where it is, unless that is large; what it finds is gone on from.
    """
    with _workers(settings.threads) as each:
        rows = RowsHere(blocks_for(S, examples), each)
        shares = np.average(examples.Y, axis=0, weights=examples.weights)
        total = float(examples.weights.sum())
        return minimize(
            rows,
            network,
            scales,
            loss,
            settings,
            shares,
            total,
            start=start,
            after_step=after_step,
            checkpoint=checkpoint,
        )


class Rows(Protocol):
    """The rows that a fit looks at, wherever they are: what is asked of them is a sum over all."""

    def gradient(self, network: Network, U: Array, spread: Array | None, loss: Loss) -> list[Array]:
        """Return Σ w L, its gradient by the network's parameters, and Cᵀ δ, of the columns of `gradient_of`."""

    def squares(self, network: Network) -> list[Array]:
        """Return Σ w x² by each of the network's parameters, and by each column of C, shape (V, 1)."""


@dataclass(frozen=True)
class RowsHere:
    """Rows of this process, in blocks."""

    blocks: Sequence["Block"]
    each: "Each"

    def gradient(self, network: Network, U: Array, spread: Array | None, loss: Loss) -> list[Array]:
        """Return the sums over all blocks, added in their order."""
        return add_up(self.each(lambda block: gradient_of(block, network, U, spread, loss), self.blocks))

    def squares(self, network: Network) -> list[Array]:
        """Return the sums over all blocks, added in their order."""
        return add_up(self.each(lambda block: squares_of(block, network), self.blocks))


def minimize(
    rows: Rows,
    network: Network,
    scales: Array,
    loss: Loss,
    settings: JointSettings,
    shares: Array,
    total: float,
    *,
    start: JointFit | None = None,
    after_step: Callable[[int, float], None] = lambda _number, _loss: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> JointFit:
    """Minimize as `fit_jointly` does, over rows anywhere: `total` is their weight, `shares` the classes' in it."""
    objective = _Objective(network, rows, _columns(scales, network.sizes[-1], loss), loss, settings.l2, settings.held)
    losses: list[float] = [] if start is None else [*start.losses]

    state = checkpoint.found(_NOTED)
    if state is not None:
        losses = state.arrays["losses"].tolist()

    def begin() -> Array:
        return objective.centre if start is None else objective.theta_of(start.network, start.U)

    def note(steps: Steps) -> None:
        losses.append(steps.loss / total)
        if (2 * len(steps.history) + 2) * steps.theta.nbytes <= settings.largest_noted:
            checkpoint.note(_NOTED, lambda: state_of(steps, losses))
        after_step(steps.iteration, losses[-1])

    found = lbfgs(
        objective.loss_and_gradient,
        begin() if state is None else steps_of(state, begin()),
        iterations=settings.iterations,
        tolerance=0.0,
        gain=settings.tolerance,
        curvature=objective.curvature(shares),
        keep=settings.keep,
        after_iteration=note,
    )
    fitted, U = objective.parts(found.theta)
    return JointFit(fitted, settings.keep(U), losses)


@dataclass(frozen=True)
class _Columns:
    """What of U is fitted: `scales`, shape (V, m), and how those m columns make the k of U, shape (m, k), or None.

    A softmax of two classes sees the difference of their sums alone, and U's columns are each other's negatives from
    the first step to the last; so one column is fitted, at a third of the products' cost.
    """

    scales: Array
    spread: Array | None

    def narrowed(self, full: Array) -> Array:
        """Return Σⱼ full[:, j] spread[m, j], shape (n, m), for an array of shape (n, k)."""
        return full if self.spread is None else full @ self.spread.T

    def widened(self, narrow: Array) -> Array:
        """Return the k columns, shape (n, k), that an array of shape (n, m) stands for."""
        return narrow if self.spread is None else narrow @ self.spread


def columns_moved(scales: Array, loss: Loss) -> Array:
    """Return those of the scales, shape (V, k), that a fit looks at, shape (V, m)."""
    return np.ascontiguousarray(scales[:, :1]) if loss.output == "softmax" and scales.shape[1] == 2 else scales


def _columns(scales: Array, k: int, loss: Loss) -> _Columns:
    if loss.output != "softmax" or k != 2:
        return _Columns(scales, None)
    # Of length 1, so that the column costs what both together would.
    both = np.array([[1.0, -1.0]], scales.dtype) / np.sqrt(scales.dtype.type(2))
    return _Columns(columns_moved(scales, loss), both)


@dataclass(frozen=True)
class Block:
    """Some rows of all that the fit looks at."""

    S: Array
    C: SparseRows
    Y: Array
    weights: Array


def blocks_for(S: Array, examples: Examples) -> list[Block]:
    """Return the blocks of rows that a fit goes over."""
    Y, weights = examples.Y, examples.weights[:, None]
    return [
        Block(S[rows], examples.ngrams.slice(rows.start, rows.stop), Y[rows], weights[rows])
        for rows in blocks_of(examples.ngrams)
    ]


Each = Callable[[Callable[[Block], tuple[Array, ...]], Sequence[Block]], Iterator[tuple[Array, ...]]]
"""Gives what a function makes of each block, in the blocks' order."""


@contextmanager
def _workers(threads: int) -> Iterator[Each]:
    if threads < 2:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        yield pool.map


def add_up(parts: Iterable[Sequence[Array]]) -> list[Array]:
    """Return the sum of each of the arrays that every part gives, added in the parts' order to those of the first."""
    parts = iter(parts)
    totals = list(next(parts))
    for part in parts:
        for total, each in zip(totals, part, strict=True):
            total += each
    return totals


@dataclass(frozen=True)
class _Objective:
    """The loss of θ = (the network's parameters, U / scales), and its gradient."""

    network: Network
    rows: Rows
    columns: _Columns
    loss: Loss
    l2: float
    held: Held | None

    @cached_property
    def centre(self) -> Array:
        """θ of what is held, where parameters cost nothing; where nothing is held, that of the network, and U = 0."""
        if self.held is None:
            return self.theta_of(self.network, None)
        return self.theta_of(self.held.network, self.held.U)

    def parts(self, theta: Array) -> tuple[Network, Array]:
        """Return the network and U, shape (V, k), that θ stands for."""
        part, scaled_U = self._views(theta)
        return part, self.columns.widened(self.columns.scales * scaled_U)

    def theta_of(self, network: Network, U: Array | None) -> Array:
        """Return θ, as an array of its own; U None stands for zeros."""
        theta = np.zeros(len(network.theta) + self.columns.scales.size, network.theta.dtype)
        part, scaled_U = self._views(theta)
        part.theta[:] = network.theta
        if U is not None:
            np.divide(self.columns.narrowed(U), self.columns.scales, out=scaled_U)
            let_go(U)
        return theta

    def loss_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the loss of θ, and its gradient."""
        part, scaled_U = self._views(theta)
        moved, moved_U = (part, scaled_U) if self.held is None else self._views(theta - self.centre)
        U = self.columns.scales * scaled_U
        let_go(self.columns.scales, theta)
        value, dtheta, CT_delta = self.rows.gradient(part, U, self.columns.spread, self.loss)
        del U
        gradient = np.empty_like(theta)
        of_network, dU = self._views(gradient)
        of_network.theta[:] = dtheta
        cost = self._network_cost(moved, of_network) + 0.5 * self.l2 * float(np.vdot(moved_U, moved_U))
        np.multiply(CT_delta, self.columns.scales, out=dU)  # dU = Cᵀ δ, and U = scales · (U / scales)
        dU += moved_U * theta.dtype.type(self.l2)
        return float(value) + cost, gradient

    def _network_cost(self, moved: Network, gradient: Network) -> float:
        """Return what the network's parameters, or how far they moved, cost, and add its gradient to this one."""
        if self.held is None:
            for layer, weights in zip(gradient.layers, moved.layers, strict=True):
                layer.W[:] += weights.W * gradient.theta.dtype.type(self.l2)
            return moved.penalty(self.l2)
        pull = self.held.costs.astype(moved.theta.dtype) * moved.theta
        gradient.theta[:] += pull
        return 0.5 * float(np.vdot(pull, moved.theta))

    def curvature(self, p: Array) -> Array:
        """Return an estimate of the second derivative by each of θ alone, the diagonal of the Hessian.

        By a weight it is its cost + Σ w p (1 − p) x², x being what it is multiplied by, p the classes' shares.
        """
        variance = _TYPICAL_VARIANCE * np.maximum(p * (1 - p), 1e-4)
        squares, CT_squares = self.rows.squares(self.network)
        curvature = np.empty(len(self.network.theta) + self.columns.scales.size, self.network.theta.dtype)
        part, by_U = self._views(curvature)
        part.theta[:] = squares * variance.mean()
        last = part.layers[-1]
        last.W[:] *= (variance / variance.mean())[:, None]
        last.b[:] *= variance / variance.mean()
        if self.held is None:
            for layer in part.layers:
                layer.W[:] += self.l2
        else:
            part.theta[:] += self.held.costs
        narrow = variance if self.columns.spread is None else variance.sum(keepdims=True)
        by_U[:] = CT_squares * self.columns.scales**2 * narrow + self.l2
        return curvature

    def _views(self, theta: Array) -> tuple[Network, Array]:
        network = Network(self.network.sizes, self.network.activation, theta[: len(self.network.theta)])
        return network, theta[len(self.network.theta) :].reshape(self.columns.scales.shape)


def gradient_of(block: Block, network: Network, U: Array, spread: Array | None, loss: Loss) -> tuple[Array, ...]:
    """Return a block's part of the loss, of ∂L/∂θ of the network, and of Cᵀ δ.

    U, shape (V, m), and Cᵀ δ are of the columns that are fitted; `spread`, shape (m, k), makes all k of them.
    """
    wide = block.C.times(U)
    trace = network.forward(block.S, wide=wide if spread is None else wide @ spread)
    Z = trace.Z[-1]
    losses, delta = loss.value_and_delta(Z, block.Y)
    value = np.vdot(losses, block.weights).astype(np.float64)
    delta *= block.weights
    of_network = network.backward(delta, trace, to_input=False).theta
    CT_delta = block.C.transposed_times(delta if spread is None else delta @ spread.T)
    let_go(block.S, block.C.columns, block.C.data)
    return np.asarray(value), of_network, CT_delta


def squares_of(block: Block, network: Network) -> tuple[Array, ...]:
    """Return a block's part of Σ w x² by each of the network's parameters, and by each column of C, shape (V, 1)."""
    part = Network(network.sizes, network.activation, np.empty_like(network.theta))
    for layer, A_prev in zip(part.layers, network.forward(block.S).A, strict=True):
        layer.W[:] = (block.weights.T @ A_prev**2)[0]
        layer.b[:] = block.weights.sum()
    CT_squares = block.C.with_data(block.C.data**2).transposed_times(block.weights)
    let_go(block.S, block.C.columns, block.C.data)
    return part.theta, CT_squares
