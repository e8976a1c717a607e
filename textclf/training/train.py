"""From labelled texts to a model: what is done, in which order, and what the data decide.

1. Cut the texts; find the words that have vectors, and the n-grams that are common enough.
2. Set some rows of each class aside for validation.
3. Fit: with L-BFGS (the default) network and n-grams together on all rows at once; with Adam, momentum or plain
   gradient descent the network and the vectors by mini-batches first, then n-grams and network together. The
   regularization is chosen on the validation rows, if that takes seconds or was asked for.
4. Validate, and calibrate the probabilities on the validation rows. Then refit on all rows, validation rows included,
   with the settings that were chosen.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from textclf import __version__
from textclf.errors import TrainingError
from textclf.labels import LabelSet, class_weights, classes_of, label_sets, multi_hot, order_labels, what_labels
from textclf.metrics.bootstrap import standard_error
from textclf.metrics.multi_label import (
    AnyEvaluation,
    MultiLabelEvaluation,
    choose_thresholds,
    cross_validate,
    with_shares,
)
from textclf.metrics.single_label import Evaluation, Tally
from textclf.model.abstention import record_confidence
from textclf.model.card import RegularizationFigures, TrainingData
from textclf.model.model import Model
from textclf.nn.network import Network
from textclf.settings import LARGEST_WEIGHT, Settings
from textclf.storage.array_store import ArrayStore
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.quantized import ByteRows
from textclf.storage.row_columns import ONE_TEXT, RowColumns
from textclf.text.copies import (
    count_copies,
    group_copies,
    independent_by_label,
    independent_share,
    text_keys,
)
from textclf.text.features import Features, TextMatrix
from textclf.training.continual import (
    EarlierKnowledge,
    extend_reference,
    grow,
    keep_calibration,
    old_regularization,
    rows_seen,
)
from textclf.training.data import Examples, RowsByClass, deal, split
from textclf.training.minibatch import Standardizer
from textclf.training.provenance import data_summary, digest_of, provenance, validation_figures
from textclf.training.resources import PLAIN_RESOURCES, Listener, Resources
from textclf.training.trainer import FitResult, HeldOut, Trainer, WithoutPatterns, average_length, mean_vectors
from textclf.training.vocabulary import Sources, Vocabulary, add_columns, extract, learn_vocabulary, take
from textclf.types import Array, Integers
from textclf.vectors import WordVectors
from textclf.vectors.coverage import advise_on_coverage

if TYPE_CHECKING:
    from textclf.tables import LoadedTable

FOLDS = 5
FEW_ROWS = 2000
"""Up to so many rows all are cross-validated: a tenth of them would say too little."""
_ROWS_COPIED = 1 << 14


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, their labels (of multi-label texts cells such as `a|b`) and, where there are any, their weights.

    A row of weight 2 counts as two such rows do. `more_labels`: labels that a model is to know though no row has them.
    With `columns` that are more than a text, `texts` are rows as those columns pack them.
    """

    texts: Sequence[str]
    labels: Sequence[str]
    weights: Sequence[float] | None = None
    more_labels: tuple[str, ...] = ()
    columns: RowColumns = ONE_TEXT

    @staticmethod
    def of(table: "LoadedTable") -> "LabelledTexts":
        """Return the rows of a table."""
        return LabelledTexts(table.texts, table.labels, table.weights, columns=table.columns)

    @property
    def only_texts(self) -> Sequence[str]:
        """The texts without what rows hold beside them."""
        return self.columns.only_texts(self.texts)

    def take(self, rows: Iterable[int]) -> "LabelledTexts":
        """Return these rows, without their weights, in this order."""
        chosen = list(rows)
        texts, labels = ([column[i] for i in chosen] for column in (self.texts, self.labels))
        return LabelledTexts(texts, labels, columns=self.columns)

    def row_weights(self) -> Array:
        """Return each row's weight, shape (n,): 1 where none are given; raises TrainingError when none is above 0."""
        weights = np.ones(len(self.texts)) if self.weights is None else np.array(self.weights, np.float64)
        if not weights.sum() > 0:
            raise TrainingError("weights: expected some above 0, found none. Correct the weights.")
        return weights


@dataclass(frozen=True)
class Start:
    """A model to continue from, and, if there are some, rows that it was trained on: they stand for all of those."""

    model: Model
    replay: LabelledTexts | None = None


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
        """Return the probabilities, shape (n, k), of the held-out rows, without any calibration."""
        assert self.held_out is not None
        return self.model.uncalibrated(self.held_out.logits)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@_one_blas_thread()
def train(
    data: LabelledTexts,
    settings: Settings,
    vectors: WordVectors | None,
    *,
    valid: LabelledTexts | None = None,
    start: Start | None = None,
    resources: Resources = PLAIN_RESOURCES,
) -> Trained:
    """Train a model on labelled texts; `vectors` None starts from random ones.

    None of the `resources` changes the model: large arrays lie in memory or in files, and what the checkpoint saved in
    an earlier call of the same identity is resumed. The BLAS library runs in one thread meanwhile: the sums of more
    would depend on how many cores there are, and its threads would wait for each other around the small products of the
    blocks, which `settings.threads` of our own work on.

    With `start` it continues from a model, as `continual` describes; `settings` must then be the `keep_settings`.

    Raises TrainingError when the rows cannot be trained on: one class only, a label of its own for each of many rows,
    the same text in every row, no text with a word, or labels without the order that the settings say they have.
    """
    training = _Training.of(data, settings, vectors, valid, start, resources)
    n = len(data.texts)
    summary = data_summary(data.texts, data.labels, training.sets[:n])
    resources.checkpoint.begin(lambda: _identity(data, summary, settings, vectors, valid, start))
    rng = np.random.default_rng(settings.seed)
    prepared = training.prepare(rng, is_apart=settings.columns == "apart" and len(data.columns.texts) > 1)

    split = training.split(prepared.examples.Y, rng)
    held_out = training.hold_out(prepared, split)

    part, judges = prepared.part(split), None if held_out is None else held_out[0]
    prepared = prepared._replace(trainer=prepared.trainer.train_network(part, judges, rng))
    earlier = None if start is None else old_regularization(start.model, settings.l2)
    fit = _Fit(prepared, prepared.trainer.fit(part, judges, earlier), held_out)
    fit = _leave_out_unused(training.choose_columns(fit, split))

    fitted, trained = training.validate(fit, split, rng)
    model = _with_reference(fitted.model, fit.prepared.matrix.slice(0, n), vectors)
    fitted = replace(fitted, model=model if start is None else extend_reference(model, start.model))
    if len(split.train) < len(prepared.examples):
        fitted = fit.prepared.trainer.refit(fitted, fit.prepared.examples)
    return replace(trained, model=_described(fitted, summary, settings, vectors, trained.validation, start))


class _Split(NamedTuple):
    """The rows that train, those that validate (None: rows of another table do), and which have the same text."""

    train: Integers
    valid: Integers | None
    groups: Integers


class _Beginning(NamedTuple):
    """What a training begins with; `earlier`: what is known of the model before, if there is one."""

    features: Features
    words: PackedStrings
    matrix: TextMatrix
    E: Array | ByteRows
    network: Network
    earlier: EarlierKnowledge | None = None


class _Prepared(NamedTuple):
    """The fit to do, and what it is done on."""

    trainer: Trainer
    examples: Examples
    matrix: TextMatrix

    def part(self, split: _Split) -> Examples:
        """Return the examples to fit to: to a fit of all rows at once those of weight 0 are left out."""
        whole = self.trainer.settings.optimizer == "lbfgs"
        return self.examples.weighing_only(split.train) if whole else self.examples.take(split.train)


class _Fit(NamedTuple):
    """What was fitted, the result, and the validation rows, if there are any."""

    prepared: _Prepared
    fitted: FitResult
    held_out: tuple[Examples, TextMatrix] | None


def _leave_out_unused(fit: _Fit) -> _Fit:
    """Return the fit without patterns, if the validation rows did not ask for them."""
    without = WithoutPatterns.after(fit.fitted)
    if without is None:
        return fit
    (trainer, examples, matrix), held_out = fit.prepared, fit.held_out
    prepared = _Prepared(without.trainer(trainer), without.examples(examples), without.matrix(matrix))
    if held_out is not None:
        held_out = without.examples(held_out[0]), without.matrix(held_out[1])
    return _Fit(prepared, without.fitted(fit.fitted), held_out)


@dataclass(frozen=True)
class _Training:
    """What is trained on, and how. `rows` are the data and, after them, old rows; `sets` are the labels of all."""

    data: LabelledTexts
    rows: LabelledTexts
    sets: Sequence[LabelSet]
    labels: tuple[str, ...]
    settings: Settings
    vectors: WordVectors | None
    valid: LabelledTexts | None
    start: Start | None
    resources: Resources

    @staticmethod
    def of(
        data: LabelledTexts, settings: Settings, vectors: WordVectors | None, valid: LabelledTexts | None,
        start: Start | None, resources: Resources,
    ) -> "_Training":  # fmt: skip
        """Return the training; raises TrainingError where it cannot be done."""
        rows = data if start is None or start.replay is None else _with_replay(data, start, resources.store)
        sets = label_sets(rows.labels, multi_label=settings.multi_label)
        labels = classes_of(sets, settings.multi_label, {*data.more_labels, *(start.model.labels if start else ())})
        order_labels(labels, settings.ordinal)  # raises where these labels have no such order
        if start is None and all(text == data.texts[0] for text in data.texts):
            raise TrainingError(
                "texts: expected texts that differ, found the same in every row. Is this the text column?"
            )
        _check_columns(data, valid, start)
        resources.listener.say(f"{len(rows.texts):,} examples, {what_labels(sets, len(labels), settings.multi_label)}")
        return _Training(data, rows, sets, labels, settings, vectors, valid, start, resources)

    def prepare(self, rng: np.random.Generator, *, is_apart: bool) -> _Prepared:
        """Return the fit to do, from scratch or on from a model, and what it is done on."""
        rows, labels, settings = self.rows, self.labels, self.settings
        Y = multi_hot(self.sets, labels)
        weights = _weights(rows, Y, labels, settings)
        sources = Sources(settings, self.vectors, rng, self.resources.store)
        if self.start is None:
            begin = self._from_scratch(sources, is_apart=is_apart)
        else:
            begin = self._continued(self.start, sources)
        matrix, S = begin.matrix, None
        if settings.optimizer == "lbfgs":
            S = mean_vectors(matrix.words, begin.E, self.resources.store, settings.threads)
        self.resources.listener.say(_what_was_found(begin.features, matrix, self.vectors))
        trainer = Trainer(
            settings, begin.features, begin.words, labels, begin.network, begin.E, S, self.resources, begin.earlier
        )
        return _Prepared(trainer, Examples(matrix.words, matrix.ngrams, Y, weights.astype(np.float32)), matrix)

    def _from_scratch(self, sources: Sources, *, is_apart: bool) -> _Beginning:
        """Return what a training begins with that has no model before it."""
        rows, settings, k = self.rows, self.settings, len(self.labels)
        copies = None if rows.weights is None else rows.row_weights()
        m = len(rows.columns.texts) if is_apart else 1
        vocabulary = learn_vocabulary(rows.only_texts, sources, copies, m, classes=k)
        vocabulary = add_columns(vocabulary, rows.columns, rows.texts, sources.store, copies, is_apart=is_apart)
        E = self._standardizer(vocabulary, copies, m).transform(vocabulary.E)
        network = Network.start((m * E.shape[1], *settings.hidden, k), settings.activation, sources.rng)
        return _Beginning(vocabulary.features, vocabulary.words, vocabulary.matrix, self._as_filed(E), network)

    def _continued(self, start: Start, sources: Sources) -> _Beginning:
        """Return what a training begins with that goes on from a model."""
        grown = grow(start.model, self.rows.texts, self.labels, sources)
        found, earlier = grown.vocabulary, grown.earlier
        E = self._as_filed(found.E)
        return _Beginning(found.features, found.words, found.matrix, E, earlier.network, earlier)

    def _standardizer(self, vocabulary: Vocabulary, copies: Array | None, m: int) -> Standardizer:
        """Return what standardizes the averages of all texts, of which a row has m and counts as so many `copies`."""
        settings = self.settings
        raw = mean_vectors(vocabulary.matrix.words, vocabulary.E, self.resources.store, settings.threads)
        passages = raw.reshape(len(raw) * m, -1)  # each has an average of its own
        weights = None if copies is None else np.repeat(copies, m)
        return Standardizer.of_rows(passages, weights, length=average_length(settings) / math.sqrt(m))

    def _as_filed(self, E: Array) -> Array | ByteRows:
        """Return E as the model's file will hold it, where training leaves it as it is."""
        return ByteRows.of(E) if self.settings.optimizer == "lbfgs" else E

    def split(self, Y: Array, rng: np.random.Generator) -> _Split:
        """Return which rows train and which validate; say how many rows are copies of another."""
        groups = _groups(self.rows, self.settings, self.valid, self.resources.listener)
        if self.valid is not None:
            return _Split(np.arange(len(Y)), None, groups)
        n, share = len(self.data.texts), self.settings.valid_fraction
        weights = self.rows.row_weights()[:n]
        _, valid = split(RowsByClass.of(Y[:n], groups[:n], weights), share, rng)
        valid = valid[~np.isin(groups[valid], groups[n:])]  # old rows train, and so do copies of them
        return _Split(np.setdiff1d(np.arange(len(Y)), valid, assume_unique=True), valid, groups)

    def hold_out(self, prepared: _Prepared, split: _Split) -> tuple[Examples, TextMatrix] | None:
        """Return the validation rows, if there are any."""
        store = self.resources.store
        if split.valid is None:
            assert self.valid is not None
            return _validation_file(self.valid, prepared.trainer.features, self.labels, self.settings, store)
        if not len(split.valid):
            return None
        return _held_out_rows(prepared.examples, prepared.matrix, split.valid, split.groups, store)

    def choose_columns(self, joined: _Fit, split: _Split) -> _Fit:
        """Return the fit with several text columns kept apart, if that pays on validation rows; else the one `joined`.

        Where nothing is to be chosen nothing else is fitted.
        """
        settings = self.settings
        is_asked = settings.columns == "auto" and settings.recipe != "fast" and settings.optimizer == "lbfgs"
        is_possible = self.start is None and len(self.data.columns.texts) > 1
        if joined.held_out is None or not (is_asked and is_possible):
            return joined
        saved_apart = replace(self.resources, checkpoint=self.resources.checkpoint.within("apart"))
        training = replace(self, resources=saved_apart)
        prepared = training.prepare(np.random.default_rng(settings.seed), is_apart=True)
        held_out = training.hold_out(prepared, split)
        assert held_out is not None
        apart = _Fit(prepared, prepared.trainer.fit(prepared.part(split), held_out[0]), held_out)
        losses = joined.prepared.trainer.validation_losses(joined.fitted, *joined.held_out)
        others = prepared.trainer.validation_losses(apart.fitted, *held_out)
        pays = _pays(losses, others, joined.held_out[0].groups)
        self.resources.listener.say(f"text columns: {'kept apart' if pays else 'joined'}")
        return apart if pays else joined

    def validate(self, fit: _Fit, split: _Split, rng: np.random.Generator) -> tuple[FitResult, Trained]:
        """Return the fit with what validation rows teach, such as the temperature, and what they show of it."""
        (trainer, examples, matrix), fitted, rows = fit
        if self.start is not None:
            fitted = replace(fitted, model=keep_calibration(fitted.model, self.start.model))
        if rows is None:
            return fitted, Trained(fitted.model, None, None, split.valid)
        Y, judged = examples.Y, split.valid
        if self.valid is None and self.rows is self.data and _is_cross_validated(self.settings, len(Y)):
            self.resources.listener.say(f"{FOLDS}-fold cross-validation")
            folds = deal(RowsByClass.of(Y, split.groups, examples.weights), FOLDS, rng)
            held_out = trainer.cross_validated(fitted, examples, matrix, split.groups, folds)
            judged = np.flatnonzero(folds >= 0)
        else:
            held_out = trainer.held_out(fitted, *rows)
        fitted, held_out = trainer.calibrated(fitted, held_out)
        model, validation = _validated(fitted.model, held_out, np.random.default_rng(self.settings.seed))
        return replace(fitted, model=model), Trained(model, validation, held_out, judged)


def _pays(losses: Array, others: Array, groups: Integers | None) -> bool:
    """Return whether the mean of other losses of the same rows is lower by more than its standard error.

    Rows with the same number in `groups`, shape (n,), have the same text.
    """
    gain = losses - others
    return bool(gain.mean() > standard_error(gain, groups))


def _groups(rows: LabelledTexts, settings: Settings, valid: LabelledTexts | None, listener: Listener) -> Integers:
    """Return which rows have the same text, as `group_copies` does, and say how many rows are copies.

    Where no rows are set aside nobody needs to know, and all texts count as different.
    """
    texts = rows.only_texts
    if valid is not None:
        shared = int(np.isin(text_keys(valid.only_texts), text_keys(texts), kind="sort").sum())
        if shared:
            listener.say(
                f"{shared:,} of {len(valid.texts):,} validation rows have the text of a training row, case and blanks"
                " aside: validation figures are better than those of new texts"
            )
        return np.arange(len(texts))
    if not settings.valid_fraction:
        return np.arange(len(texts))
    groups = group_copies(texts)
    copies = count_copies(groups)
    if copies:
        listener.say(
            f"{copies:,} of {len(texts):,} rows repeat the text of an earlier row, case and blanks aside: copies stay"
            " together when rows are set aside for validation"
        )
    return groups


def _check_columns(data: LabelledTexts, valid: LabelledTexts | None, start: Start | None) -> None:
    """Raise TrainingError when rows that are used together do not have the same columns."""
    replay = start.replay if start else None
    wanted = start.model.features.columns if start else data.columns
    for where, rows in (("rows to train on", data), ("validation rows", valid), ("old rows", replay)):
        if rows is not None and not rows.columns.fits(wanted):
            expected, found = (", ".join(columns.names) for columns in (wanted, rows.columns))
            raise TrainingError(
                f"{where}: expected the columns {expected}, found {found}. Name the same columns, or train anew."
            )


def _with_replay(data: LabelledTexts, start: Start, store: ArrayStore) -> LabelledTexts:
    """Return the rows and after them the old ones, which together weigh as much as all rows that the model has seen."""
    replay = start.replay
    assert replay is not None
    weights = replay.row_weights()
    together = np.concatenate([data.row_weights(), weights * (rows_seen(start.model) / weights.sum())])
    texts = store.strings(
        rows[start : start + _ROWS_COPIED]
        for rows in (data.texts, replay.texts)
        for start in range(0, len(rows), _ROWS_COPIED)
    )
    labels = [*data.labels, *replay.labels]
    return LabelledTexts(texts, labels, together.tolist(), data.more_labels, data.columns)


def _weights(data: LabelledTexts, Y: Array, labels: Sequence[str], settings: Settings) -> Array:
    """Return what each row weighs: its own weight times its class's, which are 1 in the mean over the rows.

    Raises TrainingError when a weight is too large.
    """
    own = data.row_weights()
    chosen, of_row = settings.class_weight, 1.0
    if chosen != "none":
        y = Y.argmax(axis=1)
        of_row = class_weights(chosen, labels, np.bincount(y, weights=own, minlength=len(labels)))[y]
    weights: Array = own * of_row
    if weights.max() > LARGEST_WEIGHT:
        raise TrainingError(
            f"weights: expected at most {LARGEST_WEIGHT:,.0f}, found {weights.max():g}. Divide all by the same number."
        )
    return weights


def _held_out_rows(
    examples: Examples, matrix: TextMatrix, rows: Integers, groups: Integers, store: ArrayStore
) -> tuple[Examples, TextMatrix]:
    of_rows = take(matrix, rows, store)
    held_out = Examples(of_rows.words, of_rows.ngrams, examples.Y[rows], examples.weights[rows], groups[rows])
    return held_out, of_rows


def _validation_file(
    valid: LabelledTexts, features: Features, labels: Sequence[str], settings: Settings, store: ArrayStore
) -> tuple[Examples, TextMatrix]:
    Y = multi_hot(label_sets(valid.labels, multi_label=settings.multi_label), labels)
    matrix = extract(features, valid.texts, store, settings.threads)
    weights, groups = valid.row_weights().astype(np.float32), group_copies(valid.texts)
    return Examples(matrix.words, matrix.ngrams, Y, weights, groups), matrix


def _is_cross_validated(settings: Settings, n: int) -> bool:
    """Return whether every row is to be judged by a model that did not see it: few rows, or a promise, call for it."""
    return settings.optimizer == "lbfgs" and (n <= FEW_ROWS or settings.target_precision is not None)


def _what_was_found(features: Features, matrix: TextMatrix, vectors: WordVectors | None) -> str:
    known = matrix.known.sum() / max(int(matrix.tokens.sum()), 1)
    advice = advise_on_coverage(vectors, known) if vectors else ""
    source = f"{vectors.name}: {known:.0%} of tokens have a vector{advice}" if vectors else "random vectors"
    tables = ", ".join(f"{len(table.index):,} {table.name}" for table in features.ngrams)
    others = f"; {features.others.width:,} features of other columns" if features.others.width else ""
    return f"{source}; {tables or 'no n-grams'}{others}"


# --- the model and its description --------------------------------------------------------------------------------


def _validated(
    model: Model, held_out: HeldOut, rng: np.random.Generator
) -> tuple[Model, Evaluation | MultiLabelEvaluation]:
    """Return the model with what the validation rows teach about its answers, and how it does on them."""
    matrix, Y = held_out.matrix, held_out.examples.Y
    P = model.probabilities_of(held_out.logits)
    if model.is_multi_label:
        halves = held_out.deal(2, rng)
        found = cross_validate(model.labels, Y, P, matrix.tokens, matrix.known, halves > 0).evaluation()
        return replace(model, thresholds=choose_thresholds(P, Y)), _counting_copies_once(found, held_out.groups, Y)
    return with_record(model, HeldOutAnswers(Y, P, matrix.tokens, matrix.known, matrix.known_shares, held_out.groups))


@dataclass(frozen=True)
class HeldOutAnswers:
    """What a model says of n rows that it was not fitted to, beside the truth.

    `Y`, `P`: the truth and the probabilities, shape (n, k). `tokens`, `known`, `known_shares`: as in a `TextMatrix`.
    `groups`, shape (n,): rows of one number have the same text.
    """

    Y: Array
    P: Array
    tokens: Integers
    known: Integers
    known_shares: Array
    groups: Integers


def with_record(model: Model, rows: HeldOutAnswers) -> tuple[Model, Evaluation]:
    """Return a model of one label a text with its confidence record on these rows, and its figures on them."""
    tally, classes = Tally(model.labels, model.values), model.decision.choose(rows.P)
    y = rows.Y.argmax(axis=1)
    tally.add(y, rows.P, words=rows.tokens, known=rows.known, classes=classes)
    record = record_confidence(rows.P, y, classes, rows.known_shares, rows.groups)
    return replace(model, record=record), _counting_copies_once(tally.evaluation(), rows.groups, rows.Y)


def _counting_copies_once(found: AnyEvaluation, groups: Integers, Y: Array) -> AnyEvaluation:
    return with_shares(found, independent_share(groups), independent_by_label(groups, Y))


def _with_reference(model: Model, matrix: TextMatrix, vectors: WordVectors | None) -> Model:
    """Return the model with a reference profile: of its training texts, and of its confidence on held-out rows."""
    reference = model.profile()
    # Without vectors the words are those of these very texts, none of which would count as unknown.
    reference.add_texts(matrix.tokens, matrix.known, matrix.known_shares, words=vectors is not None)
    if model.record is not None:
        reference.add_confidence(model.record.confidence)
    return replace(model, reference=reference)


def _described(
    fitted: FitResult,
    summary: TrainingData,
    settings: Settings,
    vectors: WordVectors | None,
    validation: Evaluation | MultiLabelEvaluation | None,
    start: Start | None,
) -> Model:
    model, old = fitted.model, start.model.card if start else None
    card = replace(
        model.card,
        settings=settings,
        regularization=RegularizationFigures(**vars(fitted.regularization)) if fitted.regularization else None,
        validation=validation_figures(validation) if validation else None,
        data=summary,
        before=(*old.before, old.data) if old and old.data else (),
        provenance=provenance(vectors),
    )
    return replace(model, card=card)


def _identity(
    data: LabelledTexts,
    summary: TrainingData,
    settings: Settings,
    vectors: WordVectors | None,
    valid: LabelledTexts | None,
    start: Start | None,
) -> dict[str, Any]:
    """Return what decides the outcome of a training, to the last bit; keys are what a message calls it."""
    replay = start.replay if start else None
    weights = [rows.row_weights().tobytes() for rows in (data, valid, replay) if rows is not None]
    return {
        "rows": summary.sha256,
        "columns": None if data.columns.is_plain else data.columns.names,
        "further labels": sorted(data.more_labels),
        "validation rows": digest_of(valid.texts, valid.labels) if valid is not None else None,
        "model to continue from": start.model.digest() if start is not None else None,
        "old rows": digest_of(replay.texts, replay.labels) if replay is not None else None,
        "weights of rows": hashlib.sha256(b"".join(weights)).hexdigest(),
        **list_what_decides(settings, vectors),
    }


def list_what_decides(settings: Settings, vectors: WordVectors | None) -> dict[str, Any]:
    """Return what, beside the rows, decides the outcome of a training; keys are what a message calls it."""
    return {
        "vectors": vectors.sha256 if vectors is not None else None,
        "settings": {name: value for name, value in settings.as_dict().items() if name != "vectors"},
        "version of textclf": __version__,
        "version of NumPy": np.__version__,
    }
