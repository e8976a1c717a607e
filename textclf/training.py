"""How parameters are found: the epoch loop of the network, and the smooth fit of what n-grams say.

Knows matrices, parameters and losses; of texts and files it knows nothing. Letters: ``n`` examples, ``k`` classes,
``C`` sparse features, ``E`` vectors, ``S`` = C E, ``Y`` one-hot truth, ``U`` the n-grams' rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from textclf.arrays import Array, Integers
from textclf.errors import TrainingError
from textclf.evaluation import confusion, macro_f1
from textclf.multilabel import exact_and_macro_f1
from textclf.network import Loss, Network
from textclf.optim import OPTIMIZERS, RowAdagrad, lbfgs
from textclf.sparse import SparseRows


@dataclass(frozen=True)
class EpochSettings:
    """How the network is trained: the epoch loop's settings, in the field's usual terms."""

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


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed; the last three are None when there are no validation rows."""

    number: int
    loss: float
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None


@dataclass(frozen=True)
class Examples:
    """n examples: C by words and by n-grams, the truth Y of shape (n, k), and each example's weight.

    Y is one-hot, or, where examples may have several labels or none, has a 1 for each label.
    """

    words: SparseRows
    ngrams: SparseRows
    Y: Array
    weights: Array

    def __len__(self) -> int:
        return len(self.Y)

    def take(self, rows: Integers) -> "Examples":
        """Return these examples, in this order."""
        return Examples(self.words.take(rows), self.ngrams.take(rows), self.Y[rows], self.weights[rows])


def split(y: Integers, fraction: float, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Return the numbers of the training rows and of the validation rows, `fraction` of each class, both rising.

    A class of n rows gives round(n · fraction) of them, at least one if it has four or more, and never its last two:
    a class too small to share stays with training. A fraction of 0 sets nothing aside.
    """
    least = 1 if fraction else 0
    valid = []
    for number in np.unique(y):
        rows = np.flatnonzero(y == number)
        wanted = max(round(len(rows) * fraction), least if len(rows) >= _SMALLEST_SHARED else 0)
        valid.append(rng.permutation(rows)[: min(wanted, len(rows) - 2)] if len(rows) > 2 else rows[:0])
    chosen = np.sort(np.concatenate(valid))
    return np.setdiff1d(np.arange(len(y)), chosen, assume_unique=True), chosen


_SMALLEST_SHARED = 4


def deal(y: Integers, folds: int, rng: np.random.Generator) -> Integers:
    """Return the fold of each row, shape (n,), 0 to `folds` - 1: each class is dealt out evenly, in random order."""
    fold = np.empty(len(y), np.int64)
    dealt = 0  # the next class goes on where the last one ended, so that small classes do not all fall into fold 0
    for number in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == number))
        fold[rows] = (np.arange(len(rows)) + dealt) % folds
        dealt += len(rows)
    return fold


def minibatches(n: int, size: int, rng: np.random.Generator) -> Iterator[Integers]:
    """Give the numbers 0 … n - 1 in random order, `size` at a time."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


# --- all examples at once ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JointSettings:
    """How network and n-grams are fitted together, on all examples at every step."""

    iterations: int
    tolerance: float
    """The fit ends when the gradient is this share of its length at the start."""
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
) -> JointFit:
    """Minimize Σ w L(Z, y) + ½ l2 (Σ‖W‖² + ‖U / scales‖²) over the network and U, by L-BFGS.

    It starts from `network` and zero U, or goes on from an earlier fit with other `scales` or l2.

    Z is the network's last weighted sum over S, shape (n, d), plus C U. `scales`, shape (V, k), says how freely each
    n-gram's number may move (see `naive_bayes_scales`): the fit moves U / scales, so that one cost serves all.
    """
    C, Y, weights = examples.ngrams, examples.Y, examples.weights[:, None]
    transposed = C.transposed()
    split_at = len(network.theta)

    def parts(theta: Array) -> tuple[Network, Array]:
        part = Network(network.sizes, network.activation, theta[:split_at])
        return part, theta[split_at:].reshape(scales.shape)

    def loss_and_gradient(theta: Array) -> tuple[float, Array]:
        part, scaled_U = parts(theta)
        trace = part.forward(S, wide=C.times(scales * scaled_U, threads=settings.threads))
        value = float(np.vdot(loss.value(trace.Z[-1], Y), weights)) + part.penalty(settings.l2)
        value += 0.5 * settings.l2 * float(np.vdot(scaled_U, scaled_U))
        delta = loss.delta(trace.Z[-1], Y)
        delta *= weights
        gradient = np.empty_like(theta)
        gradient[:split_at] = part.backward(delta, trace, l2=settings.l2, to_input=False).theta
        dU = parts(gradient)[1]
        np.multiply(scaled_U, theta.dtype.type(settings.l2), out=dU)
        dU += scales * transposed.times(delta, threads=settings.threads)  # dU = Cᵀ δ
        return value, gradient

    losses: list[float] = [] if start is None else [*start.losses]

    def note(number: int, value: float) -> None:
        losses.append(value / len(examples))
        after_step(number, losses[-1])

    begin = (network.theta, np.zeros(scales.size, network.theta.dtype))
    if start is not None:
        begin = (start.network.theta, (start.U / scales).ravel())
    found = lbfgs(
        loss_and_gradient,
        np.concatenate(begin),
        iterations=settings.iterations,
        tolerance=settings.tolerance,
        after_iteration=note,
    )
    best, scaled_U = parts(found.theta)
    return JointFit(best, scales * scaled_U, losses)


def naive_bayes_scales(
    C: SparseRows, Y: Array, weights: Array | None = None, *, floor: float, smoothing: float
) -> Array:
    """Return how freely each n-gram's number for each class may move, shape (V, k): `floor` + |log-count ratio|.

    The ratio is naive Bayes' (Wang & Manning 2012): how much likelier an n-gram is in the class than outside it. One
    that separates classes may have a large weight; one that does not must earn it. Scaled so that the mean
    length of a row of C, each entry times its scale, stays what it was. Outside a class are the examples that lack
    it: Cᵀ (1 − Y), which for one-hot Y is the sum over the other classes.
    """
    transposed, k = C.transposed(), Y.shape[1]
    w = np.ones(len(Y), Y.dtype) if weights is None else weights.astype(Y.dtype)
    inside = transposed.times(Y * w[:, None]) + Y.dtype.type(smoothing)
    outside = inside.sum(axis=1, keepdims=True) - inside
    others = w[:, None] * (1 - Y.sum(axis=1, keepdims=True))  # 0 for an example of one class: Σ over classes counts it
    outside += transposed.times(others) + Y.dtype.type(smoothing if k == 1 else 0.0)  # it has classes, not once
    ratio = np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0))
    scales: Array = floor + np.abs(ratio)
    mass = np.bincount(C.columns, weights=C.data**2 * w[C.row_numbers], minlength=C.width)[:, None]
    total = mass.sum()
    if total:
        scales /= np.sqrt((mass * scales**2).sum(axis=0) / total)
    return scales.astype(np.float32)


# --- the network: epochs of mini-batches --------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainedNetwork:
    """The network and the vectors that did best on the validation rows, at which epoch, and how all epochs went."""

    network: Network
    E: Array
    best_epoch: int
    history: list[Epoch]


def train_network(
    network: Network,
    E: Array,
    examples: Examples,
    valid: Examples | None,
    loss: Loss,
    settings: EpochSettings,
    rng: np.random.Generator,
    *,
    after_epoch: Callable[[Epoch], None] = lambda _: None,
) -> TrainedNetwork:
    """Train the network on S = C E, and E with it, by mini-batches, until the validation loss stops falling.

    The rate falls in a straight line from `learning_rate` to a tenth of it over the epochs. `network` and `E` are
    copied, not changed. Raises TrainingError when the loss is no longer finite.
    """
    network = Network(network.sizes, network.activation, network.theta.copy())
    learner = _Learner(network, E.copy() if settings.vector_rate else E, examples, loss, settings)
    best = TrainedNetwork(network, E, 0, [])
    history: list[Epoch] = []
    lowest = np.inf
    for number in range(1, settings.epochs + 1):
        share = 1.0 - 0.9 * (number - 1) / max(settings.epochs - 1, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told in the next lines
            mean_loss = learner.epoch(rng, share)
        if not np.isfinite(mean_loss):
            raise TrainingError(
                f"epoch {number}: the loss is not finite. Lower --learning-rate (now {settings.learning_rate:g})."
            )
        epoch = Epoch(number, mean_loss, *_validate(network, learner.E, valid, loss, settings.multi_label))
        history.append(epoch)
        after_epoch(epoch)
        current = mean_loss if epoch.valid_loss is None else epoch.valid_loss
        if current < lowest:
            lowest = current
            copy = Network(network.sizes, network.activation, network.theta.copy())
            best = TrainedNetwork(copy, learner.E.copy() if settings.vector_rate else E, number, history)
        elif valid is not None and number - best.best_epoch >= settings.patience:
            break
    return best


class _Learner:
    """One epoch after another over the same examples: the network, the vectors, and their optimizers."""

    def __init__(self, network: Network, E: Array, examples: Examples, loss: Loss, settings: EpochSettings) -> None:
        self.network, self.E, self.settings = network, E, settings
        self._examples, self._loss = examples, loss
        self._optimizer = OPTIMIZERS[settings.optimizer](settings.learning_rate)
        self._rows = RowAdagrad(settings.vector_rate)
        # Vectors that stand still, and texts that lose no words, give the same S at every step.
        self._S = None if settings.vector_rate or settings.word_dropout else examples.words.times(E)

    def epoch(self, rng: np.random.Generator, share: float) -> float:
        """Go through all examples once, at this share of the learning rates, and return their mean loss."""
        self._optimizer.learning_rate = self.settings.learning_rate * share
        self._rows.learning_rate = self.settings.vector_rate * share
        total = 0.0
        for rows in minibatches(len(self._examples), self.settings.batch_size, rng):
            total += self._step(rows, rng)
        return total / float(self._examples.weights.sum())

    def _step(self, rows: Integers, rng: np.random.Generator) -> float:
        settings, examples = self.settings, self._examples
        Y, weights = examples.Y[rows], examples.weights[rows]
        C = None
        if self._S is not None:
            S = self._S[rows]
        else:
            C = _drop_words(examples.words.take(rows), settings.word_dropout, rng)
            S = C.times(self.E)
        trace = self.network.forward(S, dropout=settings.dropout, rng=rng)
        delta = self._loss.delta(trace.Z[-1], Y)
        delta *= (weights / len(rows))[:, None]
        vectors_learn = C is not None and settings.vector_rate > 0
        gradients = self.network.backward(delta, trace, l2=settings.l2, to_input=vectors_learn)
        self._optimizer.step(self.network.theta, gradients.theta)
        if C is not None and vectors_learn:
            columns, dE = _gradient_rows(C, gradients.dX)
            self._rows.step_rows(self.E, columns, dE)
        return float(np.vdot(self._loss.value(trace.Z[-1], Y), weights))


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
    return columns, narrow.transposed().times(dS)


def _validate(
    network: Network, E: Array, valid: Examples | None, loss: Loss, multi_label: bool
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return the mean loss, the accuracy and the macro-F1 on the validation rows."""
    if valid is None:
        return None, None, None
    Z = network.forward(valid.words.times(E)).Z[-1]
    mean_loss = float(np.vdot(loss.value(Z, valid.Y), valid.weights) / valid.weights.sum())
    if multi_label:
        return mean_loss, *exact_and_macro_f1(Z > 0, valid.Y)
    matrix = confusion(valid.Y.argmax(axis=1), Z.argmax(axis=1), Z.shape[1])
    return mean_loss, float(np.trace(matrix) / len(valid)), macro_f1(matrix)
