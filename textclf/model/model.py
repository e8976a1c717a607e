"""A trained model: texts in, probabilities out; and its file.

P = output(Z[L]), where Z[L] = W[L] A[L-1] + b[L] + C U is the network's last weighted sum over the sentence feature
S = C E, plus what the n-grams say by themselves. Nothing here changes after training.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import ModelError
from textclf.labels import LabelSet, join_labels
from textclf.metrics.multi_label import Decisions
from textclf.model.abstention import TrackRecord
from textclf.model.calibration import Scaling
from textclf.model.drift import Drift, Profile, compared, quantities
from textclf.model.file import FORMAT, PLAIN, Arrays, ModelFile, model_bytes, read_model, write_model
from textclf.model.parts import dictionary_of, ngram_table_of, record_of, thresholds_of, usual_of
from textclf.model.prediction import Prediction, Predictions
from textclf.nn.network import ACTIVATIONS, OUTPUTS, Network, parameter_count
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.quantized import ByteRows, row_arrays, value_arrays
from textclf.text.features import Features, TextMatrix, WordTable
from textclf.text.tokenizer import NAME as TOKENIZER
from textclf.types import Array, Integers

_MANY_TEXTS = 256  # from here on it pays to make wider arrays once


@dataclass(frozen=True)
class Model:
    """Features, the vectors E, the n-grams' rows U, the network and the labels.

    `words`: the words of E's rows. `E`: shape (V, d). `U`: shape (number of n-grams, k). Both may be kept in bytes.
    `description`: settings, history, provenance; plain values, as stored in the file.
    `temperature`: what Z[L] is divided by before the output function, see `calibration`.
    `record`: what the model said of validation rows, for promises (see `abstention`); None when there were none.
    `thresholds`, shape (k,): a text gets each label whose probability reaches its threshold; None in a model that gives
    each text its likeliest label.
    `usual`: what the texts of training are like (see `drift`); None in models that were made before it was kept.
    """

    labels: tuple[str, ...]
    features: Features
    words: PackedStrings
    E: Array | ByteRows
    U: Array | ByteRows
    network: Network
    output: str
    description: dict[str, Any]
    temperature: float = 1.0
    record: TrackRecord | None = None
    thresholds: Array | None = None
    usual: Profile | None = None

    @property
    def is_in_bytes(self) -> bool:
        """Whether E and U are kept as numbers of 8 bits."""
        return isinstance(self.E, ByteRows) and isinstance(self.U, ByteRows)

    @property
    def is_multi_label(self) -> bool:
        """Whether a text may get several labels or none."""
        return self.thresholds is not None

    def predict(self, texts: Sequence[str], *, threads: int = 1) -> Predictions:
        """Return the probabilities of every label for each text."""
        matrix = self.features.extract(texts)
        Z = self.logits(matrix, threads=threads)
        return Predictions(self.probabilities_of(Z), matrix.tokens, matrix.known, matrix.familiar, self.thresholds, Z)

    def answer_from(self, target: float) -> Array:
        """Return the confidence from which on each label is right `target` of the time, shape (k,); inf for never.

        Raises ModelError when the model was trained without validation rows, so that nothing can be promised, and when
        it gives several labels.
        """
        self.require_one_label("target precision")
        if self.record is None:
            raise ModelError("target precision: expected a model with validation rows, found one without. Train again.")
        return self.record.thresholds(target, len(self.labels))

    def require_one_label(self, purpose: str) -> None:
        """Raise ModelError when the model gives several labels, which `purpose` cannot deal with."""
        if self.is_multi_label:
            raise ModelError(f"{purpose}: expected a model of one label a text, found a multi-label one. Name another.")

    def answered(self, predictions: Predictions, answer_from: Array) -> npt.NDArray[np.bool_]:
        """Return which texts get an answer, shape (n,): confident enough, not all unknown, like those of training."""
        enough = predictions.confidence >= answer_from[predictions.classes]
        alike = (predictions.familiar >= self.record.least_familiar).all(axis=1) if self.record is not None else True
        # With vectors of another language n-grams may be all that is known of a text.
        anything_known = (predictions.known > 0) | (predictions.familiar > 0).any(axis=1)
        return enough & anything_known & alike

    def profile(self) -> Profile:
        """Return a profile without texts, of the quantities that this model compares."""
        return Profile(quantities([table.kind for table in self.features.ngrams]))

    def drift(self, found: Profile) -> Drift | None:
        """Return how these texts compare with those of training; None when the model does not know what those were."""
        return None if self.usual is None else compared(self.usual, found)

    def predict_stream(
        self, batches: Iterable[Sequence[str]], answer_from: Array | None = None
    ) -> Iterator[Prediction]:
        """Give the prediction of each text of each batch, in order, as the batches come."""
        for texts in batches:
            yield from self.each(texts, self.predict(texts), answer_from)

    def each(
        self, texts: Sequence[str], predictions: Predictions, answer_from: Array | None = None
    ) -> Iterator[Prediction]:
        """Give the predictions of these texts one by one; with `answer_from`, shape (k,), whether it abstains."""
        given = [None] * len(texts) if answer_from is None else (~self.answered(predictions, answer_from)).tolist()
        sets = self.label_sets(predictions.given)
        rows = zip(
            texts,
            sets,
            predictions.confidence.tolist(),
            predictions.P.tolist(),
            predictions.known.tolist(),
            given,
            strict=True,
        )
        for text, labels, confidence, row, known, abstained in rows:
            several = labels if self.is_multi_label else None
            probabilities = dict(zip(self.labels, row, strict=True))
            yield Prediction(text, self.cell(labels), confidence, probabilities, known, several, abstained)

    def label_sets(self, given: Decisions) -> list[LabelSet]:
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

    @property
    def scaling(self) -> Scaling | None:
        """The vector scaling that is part of the last layer and of U (see `calibration`); None when there is none."""
        values = self.description.get("scaling")
        return None if values is None else Scaling.from_dict(values, len(self.labels))

    def scaled(self, scaling: Scaling) -> "Model":
        """Return the model whose weighted sums Z[L] are what the scaling makes of this one's: W, b and U are scaled."""
        network = Network(self.network.sizes, self.network.activation, self.network.theta.copy())
        W, b = network.layers[-1].W, network.layers[-1].b
        W[:] = W * scaling.factors[:, None]
        b[:] = scaling.applied(b)
        U = (self.U * scaling.factors).astype(self.U.dtype)
        return replace(self, network=network, U=U, description={**self.description, "scaling": scaling.as_dict()})

    def uncalibrated(self, Z: Array) -> Array:
        """Return the probabilities, shape (n, k), that weighted sums Z[L] would give without any calibration."""
        scaling = self.scaling
        return replace(self, temperature=1.0).probabilities_of(Z if scaling is None else scaling.undone(Z))

    def logits(self, matrix: TextMatrix, *, threads: int = 1) -> Array:
        """Return Z[L], shape (n, k), in float64, for features already extracted."""
        if len(matrix) >= _MANY_TEXTS and len(self.network.layers) == 1:
            words = matrix.words.double().times(self._double_EW, threads=threads)
            return self._logits_of(words, matrix.ngrams.double().times(self._double_U, threads=threads))
        S, wide = self.sums(matrix, threads=threads)
        return self.exact_network.forward(S, wide=wide).Z[-1]

    def _logits_of(self, words: Array, wide: Array) -> Array:
        """Return Z[L] from C E Wᵀ or, of a network with hidden layers, C E; and from what the n-grams add."""
        if len(self.network.layers) > 1:
            return self.exact_network.forward(words, wide=wide).Z[-1]
        Z: Array = words + self.exact_network.layers[0].b  # (C E) Wᵀ = C (E Wᵀ): k numbers a word, not d
        Z += wide
        return Z

    def sums(self, matrix: TextMatrix, *, threads: int = 1) -> tuple[Array, Array]:
        """Return S = C E, shape (n, d), and what the n-grams add to Z[L], shape (n, k), in float64."""
        S = matrix.words.double().times(self.E, threads=threads)
        return S, matrix.ngrams.double().times(self.U, threads=threads)

    def classes_of(self, labels: Sequence[str]) -> Integers:
        """Return the class number of each label, -1 for one that training did not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(label, -1) for label in labels], np.int64)

    def save(self, path: Path) -> str:
        """Write the model file, whole or not at all, and return its SHA-256."""
        return write_model(path, *self._content(), version=FORMAT if self.is_in_bytes else PLAIN)

    def file_size(self) -> int:
        """Return how many bytes the model's file would have."""
        return sum(map(len, model_bytes(*self._content())[0]))

    def digest(self) -> str:
        """Return the SHA-256 that the model's file would have."""
        return model_bytes(*self._content())[1]

    def _content(self) -> tuple[Arrays, dict[str, Any]]:
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
        if self.thresholds is not None:
            arrays["thresholds"] = self.thresholds
        if self.usual is not None:
            arrays["usual.counts"] = self.usual.counts.astype(np.int32)
        structure = {
            "tokenizer": TOKENIZER,
            "cased": self.features.words.cased,
            "ngrams": [[table.kind, table.shortest, table.longest] for table in self.features.ngrams],
            "sizes": list(self.network.sizes),
            "activation": self.network.activation.name,
            "output": self.output,
            "temperature": self.temperature,
        }
        return arrays, {"model": structure, **self.description}

    @staticmethod
    def load(path: Path, *, mapped: bool = True) -> "Model":
        """Read a model file; raises ModelError when it is not one, is damaged, or was made by a newer version.

        Its arrays stay on the disk until they are touched; with `mapped` False they are read into memory.
        """
        file = read_model(path, mapped=mapped)
        try:
            return _from_file(file)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ModelError(f"{path}: the description of the model is damaged. Train the model again.") from None

    @cached_property
    def _double_U(self) -> Array:
        """U in float64: scipy would widen all its rows again for each batch."""
        return self.U.astype(np.float64)

    @cached_property
    def _double_EW(self) -> Array:
        """E Wᵀ of a network without hidden layers, shape (V, k), in float64."""
        product: Array = self.E.astype(np.float64) @ self.exact_network.layers[0].W.T
        return product

    @cached_property
    def exact_network(self) -> Network:
        """The network in float64."""
        return Network(self.network.sizes, self.network.activation, self.network.theta.astype(np.float64))


def _from_file(file: ModelFile) -> Model:
    structure = file.description["model"]
    if structure["tokenizer"] != TOKENIZER:
        raise ModelError(f"{file.path}: expected the tokenizer {TOKENIZER!r}, found {structure['tokenizer']!r}.")
    stored, words = file.strings("labels"), file.strings("words")
    sizes = tuple(structure["sizes"])
    if any(type(size) is not int or size < 1 for size in sizes) or structure["output"] not in OUTPUTS:
        raise ValueError
    thresholds = thresholds_of(file, len(stored), structure["output"])
    fewest = 2 if thresholds is None else 1
    if len(sizes) < 2 or sizes[-1] != len(stored) or len(stored) < fewest:
        raise ValueError
    labels = tuple(stored)
    if len(set(labels)) < len(labels) or "" in labels:
        raise ValueError
    temperature = structure["temperature"]
    if type(temperature) is not float or not 0 < temperature < float("inf"):
        raise ValueError
    tables = tuple(ngram_table_of(file, *entry) for entry in structure["ngrams"])
    V = len(words)
    word_table = WordTable(
        dictionary_of(file, "words.keys", V), file.numbers("words.weights", V), bool(structure["cased"])
    )
    if file.description.get("scaling") is not None:
        Scaling.from_dict(file.description["scaling"], len(labels))
    return Model(
        labels,
        Features(word_table, tables),
        words,
        file.rows("E", V, sizes[0]),
        file.rows("U", sum(len(table.index) for table in tables), len(labels)),
        Network(sizes, ACTIVATIONS[structure["activation"]], file.array("network", "F32", parameter_count(sizes))),
        structure["output"],
        {name: value for name, value in file.description.items() if name not in ("model", "format", "sha256")},
        temperature,
        record_of(file, len(labels), len(tables)),
        thresholds,
        usual_of(file, [table.kind for table in tables]),
    )
