"""The smooth fit of network, word n-grams and sub-words together, on all examples at every step.

Letters: ``n`` examples, ``k`` classes, ``S`` the averaged vectors of each text, ``C`` its word n-grams, ``C'`` its
pieces and ``G`` their sub-words, ``Y`` the truth, ``U`` the rows of word n-grams and ``U'`` those of sub-words:

    Z[L] = W[L] A[L-1] + b[L] + C U + C' G U'        dU = Cᵀ δ        dU' = Gᵀ (C'ᵀ δ)

The examples are processed in blocks of rows, several at once where threads are given. The blocks depend on the data
alone and their sums are added in their order, so the number of threads, and whether the arrays lie in memory or in a
file, do not change a bit of the result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from typing import Protocol, TypeVar

import numpy as np

from textclf.nn.lbfgs import LbfgsSettings, Steps, lbfgs
from textclf.nn.network import Loss, Network, Trace
from textclf.storage.parallel import in_order
from textclf.text.csr import SparseRows, blocks_of
from textclf.training.checkpoint import NO_CHECKPOINT, Checkpoint, State, state_of, steps_of
from textclf.training.data import Examples
from textclf.types import Array

Sums = TypeVar("Sums", bound=Sequence[Array])
_STEPS = "steps"
_LEAST_OF_LARGEST, _LEAST = 1e-12, 1e-30
_TYPICAL_VARIANCE = 0.15
"""Of p (1 − p) at the classes' shares, what it is on average while the fit goes on (0.1 to 0.3 do as well)."""


@dataclass(frozen=True)
class GaussianPrior:
    """Old parameters θ⁰ and U⁰: parameters then cost ½ Σ precision (θ − θ⁰)² + ½ l2 ‖(U − U⁰) / scales‖².

    `precision`, shape of θ, is that of the network's parameters, biases too.
    """

    network: Network
    U: Array
    precision: Array


@dataclass(frozen=True)
class Problem:
    """What is minimized: Σ w L(Z, y) + ½ l2 (Σ‖W‖² + ‖U / scales‖²) over the network and U.

    `scales`, shape (V, k), says how freely each n-gram's number may move (see `nbsvm_scales`): the fit moves
    U / scales, so that one L2 strength serves all. Of the scales those that `columns_moved` returns will do. With a
    `prior` old parameters are the centre instead of 0.
    """

    network: Network
    scales: Array
    loss: Loss
    l2: float
    prior: GaussianPrior | None = None


@dataclass(frozen=True)
class JointFit:
    """The network and the n-grams' rows U, shape (V, k), that were found together, and the loss after each step.

    The losses of a fit that continued another begin with the other's: `lengths` says how many steps each of them took,
    `valid_losses` what the mean loss of validation rows was after each, where that is known.
    """

    network: Network
    U: Array
    losses: list[float]
    lengths: list[int] = field(default_factory=list)
    valid_losses: list[float] = field(default_factory=list)

    def as_arrays(self) -> dict[str, Array]:
        """Return what a checkpoint keeps of the fit, from which `from_state` makes it again."""
        told = {name: np.array(getattr(self, name)) for name in ("losses", "lengths", "valid_losses")}
        return {"network": self.network.theta, "U": self.U, **told}

    @staticmethod
    def from_state(state: State, network: Network, U: Array) -> "JointFit":
        """Return the fit that a checkpoint kept; network and U, shape (V, k), say of which shapes its arrays are."""
        told = [state.arrays[name].tolist() for name in ("losses", "lengths", "valid_losses")]
        return JointFit(replace(network, theta=state.array("network", network.theta)), state.array("U", U), *told)


@dataclass(frozen=True)
class FitOptions:
    """How the minimum is looked for; `start` is an earlier fit to continue from, with other scales, l2 or weights.

    After each step the checkpoint saves where the fit is, unless that grows to more than `largest_saved` bytes, as it
    holds in memory what it saved. `valid_loss` tells the mean loss of validation rows by the fit that is found.
    """

    steps: LbfgsSettings
    start: JointFit | None = None
    after_step: Callable[[int, float], None] = lambda _number, _loss: None
    checkpoint: Checkpoint = field(default=NO_CHECKPOINT)
    largest_saved: int = 1 << 28
    valid_loss: Callable[[JointFit], float] | None = None


class Rows(Protocol):
    """The rows that a fit looks at, wherever they are: each answer is a sum over all."""

    @property
    def weight(self) -> float:
        """What all rows weigh together."""

    @property
    def shares(self) -> Array:
        """The share of each class in that weight, shape (k,)."""

    def gradient(self, network: Network, U: Array, spread: Array | None, loss: Loss) -> list[Array]:
        """Return Σ w L, its gradient by the network's parameters, and dU, of the columns of `gradient_of`."""

    def squares(self, network: Network) -> list[Array]:
        """Return Σ w x² by each of the network's parameters, and by each row of U, shape (V, 1)."""


@dataclass(frozen=True)
class RowBlock:
    """Some rows of all that the fit looks at."""

    S: Array
    ngrams: SparseRows
    pieces: SparseRows
    Y: Array
    weights: Array


@dataclass(frozen=True)
class RowsHere:
    """Examples of this process, in blocks, of which so many threads work on one each."""

    examples: Examples
    blocks: Sequence[RowBlock]
    threads: int

    @staticmethod
    def of(S: Array, examples: Examples, threads: int = 1) -> "RowsHere":
        """Return the examples, with S of shape (n, d), as rows to fit to."""
        Y, weights, wide = examples.Y, examples.weights[:, None], examples.ngrams
        blocks = [
            RowBlock(
                S[rows], wide.ngrams.slice(rows.start, rows.stop), wide.pieces.slice(rows.start, rows.stop),
                Y[rows], weights[rows],
            )
            for rows in blocks_of([wide.ngrams, wide.pieces], Y.shape[1])
        ]  # fmt: skip
        return RowsHere(examples, blocks, threads)

    @property
    def weight(self) -> float:
        """What all rows weigh together."""
        return float(self.examples.weights.sum())

    @property
    def shares(self) -> Array:
        """The share of each class in that weight, shape (k,)."""
        shares: Array = self.examples.weights @ self.examples.Y / self.examples.weights.sum()
        return shares

    def gradient(self, network: Network, U: Array, spread: Array | None, loss: Loss) -> list[Array]:
        """Return the sums over all blocks, added in their order."""
        wide = self.examples.ngrams
        U_ngrams, R = wide.spread(U)
        rows = np.asarray(U_ngrams), R
        of_block = partial(gradient_of, network=network, rows=rows, spread=spread, loss=loss)
        value, of_network, *by_columns = reduce(add_to, in_order(of_block, self.blocks, self.threads))
        return [value, of_network, wide.gather(*by_columns)]

    def squares(self, network: Network) -> list[Array]:
        """Return the sums over all blocks, added in their order."""
        parts = in_order(partial(squares_of, network=network), self.blocks, self.threads)
        of_network, *by_columns = reduce(add_to, parts)
        return [of_network, self.examples.ngrams.gather_squares(*by_columns)]

    def logits(self, network: Network, U: Array) -> Array:
        """Return Z[L] of all rows, shape (n, k)."""
        U_ngrams, R = self.examples.ngrams.spread(U)
        of_block = partial(propagate, network=network, rows=(np.asarray(U_ngrams), R), spread=None)
        return np.concatenate([trace.Z[-1] for trace in in_order(of_block, self.blocks, self.threads)])


def fit_jointly(problem: Problem, rows: Rows, options: FitOptions) -> JointFit:
    """Return the minimum of the problem over these rows, found by L-BFGS.

    It starts from the problem's network and zero U, or from the prior's, or from `options.start`.
    """
    objective = _Objective(problem, rows, _columns(problem.scales, problem.network.sizes[-1], problem.loss))
    start, state = options.start, options.checkpoint.load(_STEPS)
    losses: list[float] = [] if start is None else [*start.losses]
    if state is not None:
        losses = state.arrays["losses"].tolist()
    total = rows.weight
    begin = objective.centre if start is None else objective.theta_of(start.network, start.U)

    def save(steps: Steps) -> None:
        losses.append(steps.loss / total)
        if (2 * options.steps.memory + 2) * steps.theta.nbytes <= options.largest_saved:
            options.checkpoint.save(_STEPS, lambda: state_of(steps, losses))
        options.after_step(steps.iteration, losses[-1])

    found = lbfgs(
        objective.loss_and_gradient,
        begin if state is None else steps_of(state, begin),
        options.steps,
        curvature=objective.curvature(rows.shares),
        after_iteration=save,
    )
    before = JointFit(problem.network, found.theta, []) if start is None else start
    lengths = [*before.lengths, len(losses) - len(before.losses)]
    fit = JointFit(*objective.parts(found.theta), losses, lengths, before.valid_losses)
    if options.valid_loss is None:
        return fit
    return replace(fit, valid_losses=[*fit.valid_losses, options.valid_loss(fit)])


@dataclass(frozen=True)
class _MovingColumns:
    """What of U is fitted: `scales`, shape (V, m), and how those m columns make the k of U, shape (m, k), or None.

    A softmax of two classes sees the difference of their sums alone, and U's columns are each other's negatives from
    the first step to the last; so one column is fitted, at a third of the products' cost.
    """

    scales: Array
    spread: Array | None

    def narrow(self, full: Array) -> Array:
        """Return Σⱼ full[:, j] spread[m, j], shape (n, m), for an array of shape (n, k)."""
        return full if self.spread is None else full @ self.spread.T

    def widen(self, narrow: Array) -> Array:
        """Return the k columns, shape (n, k), that an array of shape (n, m) stands for."""
        return narrow if self.spread is None else narrow @ self.spread


def columns_moved(scales: Array, loss: Loss) -> Array:
    """Return those of the scales, shape (V, k), that a fit looks at, shape (V, m)."""
    return np.ascontiguousarray(scales[:, :1]) if loss.output == "softmax" and scales.shape[1] == 2 else scales


def _columns(scales: Array, k: int, loss: Loss) -> _MovingColumns:
    if loss.output != "softmax" or k != 2:
        return _MovingColumns(scales, None)
    # Of length 1, so that the column costs what both together would.
    both = np.array([[1.0, -1.0]], scales.dtype) / np.sqrt(scales.dtype.type(2))
    return _MovingColumns(columns_moved(scales, loss), both)


def add_to(totals: Sums, part: Sums) -> Sums:
    """Add each array of a part to that of the totals, in place, and return the totals."""
    for total, each in zip(totals, part, strict=True):
        total += each
    return totals


@dataclass(frozen=True)
class _Objective:
    """The loss of θ = (the network's parameters, U / scales), and its gradient."""

    problem: Problem
    rows: Rows
    columns: _MovingColumns

    @cached_property
    def centre(self) -> Array:
        """θ of the prior, where parameters cost nothing; without one that of the network, and U = 0."""
        prior = self.problem.prior
        return self.theta_of(self.problem.network, None) if prior is None else self.theta_of(prior.network, prior.U)

    def parts(self, theta: Array) -> tuple[Network, Array]:
        """Return the network and U, shape (V, k), that θ stands for."""
        network, scaled_U = self._views(theta)
        return network, self.columns.widen(self.columns.scales * scaled_U)

    def theta_of(self, network: Network, U: Array | None) -> Array:
        """Return θ, as an array of its own; U None stands for zeros."""
        theta = np.zeros(len(network.theta) + self.columns.scales.size, network.theta.dtype)
        part, scaled_U = self._views(theta)
        part.theta[:] = network.theta
        if U is not None:
            np.divide(self.columns.narrow(U), self.columns.scales, out=scaled_U)
        return theta

    def loss_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the loss of θ, and its gradient."""
        problem, l2 = self.problem, self.problem.l2
        network, scaled_U = self._views(theta)
        value, dtheta, dU = self.rows.gradient(
            network, self.columns.scales * scaled_U, self.columns.spread, problem.loss
        )
        gradient = np.empty_like(theta)
        of_network, of_U = self._views(gradient)
        moved, moved_U = (network, scaled_U) if problem.prior is None else self._views(theta - self.centre)
        of_network.theta[:] = dtheta
        np.multiply(self.columns.scales, dU, out=of_U)  # as U = scales · (U / scales)
        of_U += theta.dtype.type(l2) * moved_U
        cost = self._network_cost(moved, of_network) + 0.5 * l2 * float(np.vdot(moved_U, moved_U))
        return float(value) + cost, gradient

    def _network_cost(self, moved: Network, gradient: Network) -> float:
        """Return what the network's parameters, or how far they moved, cost, and add its gradient to this one."""
        problem = self.problem
        if problem.prior is None:
            for layer, weights in zip(gradient.layers, moved.layers, strict=True):
                layer.W[:] += weights.W * gradient.theta.dtype.type(problem.l2)
            return moved.penalty(problem.l2)
        pull = problem.prior.precision.astype(moved.theta.dtype) * moved.theta
        gradient.theta[:] += pull
        return 0.5 * float(np.vdot(pull, moved.theta))

    def curvature(self, p: Array) -> Array:
        """Return an estimate of the second derivative by each of θ alone, the diagonal of the Hessian.

        By a weight it is its cost + Σ w p (1 − p) x², x being what it is multiplied by, p the classes' shares. All are
        above 0.
        """
        problem, columns = self.problem, self.columns
        variance = _TYPICAL_VARIANCE * np.maximum(p * (1 - p), 1e-4)
        squares, of_columns = self.rows.squares(problem.network)
        curvature = np.empty(len(problem.network.theta) + columns.scales.size, problem.network.theta.dtype)
        network, by_U = self._views(curvature)
        network.theta[:] = squares * variance.mean()
        last = network.layers[-1]
        last.W[:] *= (variance / variance.mean())[:, None]
        last.b[:] *= variance / variance.mean()
        if problem.prior is None:
            for layer in network.layers:
                layer.W[:] += problem.l2
        else:
            network.theta[:] += problem.prior.precision
        narrow = variance if columns.spread is None else variance.sum(keepdims=True)
        by_U[:] = of_columns * columns.scales**2 * narrow + problem.l2
        # Where no row bears on a number and it costs nothing (l2 0), its gradient is 0, and must not be divided by 0.
        return np.maximum(curvature, max(_LEAST_OF_LARGEST * float(curvature.max()), _LEAST), out=curvature)

    def _views(self, theta: Array) -> tuple[Network, Array]:
        start = self.problem.network
        network = Network(start.sizes, start.activation, theta[: len(start.theta)])
        return network, theta[len(start.theta) :].reshape(self.columns.scales.shape)


def gradient_of(
    block: RowBlock, network: Network, rows: tuple[Array, Array], spread: Array | None, loss: Loss
) -> tuple[Array, ...]:
    """Return a block's part of the loss, of ∂L/∂θ of the network, of Cᵀ δ and of C'ᵀ δ.

    `rows`: U of word n-grams, shape (V, m), and R = G U' of pieces, shape (P, m); so are Cᵀ δ and C'ᵀ δ. They are of
    the columns that are fitted; `spread`, shape (m, k), makes all k of them.
    """
    trace = propagate(block, network, rows, spread)
    losses, delta = loss.value_and_delta(trace.Z[-1], block.Y)
    value = np.vdot(losses, block.weights).astype(np.float64)
    delta *= block.weights
    of_network = network.backward(delta, trace, to_input=False).theta
    narrow = delta if spread is None else delta @ spread.T
    return np.asarray(value), of_network, block.ngrams.transposed_times(narrow), block.pieces.transposed_times(narrow)


def propagate(block: RowBlock, network: Network, rows: tuple[Array, Array], spread: Array | None) -> Trace:
    """Return forward propagation of a block's rows; `rows` and `spread` are those of `gradient_of`."""
    U, R = rows
    wide = block.ngrams.times(U)
    wide += block.pieces.times(R)
    return network.forward(block.S, wide=wide if spread is None else wide @ spread)


def squares_of(block: RowBlock, network: Network) -> tuple[Array, ...]:
    """Return a block's part of Σ w x² by each of the network's parameters, and by each column of C and C'."""
    part = Network(network.sizes, network.activation, np.empty_like(network.theta))
    for layer, A_prev in zip(part.layers, network.forward(block.S).A, strict=True):
        layer.W[:] = (block.weights.T @ A_prev**2)[0]
        layer.b[:] = block.weights.sum()
    by_columns = (C.with_data(C.data**2).transposed_times(block.weights) for C in (block.ngrams, block.pieces))
    return part.theta, *by_columns
