"""The fit over rows that workers hold: parameters go out, sums over the rows come in, and the steps are made here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from textclf.distributed import worker
from textclf.distributed.engines import Engine
from textclf.distributed.worker import Judged, Partition, ShardPlan, SharedParameters
from textclf.errors import TextclfError
from textclf.metrics.single_label import Evaluation
from textclf.model.card import Scaling
from textclf.model.drift import Profile
from textclf.model.model import Model
from textclf.nn.lbfgs import LbfgsSettings
from textclf.nn.network import LOSSES, Loss, Network
from textclf.settings import Settings
from textclf.storage.quantized import ByteRows
from textclf.text.copies import group_keys
from textclf.training.calibration import FOLDS, CalibrationRows, fit_calibration
from textclf.training.checkpoint import State
from textclf.training.data import RowsByClass, deal
from textclf.training.minibatch import Standardizer
from textclf.training.nbsvm import scales_of
from textclf.training.objective import FitOptions, JointFit, Problem, fit_jointly
from textclf.training.resources import Epoch, Resources
from textclf.training.train import HeldOutAnswers, with_record
from textclf.training.trainer import (
    JOINT_ITERATIONS,
    JOINT_L2,
    MOVE_ITERATIONS,
    average_length,
    joint_tolerance,
    list_steps,
)
from textclf.types import Array, Integers

Part = TypeVar("Part")

_LARGEST_SAVED = 1 << 32
"""Bytes: a step over many files may take minutes, so that more of it is worth keeping than on one machine."""


def gather(
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


@dataclass(frozen=True)
class Cluster:
    """Where rows are held: who works, on which partitions of the files, by which plan."""

    engine: Engine
    partitions: list[Partition]
    plan: ShardPlan

    def ask(self, job: Callable[..., Part], given: object = None) -> list[Part]:
        """Return what the job makes of each partition, in their order."""
        return gather(self.engine, partial(job, self.plan), self.partitions, given, stay=True)

    @cached_property
    def columns(self) -> list[Integers]:
        """The n-grams that stand in each partition's texts."""
        return self.ask(worker.columns)


@dataclass(frozen=True)
class _RowsOfWorkers:
    """Rows that workers hold: a sum over all is the sum of what the partitions return, in their order.

    A partition returns the sums of n-grams that stand in its texts; those of the others are 0. `of_classes`, shape
    (k,): what the rows of each class weigh.
    """

    cluster: Cluster
    V: int
    of_classes: Array
    everything: bool

    @property
    def weight(self) -> float:
        """What all rows weigh together."""
        return float(self.of_classes.sum())

    @property
    def shares(self) -> Array:
        """The share of each class in that weight, shape (k,)."""
        return self.of_classes / self.weight

    def gradient(self, network: Network, U: Array, spread: Array | None, loss: Loss) -> list[Array]:
        """Return loss and gradients as `objective.Rows` says."""
        given = (SharedParameters.of(network, U), spread, self.everything)
        return self._add_up(self.cluster.ask(worker.gradient, given))

    def squares(self, network: Network) -> list[Array]:
        """Return the sums of squares as `objective.Rows` says."""
        given = (SharedParameters.of(network, np.zeros((0, 0), np.float32)), self.everything)
        return self._add_up(self.cluster.ask(worker.squares, given))

    def _add_up(self, parts: list[list[Array]]) -> list[Array]:
        whole = np.zeros((self.V, parts[0][-1].shape[1]), parts[0][-1].dtype)
        for columns, part in zip(self.cluster.columns, parts, strict=True):
            whole[columns] += part[-1]
        return [*worker.add_sums([part[:-1] for part in parts]), whole]


class FarFit:
    """The fit on the training part, to validate, and the last one on all rows."""

    def __init__(self, cluster: Cluster, start: Model, settings: Settings, resources: Resources) -> None:
        self._cluster, self._start, self._settings = cluster, start, settings
        self._listener, self._checkpoint = resources.listener, resources.checkpoint
        self._loss = LOSSES[settings.loss, settings.output]
        self.l2 = JOINT_L2 if settings.l2 is None else settings.l2

    def run(self) -> tuple[Model, Evaluation | None]:
        """Return the fitted model, its probabilities calibrated, and the figures of the held-out rows."""
        ask = self._cluster.ask
        n, total, squares = worker.add_sums(ask(worker.moments))
        standard = Standardizer.of_sums(int(n), total, float(squares), length=average_length(self._settings))
        self._cluster = replace(self._cluster, plan=replace(self._cluster.plan, standard=standard))
        ask = self._cluster.ask
        holds_out = self._settings.valid_fraction > 0
        fit = self._fit("first", None, everything=not holds_out)
        model = replace(
            self._start, E=ByteRows.of(standard.transform(np.asarray(self._start.E))), network=fit.network, U=fit.U
        )
        validation, scaling = None, None
        if holds_out:
            judged = Judged.join(ask(worker.judge, SharedParameters.of(fit.network, fit.U)))
            if len(judged.Z):
                model, scaling, validation = self._validate(model, judged)
            self._listener.say("refitting on all rows")
            last = self._fit("last", JointFit(fit.network, fit.U, []), everything=True)
            again = replace(model, network=last.network, U=last.U)
            model = again if scaling is None else again.scaled(scaling)
            valid_losses = [] if validation is None else [validation.log_loss]
            fit = replace(
                fit, losses=fit.losses + last.losses, lengths=fit.lengths + last.lengths, valid_losses=valid_losses
            )
        model = replace(model, reference=self._reference(model))
        ask(worker.release)
        return replace(model, card=replace(model.card, history=tuple(list_steps(fit, 0)))), validation

    def _reference(self, model: Model) -> Profile:
        """Return what all texts are like, and how sure the model was of those it was not fitted to."""
        reference = model.profile()
        for found in self._cluster.ask(worker.profile):
            reference.merge(found)
        if model.record is not None:
            reference.add_confidence(model.record.confidence)
        return reference

    def _fit(self, name: str, start: JointFit | None, *, everything: bool) -> JointFit:
        """Return a fit, or what is left of one that was stopped; it is noted under its name."""
        found = self._load_fit(name)
        if found is None:
            *counts, of_classes = worker.add_sums(self._cluster.ask(worker.counts, everything))
            scales = scales_of(counts)
            found = self._minimize(name, start, scales, of_classes, everything)
            self._note(name, found)
        return found

    def _minimize(
        self, name: str, start: JointFit | None, scales: Array, of_classes: Array, everything: bool
    ) -> JointFit:
        """Return what one machine finds, up to the order in which numbers are added."""
        most = MOVE_ITERATIONS if start is not None else self._settings.epochs or JOINT_ITERATIONS
        options = FitOptions(
            LbfgsSettings(most, tolerance=0.0, gain=joint_tolerance(self._settings)), start,
            lambda number, loss: self._listener.epoch(Epoch(number, loss), most),
            self._checkpoint.within(name), _LARGEST_SAVED,
        )  # fmt: skip
        problem = Problem(self._start.network, scales, self._loss, self.l2)
        return fit_jointly(problem, _RowsOfWorkers(self._cluster, len(scales), of_classes, everything), options)

    def _note(self, name: str, fit: JointFit) -> None:
        self._checkpoint.save(name, State(fit.as_arrays()).itself)

    def _load_fit(self, name: str) -> JointFit | None:
        state = self._checkpoint.load(name)
        return None if state is None else JointFit.from_state(state, self._start.network, np.asarray(self._start.U))

    def _validate(self, model: Model, judged: Judged) -> tuple[Model, Scaling | None, Evaluation]:
        """Return the model with what the held-out rows teach about its answers, and how it does on them."""
        Z, scaling, groups = judged.Z, None, group_keys(judged.keys)
        if self._settings.calibrate:
            loss = LOSSES["cross-entropy", self._settings.output]
            rng = np.random.default_rng(self._settings.seed)
            fold = deal(RowsByClass.of(judged.Y, groups, judged.weights), FOLDS, rng)
            found = fit_calibration(CalibrationRows(Z, judged.Y, judged.weights, fold, groups), loss, rng)
            model, scaling = replace(model, temperature=found.temperature), found.scaling
            if scaling is not None:
                model, Z = model.scaled(scaling), scaling.apply(Z)
        P = model.probabilities_of(Z)
        rows = HeldOutAnswers(judged.Y, P, judged.tokens, judged.known, judged.known_shares, groups)
        model, validation = with_record(model, rows)
        return model, scaling, validation
