"""The fit, which runs twice: on the training part, to choose and to validate, and on all rows, with what was chosen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from textclf.metrics.multi_label import strata
from textclf.model import calibration
from textclf.model.calibration import Scaling, fit_calibration, fit_temperature
from textclf.model.card import EpochFigures, ModelCard
from textclf.model.model import Model
from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import LOSSES, Network
from textclf.settings import Settings
from textclf.storage.array_store import IN_MEMORY, ArrayStore, walk
from textclf.storage.packed_strings import PackedStrings
from textclf.storage.parallel import in_order
from textclf.storage.quantized import ByteRows
from textclf.text.csr import SparseRows, average
from textclf.text.features import Features, TextMatrix
from textclf.training.checkpoint import NO_CHECKPOINT, Checkpoint, State
from textclf.training.continual import EarlierKnowledge
from textclf.training.data import Examples, deal
from textclf.training.label_names import NamePrior, guess_by_names, name_vectors
from textclf.training.minibatch import Epoch, EpochSettings, train_network
from textclf.training.nbsvm import nbsvm_scales
from textclf.training.objective import FitOptions, JointFit, Problem, columns_moved, fit_jointly
from textclf.training.regularization import Choice, Moves, Regularization, choose_regularization
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
JOINT_LENGTH = 1.0
"""How long a text's average vector is, beside its n-grams of length 1: the shorter, the more its weights cost."""
SCALE_FLOOR, SCALE_SMOOTHING = 0.6, 0.3
AUTO_WORK = 4_000_000
"""The regularization is chosen by fits to so many entries of C times classes, which takes some seconds …"""
_FEWEST_JUDGES = 50
"""Fewer validation rows choose by chance: then the regularization stays where the search would start."""
_FEWEST_SAMPLED, _SAMPLED_A_CLASS = 2_000, 40
"""… but to no fewer rows than these, if there are more."""
_LEAST_SHARE = 1 / 3
"""Fits to fewer of the rows say little of what all call for: L2 then stays where it starts, as most tables want it."""
_ROWS_AT_ONCE = 1 << 12
_NOTED = "joint"
_DEFAULT_RATES = {"lbfgs": 0.0, "adam": 0.003, "momentum": 0.05, "sgd": 0.5}
_DEFAULT_EPOCHS = {"lbfgs": JOINT_ITERATIONS, "adam": 20, "momentum": 30, "sgd": 60}


@dataclass(frozen=True)
class Listener:
    """Who is told how training goes: `say` of each step in a sentence, `epoch` of each epoch, out of so many."""

    say: Callable[[str], None] = lambda _: None
    epoch: Callable[[Epoch, int], None] = lambda _epoch, _of: None


NOBODY = Listener()


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
        Y = self.examples.Y
        return deal(strata(Y), folds, rng, groups=self.groups, Y=Y)


@dataclass(frozen=True)
class FitResult:
    """A fitted model, and the regularization that it was fitted with (None when nothing was fitted jointly).

    `scaling`: what calibration did to the model's weighted sums besides the temperature; it is part of the model.
    """

    model: Model
    regularization: Regularization | None
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Stage:
    """Where the joint fit begins: the network and the vectors, which mini-batches have trained for so many epochs."""

    network: Network
    E: Array
    epochs: int


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
    E: Array
    S: Array | None
    """C E of all examples, where E stays what it is; None where training changes it."""
    listener: Listener
    store: ArrayStore = IN_MEMORY
    checkpoint: Checkpoint = NO_CHECKPOINT
    earlier: EarlierKnowledge | None = None
    is_sample: bool = False
    """Whether it fits to a sample of the rows, to choose the regularization."""

    def fit(
        self,
        examples: Examples,
        valid: Examples | None,
        rng: np.random.Generator,
        regularization: Regularization | None = None,
        start: JointFit | None = None,
    ) -> FitResult:
        """Return the model fitted to these examples: epochs, and regularization if none is given, chosen on `valid`.

        The joint fit starts from `start`, if one is given.
        """
        settings = self.settings
        loss = LOSSES[settings.loss, settings.output]
        network, E, epochs = self.network, self.E, []
        if settings.optimizer != "lbfgs":
            chosen = self._epoch_settings()
            trained = train_network(
                network, E, examples, valid, loss, chosen, rng,
                after_epoch=lambda epoch: self.listener.epoch(epoch, chosen.epochs), checkpoint=self.checkpoint,
            )  # fmt: skip
            network, E, epochs = trained.network, trained.E, trained.history
        U = np.zeros((0, len(self.labels)), np.float32)
        history = [EpochFigures(**vars(epoch)) for epoch in epochs]
        if settings.optimizer == "lbfgs" or examples.ngrams.width:
            choice = self._fit_jointly(Stage(network, E, len(epochs)), examples, valid, regularization, start)
            network, U, regularization = choice.fit.network, choice.fit.U, choice.regularization
            history += list_steps(choice.fit, len(epochs))
        thresholds = np.full(len(self.labels), 0.5, np.float32) if settings.multi_label else None
        vectors = E if self.S is None else ByteRows.of(E)  # as E is where training leaves it, its bytes are exact
        model = Model(
            self.labels, self.features, self.words, vectors, U, network, settings.output,
            ModelCard(tuple(history), settings=self.settings), thresholds=thresholds,
        )  # fmt: skip
        return FitResult(model, regularization)

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
        found = fit_calibration(held_out.logits, examples.Y, examples.weights, loss, rng, fold, held_out.groups)
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
        Z, loss = self._logits(fitted.model, matrix), LOSSES[self.settings.loss, self.settings.output]
        temperature, _ = fit_temperature(Z, examples.Y, examples.weights, loss)
        return loss.value(Z / temperature, examples.Y) * examples.weights

    def _logits(self, model: Model, matrix: TextMatrix) -> Array:
        """Return Z[L] of all texts, worked out in parts, of which each takes its C in double precision."""
        found = []
        for start in range(0, max(len(matrix), 1), _ROWS_AT_ONCE):
            part = matrix.slice(start, min(start + _ROWS_AT_ONCE, len(matrix)))
            found.append(model.logits(part, threads=self.settings.threads))
        return np.concatenate(found)

    def cross_validated(
        self, fitted: FitResult, examples: Examples, matrix: TextMatrix, groups: Integers, folds: Integers,
        rng: np.random.Generator,
    ) -> HeldOut:  # fmt: skip
        """Return all rows that are in a fold, each with what a model says that was fitted to the other rows.

        Each of these models has the regularization of the one `fitted`.
        """
        logits = np.empty(examples.Y.shape)
        quiet = replace(self, listener=NOBODY)
        for fold in np.unique(folds[folds >= 0]):
            out, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            name = f"fold{fold}"
            noted = self.checkpoint.load(name)
            if noted is not None:
                logits[out] = noted.array("logits", logits[out])
                continue
            part = replace(quiet, checkpoint=self.checkpoint.within(name))
            model = part.fit(examples.weighing_only(rest), None, rng, fitted.regularization).model
            logits[out] = self._logits(model, take(matrix, out, self.store))
            said = State({"logits": logits[out]})
            self.checkpoint.save(name, said.itself)
        judged = np.flatnonzero(folds >= 0)
        if len(judged) < len(folds):
            matrix = take(matrix, judged, self.store)
            examples = Examples(matrix.words, matrix.ngrams, examples.Y[judged], examples.weights[judged])
        return HeldOut(examples, matrix, logits[judged], groups[judged])

    def refit(self, fitted: FitResult, examples: Examples, rng: np.random.Generator) -> FitResult:
        """Return the model fitted to all examples, the validation rows too; what validation showed is kept."""
        if self.settings.optimizer != "lbfgs":
            return fitted  # its epochs were chosen by rows that it must not have seen
        self.listener.say("refitting on all rows")
        # The problem is convex: it ends where one from scratch would.
        start = JointFit(fitted.model.network, np.asarray(fitted.model.U), [])
        last = replace(self, listener=NOBODY, checkpoint=self.checkpoint.within("last"))
        again = last.fit(examples, None, rng, fitted.regularization, start)
        found = again.model if fitted.scaling is None else again.model.scaled(fitted.scaling)
        return replace(fitted, model=replace(fitted.model, E=found.E, U=found.U, network=found.network))

    def _fit_jointly(
        self,
        stage: Stage,
        examples: Examples,
        valid: Examples | None,
        regularization: Regularization | None = None,
        begin: JointFit | None = None,
    ) -> Choice[JointFit]:
        """Fit network and n-grams jointly, with this regularization or the one that does best on the validation rows.

        Where fits to all rows would take long, fits to a sample choose the regularization.
        """
        network, E, done = stage.network, stage.E, stage.epochs
        threads, loss = self.settings.threads, LOSSES[self.settings.loss, self.settings.output]
        worth = self.earlier is None and regularization is None and self._may_choose(examples, valid)
        work = examples.ngrams.entries * len(self.labels)
        tried = 1
        if worth and work > AUTO_WORK and self.settings.recipe != "best" and not self.is_sample:
            worth, part = False, self._sample(examples, AUTO_WORK / work)
            if len(part.examples) >= _LEAST_SHARE * len(examples):
                choice = part.trainer._fit_jointly(stage, part.examples, valid)
                regularization, tried = choice.regularization, choice.tried
        S = mean_vectors(examples.words, E, self.store, threads) if self.S is None else self.S
        scales = nbsvm_scales(
            examples.ngrams, examples.Y, examples.weights,
            floor=SCALE_FLOOR, smoothing=SCALE_SMOOTHING, threads=threads, measured=self._measured,
        )  # fmt: skip
        scales = columns_moved(scales, loss)
        guess = self._guess_by_names(network, E, S, examples)

        S_valid = None if valid is None else average(valid.words, E, threads=threads)

        def validation_losses(found: JointFit) -> Array:
            assert valid is not None
            assert S_valid is not None
            Z = found.network.forward(S_valid, wide=valid.ngrams.times(found.U, threads=threads)).Z[-1]
            temperature, _ = fit_temperature(Z, valid.Y, valid.weights, loss)
            return loss.value(Z.astype(np.float64) / temperature, valid.Y) * valid.weights

        tolerance = CHOOSING_TOLERANCE if worth else joint_tolerance(self.settings)

        def fit(regularization: Regularization, start: JointFit | None) -> JointFit:
            free = scales
            if any(factor != 1.0 for factor in regularization.ngram_scales):
                free = scales.copy()
                for kind, factor in zip(self.features.kinds, regularization.ngram_scales, strict=True):
                    free[kind] *= np.float32(factor)
            steps = self._iterations(is_second=done > 0) if start is None else MOVE_ITERATIONS

            def report(number: int, value: float) -> None:
                self.listener.epoch(Epoch(done + number, value), done + steps)

            prior = guess.around(regularization.l2, (len(free), len(self.labels))) if guess else None
            problem = Problem(network, free, loss, regularization.l2, prior)
            options = FitOptions(
                LbfgsSettings(steps, tolerance=0.0, gain=tolerance), threads, start, report,
                self.checkpoint.within(_NOTED),
            )  # fmt: skip
            found = fit_jointly(problem if self.earlier is None else self.earlier.held(problem), S, examples, options)
            if valid is None:
                return found
            valid_loss = float(validation_losses(found).sum() / valid.weights.sum())
            return replace(found, valid_losses=[*found.valid_losses, valid_loss])

        first = regularization or self._first_regularization(is_second=done > 0)
        past = self._past_moves(network, examples)
        if valid is None or not worth:
            found = past.fit if past else fit(first, begin)
            self._note_moves(Moves((), found))
            return Choice(first, found, tried)
        choice = choose_regularization(
            first, fit, validation_losses, groups=valid.groups, past=past, after_move=self._note_moves
        )
        chosen = choice.regularization
        said = [
            f", scale of {table.name} {scale:g}"
            for table, scale in zip(self.features.ngrams, chosen.ngram_scales, strict=True)
        ]
        self.listener.say(f"regularization, best of {choice.tried}: L2 {chosen.l2:.3g}{''.join(said)}")
        return choice

    def _guess_by_names(self, network: Network, E: Array, S: Array, examples: Examples) -> NamePrior | None:
        settings = self.settings
        is_other = settings.hidden or self.earlier is not None or settings.optimizer != "lbfgs"
        if is_other or self.features.passages > 1:
            return None
        vectors = name_vectors(self.features, E, self.labels, settings.label_names)
        loss = LOSSES[settings.loss, settings.output]
        guess = guess_by_names(vectors, network, S, examples.Y, examples.weights, loss)
        if guess is not None:
            self.listener.say(f"label names: a first guess of strength {guess.strength:.2g}")
        return guess

    def _note_moves(self, moves: Moves[JointFit]) -> None:
        fit = moves.fit
        arrays = fit.as_arrays()
        self.checkpoint.save(_NOTED, lambda: State(arrays, {"kept": list(moves.kept)}))

    def _past_moves(self, network: Network, examples: Examples) -> Moves[JointFit] | None:
        """Return the moves of a resumed training, or None if no fit of it was finished."""
        state = self.checkpoint.load(_NOTED)
        if state is None:
            return None
        U = np.empty((examples.ngrams.width, len(self.labels)), np.float32)
        return Moves(tuple(map(bool, state.facts["kept"])), JointFit.from_state(state, network, U))

    @property
    def _measured(self) -> slice:
        """The rows of U that belong to columns of numbers."""
        others = self.features.of_others
        return slice(others.start + self.features.others.counted, others.stop)

    def _may_choose(self, examples: Examples, valid: Examples | None) -> bool:
        enough = valid is not None and len(valid) >= _FEWEST_JUDGES
        return enough and self.settings.l2 is None and self.settings.recipe != "fast" and examples.ngrams.width > 0

    def _sample(self, examples: Examples, share: float) -> "SampledFit":
        """Return a random share of the examples that weigh something, and the fit to do on them."""
        rows = np.flatnonzero(examples.weights)
        fewest = max(_FEWEST_SAMPLED, _SAMPLED_A_CLASS * len(self.labels))
        count = min(len(rows), max(round(share * len(rows)), fewest))
        rng = np.random.default_rng(self.settings.seed)
        drawn = np.sort(rng.choice(rows, count, replace=False))
        S = None if self.S is None else self.S[drawn]
        trainer = replace(self, S=S, checkpoint=self.checkpoint.within("sample"), is_sample=True)
        return SampledFit(trainer, examples.take(drawn))

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

    def _iterations(self, *, is_second: bool) -> int:
        return self.settings.epochs if self.settings.epochs and not is_second else JOINT_ITERATIONS

    def _first_regularization(self, *, is_second: bool) -> Regularization:
        l2 = JOINT_L2 if self.settings.l2 is None or is_second else self.settings.l2
        return Regularization(l2, (1.0,) * len(self.features.ngrams))


@dataclass(frozen=True)
class SampledFit:
    """Some of the examples, and the fit to do on them."""

    trainer: Trainer
    examples: Examples


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


def mean_vectors(C: SparseRows, E: Array, store: ArrayStore, threads: int) -> Array:
    """Return S = C E, shape (n, d), or (n, m d) where m texts are kept apart, in the store."""
    return store.concatenate(in_order(lambda part: average(part, E), walk(C.batches()), threads))
