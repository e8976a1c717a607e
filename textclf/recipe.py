"""From labelled texts to a model: what is done, in which order, and what the data decide.

1. Cut the texts; find the words that have vectors, and the n-grams that are common enough.
2. Set some rows of each class aside for validation.
3. Fit: with L-BFGS (the default) network and n-grams together on all rows at once; with Adam, momentum or plain
   gradient descent the network and the vectors by mini-batches first, then n-grams and network together.
4. Validate; then fit once more on all rows, the validation rows too, with what was chosen.
"""

import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf import __version__
from textclf.arrays import Array, Integers
from textclf.errors import TrainingError
from textclf.evaluation import Evaluation, Tally
from textclf.features import Features, TextMatrix
from textclf.labels import LabelSet, label_sets, multi_hot
from textclf.model import Model
from textclf.multilabel import MultiLabelEvaluation, choose_thresholds, cross_validated, strata
from textclf.network import LOSSES, Network
from textclf.settings import Settings
from textclf.strings import Strings
from textclf.training import (
    Epoch,
    EpochSettings,
    Examples,
    JointSettings,
    fit_jointly,
    naive_bayes_scales,
    split,
    standardized,
    train_network,
)
from textclf.vectors import WordVectors
from textclf.vocabulary import learn_vocabulary

JOINT_L2 = 0.15
JOINT_ITERATIONS = 60
JOINT_TOLERANCE = 3e-3
JOINT_LENGTH = 0.5
"""How long a text's average vector is, beside its n-grams of length 1: the shorter, the more its weights cost."""
SCALE_FLOOR, SCALE_SMOOTHING = 0.6, 0.3
_DEFAULT_RATES = {"lbfgs": 0.0, "adam": 0.003, "momentum": 0.05, "sgd": 0.5}
_DEFAULT_EPOCHS = {"lbfgs": JOINT_ITERATIONS, "adam": 20, "momentum": 30, "sgd": 60}


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, their labels (of multi-label texts cells such as `a|b`) and, where there are any, their weights."""

    texts: Sequence[str]
    labels: Sequence[str]
    weights: Sequence[float] | None = None

    def row_weights(self) -> Array:
        """Return each row's weight, shape (n,): 1 where none are given."""
        return np.ones(len(self.texts)) if self.weights is None else np.array(self.weights, np.float64)


@dataclass(frozen=True)
class Trained:
    """The model, and how it did on the validation rows (None when there were none)."""

    model: Model
    validation: Evaluation | MultiLabelEvaluation | None


@dataclass(frozen=True)
class Listener:
    """Who is told how training goes: `say` of each step in a sentence, `epoch` of each epoch, out of so many."""

    say: Callable[[str], None] = lambda _: None
    epoch: Callable[[Epoch, int], None] = lambda _epoch, _of: None


def train(
    data: LabelledTexts,
    settings: Settings,
    vectors: WordVectors | None,
    *,
    valid: LabelledTexts | None = None,
    listener: Listener = Listener(),
) -> Trained:
    """Train a model on labelled texts; `vectors` None starts from random ones.

    Raises TrainingError when the rows cannot be trained on: one class only, or no text with a word.
    """
    sets = label_sets(data.labels, multi_label=settings.multi_label)
    labels = _classes(sets, settings.multi_label)
    rng = np.random.default_rng(settings.seed)
    listener.say(f"{len(data.texts):,} texts, {_what_labels(sets, len(labels), settings.multi_label)}")
    vocabulary = learn_vocabulary(data.texts, settings, vectors, rng)
    features, matrix = vocabulary.features, vocabulary.matrix
    Y = multi_hot(sets, labels)
    examples = _examples(matrix, Y, _weights(data, Y, labels, settings))
    E = standardized(vocabulary.E, matrix.words, length=JOINT_LENGTH if settings.optimizer == "lbfgs" else 1.0)
    listener.say(_what_was_found(features, matrix, vectors))
    network = Network.start((E.shape[1], *settings.hidden, len(labels)), settings.activation, rng)
    fitting = _Fitting(settings, features, vocabulary.words, labels, network, E, listener)
    if valid is not None:
        held_out: tuple[Examples, TextMatrix] | None = _validation_file(valid, features, labels, settings)
        train_rows: Integers = np.arange(len(Y))
    else:
        train_rows, valid_rows = split(strata(Y), settings.valid_fraction, rng)
        held_out = (examples.take(valid_rows), matrix.take(valid_rows)) if len(valid_rows) else None
    fitted = fitting.fit(examples.take(train_rows), held_out[0] if held_out else None, rng)
    fitted = _with_thresholds(fitted, held_out) if settings.multi_label else fitted
    validation = _validate(fitted, held_out[1], held_out[0].Y) if held_out else None
    if len(train_rows) < len(Y):
        fitted = fitting.refit(fitted, examples, rng)
    return Trained(_described(fitted, data, sets, settings, vectors, validation), validation)


@dataclass(frozen=True)
class _Fitting:
    """The fit, which runs twice: on the training part, to validate, and on all rows."""

    settings: Settings
    features: Features
    words: Strings
    labels: tuple[str, ...]
    network: Network
    E: Array
    listener: Listener

    def fit(self, examples: Examples, valid: Examples | None, rng: np.random.Generator) -> Model:
        """Return the model fitted to these examples, the network's epochs chosen by the validation loss."""
        settings = self.settings
        loss = LOSSES[settings.loss, settings.output]
        network, E, history = self.network, self.E, []
        if settings.optimizer != "lbfgs":
            epochs = self._epoch_settings()
            trained = train_network(
                network, E, examples, valid, loss, epochs, rng,
                after_epoch=lambda epoch: self.listener.epoch(epoch, epochs.epochs),
            )  # fmt: skip
            network, E, history = trained.network, trained.E, trained.history
        U = np.zeros((examples.ngrams.width, len(self.labels)), np.float32)
        if settings.optimizer == "lbfgs" or examples.ngrams.width:
            scales = naive_bayes_scales(examples.ngrams, examples.Y, floor=SCALE_FLOOR, smoothing=SCALE_SMOOTHING)
            joint = self._joint_settings(len(history) > 0)
            done = len(history)
            fitted = fit_jointly(
                network, examples.words.times(E, threads=settings.threads), examples, scales, loss, joint,
                after_step=lambda number, value: self.listener.epoch(
                    Epoch(done + number, value), done + joint.iterations
                ),
            )  # fmt: skip
            network, U = fitted.network, fitted.U
            history = [*history, *(Epoch(done + i, value) for i, value in enumerate(fitted.losses, 1))]
        description = {"history": [_plain(epoch) for epoch in history]}
        thresholds = np.full(len(self.labels), 0.5, np.float32) if settings.multi_label else None
        return Model(self.labels, self.features, self.words, E, U, network, settings.output, description, thresholds)

    def refit(self, model: Model, examples: Examples, rng: np.random.Generator) -> Model:
        """Return the model fitted to all examples, the validation rows too; what validation showed is kept."""
        settings = self.settings
        if settings.optimizer != "lbfgs":
            return model  # its epochs were chosen by rows that it must not have seen
        self.listener.say("fitting once more, on all rows")
        quiet = replace(self, listener=Listener())
        return replace(quiet.fit(examples, None, rng), description=model.description, thresholds=model.thresholds)

    def _epoch_settings(self) -> EpochSettings:
        settings = self.settings
        return EpochSettings(
            epochs=settings.epochs or _DEFAULT_EPOCHS[settings.optimizer],
            batch_size=settings.batch_size,
            optimizer=settings.optimizer,
            learning_rate=settings.learning_rate or _DEFAULT_RATES[settings.optimizer],
            vector_rate=0.0 if settings.freeze_vectors else settings.vector_rate,
            dropout=settings.dropout,
            word_dropout=settings.word_dropout,
            l2=settings.l2 or 0.0,
            patience=settings.patience,
            multi_label=settings.multi_label,
        )

    def _joint_settings(self, is_second: bool) -> JointSettings:
        settings = self.settings
        chosen = settings.epochs if settings.epochs and not is_second else JOINT_ITERATIONS
        l2 = JOINT_L2 if settings.l2 is None or is_second else settings.l2
        return JointSettings(chosen, JOINT_TOLERANCE, l2, settings.threads)


def _classes(sets: Sequence[LabelSet], multi_label: bool) -> tuple[str, ...]:
    classes = tuple(sorted({label for row in sets for label in row}))
    if multi_label and all(len(row) == len(classes) for row in sets):
        found = f"that every row has {', '.join(map(repr, classes))[:60]}" if classes else "no label in any row"
        raise TrainingError(f"labels: expected some that rows have and others lack, found {found}. Add other rows.")
    if not multi_label and len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "no rows"
        raise TrainingError(f"labels: expected at least two classes, found {found}. Add rows of another class.")
    return classes


def _what_labels(sets: Sequence[LabelSet], k: int, multi_label: bool) -> str:
    if not multi_label:
        return f"{k} classes"
    without = sum(not row for row in sets)
    said = f"{k} label{'s' * (k > 1)}, {sum(map(len, sets)) / len(sets):.1f} a text"
    return f"{said}; without any: {without:,}" if without else said


def _weights(data: LabelledTexts, Y: Array, labels: Sequence[str], settings: Settings) -> Array:
    """Return what each row weighs: its own weight times its class's."""
    own = data.row_weights()
    chosen = settings.class_weight
    if chosen == "none":
        return own
    y = Y.argmax(axis=1)
    if isinstance(chosen, str):
        of_class: Array = len(y) / (len(labels) * np.bincount(y, minlength=len(labels)))
    else:
        strangers = sorted(set(chosen) - set(labels))
        if strangers:
            raise TrainingError(f"class weights: no row has the label {strangers[0]!r}. Correct it, or leave it out.")
        of_class = np.array([chosen.get(label, 1.0) for label in labels])
    weights: Array = own * of_class[y]
    return weights


def _examples(matrix: TextMatrix, Y: Array, weights: Array) -> Examples:
    if not weights.sum() > 0:
        raise TrainingError("weights: expected some above 0, found none. Correct the weights.")
    return Examples(matrix.words, matrix.ngrams, Y, (weights / weights.mean()).astype(np.float32))


def _validation_file(
    valid: LabelledTexts, features: Features, labels: Sequence[str], settings: Settings
) -> tuple[Examples, TextMatrix]:
    Y = multi_hot(label_sets(valid.labels, multi_label=settings.multi_label), labels)
    matrix = features.extract(valid.texts)
    return _examples(matrix, Y, valid.row_weights()), matrix


def _what_was_found(features: Features, matrix: TextMatrix, vectors: WordVectors | None) -> str:
    known = matrix.known.sum() / max(int(matrix.tokens.sum()), 1)
    source = f"{vectors.name}: {known:.0%} of the words known" if vectors else "random vectors"
    tables = ", ".join(f"{len(table.dictionary):,} n-grams of {table.kind}" for table in features.ngrams)
    return f"{source}; {tables or 'no n-grams'}"


# --- the model and its description --------------------------------------------------------------------------------


def _with_thresholds(model: Model, held_out: tuple[Examples, TextMatrix] | None) -> Model:
    """Return the model with the thresholds that do best on the validation rows, if there are any."""
    if held_out is None:
        return model
    examples, matrix = held_out
    return replace(model, thresholds=choose_thresholds(model.probabilities(matrix), examples.Y))


def _validate(model: Model, matrix: TextMatrix, Y: Array) -> Evaluation | MultiLabelEvaluation:
    P = model.probabilities(matrix)
    if model.is_multi_label:
        return cross_validated(model.labels, Y, P, matrix.tokens, matrix.known).evaluation()
    tally = Tally(model.labels)
    tally.add_rows(Y, P, words=matrix.tokens, known=matrix.known)
    return tally.evaluation()


def _described(
    model: Model,
    data: LabelledTexts,
    sets: Sequence[LabelSet],
    settings: Settings,
    vectors: WordVectors | None,
    validation: Evaluation | MultiLabelEvaluation | None,
) -> Model:
    description = {
        **model.description,
        "settings": settings.as_dict(),
        "validation": validation.summary() if validation else None,
        "data": _data_summary(data, sets),
        "provenance": {
            "textclf": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "vectors": {"name": vectors.name, "sha256": vectors.sha256, "kind": vectors.kind} if vectors else None,
        },
    }
    return replace(model, description=description)


def _data_summary(data: LabelledTexts, sets: Sequence[LabelSet]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for text, label in zip(data.texts, data.labels, strict=True):
        digest.update(f"{len(text)} {len(label)} {text}{label}\n".encode("utf-8", "surrogatepass"))
    names = [label for row in sets for label in row]
    classes, counts = np.unique(np.array(names, dtype=object).astype(str), return_counts=True)
    return {
        "texts": len(data.texts),
        "sha256": digest.hexdigest(),
        "classes": len(classes),
        "largest": int(counts.max()),
    }


def _plain(epoch: Epoch) -> dict[str, Any]:
    return {name: value for name, value in vars(epoch).items() if value is not None}
