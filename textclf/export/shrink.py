"""A model made small: 8-bit rows, 32-bit keys, words as what they add to each class, the least useful left out.

Without hidden layers Z[L] = W (C E) + b = C (E Wᵀ) + b, so a word needs as many numbers as there are classes:
E' = E Wᵀ, W' = 1. What is left out lets the others' numbers in C grow, as rows of C keep their length; so the rows that
stay are scaled by what a text keeps of its length, and the sums of a text stay as large as they were.

The least useful go first: those of the least effect on what the model says. The effect of an n-gram g is the mean
square of what it adds to the last weighted sums of a text of training, f c² ‖U_g‖²: f is the share of texts that have
it, c its number in C. Nothing of the training rows is needed: the idf tells f, and f and idf tell the length that c was
divided by. The effect of a word w likewise is f c² (‖J E_w‖² + ‖J‖²), J = ∂Z[L]/∂S at the average text; the second term
is for the others, whose weights grow when it goes, as a row of C sums to 1, and whose sum S has a spread of 1. With
softmax outputs only differences between classes count.

With 90% of the n-grams left out, this order costs less log loss on unseen rows of IMDB and Banking77 than going by f,
by f ‖U‖, or by what n-grams do to the loss of an eighth as many validation rows, which have few of the rare ones. ‖U‖
alone does as well on IMDB and better on Banking77, but worse on SST-2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from textclf.analysis.evaluate import check_known
from textclf.errors import ModelError
from textclf.labels import label_sets, multi_hot
from textclf.metrics.bootstrap import standard_error
from textclf.metrics.multi_label import log_losses, new_tally
from textclf.metrics.single_label import losses
from textclf.model.abstention import ConfidenceRecord, record_confidence
from textclf.model.card import BeforeAfter, ExportFacts, ExportValidation
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.nn.network import LOSSES, Network
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.quantized import ByteRows, few_values
from textclf.tables import LoadedTable
from textclf.text.copies import group_copies
from textclf.text.features import Features, TextMatrix
from textclf.text.key_index import KeyIndex, short_keys
from textclf.text.tokenizer import keys_of
from textclf.training.calibration import fit_temperature
from textclf.types import Array, BoolArray, Keys, ShortKeys

_STEPS = 12  # each leaves half of the rows of the one before
_SPARE = 400  # bytes that the last digits of the figures may take


@dataclass(frozen=True)
class Shrunk:
    """The small model and what it lost on the rows given, if any were; `words` and `ngrams`: how many, of how many."""

    model: Model
    words: tuple[int, int]
    ngrams: tuple[int, int]
    change: "Change | None"


def shrink(
    model: Model, source: str, *, rows: "LabelledRows | None" = None, max_size: int | None = None,
    size_of: Callable[[Model], int] = Model.file_size,
) -> Shrunk:  # fmt: skip
    """Return the model in 8 bits, with the words and n-grams that have most effect for their bytes.

    Those are as many as `max_size` bytes hold, `size_of` saying how many a model takes; without it, of all, a half, a
    quarter … the fewest with which the loss on `rows` is less than a standard error above that of all; without `rows`,
    all. `rows` set the temperature of a model that lost some, and its record; without them it has no record, and
    promises nothing. `source`, the checksum of the model's file, is noted.

    Raises ModelError when no useful model has so few bytes.
    """
    shrinker = _Shrinker(model, source, rows, size_of)
    if max_size is not None:
        count = shrinker.most_within(max_size)
    elif rows is not None:
        count = shrinker.fewest_that_do(rows)
    else:
        count = shrinker.all
    small = shrinker.keeping(count)
    change = rows.change(model, small) if rows is not None else None
    if change is not None:
        small = _with_validation(small, change)
    return Shrunk(small, (len(small.words), len(model.words)), (len(small.U), len(model.U)), change)


def _with_validation(small: Model, change: "Change") -> Model:
    assert small.card.export is not None  # `_cut` has set it
    facts = replace(small.card.export, validation=change.figures())
    return replace(small, card=replace(small.card, export=facts))


def fold_layer(model: Model) -> Model:
    """Return the same model without its layer, where it has one only and the words' rows become no longer."""
    U = between_classes(np.asarray(model.U, np.float32), model)
    k, d = len(model.labels), model.E.shape[1]
    if len(model.network.layers) > 1 or k > d or model.features.passages > 1:
        return replace(model, U=U)
    layer = model.exact_network.layers[0]
    E = between_classes(np.asarray(model.E, np.float64) @ layer.W.T, model).astype(np.float32)
    theta = np.concatenate([np.eye(k, dtype=np.float32).ravel(), layer.b.astype(np.float32)])
    return replace(model, E=E, U=U, network=Network((k, k), model.network.activation, theta))


class _Shrinker:
    """Smaller and smaller models of one: which words and n-grams go first, and what is made of those that stay."""

    def __init__(self, model: Model, source: str, rows: "LabelledRows | None", size_of: Callable[[Model], int]) -> None:
        self.whole, self.source, self.rows, self.size_of = fold_layer(model), source, rows, size_of
        V = len(model.words)
        of_words, of_ngrams = effects(self.whole)
        lengths = np.diff(model.words.offsets)
        width, k = self.whole.E.shape[1], self.whole.U.shape[1]
        # A key of 4 bytes, a weight or idf of 1, a scale of 2; a word's letters, and 4 bytes for where they begin.
        gain = np.concatenate([of_words / (4 + 1 + 2 + width + 4 + lengths), of_ngrams / (4 + 1 + 2 + k)])
        tables = [self.whole.features.words.index, *(table.index for table in self.whole.features.ngrams)]
        parts = [slice(0, V), *(slice(V + kind.start, V + kind.stop) for kind in model.features.kinds)]
        told_apart = np.zeros(len(gain), np.bool_)  # columns beside the text are none of those that may go
        for table, part in zip(tables, parts, strict=True):
            told_apart[part] = _strongest_of_each_key(table.keys, gain[part])
        gain[~told_apart] = -1.0
        self._order = np.argsort(-gain, kind="stable")[: int((gain >= 0).sum())]
        matrix = None if rows is None else model.features.extract(rows.texts)
        self._usage = estimate_usage(self.whole) if matrix is None else measure_usage(matrix, model.features)

    @property
    def all(self) -> int:
        """How many words and n-grams there are at most."""
        return len(self._order)

    def most_within(self, max_size: int) -> int:
        """Return how many words and n-grams fit into so many bytes; raises ModelError when hardly any do."""
        fewest = min(len(self.whole.labels), self.all)
        low, high = fewest, self.all
        while low < high:
            middle = (low + high + 1) // 2
            if self._size(middle) <= max_size:
                low = middle
            else:
                high = middle - 1
        if self._size(low) > max_size:
            raise ModelError(
                f"--max-size: expected at least {self._size(fewest):,} bytes, which the labels, the network and the "
                f"description take with {fewest} words and n-grams, found {max_size:,}. Allow more."
            )
        return low

    def fewest_that_do(self, rows: "LabelledRows") -> int:
        """Return the fewest of all, a half, a quarter … that lose less than a standard error on these rows."""
        best, groups = self.all, group_copies(rows.texts)
        of_all = rows.losses(self.keeping(best))
        for step in range(1, _STEPS):
            count = max(self.all >> step, 1)
            more = rows.losses(self.keeping(count)) - of_all
            if more.mean() > standard_error(more, groups):
                break
            best = count
        return best

    def keeping(self, count: int) -> Model:
        """Return the model with the first `count` words and n-grams, calibrated anew where some are left out."""
        model = self._cut(count)
        if count == self.all:
            return model
        if self.rows is not None:
            return self.rows.calibrate(model)
        return replace(model, record=None)

    def _size(self, count: int) -> int:
        """Return the bytes of the model's file with so many words and n-grams, the figures of the rows guessed."""
        if self.rows is None:
            return self.size_of(self.keeping(count))
        model = self._cut(count)
        if count < self.all:
            model = replace(model, record=self._record_of_rows)
        return self.size_of(model) + _SPARE

    @cached_property
    def _record_of_rows(self) -> ConfidenceRecord | None:
        """A record of the rows: of whichever model, it has the same size."""
        return self.rows.calibrate(self._cut(self.all)).record if self.rows else None

    def _cut(self, count: int) -> Model:
        """Return the model in 8 bits with the first `count` words and n-grams."""
        whole, V = self.whole, len(self.whole.words)
        kept = np.zeros(V + len(whole.U), np.bool_)
        kept[self._order[:count]] = True
        words, ngrams = np.flatnonzero(kept[:V]), kept[V:]
        ngrams[whole.features.of_others] = True
        U = np.array(whole.U, np.float32)
        tables = []
        for kind, table in zip(whole.features.kinds, whole.features.ngrams, strict=True):
            of_kind = ngrams[kind]
            U[kind] *= np.sqrt(self._usage.ngrams[kind][of_kind].sum())  # lengths are roots of sums of squares
            tables.append(replace(table, index=_short(table.index, of_kind), idf=few_values(table.idf[of_kind])))
        of_words = whole.features.words
        dictionary, weights = _short(of_words.index, kept[:V]), few_values(of_words.weights[words])
        folded_in = whole.E.shape[1] == len(whole.labels)
        facts = ExportFacts("int8", self.source, folded_in, len(words), int(ngrams.sum()))
        return replace(
            whole,
            features=replace(
                whole.features, words=replace(of_words, index=dictionary, weights=weights), ngrams=tuple(tables)
            ),
            words=PackedStrings.of([whole.words[number] for number in words.tolist()]),
            E=ByteRows.of(np.asarray(whole.E)[words] * np.float32(self._usage.words[words].sum())),
            U=ByteRows.of(U[ngrams]),
            card=replace(whole.card, export=facts),
        )


def _short(dictionary: KeyIndex, kept: BoolArray) -> KeyIndex:
    """Return those keys that are kept, in 32 bits."""
    return KeyIndex(short_keys(dictionary.keys[kept]))


def _strongest_of_each_key(keys: Keys | ShortKeys, gain: Array) -> BoolArray:
    """Return which keys stay, so that their first 32 bits differ: of those that share them, the one of most gain."""
    short = short_keys(keys)
    order = np.lexsort((-gain, short))
    firsts = np.concatenate(([True], short[order][1:] != short[order][:-1]))[: len(keys)]
    stays = np.zeros(len(keys), np.bool_)
    stays[order[firsts]] = True
    return stays


# --- how much each word and n-gram moves what a model says -----------------------------------------------------------

_OCCURRENCES_A_TEXT = 30.0  # of words, where no table of n-grams tells how common they are


@dataclass(frozen=True)
class Usage:
    """What a text has of each row of E and U on average.

    `words`, shape (V,): their numbers in C by words, the sum over all being 1. `ngrams`, shape (N,): the squares of
    theirs in C by n-grams, the sum over those of one kind being 1. Columns beside the text are no n-grams.
    """

    words: Array
    ngrams: Array


def measure_usage(matrix: TextMatrix, features: Features) -> Usage:
    """Return what these texts have of each row."""
    V = len(features.words.index)
    words = np.bincount(matrix.words.columns % V, weights=matrix.words.data, minlength=V)
    ngrams = matrix.ngrams.double().squares(np.ones((len(matrix), 1)))[:, 0]
    return _scale(words.astype(np.float64), ngrams, features)


def effects(model: Model) -> tuple[Array, Array]:
    """Return the effect of each word, shape (V,), and of each n-gram, shape (N,)."""
    features = model.features
    shares = _shares_of_words(features, model.words)
    expected = _scale(shares * features.words.weights, _squares_a_text(features), features)
    d, k = model.network.sizes[0], model.network.sizes[-1]
    J = model.exact_network.backward(np.eye(k), model.exact_network.forward(np.zeros((k, d)))).dX
    J, U = between_classes(J.T, model).T, between_classes(np.asarray(model.U, np.float64), model)
    of_passages = np.concatenate(np.split(J, features.passages, axis=1))  # a word may stand in each
    moved = ((np.asarray(model.E, np.float64) @ of_passages.T) ** 2).sum(axis=1) + (J**2).sum()
    words = expected.words**2 / np.maximum(shares, 1e-300) * moved
    return words, expected.ngrams * (U**2).sum(axis=1)


def estimate_usage(model: Model) -> Usage:
    """Return what a text of training had of each row, as far as the model tells."""
    features = model.features
    words = _shares_of_words(features, model.words) * features.words.weights
    return _scale(words, _squares_a_text(features), features)


def _squares_a_text(features: Features) -> Array:
    """Return what a text of training has of the square of each n-gram's number in C, but for the texts' lengths."""
    squares = np.zeros(features.height)
    for kind, table in zip(features.kinds, features.ngrams, strict=True):
        number = table.idf.astype(np.float64) ** (2 if table.kind == "chars" else 1)
        squares[kind] = np.exp(1.0 - table.idf) * number**2  # idf = log((1 + n) / (1 + df)) + 1
    return squares


def between_classes(rows: Array, model: Model) -> Array:
    """Return rows (n, k) without what they add to every class alike, which a softmax does not see."""
    if model.output != "softmax":
        return rows
    apart: Array = rows - rows.mean(axis=1, keepdims=True)
    return apart


def _shares_of_words(features: Features, words: PackedStrings) -> npt.NDArray[np.float64]:
    """Return how large a share of the training texts has each word, shape (V,), as far as the model tells."""
    for table in features.ngrams:
        if table.kind == "words" and table.shortest == 1 and len(table.idf):
            rows = table.index.rows(keys_of([word.lower() for word in words]))
            rarer = 0.5 * float(np.exp(1.0 - table.idf.max()))  # than any n-gram that is kept
            return np.where(rows >= 0, np.exp(1.0 - table.idf[rows]), rarer).astype(np.float64)
    return np.full(len(words), _OCCURRENCES_A_TEXT / max(len(words), 1))


def _scale(words: Array, ngrams: Array, features: Features) -> Usage:
    of_kinds = ngrams.astype(np.float64)
    for kind in features.kinds:
        of_kinds[kind] /= max(of_kinds[kind].sum(), 1e-300)
    return Usage(words / max(words.sum(), 1e-300), of_kinds)


# --- what a smaller model loses, on labelled rows that it was not trained on -----------------------------------------


@dataclass(frozen=True)
class Change:
    """What became of a model's figures on n rows: accuracy, or micro-F1 of a multi-label one, and the mean log loss.

    `largest`: by how much a probability changed at most.
    """

    n: int
    name: str
    before: float
    after: float
    log_loss_before: float
    log_loss_after: float
    largest: float

    def figures(self) -> ExportValidation:
        """Return what the smaller model's card keeps."""
        named = {self.name: BeforeAfter(self.before, self.after)}
        return ExportValidation(self.n, BeforeAfter(self.log_loss_before, self.log_loss_after), self.largest, **named)


@dataclass(frozen=True)
class LabelledRows:
    """Texts and their truth Y, shape (n, k)."""

    texts: Sequence[str]
    Y: Array
    threads: int = 1

    @staticmethod
    def of(examples: LoadedTable, model: Model, threads: int) -> "LabelledRows":
        """Return the rows of a table; raises DataError at a label that the model does not have."""
        sets = label_sets(examples.labels, multi_label=model.is_multi_label)
        check_known(examples.name, examples.rows, sets, model.labels)
        return LabelledRows(examples.texts, multi_hot(sets, model.labels), threads)

    def predict(self, model: Model) -> Predictions:
        """Return what a model says of these texts."""
        return model.predict(self.texts, threads=self.threads)

    def losses(self, model: Model) -> Array:
        """Return the loss of each row, shape (n,)."""
        P = self.predict(model).P
        return log_losses(self.Y, P).sum(axis=1) if model.is_multi_label else losses(self.Y.argmax(axis=1), P)

    def calibrate(self, model: Model) -> Model:
        """Return the model with the temperature that suits these rows, and the record of what it says of them."""
        matrix = model.features.extract(self.texts)
        Z = model.logits(matrix, threads=self.threads)
        if model.card.settings is None or model.card.settings.calibrate:
            loss = LOSSES["cross-entropy", model.output]
            temperature, _ = fit_temperature(Z, self.Y, np.ones(len(self.Y)), loss)
            model = replace(model, temperature=temperature)
        if model.is_multi_label:
            return model
        P = model.probabilities_of(Z)
        classes, groups = model.decision.choose(P), group_copies(self.texts)
        record = record_confidence(P, self.Y.argmax(axis=1), classes, matrix.known_shares, groups)
        return replace(model, record=record)

    def change(self, model: Model, smaller: Model) -> Change:
        """Return what became of the figures."""
        figures, probabilities = [], []
        name = "micro_f1" if model.is_multi_label else "accuracy"
        for each in (model, smaller):
            predictions, tally = self.predict(each), new_tally(each.labels, each.thresholds)
            counts = {"words": predictions.tokens, "known": predictions.known}
            tally.add_rows(self.Y, predictions.P, given=predictions.given, **counts)
            figures.append(tally.evaluation().summary())
            probabilities.append(predictions.P)
        before, after = figures
        largest = float(np.abs(probabilities[1] - probabilities[0]).max())
        return Change(
            len(self.texts), name, before[name], after[name], before["log_loss"], after["log_loss"], largest
        )  # fmt: skip
