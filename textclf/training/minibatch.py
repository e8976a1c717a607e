"""How the network is trained by mini-batches: the epoch loop.

Knows matrices, parameters and losses; of texts and files it knows nothing. Letters: ``n`` examples, ``k`` classes,
``C`` sparse features, ``E`` vectors, ``S`` = C E, ``Y`` one-hot truth, ``U`` the n-grams' rows.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from textclf.errors import TrainingError
from textclf.metrics.multi_label import exact_and_macro_f1
from textclf.metrics.single_label import confusion, macro_f1
from textclf.nn.network import Loss, Network
from textclf.nn.optim import OPTIMIZERS, RowAdagrad
from textclf.storage.array_store import drop_pages
from textclf.text.csr import SparseRows
from textclf.training.checkpoint import State
from textclf.training.data import Examples
from textclf.training.resources import PLAIN_RESOURCES, Epoch, Resources
from textclf.types import Array, Integers


@dataclass(frozen=True)
class EpochSettings:
    """How the network is trained: the epoch loop's settings, in the field's usual terms."""

    loss: Loss
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    vector_rate: float
    """Adagrad's rate for the vectors E; 0 leaves them as they are."""
    dropout: float
    word_dropout: float
    """The share of a text's words that a step does not see."""
    l2: float
    patience: int
    """How many epochs may pass without a better validation loss before training ends; the best weights are kept."""
    multi_label: bool = False
    """Whether an example may have several labels or none; accuracy is then the share of examples all right."""


def minibatches(n: int, size: int, rng: np.random.Generator) -> Iterator[Integers]:
    """Give the numbers 0 … n - 1 in random order, `size` at a time."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


@dataclass(frozen=True)
class TrainedNetwork:
    """The network and the vectors that did best on the validation rows, at which epoch, and how all epochs went.

    Before the first epoch: those that training starts from.
    """

    network: Network
    E: Array
    best_epoch: int = 0
    history: tuple[Epoch, ...] = ()


def train_network(
    start: TrainedNetwork,
    examples: Examples,
    valid: Examples | None,
    settings: EpochSettings,
    rng: np.random.Generator,
    resources: Resources = PLAIN_RESOURCES,
) -> TrainedNetwork:
    """Train the network on S = C E, and E with it, by mini-batches, until the validation loss stops falling.

    The rate falls in a straight line from `learning_rate` to a tenth of it over the epochs. What `start` holds
    is copied, not changed. After each epoch the checkpoint saves all that is needed to resume, and what it holds is
    resumed. Raises TrainingError when the loss is no longer finite.
    """
    network = Network(start.network.sizes, start.network.activation, start.network.theta.copy())
    E = start.E.copy() if settings.vector_rate else start.E
    learner = _Learner(TrainedNetwork(network, E), examples, settings)
    course = _Course(learner, TrainedNetwork(network, start.E))
    found = resources.checkpoint.load(_NOTED)
    if found is not None:
        course.restore(found, rng)
    while not course.is_over(valid is not None):
        number = len(course.best.history) + 1
        share = 1.0 - 0.9 * (number - 1) / max(settings.epochs - 1, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told in the next lines
            mean_loss = learner.epoch(rng, share)
        if not np.isfinite(mean_loss):
            raise TrainingError(
                f"epoch {number}: the loss is not finite. Lower --learning-rate (now {settings.learning_rate:g})."
            )
        epoch = Epoch(number, mean_loss, *_validate(learner, valid))
        course.take(epoch)
        resources.checkpoint.save(_NOTED, lambda: course.state(rng))
        resources.listener.epoch(epoch, settings.epochs)
    return course.best


_NOTED = "network"


class _Course:
    """How the epochs went so far: where the learner is, and the best of all epochs."""

    def __init__(self, learner: "_Learner", start: TrainedNetwork) -> None:
        self.learner, self.best, self.lowest = learner, start, float("inf")

    def is_over(self, is_validated: bool) -> bool:
        """Return whether all epochs are done, or as many as patience allows have passed without a better loss."""
        settings, done = self.learner.settings, len(self.best.history)
        return done >= settings.epochs or (is_validated and self.best.best_epoch <= done - settings.patience)

    def take(self, epoch: Epoch) -> None:
        """Note an epoch; the parameters are the best so far if its loss is the lowest."""
        history = (*self.best.history, epoch)
        current = epoch.loss if epoch.valid_loss is None else epoch.valid_loss
        self.best = replace(self.best, history=history)
        if current < self.lowest:
            self.lowest = current
            self.best = TrainedNetwork(*self._copies(), epoch.number, history)

    def state(self, rng: np.random.Generator) -> State:
        """Return all that is needed to go on as if never stopped."""
        learner, best = self.learner, self.best
        arrays = {"theta": learner.network.theta.copy(), "best.theta": best.network.theta}
        if learner.settings.vector_rate:
            arrays |= {"E": learner.E.copy(), "best.E": best.E}
        arrays |= {f"optimizer.{name}": array for name, array in learner.optimizer.state().items()}
        arrays |= {f"vectors.{name}": array for name, array in learner.vector_optimizer.state().items()}
        numbers = [[np.nan if value is None else value for value in vars(epoch).values()] for epoch in best.history]
        arrays |= {"history": np.array(numbers), "lowest": np.array([self.lowest])}
        return State(arrays, {"best_epoch": best.best_epoch, "generator": rng.bit_generator.state})

    def restore(self, state: State, rng: np.random.Generator) -> None:
        """Take up a state: parameters, optimizers, the best so far, and what the generator gives next."""
        learner, network = self.learner, self.learner.network
        rng.bit_generator.state = state.facts["generator"]
        best = Network(network.sizes, network.activation, state.array("best.theta", network.theta))
        best_E = state.array("best.E", learner.E) if learner.settings.vector_rate else learner.E
        network.theta[:] = state.array("theta", network.theta)
        if learner.settings.vector_rate:
            learner.E[:] = state.array("E", learner.E)
        learner.optimizer.restore(state.below("optimizer"))
        learner.vector_optimizer.restore(state.below("vectors"))
        history = tuple(
            Epoch(int(number), float(loss), *(None if np.isnan(value) else float(value) for value in values))
            for number, loss, *values in state.arrays["history"]
        )
        self.best = TrainedNetwork(best, best_E, int(state.facts["best_epoch"]), history)
        self.lowest = float(state.arrays["lowest"][0])

    def _copies(self) -> tuple[Network, Array]:
        network, E = self.learner.network, self.learner.E
        copy = Network(network.sizes, network.activation, network.theta.copy())
        return copy, E.copy() if self.learner.settings.vector_rate else E


class _Learner:
    """One epoch after another over the same examples: the network, the vectors, and their optimizers."""

    def __init__(self, start: TrainedNetwork, examples: Examples, settings: EpochSettings) -> None:
        self.network, self.E, self.settings = start.network, start.E, settings
        self._examples = examples
        self._weights = examples.weights / examples.weights.mean()  # steps are as long whatever they are counted in
        self.optimizer = OPTIMIZERS[settings.optimizer](settings.learning_rate)
        self.vector_optimizer = RowAdagrad(settings.vector_rate)
        # Vectors that stand still, and texts that lose no words, give the same S at every step.
        self._S = None if settings.vector_rate or settings.word_dropout else examples.words.times(self.E)

    def epoch(self, rng: np.random.Generator, share: float) -> float:
        """Go through all examples once, at this share of the learning rates, and return their mean loss."""
        self.optimizer.learning_rate = self.settings.learning_rate * share
        self.vector_optimizer.learning_rate = self.settings.vector_rate * share
        batches = minibatches(len(self._examples), self.settings.batch_size, rng)
        total = sum(self._step(rows, rng) for rows in batches)
        return total / float(self._weights.sum())

    def _step(self, rows: Integers, rng: np.random.Generator) -> float:
        settings, examples = self.settings, self._examples
        C: SparseRows | None = None
        if self._S is None:
            C = _drop_words(examples.words.take(rows), settings.word_dropout, rng)
            S = C.times(self.E)
        else:
            S = self._S.take(rows, axis=0)
        trace = self.network.forward(S, dropout=settings.dropout, rng=rng)
        value, delta = settings.loss.value_and_delta(trace.Z[-1], examples.Y.take(rows, axis=0))
        weights = self._weights.take(rows)
        delta *= (weights / len(rows))[:, None]
        vectors_learn = C is not None and settings.vector_rate > 0
        gradients = self.network.backward(delta, trace, l2=settings.l2, to_input=vectors_learn)
        self.optimizer.step(self.network.theta, gradients.theta)
        if C is not None and vectors_learn:
            columns, dE = _gradient_rows(C, gradients.dX)
            self.vector_optimizer.step_rows(self.E, columns, dE)
        return float(np.vdot(value, weights))


def _drop_words(C: SparseRows, share: float, rng: np.random.Generator) -> SparseRows:
    """Return C without a random `share` of each row's entries, the others scaled up so that each row's sum stays."""
    if not share:
        return C
    kept = rng.random(len(C.data), dtype=np.float32) >= share
    data = C.data * kept
    numbers = C.row_numbers
    left = np.bincount(numbers, weights=data, minlength=len(C))
    whole = np.bincount(numbers, weights=C.data, minlength=len(C))
    scale = np.divide(whole, left, out=np.zeros_like(whole), where=left > 0)
    return C.with_data((data * scale[numbers]).astype(np.float32))


def _gradient_rows(C: SparseRows, dS: Array) -> tuple[Integers, Array]:
    """Return dE = Cᵀ dS for the columns that C has entries in: their numbers, and a row of dE for each."""
    columns, places = np.unique(C.columns, return_inverse=True)
    narrow = SparseRows(C.offsets, places.astype(np.int32), C.data, len(columns))
    return columns, narrow.transposed_times(dS)


def _validate(learner: _Learner, valid: Examples | None) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return the mean loss, the accuracy and the macro-F1 on the validation rows."""
    if valid is None:
        return None, None, None
    Z = learner.network.forward(valid.words.times(learner.E)).Z[-1]
    mean_loss = float(np.vdot(learner.settings.loss.value(Z, valid.Y), valid.weights) / valid.weights.sum())
    if learner.settings.multi_label:
        return mean_loss, *exact_and_macro_f1(Z > 0, valid.Y)
    matrix = confusion(valid.Y.argmax(axis=1), Z.argmax(axis=1), Z.shape[1])
    return mean_loss, float(np.trace(matrix) / len(valid)), macro_f1(matrix)


@dataclass(frozen=True)
class Standardizer:
    """By how much vectors are moved, `mean`, shape (d,), and what they are divided by then, `spread`.

    Averaged vectors lie close together; left so, a network sees almost the same input for every text. As a row of C
    sums to 1, moving every vector moves S alike, and the zero row of a text without known words is the average text.
    All dimensions are scaled alike: scaled to one spread each, those that say little would be as loud as the others.
    """

    mean: Array
    spread: float

    @staticmethod
    def of_rows(S: Array, weights: Array | None = None, *, length: float) -> "Standardizer":
        """Return what gives S mean 0 and rows of mean squared length `length`²; `weights`, shape (n,): of the rows."""
        w = np.ones(len(S)) if weights is None else weights
        total, squares = np.zeros(S.shape[1]), 0.0
        for start, rows in enumerate(row_parts(S)):
            of_rows = w[start * _ROWS : start * _ROWS + len(rows)]
            exact = rows.astype(np.float64)
            total += of_rows @ exact
            squares += float(of_rows @ (exact**2).sum(axis=1))
            drop_pages(rows)
        return Standardizer.of_sums(float(w.sum()), total, squares, length=length)

    @staticmethod
    def of_sums(n: float, total: Array, squares: float, *, length: float) -> "Standardizer":
        """Return what gives S mean 0 and rows of mean squared length `length`², given n, Σ S and Σ ‖S‖²."""
        mean = total / n
        variance = max(squares / n - float(mean @ mean), 0.0)
        return Standardizer(mean, math.sqrt(variance) / length if variance > 1e-12 else 1.0)

    def transform(self, E: Array) -> Array:
        """Return E moved and scaled."""
        moved: Array = E - self.mean.astype(E.dtype)
        moved /= E.dtype.type(self.spread)
        return moved


_ROWS = 4096


def row_parts(S: Array) -> Iterator[Array]:
    """Give the rows of S some thousand at a time, at least one part."""
    for start in range(0, max(len(S), 1), _ROWS):
        yield S[start : start + _ROWS]
