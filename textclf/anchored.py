"""The fit that goes on from old parameters: new rows pull one way, what was learnt before holds.

Near its minimum θ⁰ the old rows' loss is about ½ Σ h (θ − θ⁰)², where h is the diagonal of its curvature. That sum
stands for the rows, which are no longer there (elastic weight consolidation, Kirkpatrick et al. 2017, eq. 3).
Letters are those of `training`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.arrays import Array
from textclf.network import Loss, Network
from textclf.optim import lbfgs
from textclf.training import Examples, JointFit, JointSettings

TRUST = 0.1
"""The share of h that holds. The diagonal takes n-grams that overlap, and move together, for witnesses of their own, so
all of it holds too hard. Of 0, 0.03, 0.1, 0.3 and 1 the lower learned more where SST-2 went on from IMDB or a tenth of
itself, the higher forgot less where the new rows had one class only, or the other half of Banking77's classes."""
_LEAST_L2 = 1e-6


@dataclass(frozen=True)
class Anchor:
    """Where the old model's parameters are, and how firmly they are held there.

    `network`, `U`: θ⁰, with rows and columns of zeros for what is new. `h`, shape of the network's θ, and `h_U`, shape
    of U: the curvature of the old rows' loss. `is_new`, shape of U: the numbers that the old model did not have.
    """

    network: Network
    U: Array
    h: Array
    h_U: Array
    is_new: npt.NDArray[np.bool_]


def fit_anchored(
    anchor: Anchor,
    S: Array,
    examples: Examples,
    scales: Array,
    loss: Loss,
    settings: JointSettings,
    after_step: Callable[[int, float], None],
) -> JointFit:
    """Minimize Σ w L(Z, y) + ½ Σ (l2 + h) (θ − θ⁰)² over the network and U, by L-BFGS; h is `TRUST` of the anchor's.

    `scales`, shape (V, k): how freely the numbers of new n-grams may move, as in `fit_jointly`. The fit moves
    φ = (θ − θ⁰) / reach, where reach = √(l2 / (l2 + h)): then every φ costs the same l2.
    """
    C, Y, weights = examples.ngrams, examples.Y, examples.weights[:, None]
    transposed, l2, n = C.transposed(), max(settings.l2, _LEAST_L2), len(anchor.network.theta)
    before = C.times(anchor.U, threads=settings.threads)
    reach = np.concatenate([_reach(anchor.h, l2), np.where(anchor.is_new, scales, _reach(anchor.h_U, l2)).ravel()])
    reach = reach.astype(np.float32)
    reach_U = reach[n:].reshape(scales.shape)

    def network(phi: Array) -> Network:
        start = anchor.network
        return Network(start.sizes, start.activation, start.theta + reach[:n] * phi[:n])

    def loss_and_gradient(phi: Array) -> tuple[float, Array]:
        part, moved = network(phi), reach_U * phi[n:].reshape(scales.shape)
        trace = part.forward(S, wide=before + C.times(moved, threads=settings.threads))
        value = float(np.vdot(loss.value(trace.Z[-1], Y), weights)) + 0.5 * l2 * float(np.vdot(phi, phi))
        delta = loss.delta(trace.Z[-1], Y) * weights
        gradient = np.concatenate(
            [part.backward(delta, trace, to_input=False).theta,
             transposed.times(delta, threads=settings.threads).ravel()]
        )  # fmt: skip
        gradient *= reach
        gradient += np.float32(l2) * phi
        return value, gradient

    losses: list[float] = []

    def note(number: int, value: float) -> None:
        losses.append(value / len(examples))
        after_step(number, losses[-1])

    phi = np.zeros(len(reach), np.float32)
    found = lbfgs(
        loss_and_gradient, phi, iterations=settings.iterations, tolerance=settings.tolerance, after_iteration=note
    ).theta
    return JointFit(network(found), anchor.U + reach_U * found[n:].reshape(scales.shape), losses)


def _reach(h: Array, l2: float) -> Array:
    reach: Array = np.sqrt(l2 / (l2 + TRUST * h))
    return reach


def curvature(network: Network, S: Array, wide: Array, output: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return the mean curvature h of the cross-entropy over these rows, shape of θ, and that of Z[L], shape (k,).

    Of a weight of the last layer it is the mean of ŷ (1 − ŷ) a²; further down ŷ (1 − ŷ) is taken back through the
    squares of the weights and of σ′, as if neurons had nothing to do with each other.
    """
    trace = network.forward(S, wide=wide)
    P = output(trace.Z[-1])
    variance: Array = P * (1.0 - P)
    of_output: Array = variance.mean(axis=0)
    parts: list[Array] = []
    for number in reversed(range(len(network.layers))):
        parts = [(variance.T @ trace.A[number] ** 2).ravel(), variance.sum(axis=0), *parts]
        if number:
            variance = (variance @ network.layers[number].W ** 2) * network.activation.sigma_prime(
                trace.Z[number - 1]
            ) ** 2
    return np.concatenate(parts) / len(S), of_output
