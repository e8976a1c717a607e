"""The smooth fit of network and n-grams together, on all examples at every step.

Letters: ``n`` examples, ``k`` classes, ``C`` the n-grams of each text, ``S`` = C E its averaged vectors, ``Y`` the
truth, ``U`` the n-grams' rows. The examples are passed over in blocks of rows, several at once where threads are
given. The blocks depend on the data alone and their sums are added in their order, so the number of threads, and
whether the arrays lie in memory or in a file, do not change a bit of the result.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from textclf.arrays import Array
from textclf.checkpoint import NOTHING_KEPT, Recorder, State
from textclf.examples import Examples
from textclf.memory import let_go
from textclf.network import Loss, Network
from textclf.optim import Steps, lbfgs
from textclf.sparse import SparseRows

_SMALLEST_BLOCK = 1 << 18  # entries of C; below this, handing a block to a thread costs more than it brings
_ENTRIES_A_COLUMN = 3  # a block makes a sum for each column: with so many entries to each, that sum costs little
_LARGEST_BLOCK = 1 << 23
_NOTED = "steps"
_LARGEST_NOTED = 1 << 28  # bytes; a fit whose steps are larger is started again when it was stopped
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
    recorder: Recorder = NOTHING_KEPT,
) -> JointFit:
    """Minimize Σ w L(Z, y) + ½ l2 (Σ‖W‖² + ‖U / scales‖²) over the network and U, by L-BFGS.

    It starts from `network` and zero U, or goes on from an earlier fit with other `scales`, l2 or weights.

    Z is the network's last weighted sum over S, shape (n, d), plus C U. `scales`, shape (V, k), says how freely each
    n-gram's number may move (see `naive_bayes_scales`): the fit moves U / scales, so that one cost serves all.
    After each step `recorder` notes where it is, unless that is large; what it finds is gone on from.
    """
    with _workers(settings.threads) as each:
        objective = _Objective(network, _blocks(S, examples), _columns(scales, loss), loss, settings.l2, each)
        losses: list[float] = [] if start is None else [*start.losses]
        total = float(examples.weights.sum())
        theta = objective.theta_of(start.network if start else network, start.U if start else None)
        state = recorder.found(_NOTED)
        if state is not None:
            losses = state.arrays["losses"].tolist()

        def note(steps: Steps) -> None:
            losses.append(steps.loss / total)
            if (2 * len(steps.history) + 2) * steps.theta.nbytes <= _LARGEST_NOTED:
                recorder.note(_NOTED, lambda: _state(steps, losses))
            after_step(steps.iteration, losses[-1])

        found = lbfgs(
            objective.loss_and_gradient,
            theta if state is None else _steps(state, theta),
            iterations=settings.iterations,
            tolerance=0.0,
            gain=settings.tolerance,
            curvature=objective.curvature(examples),
            after_iteration=note,
        )
    return JointFit(*objective.parts(found.theta), losses)


def _state(steps: Steps, losses: Sequence[float]) -> State:
    arrays = {"theta": steps.theta, "gradient": steps.gradient, "losses": np.array(losses)}
    for number, (step, change, _) in enumerate(steps.history):
        arrays |= {f"step{number}": step, f"change{number}": change}
    rho = [rho for _, _, rho in steps.history]
    numbers = [steps.loss, steps.wanted, steps.iteration, steps.evaluations, *rho]
    return State({**arrays, "numbers": np.array(numbers, np.float64)})


def _steps(state: State, theta: Array) -> Steps:
    loss, wanted, iteration, evaluations, *rho = map(float, state.arrays["numbers"])
    history = tuple(
        (state.array(f"step{number}", theta), state.array(f"change{number}", theta), each)
        for number, each in enumerate(rho)
    )
    parameters, gradient = state.array("theta", theta), state.array("gradient", theta)
    return Steps(parameters, gradient, loss, int(iteration), int(evaluations), wanted, history)


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


def _columns(scales: Array, loss: Loss) -> _Columns:
    if loss.output != "softmax" or scales.shape[1] != 2:
        return _Columns(scales, None)
    # Of length 1, so that the column costs what both together would.
    return _Columns(scales[:, :1], np.array([[1.0, -1.0]], scales.dtype) / np.sqrt(scales.dtype.type(2)))


@dataclass(frozen=True)
class _Block:
    """Some rows of all that the fit looks at."""

    S: Array
    C: SparseRows
    Y: Array
    weights: Array


def _blocks(S: Array, examples: Examples) -> list[_Block]:
    Y, weights = examples.Y, examples.weights[:, None]
    return [
        _Block(S[rows], examples.ngrams.slice(rows.start, rows.stop), Y[rows], weights[rows])
        for rows in blocks_of(examples.ngrams)
    ]


def blocks_of(C: SparseRows) -> list[slice]:
    """Return the rows of each block that C is passed over in: of like numbers of entries, and an even number of blocks.

    They are large enough for the sums over a block, one number a column, to cost little beside it.
    """
    entries = int(C.offsets[-1])
    least = min(max(_SMALLEST_BLOCK, _ENTRIES_A_COLUMN * C.width), _LARGEST_BLOCK)
    count = max(1, 2 * (entries // (2 * least)))
    cuts = np.searchsorted(C.offsets, np.linspace(0, entries, count + 1)[1:-1])
    bounds = np.unique(np.concatenate(([0], cuts, [len(C)]))).tolist()
    return [slice(start, stop) for start, stop in pairwise(bounds)]


Each = Callable[[Callable[[_Block], tuple[Array, ...]], Sequence[_Block]], Iterator[tuple[Array, ...]]]
"""Gives what a function makes of each block, in the blocks' order."""


@contextmanager
def _workers(threads: int) -> Iterator[Each]:
    if threads < 2:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        yield pool.map


def _sum(parts: Iterator[tuple[Array, ...]]) -> list[Array]:
    """Return the sum of each of the arrays that every block gives, in the blocks' order."""
    totals = list(next(parts))
    for part in parts:
        for total, each in zip(totals, part, strict=True):
            total += each
    return totals


@dataclass(frozen=True)
class _Objective:
    """The loss of θ = (the network's parameters, U / scales), and its gradient."""

    network: Network
    blocks: list[_Block]
    columns: _Columns
    loss: Loss
    l2: float
    each: Each

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
        return theta

    def loss_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the loss of θ, and its gradient."""
        part, scaled_U = self._views(theta)
        gradient = np.empty_like(theta)
        of_network, dU = self._views(gradient)
        U = self.columns.scales * scaled_U
        value, dtheta, CT_delta = _sum(self.each(lambda block: self._of_block(part, U, block), self.blocks))
        of_network.theta[:] = dtheta
        for layer, weights in zip(of_network.layers, part.layers, strict=True):
            layer.W[:] += weights.W * theta.dtype.type(self.l2)
        np.multiply(CT_delta, self.columns.scales, out=dU)  # dU = Cᵀ δ, and U = scales · (U / scales)
        dU += scaled_U * theta.dtype.type(self.l2)
        cost = part.penalty(self.l2) + 0.5 * self.l2 * float(np.vdot(scaled_U, scaled_U))
        return float(value) + cost, gradient

    def curvature(self, examples: Examples) -> Array:
        """Return an estimate of the second derivative by each of θ alone, the diagonal of the Hessian.

        By a weight it is l2 + Σ w p (1 − p) x², x being what the weight is multiplied by.
        """
        p = np.average(examples.Y, axis=0, weights=examples.weights)
        variance = _TYPICAL_VARIANCE * np.maximum(p * (1 - p), 1e-4)
        squares, CT_squares = _sum(self.each(self._squares, self.blocks))
        curvature = np.empty(len(self.network.theta) + self.columns.scales.size, self.network.theta.dtype)
        part, by_U = self._views(curvature)
        part.theta[:] = squares * variance.mean()
        last = part.layers[-1]
        last.W[:] *= (variance / variance.mean())[:, None]
        last.b[:] *= variance / variance.mean()
        for layer in part.layers:
            layer.W[:] += self.l2
        narrow = variance if self.columns.spread is None else variance.sum(keepdims=True)
        by_U[:] = CT_squares * self.columns.scales**2 * narrow + self.l2
        return curvature

    def _views(self, theta: Array) -> tuple[Network, Array]:
        network = Network(self.network.sizes, self.network.activation, theta[: len(self.network.theta)])
        return network, theta[len(self.network.theta) :].reshape(self.columns.scales.shape)

    def _of_block(self, network: Network, U: Array, block: _Block) -> tuple[Array, ...]:
        """Return a block's part of the loss, of ∂L/∂θ of the network, and of Cᵀ δ."""
        trace = network.forward(block.S, wide=self.columns.widened(block.C.times(U)))
        Z = trace.Z[-1]
        value = np.vdot(self.loss.value(Z, block.Y), block.weights).astype(np.float64)
        delta = self.loss.delta(Z, block.Y)
        delta *= block.weights
        of_network = network.backward(delta, trace, to_input=False).theta
        CT_delta = block.C.transposed_times(self.columns.narrowed(delta))
        let_go(block.S, block.C.columns, block.C.data)
        return np.asarray(value), of_network, CT_delta

    def _squares(self, block: _Block) -> tuple[Array, ...]:
        """Return Σ w x² by each of the network's parameters, and by each column of C, shape (V, 1)."""
        part = Network(self.network.sizes, self.network.activation, np.empty_like(self.network.theta))
        for layer, A_prev in zip(part.layers, self.network.forward(block.S).A, strict=True):
            layer.W[:] = (block.weights.T @ A_prev**2)[0]
            layer.b[:] = block.weights.sum()
        CT_squares = block.C.with_data(block.C.data**2).transposed_times(block.weights)
        let_go(block.S, block.C.columns, block.C.data)
        return part.theta, CT_squares


def naive_bayes_scales(
    C: SparseRows, Y: Array, *, floor: float, smoothing: float, counted: npt.NDArray[np.bool_] | None = None
) -> Array:
    """Return how freely each n-gram's number for each class may move, shape (V, k): `floor` + |log-count ratio|.

    The ratio is naive Bayes' (Wang & Manning 2012): how much likelier an n-gram is in the class than outside it. One
    that separates classes may have a large weight; one that does not must earn it. Scaled so that the mean
    length of a row of C, each entry times its scale, stays what it was. Outside a class are the examples that lack
    it: Cᵀ (1 − Y), which for one-hot Y is the sum over the other classes. Where `counted`, shape (n,), is False, the
    row is as if it were not there.
    """
    k = Y.shape[1]
    present = np.ones((len(C), 1), Y.dtype) if counted is None else counted[:, None].astype(Y.dtype)
    inside, others, mass = np.zeros((C.width, k), Y.dtype), np.zeros((C.width, 1), Y.dtype), np.zeros((C.width, 1))
    for rows in blocks_of(C):
        part, here = C.slice(rows.start, rows.stop), present[rows]
        inside += part.transposed_times(Y[rows] * here)
        # 0 for an example of one class: Σ over classes counts it as often as it has classes, not once.
        others += part.transposed_times((1 - Y[rows].sum(axis=1, keepdims=True)) * here)
        mass += part.with_data(part.data**2).transposed_times(here)
        let_go(part.columns, part.data)
    inside += Y.dtype.type(smoothing)
    outside = inside.sum(axis=1, keepdims=True) - inside
    outside += others + Y.dtype.type(smoothing if k == 1 else 0.0)
    ratio = np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0))
    scales: Array = floor + np.abs(ratio)
    total = mass.sum()
    if total:
        scales /= np.sqrt((mass * scales**2).sum(axis=0) / total)
    return scales.astype(np.float32)
