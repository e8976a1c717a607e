"""From labelled texts to a model: what is done, in which order, and what the data decide.

1. Cut the texts; find the words that have vectors, and the n-grams that are common enough.
2. Set some rows of each class aside for validation.
3. Fit: with L-BFGS (the default) network and n-grams together on all rows at once; with Adam, momentum or plain
   gradient descent the network and the vectors by mini-batches first, then n-grams and network together. What
   weights cost is chosen on the validation rows, where that takes seconds or is asked for.
4. Validate, and calibrate the probabilities on the validation rows; then fit once more on all rows, the
   validation rows too, with what was chosen.
"""

import hashlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf import __version__
from textclf.abstention import track_record
from textclf.arrays import Array, Integers
from textclf.checkpoint import NOTHING_KEPT, Recorder
from textclf.errors import TrainingError
from textclf.evaluation import Evaluation, Tally
from textclf.examples import Examples, deal, split
from textclf.features import Features, TextMatrix
from textclf.fitting import JOINT_LENGTH, NOBODY, Fitted, Fitting, HeldOut, Listener
from textclf.labels import LabelSet, label_sets, multi_hot
from textclf.model import Model
from textclf.multilabel import MultiLabelEvaluation, choose_thresholds, cross_validated, strata
from textclf.network import Network
from textclf.settings import Settings
from textclf.shelf import MEMORY, Shelf
from textclf.training import standardized
from textclf.vectors import WordVectors
from textclf.vocabulary import learn_vocabulary

FOLDS = 5
FEW_ROWS = 2000
"""Up to so many rows all are cross-validated: a tenth of them would say too little."""

MOST_SINGLE_LABELS = 1000
"""Beyond so many, with fewer than two rows each, it is not labels: rows times labels would fill the memory."""


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
    """The model, and how it did on the validation rows (None when there were none).

    `held_out`: those rows, with what was said of them by a model that was not fitted to them. `held_out_rows`: their
    places among the training rows; None when they came from elsewhere.
    """

    model: Model
    validation: Evaluation | MultiLabelEvaluation | None
    held_out: HeldOut | None = None
    held_out_rows: Integers | None = None

    def uncalibrated(self) -> Array:
        """Return the probabilities, shape (n, k), of the rows held out, without any calibration."""
        assert self.held_out is not None
        return self.model.uncalibrated(self.held_out.logits)


def train(
    data: LabelledTexts,
    settings: Settings,
    vectors: WordVectors | None,
    *,
    valid: LabelledTexts | None = None,
    listener: Listener = NOBODY,
    shelf: Shelf = MEMORY,
    recorder: Recorder = NOTHING_KEPT,
) -> Trained:
    """Train a model on labelled texts; `vectors` None starts from random ones.

    The matrices are kept on the `shelf`, in memory or in files, which does not change the model. What `recorder` was
    told by an earlier call of the same identity is gone on from; the model is the same. The BLAS library runs
    in one thread meanwhile: the sums of more would depend on how many cores there are, and its threads would wait for
    each other around the small products of the blocks, which `settings.threads` of our own work on.

    Raises TrainingError when the rows cannot be trained on: one class only, a label of its own for each of many rows,
    the same text in every row, or no text with a word.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return _train(data, settings, vectors, valid, listener, shelf, recorder)


def _train(
    data: LabelledTexts,
    settings: Settings,
    vectors: WordVectors | None,
    valid: LabelledTexts | None,
    listener: Listener,
    shelf: Shelf,
    recorder: Recorder,
) -> Trained:
    sets = label_sets(data.labels, multi_label=settings.multi_label)
    labels = _classes(sets, settings.multi_label)
    if all(text == data.texts[0] for text in data.texts):
        raise TrainingError("texts: expected texts that differ, found the same in every row. Is this the text column?")
    summary = _data_summary(data, sets)
    recorder.begin(lambda: _identity(data, summary, settings, vectors, valid))
    rng = np.random.default_rng(settings.seed)
    listener.say(f"{len(data.texts):,} texts, {_what_labels(sets, len(labels), settings.multi_label)}")
    vocabulary = learn_vocabulary(data.texts, settings, vectors, rng, shelf)
    features, matrix = vocabulary.features, vocabulary.matrix
    Y = multi_hot(sets, labels)
    examples = _examples(matrix, Y, _weights(data, Y, labels, settings))
    E = standardized(vocabulary.E, matrix.words, length=JOINT_LENGTH if settings.optimizer == "lbfgs" else 1.0)
    listener.say(_what_was_found(features, matrix, vectors))
    network = Network.start((E.shape[1], *settings.hidden, len(labels)), settings.activation, rng)
    fitting = Fitting(settings, features, vocabulary.words, labels, network, E, listener, shelf, recorder)
    if valid is not None:
        rows_held_out: tuple[Examples, TextMatrix] | None = _validation_file(valid, features, labels, settings)
        train_rows: Integers = np.arange(len(Y))
        valid_rows: Integers | None = None
    else:
        train_rows, valid_rows = split(strata(Y), settings.valid_fraction, rng)
        rows_held_out = _held_out_rows(examples, matrix, valid_rows) if len(valid_rows) else None
    # A fit to all rows at once leaves out those of weight 0; mini-batches are drawn from the others alone.
    part = examples.weighing_only(train_rows) if settings.optimizer == "lbfgs" else examples.take(train_rows)
    fitted = fitting.fit(part, rows_held_out[0] if rows_held_out else None, rng)
    validation = held_out = None
    if rows_held_out is not None:
        if valid is None and _is_cross_validated(settings, len(Y)):
            listener.say(f"cross-validating in {FOLDS} parts")
            held_out = fitting.cross_validated(fitted, examples, matrix, deal(strata(Y), FOLDS, rng), rng)
            valid_rows = np.arange(len(Y))
        else:
            held_out = fitting.held_out(fitted, *rows_held_out)
        fitted, held_out = fitting.calibrated(fitted, held_out)
        model, validation = _validated(fitted.model, held_out)
        fitted = replace(fitted, model=model)
    fitted = replace(fitted, model=_with_usual(fitted.model, matrix, vectors))
    if len(train_rows) < len(Y):
        fitted = fitting.refit(fitted, examples, rng)
    model = _described(fitted, summary, settings, vectors, validation)
    return Trained(model, validation, held_out, valid_rows)


def _classes(sets: Sequence[LabelSet], multi_label: bool) -> tuple[str, ...]:
    classes = tuple(sorted({label for row in sets for label in row}))
    if multi_label and all(len(row) == len(classes) for row in sets):
        found = f"that every row has {', '.join(map(repr, classes))[:60]}" if classes else "no label in any row"
        raise TrainingError(f"labels: expected some that rows have and others lack, found {found}. Add other rows.")
    if len(classes) > MOST_SINGLE_LABELS and 2 * len(classes) > len(sets):
        raise TrainingError(
            f"labels: expected several rows of each, found {len(classes):,} labels in {len(sets):,} rows. "
            "Is this the right label column?"
        )
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
    weights: Array = own * class_weights(chosen, labels, np.bincount(y, minlength=len(labels)))[y]
    return weights


def class_weights(chosen: str | Mapping[str, float], labels: Sequence[str], rows: Integers) -> Array:
    """Return what a row of each class weighs, shape (k,), given how many rows each has.

    Raises TrainingError when a weight is chosen for a label that no row has.
    """
    if chosen == "none":
        return np.ones(len(labels))
    if isinstance(chosen, str):
        balanced: Array = rows.sum() / (len(labels) * rows)
        return balanced
    strangers = sorted(set(chosen) - set(labels))
    if strangers:
        raise TrainingError(f"class weights: no row has the label {strangers[0]!r}. Correct it, or leave it out.")
    return np.array([chosen.get(label, 1.0) for label in labels])


def _examples(matrix: TextMatrix, Y: Array, weights: Array) -> Examples:
    if not weights.sum() > 0:
        raise TrainingError("weights: expected some above 0, found none. Correct the weights.")
    return Examples(matrix.words, matrix.ngrams, Y, (weights / weights.mean()).astype(np.float32))


def _held_out_rows(examples: Examples, matrix: TextMatrix, rows: Integers) -> tuple[Examples, TextMatrix]:
    taken = matrix.take(rows)
    return Examples(taken.words, taken.ngrams, examples.Y[rows], examples.weights[rows]), taken


def _validation_file(
    valid: LabelledTexts, features: Features, labels: Sequence[str], settings: Settings
) -> tuple[Examples, TextMatrix]:
    Y = multi_hot(label_sets(valid.labels, multi_label=settings.multi_label), labels)
    matrix = features.extract(valid.texts)
    return _examples(matrix, Y, valid.row_weights()), matrix


def _is_cross_validated(settings: Settings, n: int) -> bool:
    """Return whether every row is to be judged by a model that did not see it: few rows, or a promise, call for it."""
    return settings.optimizer == "lbfgs" and (n <= FEW_ROWS or settings.target_precision is not None)


def _what_was_found(features: Features, matrix: TextMatrix, vectors: WordVectors | None) -> str:
    known = matrix.known.sum() / max(int(matrix.tokens.sum()), 1)
    source = f"{vectors.name}: {known:.0%} of the words known" if vectors else "random vectors"
    tables = ", ".join(f"{len(table.dictionary):,} n-grams of {table.kind}" for table in features.ngrams)
    return f"{source}; {tables or 'no n-grams'}"


# --- the model and its description --------------------------------------------------------------------------------


def _validated(model: Model, held_out: HeldOut) -> tuple[Model, Evaluation | MultiLabelEvaluation]:
    """Return the model with what the validation rows teach about its answers, and how it does on them."""
    matrix, Y = held_out.matrix, held_out.examples.Y
    P = model.probabilities_of(held_out.logits)
    if model.is_multi_label:
        found = cross_validated(model.labels, Y, P, matrix.tokens, matrix.known).evaluation()
        return replace(model, thresholds=choose_thresholds(P, Y)), found
    return with_record(model, Y, P, tokens=matrix.tokens, known=matrix.known, familiar=matrix.familiar)


def with_record(
    model: Model, Y: Array, P: Array, *, tokens: Integers, known: Integers, familiar: Array
) -> tuple[Model, Evaluation]:
    """Return a model of one label a text with its track record on rows that it was not fitted to, and how it does.

    Of n rows: the truth Y and probabilities P, shape (n, k), and words, known words and familiar n-grams as in a
    `TextMatrix`.
    """
    tally = Tally(model.labels)
    tally.add_rows(Y, P, words=tokens, known=known)
    return replace(model, record=track_record(P, Y.argmax(axis=1), familiar)), tally.evaluation()


def _with_usual(model: Model, matrix: TextMatrix, vectors: WordVectors | None) -> Model:
    """Return the model with what its training texts are like, and how sure it was of those it was not fitted to."""
    usual = model.profile()
    # Without vectors the words are those of these very texts, none of which would count as unknown.
    usual.add_texts(matrix.tokens, matrix.known, matrix.familiar, words=vectors is not None)
    if model.record is not None:
        usual.add_confidence(model.record.confidence)
    return replace(model, usual=usual)


def _described(
    fitted: Fitted,
    summary: dict[str, Any],
    settings: Settings,
    vectors: WordVectors | None,
    validation: Evaluation | MultiLabelEvaluation | None,
) -> Model:
    model = fitted.model
    description = {
        **model.description,
        "settings": settings.as_dict(),
        "penalties": vars(fitted.penalties) if fitted.penalties else None,
        "validation": validation.summary() if validation else None,
        "data": summary,
        "provenance": provenance(vectors),
    }
    return replace(model, description=description)


def provenance(vectors: WordVectors | None) -> dict[str, Any]:
    """Return with which versions and vectors a model is made; plain values."""
    return {
        "textclf": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "vectors": {"name": vectors.name, "sha256": vectors.sha256, "kind": vectors.kind} if vectors else None,
    }


def _data_summary(data: LabelledTexts, sets: Sequence[LabelSet]) -> dict[str, Any]:
    counts = Counter(label for row in sets for label in row)
    return {
        "texts": len(data.texts),
        "sha256": _digest(data),
        "classes": len(counts),
        "largest": max(counts.values()),
    }


def _digest(data: LabelledTexts) -> str:
    digest = hashlib.sha256()
    digest_rows(digest, data.texts, data.labels)
    return digest.hexdigest()


def digest_rows(digest: "hashlib._Hash", texts: Sequence[str], labels: Sequence[str]) -> None:
    """Add labelled texts, in their order, to a digest."""
    for text, label in zip(texts, labels, strict=True):
        digest.update(f"{len(text)} {len(label)} {text}{label}\n".encode("utf-8", "surrogatepass"))


def _identity(
    data: LabelledTexts,
    summary: dict[str, Any],
    settings: Settings,
    vectors: WordVectors | None,
    valid: LabelledTexts | None,
) -> dict[str, Any]:
    """Return what decides the outcome of a training, to the last bit; keys are what a message calls it."""
    weights = [rows.row_weights().tobytes() for rows in (data, valid) if rows is not None]
    return {
        "rows": summary["sha256"],
        "validation rows": _digest(valid) if valid is not None else None,
        "weights of rows": hashlib.sha256(b"".join(weights)).hexdigest(),
        **decides(settings, vectors),
    }


def decides(settings: Settings, vectors: WordVectors | None) -> dict[str, Any]:
    """Return what, beside the rows, decides the outcome of a training; keys are what a message calls it."""
    return {
        "vectors": vectors.sha256 if vectors is not None else None,
        "settings": {name: value for name, value in settings.as_dict().items() if name != "vectors"},
        "version of textclf": __version__,
        "version of NumPy": np.__version__,
    }
