"""A trained model: texts in, probabilities out; and its file.

P = output(Z[L]), where Z[L] = W[L] A[L-1] + b[L] + C U is the network's last weighted sum over the sentence feature
S = C E, plus what the n-grams say by themselves. Nothing here changes after training.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from textclf.arrays import Array, Integers
from textclf.dictionary import Dictionary
from textclf.errors import ModelError
from textclf.features import Features, NgramTable, TextMatrix, WordTable
from textclf.labels import LabelSet, join_labels
from textclf.model_file import ModelFile, read_model, write_model
from textclf.multilabel import Decisions, decisions
from textclf.network import ACTIVATIONS, OUTPUTS, Network, parameter_count
from textclf.strings import Strings
from textclf.tokenizer import NAME as TOKENIZER

_LONGEST_NGRAM = 32


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text: the label, its probability, all probabilities, and how many words it knew.

    Of a multi-label model `labels` are the labels given, `label` is the cell that holds them, and `confidence` the
    probability of its least certain yes or no; of another `labels` is None.
    """

    text: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    known_words: int
    labels: LabelSet | None = None


@dataclass(frozen=True)
class Predictions:
    """What the model says of n texts: P, shape (n, k), and each text's number of words and of known words.

    `thresholds`, shape (k,), are those of a multi-label model, None of another.
    """

    P: Array
    tokens: Integers
    known: Integers
    thresholds: Array | None = None

    @property
    def classes(self) -> Integers:
        """The class number of each text's likeliest label, shape (n,)."""
        classes: Integers = self.P.argmax(axis=1)
        return classes

    @property
    def given(self) -> Decisions:
        """Which labels each text gets, shape (n, k): the likeliest, or those that reach their thresholds."""
        if self.thresholds is None:
            likeliest: Decisions = self.classes[:, None] == np.arange(self.P.shape[1])
            return likeliest
        return decisions(self.P, self.thresholds)

    @property
    def confidence(self) -> Array:
        """The probability of each text's label, or of the least certain yes or no of its labels, shape (n,)."""
        if self.thresholds is None:
            highest: Array = self.P.max(axis=1)
            return highest
        lowest: Array = np.where(self.given, self.P, 1.0 - self.P).min(axis=1)
        return lowest


@dataclass(frozen=True)
class Model:
    """Features, the vectors E, the n-grams' rows U, the network and the labels.

    `words`: the words of E's rows. `E`: shape (V, d). `U`: shape (number of n-grams, k).
    `description`: settings, history, provenance; plain values, as stored in the file.
    `thresholds`, shape (k,): a text gets each label whose probability reaches its threshold; None in a model that gives
    each text its likeliest label.
    """

    labels: tuple[str, ...]
    features: Features
    words: Strings
    E: Array
    U: Array
    network: Network
    output: str
    description: dict[str, Any]
    thresholds: Array | None = None

    @property
    def is_multi_label(self) -> bool:
        """Whether a text may get several labels or none."""
        return self.thresholds is not None

    def predict(self, texts: Sequence[str], *, threads: int = 1) -> Predictions:
        """Return the probabilities of every label for each text."""
        matrix = self.features.extract(texts)
        return Predictions(self.probabilities(matrix, threads=threads), matrix.tokens, matrix.known, self.thresholds)

    def predict_stream(self, batches: Iterable[Sequence[str]]) -> Iterator[Prediction]:
        """Give the prediction of each text of each batch, in order, as the batches come."""
        for texts in batches:
            yield from self.each(texts, self.predict(texts))

    def each(self, texts: Sequence[str], predictions: Predictions) -> Iterator[Prediction]:
        """Give the predictions of these texts one by one."""
        sets = self.label_sets(predictions.given)
        rows = zip(
            texts,
            sets,
            predictions.confidence.tolist(),
            predictions.P.tolist(),
            predictions.known.tolist(),
            strict=True,
        )
        for text, labels, confidence, row, known in rows:
            several = labels if self.is_multi_label else None
            probabilities = dict(zip(self.labels, row, strict=True))
            yield Prediction(text, self.cell(labels), confidence, probabilities, known, several)

    def label_sets(self, given: Decisions) -> list[LabelSet]:
        """Return the labels of each row of `given`, shape (n, k), in the model's order."""
        labels = [self.labels[j] for j in np.nonzero(given)[1].tolist()]
        ends = np.cumsum(given.sum(axis=1)).tolist()
        return [tuple(labels[start:stop]) for start, stop in zip([0, *ends], ends, strict=False)]

    def cell(self, labels: LabelSet) -> str:
        """Return a row's labels as one cell of a table: joined, or the label as it is where there is one a text."""
        return join_labels(labels) if self.is_multi_label else labels[0]

    def probabilities(self, matrix: TextMatrix, *, threads: int = 1) -> Array:
        """Return P, shape (n, k), for features already extracted; each row's sum is 1 where a text has one label.

        Sums are taken in float64: a text then gets the same printed figures alone and in any batch.
        """
        S = matrix.words.double().times(self.E, threads=threads)
        wide = matrix.ngrams.double().times(self.U, threads=threads)
        P = OUTPUTS[self.output](self._double.forward(S, wide=wide).Z[-1])
        if not self.is_multi_label:
            P /= P.sum(axis=1, keepdims=True)  # one label a text: sigmoid outputs are shares of it
        return P

    def classes_of(self, labels: Sequence[str]) -> Integers:
        """Return the class number of each label, -1 for one that training did not have."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(label, -1) for label in labels], np.int64)

    def save(self, path: Path) -> str:
        """Write the model file, whole or not at all, and return its SHA-256."""
        arrays = {
            **Strings.of(self.labels).arrays("labels"),
            **self.words.arrays("words"),
            "words.keys": self.features.words.dictionary.keys,
            "words.weights": self.features.words.weights,
            "E": self.E,
            "U": self.U,
            "network": self.network.theta,
        }
        for table in self.features.ngrams:
            arrays |= {f"{table.kind}.ngrams": table.dictionary.keys, f"{table.kind}.idf": table.idf}
        if self.thresholds is not None:
            arrays["thresholds"] = self.thresholds
        structure = {
            "tokenizer": TOKENIZER,
            "cased": self.features.words.cased,
            "ngrams": [[table.kind, table.shortest, table.longest] for table in self.features.ngrams],
            "sizes": list(self.network.sizes),
            "activation": self.network.activation.name,
            "output": self.output,
        }
        return write_model(path, arrays, {"model": structure, **self.description})

    @staticmethod
    def load(path: Path) -> "Model":
        """Read a model file; raises ModelError when it is not one, is damaged, or was made by a newer version."""
        file = read_model(path)
        try:
            return _from_file(file)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ModelError(f"{path}: the description of the model is damaged. Train the model again.") from None

    @cached_property
    def _double(self) -> Network:
        return Network(self.network.sizes, self.network.activation, self.network.theta.astype(np.float64))


def _from_file(file: ModelFile) -> Model:
    structure = file.description["model"]
    if structure["tokenizer"] != TOKENIZER:
        raise ModelError(f"{file.path}: expected the tokenizer {TOKENIZER!r}, found {structure['tokenizer']!r}.")
    labels, words = tuple(file.strings("labels")), file.strings("words")
    sizes = tuple(structure["sizes"])
    if any(type(size) is not int or size < 1 for size in sizes) or structure["output"] not in OUTPUTS:
        raise ValueError
    thresholds = _thresholds(file, len(labels), structure["output"])
    fewest = 2 if thresholds is None else 1
    if len(sizes) < 2 or sizes[-1] != len(labels) or len(labels) < fewest:
        raise ValueError
    if len(set(labels)) < len(labels) or "" in labels:
        raise ValueError
    tables = tuple(_ngram_table(file, *entry) for entry in structure["ngrams"])
    V = len(words)
    word_table = WordTable(
        _dictionary(file, "words.keys", V), file.array("words.weights", "F32", V), bool(structure["cased"])
    )
    return Model(
        labels,
        Features(word_table, tables),
        words,
        file.array("E", "F32", V, sizes[0]),
        file.array("U", "F32", sum(len(table.dictionary) for table in tables), len(labels)),
        Network(sizes, ACTIVATIONS[structure["activation"]], file.array("network", "F32", parameter_count(sizes))),
        structure["output"],
        {name: value for name, value in file.description.items() if name not in ("model", "format", "sha256")},
        thresholds,
    )


def _thresholds(file: ModelFile, k: int, output: str) -> Array | None:
    """Return the thresholds of a multi-label model, which has sigmoids; None for another."""
    if "thresholds" not in file.arrays:
        return None
    thresholds = file.array("thresholds", "F32", k)
    if output != "sigmoid" or (thresholds < 0).any() or (thresholds > 1).any():
        raise ValueError
    return thresholds


def _ngram_table(file: ModelFile, kind: str, shortest: int, longest: int) -> NgramTable:
    if kind not in ("words", "chars") or not 1 <= shortest <= longest <= _LONGEST_NGRAM:
        raise ValueError
    dictionary = _dictionary(file, f"{kind}.ngrams", None)
    idf = file.array(f"{kind}.idf", "F32", len(dictionary))
    return NgramTable("words" if kind == "words" else "chars", shortest, longest, dictionary, idf)


def _dictionary(file: ModelFile, name: str, length: int | None) -> Dictionary:
    keys = file.array(name, "U64", length)
    if (keys[1:] <= keys[:-1]).any():
        raise ModelError(f"{file.path}: the keys {name!r} are not in rising order. Train the model again.")
    return Dictionary(keys)
