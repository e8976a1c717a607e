"""A trained model: texts in, probabilities out; and its file.

P = output(Z[L]), where Z[L] = W[L] A[L-1] + b[L] + C U is the network's last weighted sum over the sentence feature
S = C E, plus what the n-grams say by themselves. Nothing here changes after training.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np

from textclf.errors import DataError, ModelError, TrainingError
from textclf.labels import LabelSet, join_labels, order_labels
from textclf.model.abstention import ConfidenceRecord
from textclf.model.card import AtMost, Bounds, ModelCard, Scaling, plain, read_as
from textclf.model.decision import LIKELIEST, Decision, DecisionSettings
from textclf.model.drift import CELLS, Drift, Profile, measure_drift, quantities
from textclf.model.file import FORMAT, PLAIN, Arrays, FileFacts, ModelFile, model_bytes, read_model, write_model
from textclf.model.kept_examples import KeptExamples
from textclf.model.prediction import Prediction, Predictions
from textclf.nn.network import ACTIVATIONS, OUTPUTS, Network, parameter_count
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.quantized import ByteRows, row_arrays, value_arrays
from textclf.storage.row_columns import LARGEST_NUMBER, MOST_CATEGORIES, MOST_TEXTS, ONE_TEXT, RowColumns
from textclf.text.csr import average
from textclf.text.features import Features, TextMatrix, WordTable
from textclf.text.key_index import KeyIndex
from textclf.text.ngrams import NgramTable
from textclf.text.other_columns import FURTHEST, NO_OTHERS, CategoryColumn, NumberColumn, OtherColumns
from textclf.text.subwords import KnownPieces
from textclf.text.tokenizer import NAME as TOKENIZER
from textclf.types import Array, BoolArray, Integers

_MANY_TEXTS = 256  # from here on it pays to make wider arrays once
_MOST_OF_WORDS = 1 << 24  # numbers of E Wᵀ in float64: of more classes it would fill the memory


@dataclass(frozen=True)
class Model:
    """Features, the vectors E, the n-grams' rows U, the network and the labels.

    `words`: the words of E's rows. `E`: shape (V, d). `U`: shape (number of n-grams, k). Both may be kept in bytes.
    `card`: settings, history, provenance (see `card`).
    `temperature`: what Z[L] is divided by before the output function, see `calibration`.
    `record`: the held-out confidence record, for promises (see `abstention`); None without validation rows.
    `thresholds`, shape (k,): a text gets each label whose probability reaches its threshold; None in a model that gives
    each text its likeliest label.
    `reference`: the profile of the training texts (see `drift`); None in models that were made before it was kept.
    `examples`: typical texts of each label; None unless they were asked for.
    """

    labels: tuple[str, ...]
    features: Features
    words: PackedStrings
    E: Array | ByteRows
    U: Array | ByteRows
    network: Network
    output: str
    card: ModelCard = field(default_factory=ModelCard)
    temperature: float = 1.0
    record: ConfidenceRecord | None = None
    thresholds: Array | None = None
    reference: Profile | None = None
    examples: KeptExamples | None = None

    @property
    def is_in_bytes(self) -> bool:
        """Whether E and U are kept as numbers of 8 bits."""
        return isinstance(self.E, ByteRows) and isinstance(self.U, ByteRows)

    @property
    def is_multi_label(self) -> bool:
        """Whether a text may get several labels or none."""
        return self.thresholds is not None

    def predict(self, texts: Sequence[str], decision: Decision | None = None, *, threads: int = 1) -> Predictions:
        """Return the probabilities of every label for each text; labels come from a rule, the model's own if None."""
        # Words that are known need no spelling out, but making their rows takes as long as labelling many texts.
        known = self._known_pieces if self._pays_by_word(len(texts)) else None
        matrix = self.features.extract(texts, known=known)
        Z = self.logits(matrix, threads=threads)
        rule = self.decision if decision is None else decision
        return Predictions(self.probabilities_of(Z), matrix.tokens, matrix.known, matrix.known_shares, rule, Z)

    @cached_property
    def decision(self) -> Decision:
        """The rule that labels come from unless another is asked for."""
        if self.thresholds is not None:
            return Decision(each_from=self.thresholds)
        if self._ordinal and self.values is not None:
            return Decision(ranks=self.values.argsort().argsort())
        return LIKELIEST

    @cached_property
    def values(self) -> Array | None:
        """The labels as numbers or as places in their order, shape (k,); None where they have no order."""
        return None if self.is_multi_label else order_labels(self.labels, self._ordinal)

    @property
    def _ordinal(self) -> bool | tuple[str, ...]:
        return False if self.card.settings is None else self.card.settings.ordinal

    def decide(self, settings: DecisionSettings) -> Decision:
        """Return the rule that a user asks for; raises ModelError where the model cannot follow it."""
        if settings.purpose is not None:
            self.require_one_label(settings.purpose)
        return settings.make(self.labels, self.decision, self.record)

    def require_one_text(self, purpose: str) -> None:
        """Raise ModelError when the model reads several columns, which `purpose` cannot deal with."""
        columns = self.features.columns
        if not columns.is_plain:
            raise ModelError(
                f"{purpose}: expected a model that reads one text, found one that reads {', '.join(columns.names)}."
                " Name another."
            )

    def profile(self) -> Profile:
        """Return a profile without texts, of the quantities that this model compares."""
        return Profile(quantities([table.kind for table in self.features.ngrams]))

    def drift(self, found: Profile, independent: float = 1.0) -> Drift | None:
        """Return how these texts compare with those of training; None when the model does not know what those were.

        `independent`: the share of the texts that a test counts, because copies of a text count about once.
        """
        return None if self.reference is None else measure_drift(self.reference, found, independent)

    def require_one_label(self, purpose: str) -> None:
        """Raise ModelError when the model gives several labels, which `purpose` cannot deal with."""
        if self.is_multi_label:
            raise ModelError(f"{purpose}: expected a model of one label a text, found a multi-label one. Name another.")

    def answer_from(self, target: float) -> Array:
        """Return the confidence from which on each label is right `target` of the time, shape (k,); inf for never.

        Raises ModelError as `decide` does.
        """
        found = self.decide(DecisionSettings(target_precision=target)).answer_from
        assert found is not None
        return found

    def predict_stream(
        self, batches: Iterable[Sequence[str]], decision: Decision | None = None
    ) -> Iterator[Prediction]:
        """Give the prediction of each text of each batch, in order, as the batches come."""
        for texts in batches:
            yield from self.each(texts, self.predict(texts, decision))

    def each(self, texts: Sequence[str], predictions: Predictions) -> Iterator[Prediction]:
        """Give the predictions of these texts one by one."""
        may_abstain = predictions.decision.may_abstain
        abstained = (~predictions.answered).tolist() if may_abstain else [None] * len(texts)
        sets = self.label_sets(predictions.given)
        rows = zip(
            texts,
            sets,
            predictions.confidence.tolist(),
            predictions.P.tolist(),
            predictions.known.tolist(),
            abstained,
            strict=True,
        )
        for text, labels, confidence, row, known, is_silent in rows:
            several = labels if self.is_multi_label else None
            probabilities = dict(zip(self.labels, row, strict=True))
            shown = self.features.columns.show(text)
            yield Prediction(shown, self.cell(labels), confidence, probabilities, known, several, is_silent)

    def label_sets(self, given: BoolArray) -> list[LabelSet]:
        """Return the labels of each row of `given`, shape (n, k), in the model's order."""
        labels = [self.labels[j] for j in np.nonzero(given)[1].tolist()]
        ends = np.cumsum(given.sum(axis=1)).tolist()
        return [tuple(labels[start:stop]) for start, stop in zip([0, *ends], ends, strict=False)]

    def cells(self, predictions: Predictions) -> list[str]:
        """Return the cell of each text's labels."""
        if not self.is_multi_label:
            return [self.labels[j] for j in predictions.classes.tolist()]
        return [self.cell(labels) for labels in self.label_sets(predictions.given)]

    def cell(self, labels: LabelSet) -> str:
        """Return a row's labels as one cell of a table: joined, or the label as it is where there is one a text."""
        return join_labels(labels) if self.is_multi_label else labels[0]

    def probabilities_of(self, Z: Array) -> Array:
        """Return the probabilities, shape (n, k), of weighted sums Z[L]."""
        P = OUTPUTS[self.output](Z / self.temperature)
        if not self.is_multi_label:
            P /= P.sum(axis=1, keepdims=True)  # one label a text: sigmoid outputs are shares of it
        return P

    def scaled(self, scaling: Scaling) -> "Model":
        """Return the model whose weighted sums Z[L] are what the scaling makes of this one's: W, b and U are scaled."""
        network = Network(self.network.sizes, self.network.activation, self.network.theta.copy())
        W, b = network.layers[-1].W, network.layers[-1].b
        W[:] = W * np.array(scaling.factors)[:, None]
        b[:] = scaling.apply(b)
        U = (self.U * np.array(scaling.factors)).astype(self.U.dtype)
        return replace(self, network=network, U=U, card=replace(self.card, scaling=scaling))

    def uncalibrated(self, Z: Array) -> Array:
        """Return the probabilities, shape (n, k), that weighted sums Z[L] would give without any calibration."""
        scaling = self.card.scaling
        return replace(self, temperature=1.0).probabilities_of(Z if scaling is None else scaling.undo(Z))

    def logits(self, matrix: TextMatrix, *, threads: int = 1) -> Array:
        """Return Z[L], shape (n, k), in float64, for features already extracted."""
        if self._pays_by_word(len(matrix)) and len(self.network.layers) == 1 and self.features.passages == 1:
            words = matrix.words.double().times(self._double_EW, threads=threads)
            return self._logits_of(words, matrix.ngrams.double().times(self._double_U, threads=threads))
        S, wide = self.sums(matrix, threads=threads)
        return self.exact_network.forward(S, wide=wide).Z[-1]

    def _pays_by_word(self, texts: int) -> bool:
        """Return whether k numbers for each word of E, worked out once, serve so many texts."""
        return texts >= _MANY_TEXTS and len(self.E) * len(self.labels) <= _MOST_OF_WORDS

    def _logits_of(self, words: Array, wide: Array) -> Array:
        """Return Z[L] from C E Wᵀ or, of a network with hidden layers, C E; and from what the n-grams add."""
        if len(self.network.layers) > 1:
            return self.exact_network.forward(words, wide=wide).Z[-1]
        Z: Array = words + self.exact_network.layers[0].b  # (C E) Wᵀ = C (E Wᵀ): k numbers a word, not d
        Z += wide
        return Z

    def sums(self, matrix: TextMatrix, *, threads: int = 1) -> tuple[Array, Array]:
        """Return S = C E, shape (n, d), and what the n-grams add to Z[L], shape (n, k), in float64."""
        S = average(matrix.words.double(), self.E, threads=threads)
        return S, matrix.ngrams.double().times(self.U, threads=threads)

    def classes_of(self, labels: Sequence[str]) -> Integers:
        """Return the class number of each label, -1 for one that training did not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(label, -1) for label in labels], np.int64)

    def save(self, path: Path) -> str:
        """Write the model file, whole or not at all, and return its SHA-256; raises ModelError where `load` would."""
        version = FORMAT if self.is_in_bytes else PLAIN
        return write_model(path, *self.content(), version=version, check=_from_file)

    def file_size(self) -> int:
        """Return how many bytes the model's file would have."""
        return sum(map(len, model_bytes(*self.content())[0]))

    def digest(self) -> str:
        """Return the SHA-256 that the model's file would have."""
        return model_bytes(*self.content())[1]

    def content(self) -> tuple[Arrays, dict[str, object]]:
        """Return the arrays and the description that the model's file has."""
        small = self.is_in_bytes
        arrays = {
            **PackedStrings.of(self.labels).arrays("labels"),
            **self.words.arrays("words", np.int32 if small else np.int64),
            "words.keys": self.features.words.index.keys,
            **value_arrays("words.weights", self.features.words.weights, small=small),
            **row_arrays("E", self.E),
            **row_arrays("U", self.U),
            "network": self.network.theta,
        }
        if self.record is not None:
            arrays |= self.record.arrays()
        for table in self.features.ngrams:
            arrays[f"{table.kind}.ngrams"] = table.index.keys
            arrays |= value_arrays(f"{table.kind}.idf", table.idf, small=small)
            if table.kind == "patterns":
                arrays["patterns.common"] = table.common.keys
        if self.thresholds is not None:
            arrays["thresholds"] = self.thresholds
        if self.reference is not None:
            arrays["usual.counts"] = self.reference.counts.astype(np.int32)
        if self.examples is not None:
            arrays |= self.examples.arrays()
        structure = {
            "tokenizer": TOKENIZER,
            "cased": self.features.words.cased,
            "ngrams": [[table.kind, table.shortest, table.longest] for table in self.features.ngrams],
            "sizes": list(self.network.sizes),
            "activation": self.network.activation.name,
            "output": self.output,
            "temperature": self.temperature,
            **_columns_structure(self.features),
        }
        for i, column in enumerate(self.features.others.categories):
            arrays |= PackedStrings.of(column.values).arrays(f"categories.{i}")
        return arrays, {"model": structure, **self.card.as_dict()}

    @staticmethod
    def load(path: Path) -> "Model":
        """Read a model file; raises ModelError when it is not one, is damaged, or was made by a newer version.

        It lies in memory, so that writing over the file, even in place, changes no model that is in use.
        """
        return Model.load_with_facts(path)[0]

    @staticmethod
    def load_with_facts(path: Path) -> "tuple[Model, FileFacts]":
        """Read a model file as `load` does; return also what the file was, as another may have its name soon."""
        file = read_model(path, mapped=False)
        return _from_file(file), file.facts

    @cached_property
    def _known_pieces(self) -> KnownPieces | None:
        """What the words of E's rows add by their sub-words; None where there are none."""
        return self.features.known_pieces(self.words, self.U)

    @cached_property
    def _double_U(self) -> Array:
        """U in float64: scipy would widen all its rows again for each batch."""
        return self.U.astype(np.float64)

    @cached_property
    def _double_EW(self) -> Array:
        """E Wᵀ of a network without hidden layers, shape (V, k), in float64."""
        W = self.exact_network.layers[0].W
        parts = (self.E[start : start + _ROWS_AT_ONCE] for start in range(0, len(self.E), _ROWS_AT_ONCE))
        return np.concatenate([part.astype(np.float64) @ W.T for part in parts])

    @cached_property
    def exact_network(self) -> Network:
        """The network in float64."""
        return Network(self.network.sizes, self.network.activation, self.network.theta.astype(np.float64))


# --- from a file: nothing of it is believed ---------------------------------------------------------------------------

_ROWS_AT_ONCE = 1 << 12  # of E in float64, which is eight times what its bytes are
_LARGEST_SUM = 1e150  # beyond it products of weighted sums could be infinite in float64
_PARAMETERS = Bounds(-1e30, 1e30)  # and sums of them in float32
NgramKindName = Literal["words", "patterns", "chars"]
LayerSize = Annotated[int, Bounds(1, 2**31)]
NgramLength = Annotated[int, Bounds(1, 32)]
_WEIGHTS = Bounds(1e-6, 1e6)  # of words and n-grams: none is 0, as they are divided by their sums


@dataclass(frozen=True)
class Structure:
    """What a model file's description says of the arrays: how texts are cut, and the network's shape."""

    tokenizer: str
    cased: bool
    ngrams: Annotated[tuple[tuple[NgramKindName, NgramLength, NgramLength], ...], AtMost(3)]
    sizes: tuple[LayerSize, ...]
    activation: str
    output: Literal["softmax", "sigmoid"]
    temperature: Annotated[float, Bounds(1e-3, 1e3)]
    columns: "ColumnStructure | None" = None


@dataclass(frozen=True)
class NumberStructure:
    """A column of numbers as a file describes it: see `NumberColumn`."""

    name: str
    mean: Annotated[float, Bounds(-LARGEST_NUMBER, LARGEST_NUMBER)]
    spread: Annotated[float, Bounds(1e-200, LARGEST_NUMBER)]
    has_missing: bool = False


@dataclass(frozen=True)
class ColumnStructure:
    """The columns of a row as a file describes them; the values of categories are arrays."""

    texts: Annotated[tuple[str, ...], AtMost(MOST_TEXTS)]
    is_apart: bool = False
    categories: Annotated[tuple[str, ...], AtMost(MOST_CATEGORIES)] = ()
    numbers: tuple[NumberStructure, ...] = ()


def _from_file(file: ModelFile) -> Model:
    """Return the model that a file holds; raises ModelError, naming the part, when it holds none."""
    try:
        structure = read_as(Structure, file.description.get("model"), "model")
        card = read_as(ModelCard, file.description)
    except ValueError as error:
        raise file.unlike(str(error)) from None
    _check_structure(file, structure)
    k, kinds = structure.sizes[-1], [kind for kind, _, _ in structure.ngrams]
    thresholds = read_thresholds(file, k, structure.output)
    labels = _read_labels(file, k, at_least=2 if thresholds is None else 1)
    words = file.strings("words")
    columns = structure.columns
    passages = len(columns.texts) if columns is not None and columns.is_apart else 1
    V, d = len(words), structure.sizes[0] // passages
    tables = tuple(read_ngram_table(file, *entry) for entry in structure.ngrams)
    weights = file.numbers("words.weights", V, _WEIGHTS)
    word_table = WordTable(read_dictionary(file, "words.keys", V), weights, structure.cased)
    if card.scaling is not None and {len(card.scaling.factors), len(card.scaling.biases)} != {k}:
        raise file.unlike(f"scaling: expected a factor and a bias for each of {k} labels, found another number")
    if card.regularization is not None and len(card.regularization.ngram_scales) != len(tables):
        found = len(card.regularization.ngram_scales)
        raise file.unlike(f"regularization.ngram_scales: expected {len(tables)} numbers, found {found}")
    features = Features(word_table, tables, *_read_columns(file, structure.columns))
    E, U = file.rows("E", V, d, _PARAMETERS), file.rows("U", features.height, k, _PARAMETERS)
    theta = file.array("network", "F32", parameter_count(structure.sizes), bounds=_PARAMETERS)
    model = Model(
        labels,
        features,
        words,
        E,
        U,
        Network(structure.sizes, ACTIVATIONS[structure.activation], theta),
        structure.output,
        card,
        structure.temperature,
        read_record(file, k, len(tables)),
        thresholds,
        read_reference(file, kinds),
        read_kept_examples(file, k),
    )
    try:
        _ = model.values
    except TrainingError as error:
        raise file.unlike(f"settings.{str(error).rstrip('.')}") from None
    if not largest_sum(model) < _LARGEST_SUM:
        raise file.unlike("network: expected weights whose sums stay finite, found larger ones")
    return model


def _check_structure(file: ModelFile, structure: Structure) -> None:
    """Raise ModelError when what the description says of the arrays cannot be true of any."""
    if structure.tokenizer != TOKENIZER:
        raise ModelError(f"{file.path}: expected the tokenizer {TOKENIZER!r}, found {structure.tokenizer[:40]!r}.")
    if structure.activation not in ACTIVATIONS:
        expected = ", ".join(ACTIVATIONS)
        raise file.unlike(f"model.activation: expected one of {expected}, found {structure.activation[:40]!r}")
    columns = structure.columns
    if columns is not None and columns.is_apart and (not columns.texts or structure.sizes[0] % len(columns.texts)):
        raise file.unlike("model.sizes: expected as many inputs for each text column, found others")
    if len(structure.sizes) < 2:
        raise file.unlike(f"model.sizes: expected two layers or more, found {len(structure.sizes)}")
    kinds = [kind for kind, _, _ in structure.ngrams]
    if kinds != [kind for kind in get_args(NgramKindName) if kind in kinds]:
        raise file.unlike(
            "model.ngrams: expected words, patterns, chars, each once at most, in this order, found others"
        )
    for i, (_, shortest, longest) in enumerate(structure.ngrams):
        if shortest > longest:
            raise file.unlike(f"model.ngrams[{i}]: expected the shortest length first, found {shortest}, {longest}")


def _read_labels(file: ModelFile, k: int, *, at_least: int) -> tuple[str, ...]:
    stored = file.strings("labels")
    if len(stored) != k or k < at_least:
        raise file.unlike(f"labels: expected {max(k, at_least)}, as the network has outputs, found {len(stored)}")
    labels = tuple(stored)
    if "" in labels or len(set(labels)) < k:
        raise file.unlike("labels: expected different ones that are not empty, found others")
    return labels


def _columns_structure(features: Features) -> dict[str, Any]:
    """Return what a description says of columns: nothing where a row is one text called `text`."""
    columns, others = features.columns, features.others
    if columns == ONE_TEXT:
        return {}
    numbers = tuple(NumberStructure(**vars(column)) for column in others.numbers)
    return {"columns": plain(ColumnStructure(columns.texts, features.is_apart, columns.categories, numbers))}


def _read_columns(file: ModelFile, structure: ColumnStructure | None) -> tuple[RowColumns, OtherColumns, bool]:
    """Return the columns of rows, what is known of those beside the texts, and whether texts are kept apart."""
    if structure is None:
        return ONE_TEXT, NO_OTHERS, False
    try:
        columns = RowColumns(structure.texts, structure.categories, tuple(number.name for number in structure.numbers))
    except DataError as error:
        raise file.unlike(f"model.columns: {str(error).rstrip('.')}") from None
    if not columns.texts:
        raise file.unlike("model.columns.texts: expected a column, found none")
    categories = []
    for i, name in enumerate(structure.categories):
        values = tuple(file.strings(f"categories.{i}"))
        if list(values) != sorted(set(values)):
            raise file.unlike(f"categories.{i}: expected different values in rising order, found others")
        categories.append(CategoryColumn(name, values))
    numbers = tuple(NumberColumn(**vars(number)) for number in structure.numbers)
    return columns, OtherColumns(tuple(categories), numbers), structure.is_apart


def largest_sum(model: Model) -> float:
    """Return what no weighted sum of the network can exceed, whatever the row; rows of C are of length 1 at most.

    No entry of D is above `FURTHEST`.
    """
    largest = _magnitude(model.E)
    for layer in model.network.layers:
        largest = largest * layer.W.shape[1] * _magnitude(layer.W) + _magnitude(layer.b)
    furthest = FURTHEST if model.features.others.width else 1.0
    return largest + len(model.U) * furthest * _magnitude(model.U)


def _magnitude(numbers: Array | ByteRows) -> float:
    if isinstance(numbers, ByteRows):
        return 128.0 * float(numbers.scales.max(initial=0.0))
    return max(float(numbers.max(initial=0.0)), -float(numbers.min(initial=0.0)))


def read_reference(file: ModelFile, kinds: Sequence[str]) -> Profile | None:
    """Return the profile of the training texts; None in an older file."""
    if "usual.counts" not in file.arrays:
        return None
    profile = Profile(quantities(kinds))
    counts = file.array("usual.counts", "I32", len(profile.quantities), CELLS)
    if (counts < 0).any():
        raise file.unlike("usual.counts: expected counts, found some below 0")
    return Profile(profile.quantities, counts.astype(np.int64))


def read_kept_examples(file: ModelFile, k: int) -> KeptExamples | None:
    """Return the texts that a model of k labels keeps; None where it keeps none."""
    if "examples" not in file.arrays:
        return None
    texts = file.strings("examples")
    return KeptExamples(texts, file.array("examples.classes", "I32", len(texts), bounds=Bounds(0, k - 1)))


def read_record(file: ModelFile, k: int, kinds: int) -> ConfidenceRecord | None:
    """Return the held-out confidence record of a model of k classes; None where there was none."""
    if "record.confidence" not in file.arrays:
        return None
    confidence = file.array("record.confidence", "F32", None, bounds=Bounds(0.0, 1.0))
    classes = file.array("record.classes", "I32", len(confidence), bounds=Bounds(0, k - 1))
    right = file.array("record.right", "U8", len(confidence), bounds=Bounds(0, 1))
    least = file.array("record.least_familiar", "F32", kinds, bounds=Bounds(0.0, 1.0))
    copies = None
    if "record.copies" in file.arrays:
        copies = file.array("record.copies", "I32", len(confidence), bounds=Bounds(1, max(len(confidence), 1)))
    return ConfidenceRecord(confidence, classes, right > 0, least, copies)


def read_thresholds(file: ModelFile, k: int, output: str) -> Array | None:
    """Return the thresholds of a multi-label model, which has sigmoids; None for another."""
    if "thresholds" not in file.arrays:
        return None
    if output != "sigmoid":
        raise file.unlike(f"model.output: expected sigmoid, as there are thresholds, found {output}")
    return file.array("thresholds", "F32", k, bounds=Bounds(0.0, 1.0))


def read_ngram_table(file: ModelFile, kind: NgramKindName, shortest: int, longest: int) -> NgramTable:
    """Return the table of one kind of n-grams."""
    dictionary = read_dictionary(file, f"{kind}.ngrams", None)
    idf = file.numbers(f"{kind}.idf", len(dictionary), _WEIGHTS)
    if kind != "patterns":
        return NgramTable(kind, shortest, longest, dictionary, idf)
    return NgramTable(kind, shortest, longest, dictionary, idf, read_dictionary(file, "patterns.common", None))


def read_dictionary(file: ModelFile, name: str, length: int | None) -> KeyIndex:
    """Return the keys stored under a name, `length` of them if that is known; raises ModelError when out of order."""
    keys = file.array(name, "U64|U32", length)
    if (keys[1:] <= keys[:-1]).any():
        raise file.unlike(f"{name}: expected keys in rising order, found others")
    return KeyIndex(keys)
