"""What a worker holds of its files while a model is trained: C, S, the truth; and the sums that it is asked for.

Rows are read and cut once, and stay where they are; parameters come in, and sums over the rows go out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from textclf.analysis.evaluate import check_known
from textclf.distributed.engines import SharedFile
from textclf.distributed.label import load_model
from textclf.distributed.shards import Shard
from textclf.errors import DataError
from textclf.labels import label_sets, multi_hot
from textclf.model.drift import Profile
from textclf.model.model import Model
from textclf.nn.network import ACTIVATIONS, LOSSES, Loss, Network
from textclf.storage.quantized import ByteRows
from textclf.tables import TableOptions, open_table
from textclf.text.copies import group_keys, text_keys
from textclf.text.features import TextMatrix, stack_texts
from textclf.text.weighting import inverse_document_frequency
from textclf.training.data import Examples, RowsByClass, split
from textclf.training.minibatch import Standardizer
from textclf.training.nbsvm import class_counts
from textclf.training.objective import RowsHere, add_to
from textclf.types import Array, BoolArray, Integers, Keys

Partition = tuple[Shard, ...]
"""The files of one worker."""


@dataclass(frozen=True)
class ShardPlan:
    """What a worker has to know: the model before training, how files are read, and which rows are held out.

    `rows`: how many there are in all. `least_texts`: in how many of them an n-gram that is kept stands.
    `valid_fraction`: of each class of a file. `weights`, shape (k,): what a row of each class weighs. `standard`: how E
    is standardized; None as long as unknown.
    """

    run: str
    model: SharedFile
    digest: str
    options: TableOptions
    rows: int
    least_texts: int
    valid_fraction: float
    seed: int
    loss: tuple[str, str]
    weights: tuple[float, ...]
    standard: Standardizer | None = None


@dataclass(frozen=True)
class SharedParameters:
    """A network and U, as they travel."""

    sizes: tuple[int, ...]
    activation: str
    theta: Array
    U: Array

    @staticmethod
    def of(network: Network, U: Array) -> "SharedParameters":
        """Return the parameters of a network and U."""
        return SharedParameters(network.sizes, network.activation.name, network.theta, U)

    @property
    def network(self) -> Network:
        """The network."""
        return Network(self.sizes, ACTIVATIONS[self.activation], self.theta)


@dataclass(frozen=True)
class HeldRows:
    """The rows of a partition: `valid` are the numbers of those held out; `keys`, shape (n,): a key of each text."""

    model: Model
    matrix: TextMatrix
    examples: Examples
    valid: Integers
    keys: Keys

    def S(self, standard: Standardizer) -> Array:
        """Return S of all rows by standardized vectors, made once."""
        made = self._made.get("S")
        if made is None:
            made = self._made["S"] = self.examples.words.times(
                ByteRows.of(standard.transform(np.asarray(self.model.E)))
            )
        return made

    @cached_property
    def columns(self) -> Integers:
        """The n-grams that stand in these texts: of the others the gradient is 0, and does not travel."""
        wide = self.examples.ngrams
        stands = np.zeros(wide.width, np.bool_)
        stands[wide.ngrams.columns] = True
        stands[wide.ngrams.width + wide.G.columns] = True
        return np.flatnonzero(stands).astype(np.int32)

    @cached_property
    def _made(self) -> dict[str, Array]:
        return {}

    def weigh(self, *, everything: bool) -> Examples:
        """Return the examples; those held out weigh nothing unless `everything` counts."""
        if everything:
            return self.examples
        rest = np.setdiff1d(np.arange(len(self.examples)), self.valid, assume_unique=True)
        return self.examples.weighing_only(rest)


_HELD_ROWS: dict[tuple[str, Partition], HeldRows] = {}


def read_held_rows(plan: ShardPlan, partition: Partition) -> HeldRows:
    """Return the rows of a partition, read if this worker does not hold them (yet, or after another one was lost)."""
    key = (plan.run, partition)
    if key not in _HELD_ROWS:
        for old in [other for other in _HELD_ROWS if other[0] != plan.run]:
            del _HELD_ROWS[old]
        _HELD_ROWS[key] = _read(plan, partition)
    return _HELD_ROWS[key]


def release(plan: ShardPlan, partition: Partition) -> None:
    """Let go of the rows of a partition."""
    _HELD_ROWS.pop((plan.run, partition), None)


def _read(plan: ShardPlan, partition: Partition) -> HeldRows:
    model = load_model(plan.model.where(), plan.digest)
    parts, Ys, valid, all_keys = [], [], [], []
    n = 0
    for shard in partition:
        matrix, Y, keys = _read_shard(plan, model, shard)
        rng = np.random.default_rng(plan.seed)
        mixed = keys * np.uint64(2 * rng.integers(1 << 62) + 1)  # with each seed other texts have the lowest keys
        _, chosen = split(RowsByClass.of(Y, group_keys(keys)), plan.valid_fraction, rng, keys=mixed)
        parts.append(matrix)
        Ys.append(Y)
        valid.append(chosen + n)
        all_keys.append(keys)
        n += len(Y)
    matrix = stack_texts(parts)
    Y = np.concatenate(Ys)
    weights = np.array(plan.weights, np.float32)[Y.argmax(axis=1)]
    return HeldRows(
        model,
        matrix,
        Examples(matrix.words, matrix.ngrams, Y, weights),
        np.concatenate(valid),
        np.concatenate(all_keys),
    )


def _read_shard(plan: ShardPlan, model: Model, shard: Shard) -> tuple[TextMatrix, Array, Keys]:
    """Return the texts of a file, the truth Y, shape (n, k), and a key of each text."""
    texts: list[str] = []
    labels: list[str] = []
    with shard.local() as path, open_table(path, plan.options, labelled=True) as table:
        for batch in table.batches():
            texts += batch.texts
            labels += batch.labels or []
    if not texts:
        raise DataError(f"{shard.url}: expected valid rows, found none.")
    sets = label_sets(labels, multi_label=False)
    check_known(shard.url, range(1, len(sets) + 1), sets, model.labels)
    matrix = model.features.extract(texts, _common(plan, model))
    return matrix, multi_hot(sets, model.labels), text_keys(texts)


def _common(plan: ShardPlan, model: Model) -> list[BoolArray]:
    """Return which n-grams the model would know of a text without that text: so many others must have them."""
    of_least = inverse_document_frequency(np.array([plan.least_texts]), plan.rows)
    return [np.asarray(table.idf < of_least) for table in model.features.ngrams]  # the more texts, the lower the idf


# --- what is asked ----------------------------------------------------------------------------------------------------


def moments(plan: ShardPlan, partition: Partition) -> list[Array]:
    """Return n, Σ S and Σ ‖S‖² over the rows, by vectors that are not standardized."""
    rows = read_held_rows(plan, partition)
    S = rows.examples.words.times(rows.model.E).astype(np.float64)
    return [np.array(len(S), np.float64), S.sum(axis=0), np.array((S * S).sum())]


def counts(plan: ShardPlan, partition: Partition, everything: bool) -> list[Array]:
    """Return the sums that naive Bayes' scales need, and the weight of each class, shape (k,)."""
    examples = read_held_rows(plan, partition).weigh(everything=everything)
    of_classes = (examples.Y * examples.weights[:, None]).sum(axis=0, dtype=np.float64)
    return [*class_counts(examples.ngrams, examples.Y, examples.weights), of_classes]


def columns(plan: ShardPlan, partition: Partition) -> Integers:
    """Return the n-grams that stand in these texts, in rising order."""
    return read_held_rows(plan, partition).columns


def profile(plan: ShardPlan, partition: Partition) -> Profile:
    """Return what these texts are like, held-out rows and others."""
    rows = read_held_rows(plan, partition)
    found = rows.model.profile()
    found.add_texts(rows.matrix.tokens, rows.matrix.known, rows.matrix.known_shares)
    return found


def squares(plan: ShardPlan, partition: Partition, given: tuple[SharedParameters, bool]) -> list[Array]:
    """Return Σ w x² as `objective.Rows.squares` does, of these texts' n-grams alone."""
    parameters, everything = given
    *others, of_columns = _rows(plan, partition, everything).squares(parameters.network)
    return [*others, of_columns[read_held_rows(plan, partition).columns]]


def gradient(plan: ShardPlan, partition: Partition, given: tuple[SharedParameters, Array | None, bool]) -> list[Array]:
    """Return loss and gradient as `objective.Rows.gradient` does, of these texts' n-grams alone."""
    parameters, spread, everything = given
    rows = _rows(plan, partition, everything)
    *others, CT_delta = rows.gradient(parameters.network, parameters.U, spread, _loss(plan))
    return [*others, CT_delta[read_held_rows(plan, partition).columns]]


@dataclass(frozen=True)
class Judged:
    """Rows that were held out: Z[L] and Y, shape (n, k), weights, words, known words, and share of familiar n-grams.

    `keys`, shape (n,): as `text.copies.text_keys` returns them.
    """

    Z: Array
    Y: Array
    weights: Array
    tokens: Integers
    known: Integers
    known_shares: Array
    keys: Keys

    @staticmethod
    def join(parts: Sequence["Judged"]) -> "Judged":
        """Return the rows of all parts, in their order."""
        return Judged(
            *(np.concatenate(arrays) for arrays in zip(*(vars(part).values() for part in parts), strict=True))
        )


def judge(plan: ShardPlan, partition: Partition, parameters: SharedParameters) -> Judged:
    """Return what the model says of the held-out rows."""
    rows = read_held_rows(plan, partition)
    assert plan.standard is not None
    chosen, matrix = rows.valid, rows.matrix.take(rows.valid)
    wide = matrix.ngrams.double().times(parameters.U)
    network = Network(parameters.sizes, ACTIVATIONS[parameters.activation], parameters.theta.astype(np.float64))
    Z = network.forward(rows.S(plan.standard)[chosen].astype(np.float64), wide=wide).Z[-1]
    examples = rows.examples
    return Judged(
        Z,
        examples.Y[chosen],
        examples.weights[chosen],
        matrix.tokens,
        matrix.known,
        matrix.known_shares,
        rows.keys[chosen],
    )


def _rows(plan: ShardPlan, partition: Partition, everything: bool) -> RowsHere:
    rows = read_held_rows(plan, partition)
    assert plan.standard is not None
    examples = rows.weigh(everything=everything)
    return RowsHere.of(rows.S(plan.standard), examples)


def _loss(plan: ShardPlan) -> Loss:
    return LOSSES[plan.loss]


def add_sums(parts: Sequence[list[Array]]) -> list[Array]:
    """Return the sum of what partitions returned, added in their order."""
    return [*reduce(add_to, ([array.copy() for array in part] for part in parts))]
