"""The fit that goes on from old parameters: new rows pull one way, what was learnt before holds.

Near its minimum θ⁰ the old rows' loss is about ½ Σ h (θ − θ⁰)², where h is the diagonal of its curvature. That sum
stands for the rows, which are no longer there (elastic weight consolidation, Kirkpatrick et al. 2017, eq. 3).
Letters are those of `joint`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from textclf.nn.network import Loss, Network
from textclf.training.checkpoint import NO_CHECKPOINT, Checkpoint
from textclf.training.data import Examples
from textclf.training.objective import Held, JointFit, JointSettings, fit_jointly
from textclf.types import Array

TRUST = 0.1
"""The share of h that holds. The diagonal takes n-grams that overlap, and move together, for witnesses of their own, so
all of it holds too hard. Of 0, 0.03, 0.1, 0.3 and 1 the lower learned more where SST-2 went on from IMDB or a tenth of
itself, the higher forgot less where the new rows had one class only, or the other half of Banking77's classes."""
_LEAST_L2 = 1e-6


@dataclass(frozen=True)
class GaussianPrior:
    """Where the old model's parameters are, and how firmly they are held there.

    `network`, `U`: θ⁰, with rows and columns of zeros for what is new. `h`, shape of the network's θ, and `h_U`, shape
    of U: the curvature of the old rows' loss. `is_new`, shape of U: the numbers that the old model did not have.
    """

    network: Network
    U: Array
    h: Array
    h_U: Array
    is_new: npt.NDArray[np.bool_]


def fit_with_prior(
    anchor: GaussianPrior,
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
    """Minimize Σ w L(Z, y) + ½ Σ (l2 + h) (θ − θ⁰)² over the network and U; h is `TRUST` of the anchor's.

    `scales`, shape (V, k): how freely the numbers of new n-grams may move, as in `fit_jointly`. Those of old ones get
    the scale √(l2 / (l2 + h)): moving by it costs what moving by 1 costs where nothing is known.
    """
    l2 = max(settings.l2, _LEAST_L2)
    held = Held(anchor.network, anchor.U, l2 + TRUST * anchor.h)
    scales = np.where(anchor.is_new, scales, np.sqrt(l2 / (l2 + TRUST * anchor.h_U))).astype(scales.dtype)
    settings = replace(settings, l2=l2, held=held)
    return fit_jointly(
        anchor.network, S, examples, scales, loss, settings, start=start, after_step=after_step, checkpoint=checkpoint
    )


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
