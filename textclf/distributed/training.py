"""Train on many files: counts, sums and gradients are made where the rows are, and added up here.

What is done, and in which order, is what `recipe.train` does with L-BFGS; the parts of the network's code are the same.
Penalties are those that `recipe.train` starts from: on tables as large as this it does not choose them either.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar, cast

import numpy as np

from textclf.arrays import Array
from textclf.calibration import fit_temperature
from textclf.classes import class_weights
from textclf.counting import Kind
from textclf.dictionary import Dictionary
from textclf.distributed import holding
from textclf.distributed.engines import Engine
from textclf.distributed.holding import Group, Judged, Parameters, Plan
from textclf.distributed.shards import Shard
from textclf.distributed.surveying import Survey
from textclf.errors import TextclfError, TrainingError
from textclf.evaluation import Evaluation
from textclf.features import Features, NgramTable, inverse_document_frequency
from textclf.files import sha256
from textclf.fitting import (
    JOINT_ITERATIONS,
    JOINT_L2,
    JOINT_LENGTH,
    JOINT_TOLERANCE,
    MOVE_ITERATIONS,
    SCALE_FLOOR,
    SCALE_SMOOTHING,
)
from textclf.joint import JointFit, JointSettings, Rows, minimize
from textclf.model import Model
from textclf.naive_bayes import scales_of
from textclf.network import LOSSES, Loss, Network
from textclf.provenance import digest_rows, provenance
from textclf.recipe import with_record
from textclf.settings import Settings
from textclf.tables import TableOptions, open_table
from textclf.training import Standard
from textclf.vectors import WordVectors
from textclf.vocabulary import learn_words, least_texts, ngram_kinds

Part = TypeVar("Part")

Averaging = Literal["every step", "now and then"]
ROUNDS, LOCAL_STEPS = 8, 8
_FIRST_ROWS = 4096
"""By so many rows it is told how long texts are, which decides on n-grams of characters."""


@dataclass(frozen=True)
class Listener:
    """Who is told how training goes: `say` of each part in a sentence, `step` of each step and its loss."""

    say: Callable[[str], None] = lambda _: None
    step: Callable[[int, float], None] = lambda _number, _loss: None


@dataclass(frozen=True)
class TrainedFar:
    """The model, and how it did on the rows held out."""

    model: Model
    validation: Evaluation | None
    rows: int
    refused: int


def train(
    engine: Engine,
    shards: Sequence[Shard],
    options: TableOptions,
    settings: Settings,
    vectors: WordVectors,
    *,
    averaging: Averaging = "every step",
    listener: Listener = Listener(),
) -> TrainedFar:
    """Train a model on the labelled rows of all files.

    With `averaging` at every step, gradients are added up at every step, which is what one machine does up to the order
    in which numbers are added. Now and then: each worker goes on by some steps on its own rows, and what they found is
    averaged; less is sent, and the model is near to that of one machine.

    Raises TextclfError when a file cannot be used, TrainingError when the rows cannot be trained on.
    """
    _check(settings)
    rng = np.random.default_rng(settings.seed)
    kinds = ngram_kinds(_mean_length(shards[0], options), settings)
    survey, groups, digest = _survey(engine, shards, options, kinds, vectors)
    labels = tuple(sorted(survey.labels))
    if len(labels) < 2:
        raise TrainingError(f"labels: expected at least two classes, found only {labels[0]!r}. Add rows of another.")
    listener.say(f"{survey.rows:,} texts of {len(shards):,} files, {len(labels)} classes, {len(groups)} groups")
    start = _before_training(survey, kinds, labels, settings, vectors, rng)
    with TemporaryDirectory(prefix="textclf-") as folder:
        path = Path(folder) / "start.safetensors"
        start.save(path)
        model_digest = sha256(path)
        weights = _class_weights(survey, labels, settings)
        run = f"{digest}{model_digest}{options}{settings}{weights}"
        plan = Plan(
            hashlib.sha256(run.encode()).hexdigest(), engine.share(path, model_digest), model_digest, options,
            settings.valid_fraction, settings.seed, (settings.loss, settings.output), weights,
        )  # fmt: skip
        fit = _Fit(engine, groups, plan, start, settings, averaging, listener)
        model, validation = fit.run()
    description = {
        **model.description,
        "settings": settings.as_dict(),
        "penalties": {"l2": fit.l2, "freedom": [1.0] * len(kinds)},
        "validation": validation.summary() if validation else None,
        "data": {
            "texts": survey.rows, "sha256": digest, "classes": len(labels), "largest": max(survey.labels.values()),
            "files": len(shards), "averaging": averaging,
            "missing_counts": [found.missing for found in survey.ngrams],
        },
        "provenance": provenance(vectors),
    }  # fmt: skip
    return TrainedFar(replace(model, description=description), validation, survey.rows, survey.refused)


def _check(settings: Settings) -> None:
    for name, expected in (("optimizer", "lbfgs"), ("multi_label", False), ("target_precision", None)):
        if getattr(settings, name) != expected:
            raise TrainingError(f"{name}: expected {expected!r} where many files are trained on. Leave it out.")


def _mean_length(shard: Shard, options: TableOptions) -> float:
    with shard.local() as path, open_table(path, options, labelled=True, batch_rows=_FIRST_ROWS) as table:
        batch = next(table.batches(), None)
    return sum(map(len, batch.texts)) / len(batch) if batch else 0.0


def _gathered(
    engine: Engine, job: Callable[..., Part], tasks: Sequence[Any], given: object = None, *, stay: bool = False
) -> list[Part]:
    """Return what the job makes of each task, in the tasks' order; raises the first error."""
    found: dict[int, Part] = {}
    places = {id(task): number for number, task in enumerate(tasks)}
    for task, outcome in engine.run(job, tasks, given, stay=stay):
        if isinstance(outcome, TextclfError):
            raise outcome
        found[places[id(task)]] = outcome
    return [found[number] for number in range(len(tasks))]


# --- what the texts hold, and the model before training ---------------------------------------------------------------


def _survey(
    engine: Engine, shards: Sequence[Shard], options: TableOptions, kinds: list[Kind], vectors: WordVectors
) -> tuple[Survey, list[Group], str]:
    """Return the counts of all files, each worker's files, of about equally many rows, and a digest of all rows."""
    job = partial(_survey_shard, options, kinds, vectors.is_cased)
    found = _gathered(engine, job, shards)
    total = Survey()
    digest = hashlib.sha256()
    for survey, content in found:
        total.merge(survey)
        digest.update(content.encode())
    groups: list[list[Shard]] = [[] for _ in range(min(engine.workers, len(shards)))]
    loads = [0] * len(groups)
    by_size = sorted(zip(shards, found, strict=True), key=lambda pair: -pair[1][0].rows)
    for shard, (survey, _) in by_size:
        least = loads.index(min(loads))
        groups[least].append(shard)
        loads[least] += survey.rows
    return total, [tuple(sorted(group, key=lambda shard: shard.name)) for group in groups], digest.hexdigest()


def _survey_shard(options: TableOptions, kinds: list[Kind], cased: bool, shard: Shard) -> tuple[Survey, str]:
    survey, digest = Survey(), hashlib.sha256()
    with shard.local() as path, open_table(path, options, labelled=True) as table:
        for batch in table.batches():
            survey.add(batch, kinds, cased=cased)
            digest_rows(digest, batch.texts, batch.labels or [])
        survey.refused = len(table.refused)
    return survey, digest.hexdigest()


def _before_training(
    survey: Survey, kinds: list[Kind], labels: tuple[str, ...], settings: Settings, vectors: WordVectors,
    rng: np.random.Generator,
) -> Model:  # fmt: skip
    """Return the model before training: words with vectors, n-grams that stand in enough texts, a network, U = 0."""
    least = least_texts(survey.rows)
    tables = []
    for (kind, shortest, longest), found in zip(kinds, survey.ngrams, strict=True):
        kept = found.counts >= least
        idf = inverse_document_frequency(found.counts[kept], survey.rows)
        tables.append(NgramTable(kind, shortest, longest, Dictionary(found.keys[kept]), idf))
    counted = (survey.words.keys, survey.words.counts)
    table, words, E = learn_words(survey.rows, counted, settings, vectors, rng, lambda _: [])
    network = Network.start((E.shape[1], *settings.hidden, len(labels)), settings.activation, rng)
    U = np.zeros((sum(len(each.dictionary) for each in tables), len(labels)), np.float32)
    return Model(labels, Features(table, tuple(tables)), words, E, U, network, settings.output, {})


def _class_weights(survey: Survey, labels: tuple[str, ...], settings: Settings) -> tuple[float, ...]:
    """Return what a row of each class weighs, so that the mean over all rows is 1."""
    rows = np.array([survey.labels[label] for label in labels], np.int64)
    return tuple(class_weights(settings.class_weight, labels, rows).tolist())


# --- the fit ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _FarRows:
    """Rows that workers hold: a sum over all is the sum of what the groups return, in their order."""

    engine: Engine
    groups: list[Group]
    plan: Plan
    everything: bool

    def gradient(self, network: Network, U: Array, spread: Array | None, loss: Loss) -> list[Array]:
        """Return loss and gradients as `joint.Rows` says."""
        given = (Parameters.of(network, U), spread, self.everything)
        return holding.added(
            _gathered(self.engine, partial(holding.gradient, self.plan), self.groups, given, stay=True)
        )

    def squares(self, network: Network) -> list[Array]:
        """Return the sums of squares as `joint.Rows` says."""
        given = (Parameters.of(network, np.zeros((0, 0), np.float32)), self.everything)
        return holding.added(_gathered(self.engine, partial(holding.squares, self.plan), self.groups, given, stay=True))


class _Fit:
    """The fit on the training part, to validate, and the last one on all rows."""

    def __init__(
        self, engine: Engine, groups: list[Group], plan: Plan, start: Model, settings: Settings, averaging: Averaging,
        listener: Listener,
    ) -> None:  # fmt: skip
        self._engine, self._groups, self._plan, self._start = engine, groups, plan, start
        self._settings, self._averaging, self._listener = settings, averaging, listener
        self._loss = LOSSES[settings.loss, settings.output]
        self.l2 = JOINT_L2 if settings.l2 is None else settings.l2

    def run(self) -> tuple[Model, Evaluation | None]:
        """Return the fitted model, its probabilities calibrated, and the figures of the rows held out."""
        n, total, squares = holding.added(self._ask(holding.moments))
        standard = Standard.of_sums(int(n), total, squares, length=JOINT_LENGTH)
        self._plan = replace(self._plan, standard=standard)
        holds_out = self._settings.valid_fraction > 0
        first = self._fitted(None, everything=not holds_out)
        model = replace(self._start, E=standard.applied(np.asarray(self._start.E)), network=first.network, U=first.U)
        validation = None
        if holds_out:
            judged = Judged.joined(self._ask(holding.judge, Parameters.of(first.network, first.U)))
            if len(judged.Z):
                model, validation = self._validated(model, judged)
            self._listener.say("fitting once more, on all rows")
            last = self._fitted(JointFit(first.network, first.U, []), everything=True)
            model = replace(model, network=last.network, U=last.U)
            first = replace(first, losses=first.losses + last.losses)
        self._ask(holding.release)
        history = [{"number": i, "loss": value} for i, value in enumerate(first.losses, 1)]
        return replace(model, description={"history": history}), validation

    def _ask(self, job: Callable[..., Part], given: object = None) -> list[Part]:
        return _gathered(self._engine, partial(job, self._plan), self._groups, given, stay=True)

    def _fitted(self, start: JointFit | None, *, everything: bool) -> JointFit:
        *counts, of_classes = holding.added(self._ask(holding.counts, everything))
        scales = scales_of(counts, floor=SCALE_FLOOR, smoothing=SCALE_SMOOTHING)
        total = float(of_classes.sum())
        most = MOVE_ITERATIONS if start is not None else self._settings.epochs or JOINT_ITERATIONS
        steps = JointSettings(most, JOINT_TOLERANCE, self.l2, threads=1)
        if self._averaging == "every step":
            rows = cast(Rows, _FarRows(self._engine, self._groups, self._plan, everything))
            return minimize(
                rows, self._start.network, scales, self._loss, steps, of_classes / total, total, start=start,
                after_step=self._listener.step,
            )  # fmt: skip
        return self._averaged(start, scales, of_classes / total, total, everything)

    def _averaged(
        self, start: JointFit | None, scales: Array, shares: Array, total: float, everything: bool
    ) -> JointFit:
        """Return the mean of what the groups find by steps of their own, weighed by their rows, again and again."""
        now = start or JointFit(self._start.network, np.asarray(self._start.U), [])
        settings = JointSettings(LOCAL_STEPS, JOINT_TOLERANCE, self.l2, threads=1)
        for number in range(1, ROUNDS + 1):
            given = (Parameters.of(now.network, now.U), scales, settings, shares, total, everything)
            weight, loss, theta, U = holding.added(self._ask(holding.local_fit, given))
            network = Network(now.network.sizes, now.network.activation, (theta / weight).astype(np.float32))
            now = JointFit(network, (U / weight).astype(np.float32), [*now.losses, float(loss / weight)])
            self._listener.step(number, now.losses[-1])
        return now

    def _validated(self, model: Model, judged: Judged) -> tuple[Model, Evaluation]:
        if self._settings.calibrate:
            loss = LOSSES["cross-entropy", self._settings.output]
            model = replace(model, temperature=fit_temperature(judged.Z, judged.Y, judged.weights, loss)[0])
        P = model.probabilities_of(judged.Z)
        return with_record(model, judged.Y, P, tokens=judged.tokens, known=judged.known, familiar=judged.familiar)
