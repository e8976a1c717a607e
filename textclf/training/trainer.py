"""The fit, which runs twice: on the training part, to choose and to validate, and on all rows, with what was chosen."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from textclf.model.card import EpochFigures, ModelCard, Scaling
from textclf.model.model import Model
from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import LOSSES, Loss, Network
from textclf.settings import Settings
from textclf.storage.array_store import ArrayStore
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.parallel import in_order
from textclf.storage.quantized import ByteRows
from textclf.text.csr import SparseRows, average
from textclf.text.features import Features, TextMatrix
from textclf.text.subwords import WideRows
from textclf.training import calibration
from textclf.training.calibration import CalibrationRows, fit_calibration, fit_temperature
from textclf.training.checkpoint import State
from textclf.training.continual import EarlierKnowledge
from textclf.training.data import Examples, RowsByClass, deal
from textclf.training.label_names import NamePrior, guess_by_names, name_vectors
from textclf.training.minibatch import EpochSettings, TrainedNetwork, train_network
from textclf.training.nbsvm import nbsvm_scales
from textclf.training.objective import FitOptions, JointFit, Problem, RowsHere, columns_moved, fit_jointly
from textclf.training.regularization import (
    FEWEST_JUDGES,
    PATTERN_SCALE,
    UNUSED,
    Moves,
    Regularization,
    choose_regularization,
)
from textclf.training.resources import NOBODY, Epoch, Resources
from textclf.training.vocabulary import take
from textclf.types import Array, Integers

JOINT_L2 = 0.15
"""The L2 strength that the search starts from."""
JOINT_ITERATIONS = 60
MOVE_ITERATIONS = 15
"""Steps of a fit that starts from a fit with another regularization."""
JOINT_TOLERANCE, TIGHT_TOLERANCE = 4e-3, 1e-3
"""Steps that gain a smaller share of the loss do no more good on rows that the fit has not seen, and many do harm. The
second is for a regularization that is given: a strong one keeps the loss high, and smaller shares of it matter."""
CHOOSING_TOLERANCE = 1e-4
"""Where fits are compared to choose the regularization, so that what is compared is not how far each has come."""
_LENGTH, _LENGTH_FOR_HIDDEN = 1.0, 0.1
AUTO_WORK = 4_000_000
"""The regularization is chosen by fits to so many entries of C times classes, which takes some seconds …"""
_FEWEST_SAMPLED, _SAMPLED_A_CLASS = 2_000, 40
"""… but to no fewer rows than these, if there are more."""
_LEAST_SHARE, _MOST_SAMPLE_WORK = 1 / 3, 25 * AUTO_WORK
"""Fits to fewer of the rows say little of what all call for, and to more than so many entries times classes they take
minutes: L2 then stays where it starts, as most tables want it."""
_PAIRS, _FEW_PAIRS, _MANY_PARAMETERS = 8, 3, 4_000_000
"""Steps that L-BFGS remembers, and of how many parameters on fewer: two arrays like the parameters for each."""
_ROWS_AT_ONCE = 1 << 12
_NOTED = "joint"
_DEFAULT_RATES = {"lbfgs": 0.0, "adam": 0.003, "momentum": 0.05, "sgd": 0.5}
_DEFAULT_EPOCHS = {"lbfgs": JOINT_ITERATIONS, "adam": 20, "momentum": 30, "sgd": 60}


Kind = TypeVar("Kind")


@dataclass(frozen=True)
class HeldOut:
    """Rows to validate on, as examples and as matrices, and Z[L] of each by a model that was not fitted to it.

    `groups`, shape (n,): rows of one number have the same text.
    """

    examples: Examples
    matrix: TextMatrix
    logits: Array
    groups: Integers

    def deal(self, folds: int, rng: np.random.Generator) -> Integers:
        """Return the fold of each row, as `data.deal` does."""
        return deal(RowsByClass.of(self.examples.Y, self.groups, self.examples.weights), folds, rng)


@dataclass(frozen=True)
class FitResult:
    """A fitted model, and the regularization that it was fitted with (None when nothing was fitted jointly).

    `scaling`: what calibration did to the model's weighted sums besides the temperature; it is part of the model.
    """

    model: Model
    regularization: Regularization | None
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Trainer:
    """The fit, which runs twice: on the training part, to validate, and on all rows.

    With `earlier` knowledge it continues from another model's parameters.
    """

    settings: Settings
    features: Features
    words: PackedStrings
    labels: tuple[str, ...]
    network: Network
    E: Array | ByteRows
    """In bytes where training leaves E as it is, as the model's file holds it."""
    S: Array | None
    """C E of all examples, where E stays what it is; None where training changes it."""
    resources: Resources
    earlier: EarlierKnowledge | None = None
    epochs: tuple[Epoch, ...] = ()
    """Those in which mini-batches have trained the network and E."""
    is_sample: bool = False
    """Whether it fits to a sample of the rows, to choose the regularization."""

    def train_network(self, examples: Examples, valid: Examples | None, rng: np.random.Generator) -> "Trainer":
        """Return the trainer with the network and E that mini-batches have trained; itself where L-BFGS does all."""
        if self.settings.optimizer == "lbfgs":
            return self
        start = TrainedNetwork(self.network, np.asarray(self.E))
        trained = train_network(start, examples, valid, self._epoch_settings(), rng, self.resources)
        return replace(self, network=trained.network, E=trained.E, epochs=trained.history)

    def fit(
        self,
        examples: Examples,
        valid: Examples | None = None,
        regularization: Regularization | None = None,
        start: JointFit | None = None,
    ) -> FitResult:
        """Return the model fitted to these examples, with a regularization chosen on `valid` if none is given.

        Where fits to all rows would take long, fits to a sample choose the regularization. The joint fit starts
        from `start`, where one is given.
        """
        if self.settings.optimizer != "lbfgs" and not examples.ngrams.width:
            return FitResult(self._model(JointFit(self.network, np.zeros((0, len(self.labels)), np.float32), [])), None)
        is_given = self.earlier is not None or regularization is not None
        is_searched = not is_given and self._may_choose(examples, valid)
        if is_searched and self._takes_long(examples):
            is_searched, regularization = False, self._choose_on_sample(examples, valid)
        regularization = regularization or self._first_regularization()
        threads, scales = self.settings.threads, self._scales(examples)
        S = mean_vectors(examples.words, self.E, self.resources.store, threads) if self.S is None else self.S
        guess = self._guess_by_names(S, examples)
        judge = None if valid is None else self._judge(valid)
        past = self._past_moves(examples)
        rows = RowsHere.of(S, examples, threads)
        if past is None:
            options = self._options(start, judge, is_searched=is_searched)
            past = Moves((), fit_jointly(self._problem(regularization, scales, guess), rows, options))
            self._save_moves(past)
        if judge is None or not is_searched:
            return FitResult(self._model(past.fit), regularization)

        def move(to: Regularization, begin: JointFit) -> JointFit:
            options = self._options(begin, judge, is_searched=True)
            return fit_jointly(self._problem(to, scales, guess), rows, options)

        groups = judge.rows.examples.groups
        choice = choose_regularization(regularization, past, move, judge.losses, groups, self._save_moves)
        chosen = choice.regularization
        said = [
            f", no {table.name}" if scale == UNUSED else f", scale of {table.name} {scale:g}"
            for table, scale in zip(self.features.ngrams, chosen.ngram_scales, strict=True)
        ]
        self.resources.listener.say(f"regularization, best of {choice.tried}: L2 {chosen.l2:.3g}{''.join(said)}")
        return FitResult(self._model(choice.fit), choice.regularization)

    def calibrated(self, fitted: FitResult, held_out: HeldOut) -> tuple[FitResult, HeldOut]:
        """Return the model with the temperature, and the scaling if any, that suits the held-out rows.

        With it those rows, whose weighted sums are then that model's.
        """
        if not self.settings.calibrate:
            return fitted, held_out
        examples, loss = held_out.examples, LOSSES["cross-entropy", self.settings.output]
        if self.earlier is not None:
            # New rows alone would teach vector scaling that labels which none of them has are never right.
            temperature, _ = fit_temperature(held_out.logits, examples.Y, examples.weights, loss)
            return replace(fitted, model=replace(fitted.model, temperature=temperature)), held_out
        rng = np.random.default_rng(self.settings.seed)
        fold = held_out.deal(calibration.FOLDS, rng)
        rows = CalibrationRows(held_out.logits, examples.Y, examples.weights, fold, held_out.groups)
        found = fit_calibration(rows, loss, rng)
        model = replace(fitted.model, temperature=found.temperature)
        if found.scaling is None:
            return replace(fitted, model=model), held_out
        scaled = replace(held_out, logits=found.scaling.apply(held_out.logits))
        return replace(fitted, model=model.scaled(found.scaling), scaling=found.scaling), scaled

    def held_out(self, fitted: FitResult, examples: Examples, matrix: TextMatrix) -> HeldOut:
        """Return rows that the model was not fitted to, with what it says of them."""
        assert examples.groups is not None
        return HeldOut(examples, matrix, self._logits(fitted.model, matrix), examples.groups)

    def validation_losses(self, fitted: FitResult, examples: Examples, matrix: TextMatrix) -> Array:
        """Return the loss of each held-out row at the temperature that suits them all, shape (n,)."""
        return _losses_at_best_temperature(self._logits(fitted.model, matrix), examples, self._loss)

    def _logits(self, model: Model, matrix: TextMatrix) -> Array:
        """Return Z[L] of all texts, worked out in parts, of which each takes its C in double precision."""
        found = []
        for start in range(0, max(len(matrix), 1), _ROWS_AT_ONCE):
            part = matrix.slice(start, min(start + _ROWS_AT_ONCE, len(matrix)))
            found.append(model.logits(part, threads=self.settings.threads))
        return np.concatenate(found)

    def cross_validated(
        self, fitted: FitResult, examples: Examples, matrix: TextMatrix, groups: Integers, folds: Integers
    ) -> HeldOut:
        """Return all rows that are in a fold, each with what a model says that was fitted to the other rows.

        Each of these models has the regularization of the one `fitted`.
        """
        logits = np.empty(examples.Y.shape)
        for fold in np.unique(folds[folds >= 0]):
            out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            name = f"fold{fold}"
            noted = self.resources.checkpoint.load(name)
            if noted is not None:
                logits[out] = noted.array("logits", logits[out])
                continue
            model = self._quietly(name).fit(examples.weighing_only(rest), None, fitted.regularization).model
            logits[out] = self._logits(model, take(matrix, out, self.resources.store))
            said = State({"logits": logits[out]})
            self.resources.checkpoint.save(name, said.itself)
        judged = np.flatnonzero(folds >= 0)
        if len(judged) < len(folds):
            matrix = take(matrix, judged, self.resources.store)
            examples = Examples(matrix.words, matrix.ngrams, examples.Y[judged], examples.weights[judged])
        return HeldOut(examples, matrix, logits[judged], groups[judged])

    def refit(self, fitted: FitResult, examples: Examples) -> FitResult:
        """Return the model fitted to all examples, the validation rows too; what validation showed is kept."""
        if self.settings.optimizer != "lbfgs":
            return fitted  # its epochs were chosen by rows that it must not have seen
        self.resources.listener.say("refitting on all rows")
        # The problem is convex: it ends where one from scratch would.
        start = JointFit(fitted.model.network, np.asarray(fitted.model.U), [])
        again = self._quietly("last").fit(examples, None, fitted.regularization, start)
        found = again.model if fitted.scaling is None else again.model.scaled(fitted.scaling)
        return replace(fitted, model=replace(fitted.model, E=found.E, U=found.U, network=found.network))

    def _quietly(self, name: str) -> "Trainer":
        """Return the trainer of a further fit, which tells nobody how it goes and is saved under this name."""
        checkpoint = self.resources.checkpoint.within(name)
        return replace(self, resources=replace(self.resources, listener=NOBODY, checkpoint=checkpoint))

    def _model(self, fit: JointFit) -> Model:
        """Return the model that a joint fit makes."""
        epochs = [EpochFigures(**vars(epoch)) for epoch in self.epochs]
        thresholds = np.full(len(self.labels), 0.5, np.float32) if self.settings.multi_label else None
        return Model(
            self.labels, self.features, self.words, self.E, fit.U, fit.network, self.settings.output,
            ModelCard((*epochs, *list_steps(fit, len(epochs))), settings=self.settings), thresholds=thresholds,
        )  # fmt: skip

    def _scales(self, examples: Examples) -> Array:
        """Return the scales of word n-grams and sub-words before any factor, of the columns that a fit moves."""
        scales = nbsvm_scales(
            examples.ngrams, examples.Y, examples.weights, threads=self.settings.threads, measured=self._measured
        )
        return columns_moved(scales, self._loss)

    def _problem(self, regularization: Regularization, scales: Array, guess: NamePrior | None) -> Problem:
        """Return what is minimized with this regularization, given the scales before any factor."""
        if any(scale != 1.0 for scale in regularization.ngram_scales):
            scales = scales.copy()
            for kind, factor in zip(self.features.kinds, regularization.ngram_scales, strict=True):
                scales[kind] *= np.float32(factor)
        prior = guess.around(regularization.l2, (len(scales), len(self.labels))) if guess else None
        problem = Problem(self.network, scales, self._loss, regularization.l2, prior)
        return problem if self.earlier is None else self.earlier.held(problem)

    def _options(self, start: JointFit | None, judge: "_Judge | None", *, is_searched: bool) -> FitOptions:
        """Return how a minimum is looked for: closely where fits are compared, in few steps from an earlier fit."""
        settings, done = self.settings, len(self.epochs)
        steps = MOVE_ITERATIONS if start else settings.epochs if settings.epochs and not done else JOINT_ITERATIONS
        gain = CHOOSING_TOLERANCE if is_searched else joint_tolerance(settings)
        epoch = self.resources.listener.epoch
        parameters = sum(len(table.index) for table in self.features.ngrams) * len(self.labels)
        pairs = _FEW_PAIRS if parameters > _MANY_PARAMETERS else _PAIRS
        return FitOptions(
            LbfgsSettings(steps, tolerance=0.0, gain=gain, memory=pairs),
            start,
            lambda number, loss: epoch(Epoch(done + number, loss), done + steps),
            self.resources.checkpoint.within(_NOTED),
            valid_loss=None if judge is None else judge.mean_loss,
        )

    def _judge(self, valid: Examples) -> "_Judge":
        threads = self.settings.threads
        S = mean_vectors(valid.words, self.E, self.resources.store, threads)
        return _Judge(RowsHere.of(S, valid, threads), self._loss)

    @property
    def _loss(self) -> Loss:
        return LOSSES[self.settings.loss, self.settings.output]

    def _guess_by_names(self, S: Array, examples: Examples) -> NamePrior | None:
        settings = self.settings
        is_other = settings.hidden or self.earlier is not None or settings.optimizer != "lbfgs"
        if is_other or self.features.passages > 1:
            return None
        vectors = name_vectors(self.features, self.E, self.labels, settings.label_names)
        guess = guess_by_names(vectors, self.network, S, examples.Y, examples.weights, self._loss)
        if guess is not None:
            self.resources.listener.say(f"label names: a first guess of strength {guess.strength:.2g}")
        return guess

    def _save_moves(self, moves: Moves[JointFit]) -> None:
        arrays = moves.fit.as_arrays()
        self.resources.checkpoint.save(_NOTED, lambda: State(arrays, {"kept": list(moves.kept)}))

    def _past_moves(self, examples: Examples) -> Moves[JointFit] | None:
        """Return the moves of a resumed training, or None if no fit of it was finished."""
        state = self.resources.checkpoint.load(_NOTED)
        if state is None:
            return None
        U = np.empty((examples.ngrams.width, len(self.labels)), np.float32)
        return Moves(tuple(map(bool, state.facts["kept"])), JointFit.from_state(state, self.network, U))

    @property
    def _measured(self) -> slice:
        """The rows of U that belong to columns of numbers."""
        others = self.features.of_others
        return slice(others.start + self.features.others.counted, others.stop)

    def _may_choose(self, examples: Examples, valid: Examples | None) -> bool:
        enough = valid is not None and len(valid) >= FEWEST_JUDGES
        return enough and self.settings.l2 is None and self.settings.recipe != "fast" and examples.ngrams.width > 0

    def _work(self, examples: Examples) -> int:
        return examples.ngrams.entries * len(self.labels)

    def _takes_long(self, examples: Examples) -> bool:
        """Return whether a sample of the examples has to do for choosing the regularization."""
        return not self.is_sample and self.settings.recipe != "best" and self._work(examples) > AUTO_WORK

    def _choose_on_sample(self, examples: Examples, valid: Examples | None) -> Regularization | None:
        """Return the regularization that suits a random share of the examples; None where they are too few to say."""
        rows = np.flatnonzero(examples.weights)
        fewest = max(_FEWEST_SAMPLED, _SAMPLED_A_CLASS * len(self.labels))
        count = min(len(rows), max(round(AUTO_WORK / self._work(examples) * len(rows)), fewest))
        if count < _LEAST_SHARE * len(examples) or count * self._work(examples) > _MOST_SAMPLE_WORK * len(rows):
            return None
        rng = np.random.default_rng(self.settings.seed)
        drawn = np.sort(rng.choice(rows, count, replace=False))
        resources = replace(self.resources, checkpoint=self.resources.checkpoint.within("sample"))
        S = None if self.S is None else self.S[drawn]
        return replace(self, S=S, resources=resources, is_sample=True).fit(examples.take(drawn), valid).regularization

    def _epoch_settings(self) -> EpochSettings:
        settings = self.settings
        return EpochSettings(
            loss=self._loss,
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

    def _first_regularization(self) -> Regularization:
        """Return the given L2 strength, unless mini-batches had it, or the one that the search starts from."""
        l2 = JOINT_L2 if self.settings.l2 is None or self.epochs else self.settings.l2
        of_patterns = UNUSED if self.settings.pattern_ngrams is None else PATTERN_SCALE
        scales = (of_patterns if table.kind == "patterns" else 1.0 for table in self.features.ngrams)
        return Regularization(l2, tuple(scales))


@dataclass(frozen=True)
class WithoutPatterns:
    """Leaves patterns out of what a training works on, after validation rows did not ask for them.

    `place`: which of the tables of n-grams is that of patterns. `rows`: its rows of U.
    """

    place: int
    rows: slice

    @staticmethod
    def after(fitted: FitResult) -> "WithoutPatterns | None":
        """Return what leaves patterns out if a fit does not use them; else None."""
        scales = fitted.regularization.ngram_scales if fitted.regularization else ()
        if UNUSED not in scales:
            return None
        place = scales.index(UNUSED)
        return WithoutPatterns(place, fitted.model.features.kinds[place])

    def trainer(self, trainer: Trainer) -> Trainer:
        """Return the trainer of models without patterns."""
        return replace(trainer, features=self._features(trainer.features))

    def fitted(self, fitted: FitResult) -> FitResult:
        """Return the fit without the weights of patterns, all of which are as good as 0."""
        model, chosen = fitted.model, fitted.regularization
        assert chosen is not None
        U = np.delete(np.asarray(model.U), self.rows, axis=0)
        scales = self._without(chosen.ngram_scales)
        return replace(
            fitted,
            model=replace(model, features=self._features(model.features), U=U),
            regularization=replace(chosen, ngram_scales=scales),
        )

    def matrix(self, matrix: TextMatrix) -> TextMatrix:
        """Return the matrix without the columns of patterns."""
        shares = np.delete(matrix.known_shares, self.place, axis=1)
        return replace(matrix, ngrams=self._wide(matrix.ngrams), known_shares=shares)

    def examples(self, examples: Examples) -> Examples:
        """Return the examples without the columns of patterns."""
        return replace(examples, ngrams=self._wide(examples.ngrams))

    def _features(self, features: Features) -> Features:
        return replace(features, ngrams=self._without(features.ngrams))

    def _without(self, each: tuple[Kind, ...]) -> tuple[Kind, ...]:
        return each[: self.place] + each[self.place + 1 :]

    def _wide(self, wide: WideRows) -> WideRows:
        width = wide.ngrams.width - (self.rows.stop - self.rows.start)
        places = np.insert(np.arange(width, dtype=np.int32), self.rows.start, np.full(wide.ngrams.width - width, -1))
        return replace(wide, ngrams=wide.ngrams.renumber(places, width))


@dataclass(frozen=True)
class _Judge:
    """Validation rows that tell fits apart: each is judged at the temperature that suits it."""

    rows: RowsHere
    loss: Loss

    def losses(self, found: JointFit) -> Array:
        """Return the loss of each row, shape (n,)."""
        return _losses_at_best_temperature(self.rows.logits(found.network, found.U), self.rows.examples, self.loss)

    def mean_loss(self, found: JointFit) -> float:
        """Return the mean loss of the rows."""
        return float(self.losses(found).sum() / self.rows.weight)


def _losses_at_best_temperature(Z: Array, examples: Examples, loss: Loss) -> Array:
    temperature, _ = fit_temperature(Z, examples.Y, examples.weights, loss)
    return loss.value(Z.astype(np.float64) / temperature, examples.Y) * examples.weights


def average_length(settings: Settings) -> float:
    """Return how long a text's average vector is, beside its n-grams of length 1.

    The shorter it is, the more its weights cost. Hidden layers bend to every single text where averages are long; short
    ones leave to the n-grams what those know.
    """
    return _LENGTH_FOR_HIDDEN if settings.hidden and settings.optimizer == "lbfgs" else _LENGTH


def list_steps(found: JointFit, done: int) -> list[EpochFigures]:
    """Return the steps of a fit, and of those that it continued, numbered from the one after `done` epochs."""
    steps: list[EpochFigures] = []
    for fit, length in enumerate(found.lengths, 1):
        for loss in found.losses[len(steps) : len(steps) + length]:
            steps.append(EpochFigures(done + len(steps) + 1, loss, fit=fit))
        if length and fit <= len(found.valid_losses):
            steps[-1] = replace(steps[-1], valid_loss=found.valid_losses[fit - 1])
    return steps


def joint_tolerance(settings: Settings) -> float:
    """Return the relative gain below which a fit ends when no regularizations are compared."""
    return JOINT_TOLERANCE if settings.l2 is None else TIGHT_TOLERANCE


def mean_vectors(C: SparseRows, E: Array | ByteRows, store: ArrayStore, threads: int) -> Array:
    """Return S = C E, shape (n, d), or (n, m d) where m texts are kept apart, in the store."""
    return store.concatenate(in_order(lambda part: average(part, E), C.batches(), threads))
