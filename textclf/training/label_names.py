"""The labels' own words as a first guess of the last layer's weights, for tables with few rows of each class.

A label called *sports* says what its texts are about before any row is read: a text whose average vector is near that
of *sports* probably belongs there. So the row of W of a label starts from its name's average, and L2 regularization
pulls it there instead of to 0. Names such as *LABEL_3* say nothing; the training rows show that, since the guess was
not fitted to them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from textclf.errors import TrainingError
from textclf.nn.network import Loss, Network
from textclf.storage.array_store import row_batches
from textclf.storage.quantized import ByteRows
from textclf.text.features import Features
from textclf.training.objective import GaussianPrior
from textclf.types import Array

_STRENGTHS = (1.0, 2.0, 4.0)
_ROWS_OF_FULL_STRENGTH = 8
"""With so many rows a class or fewer the names count in full, with twice as many half as much …"""
_WEAKEST = 0.5
"""… and below this strength, from 64 rows a class on, not at all: then they change nothing in accuracy."""
_BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W_]+")


@dataclass(frozen=True)
class NamePrior:
    """The guess: `network` has the names' averages as rows of W, `strength` times; biases are 0."""

    network: Network
    strength: float

    def around(self, l2: float, shape: tuple[int, int]) -> GaussianPrior:
        """Return the prior that pulls W to the guess and U, of this shape, to 0. Biases are free, as ever."""
        precision = Network(self.network.sizes, self.network.activation, np.zeros_like(self.network.theta))
        for layer in precision.layers:
            layer.W[:] = l2
        return GaussianPrior(self.network, np.zeros(shape, np.float32), precision.theta)


def name_vectors(
    features: Features, E: Array | ByteRows, labels: Sequence[str], names: Mapping[str, str] | None
) -> Array:
    """Return the average vector of each label's name, shape (k, d): centred, of length 1, or 0 without a known word.

    `names`: the words of each label; None takes the labels themselves, cut where ``_`` or a capital separates words.
    Raises TrainingError when a name is given for an unknown label.
    """
    if names is None:
        names = {label: _BETWEEN_WORDS.sub(" ", label) for label in labels}
    strangers = sorted(set(names) - set(labels))
    if strangers:
        raise TrainingError(f"label names: no row has the label {strangers[0]!r}. Correct it, or leave it out.")
    rows = features.columns.fill([names.get(label, "") for label in labels])
    averages = features.extract(rows).words.times(E)
    is_known = averages.any(axis=1)
    if is_known.sum() < 2:
        return np.zeros_like(averages)
    averages[is_known] -= averages[is_known].mean(axis=0)
    unit: Array = averages / np.maximum(np.linalg.norm(averages, axis=1, keepdims=True), 1e-9)
    return unit


def guess_by_names(
    vectors: Array, network: Network, S: Array, Y: Array, weights: Array, loss: Loss
) -> NamePrior | None:
    """Return the guess as strong as suits n examples S, shape (n, d), or None if the names do not help.

    `vectors`, shape (k, d), are those of `name_vectors`. The names must label the examples better than the shares of
    the classes do: the loss of strength · S vectorsᵀ, with biases by those shares, must be lower than without.
    """
    examples = np.flatnonzero(weights)
    per_class = float(weights.sum()) / Y.shape[1]  # a row of weight 2 is two rows
    most = min(1.0, _ROWS_OF_FULL_STRENGTH / max(per_class, 1e-9))
    if most * _STRENGTHS[-1] < _WEAKEST or not vectors.any():
        return None
    # In float64: 1 - 1e-9 is 1 in float32, and the bias of a label that each row has would be infinite.
    shares = np.clip((weights @ Y).astype(np.float64) / weights.sum(), 1e-9, 1 - 1e-9)
    biases = np.log(shares) if loss.output == "softmax" else np.log(shares / (1 - shares))

    def loss_at(strength: float) -> float:
        return sum(
            float(loss.value((biases + strength * (S[some] @ vectors.T)).astype(np.float64), Y[some]) @ weights[some])
            for some in row_batches(examples)
        )

    best = min((0.0, *_STRENGTHS), key=loss_at)
    if not best:
        return None
    strength = best * most
    guess = Network(network.sizes, network.activation, np.zeros_like(network.theta))
    guess.layers[-1].W[:] = strength * vectors
    return NamePrior(guess, strength)
