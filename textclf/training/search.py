"""The search: proposals of a tree of Parzen estimators (Bergstra et al. 2011), each measured by cross-validation.

The plain recipe is measured first, on all folds, and keeps its place unless something is better by more than chance.
A trial that does worse than most after a fold is given up.

What is tried are settings that change much from one table to another, each in the range that cross-validation on seven
sets ever preferred, and some room around it.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from textclf.errors import TextclfError, TrainingError, require_packages
from textclf.labels import label_sets, multi_hot
from textclf.model.card import ModelCard
from textclf.settings import Settings
from textclf.storage.files import check_writable
from textclf.text.copies import group_copies
from textclf.training.data import RowsByClass, deal
from textclf.training.train import LabelledTexts
from textclf.training.trial_worker import Measured, OutOfTime, Work, Worker
from textclf.training.vocabulary import LONGEST_SHORT, mean_length

if TYPE_CHECKING:
    import optuna

Metric = Literal["accuracy", "macro-f1", "micro-f1", "log-loss"]
METRICS: tuple[Metric, ...] = get_args(Metric)
FOLDS = 3
_FEWEST_FOR_IMPORTANCE = 12
_START = 1.5
"""Seconds that starting and ending take beside training."""
_OVERHEAD = 1.6
"""The last training, on all rows, is given so many times what a fold's took, in proportion to the rows."""


@dataclass(frozen=True)
class Tuning:
    """How long to search, in seconds, for what; `max_size`: the most bytes that the model's file may have.

    `study`: an SQLite file that keeps the trials, so that a later run continues with them. `cache`: whether converted
    vectors are kept.
    """

    duration: float
    metric: Metric = "accuracy"
    max_size: int | None = None
    study: Path | None = None
    folds: int = FOLDS
    cache: bool = True


@dataclass(frozen=True)
class SearchTools:
    """What a search works with: workers, a clock, and whom it tells.

    `say` takes sentences, `progress` the seconds that went by since the last call.
    """

    make_worker: Callable[[Work], Worker] = Worker
    clock: Callable[[], float] = monotonic
    say: Callable[[str], None] = lambda _: None
    progress: Callable[[float], None] = lambda _: None


@dataclass(frozen=True)
class Trial:
    """Settings and their value by the metric on each fold, higher being better (a log loss has a minus before it).

    `bytes`, `seconds`: of the fold that took most.
    """

    settings: Settings
    values: tuple[float, ...]
    bytes: int
    seconds: float

    @property
    def value(self) -> float:
        """The mean over the folds."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Tuned:
    """What was found: the best trial, the plain recipe's (None when it is too large), and how many were tried.

    `importance`: the share of each setting in how the values differ, by analysis of variance; empty when unknown.
    """

    best: Trial
    plain: Trial | None
    tried: int
    given_up: int
    importance: dict[str, float]
    card: ModelCard


def tune(
    data: LabelledTexts, base: Settings, tuning: Tuning, target: Path, tools: SearchTools = SearchTools()
) -> Tuned:
    """Search for settings until the time is nearly up, train the best on all rows, and write that model to `target`.

    Raises TextclfError when Optuna is missing, TrainingError when the time is not enough for one measurement or no
    trial keeps to `max_size`.
    """
    require_packages("tune", "optuna", extra="tune")
    check_writable(target)
    begin = tools.clock()
    with _study(tuning, base, data) as study:
        search = _Search(data, base, tuning, study, begin, tools)
        with tools.make_worker(Work(data, search.folds, base.vectors, tuning.cache)) as worker:
            search.run(worker)
            best = search.choose()
            tools.say(f"training on all rows with the best of {search.tried} settings")
            card = worker.train(best.settings, target, search.begin + 10 * tuning.duration)
        return Tuned(best, search.plain, search.tried, search.given_up, search.importance(), card)


class _Search:
    """The trials of one call."""

    def __init__(
        self,
        data: LabelledTexts,
        base: Settings,
        tuning: Tuning,
        study: "optuna.Study",
        begin: float,
        tools: SearchTools,
    ) -> None:
        self._clock, self._say, self._progress = tools.clock, tools.say, tools.progress
        self.begin = self._last = begin
        self._base, self._tuning = base, tuning
        rng = np.random.default_rng(base.seed)
        self._sets = label_sets(data.labels, multi_label=base.multi_label)
        labels = tuple(sorted({label for row in self._sets for label in row}))
        Y = multi_hot(self._sets, labels)
        self.folds = deal(RowsByClass.of(Y, group_copies(data.only_texts)), tuning.folds, rng)
        if len(np.unique(self.folds[self.folds >= 0])) < tuning.folds:
            raise TrainingError(
                f"texts: expected different ones for each of {tuning.folds} folds, found too few. Add others."
            )
        self._allow_chars = mean_length(data.only_texts) <= LONGEST_SHORT
        self.plain: Trial | None = None
        self.trials: list[Trial] = []
        self.tried = self.given_up = 0
        self._study = study

    @property
    def _left(self) -> float:
        return self.begin + self._tuning.duration - self._clock()

    def run(self, worker: Worker) -> None:
        """Measure the plain recipe, then proposals until the time left is needed for the last training."""
        import optuna

        try:
            self._measure_plain(worker)
        except OutOfTime:
            raise TrainingError(
                f"duration: expected time for one training and its validation, found that {self._tuning.duration:g} s"
                " are not enough. Give more."
            ) from None
        self._resume()
        while self._left > self._reserve():
            trial = self._study.ask()
            settings = self._suggest(trial)
            try:
                found = self._measure(worker, settings, trial)
            except OutOfTime:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return
            except TextclfError as error:
                self._say(f"trial {trial.number}: {error}")
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)  # the sampler passes over a failed one
                continue
            if found is None:
                self.given_up += 1
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                continue
            for name in ("values", "bytes", "seconds"):
                trial.set_user_attr(name, getattr(found, name))
            self._study.tell(trial, found.value)
            self._keep(found)

    def _suggest(self, trial: "optuna.trial.BaseTrial") -> Settings:
        return suggest(trial, self._base, weigh_classes=self._weigh_classes, allow_chars=self._allow_chars)

    def _resume(self) -> None:
        """Take in the finished trials of earlier runs on the same study; begin a new one where the recipe does."""
        import optuna

        if not self._study.trials:
            is_long = {"pattern_ngrams", "char_ngrams"} if not self._allow_chars else set()
            first = {name: value for name, value in FIRST.items() if name not in is_long}
            self._study.enqueue_trial(first)
            return
        for old in self._study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
            attrs = old.user_attrs
            settings = self._suggest(optuna.trial.FixedTrial(old.params))
            self._keep(Trial(settings, tuple(attrs["values"]), attrs["bytes"], attrs["seconds"]))
        self._say(f"resuming after {len(self._study.trials):,} trials of earlier runs")

    @property
    def _weigh_classes(self) -> bool:
        return self._tuning.metric == "macro-f1" and not self._base.multi_label and self._base.class_weight == "none"

    def _measure_plain(self, worker: Worker) -> None:
        measured = [self._fold(worker, self._base, fold) for fold in range(self._tuning.folds)]
        self.tried += 1
        self.plain = _trial(self._base, [self._value(each) for each in measured], measured)
        self._say(f"plain recipe: {self._tuning.metric} {abs(self.plain.value):.4f}")
        if self._fits(self.plain):
            self.trials.append(self.plain)

    def _measure(self, worker: Worker, settings: Settings, trial: "optuna.Trial") -> Trial | None:
        """Return the trial's outcome; None when it is given up, being worse than most or too large."""
        measured: list[Measured] = []
        values: list[float] = []
        self.tried += 1
        for fold in range(self._tuning.folds):
            measured.append(self._fold(worker, settings, fold))
            values.append(self._value(measured[-1]))
            trial.report(float(np.mean(values)), fold)
            too_large = self._tuning.max_size is not None and measured[-1].bytes > self._tuning.max_size
            if too_large or (fold + 1 < self._tuning.folds and trial.should_prune()):
                return None
        return _trial(settings, values, measured)

    def _fold(self, worker: Worker, settings: Settings, fold: int) -> Measured:
        measured = worker.measure(settings, fold, self.begin + self._tuning.duration - self._reserve())
        now = self._clock()
        self._progress(now - self._last)
        self._last = now
        return measured

    def _value(self, measured: Measured) -> float:
        name = self._tuning.metric.replace("-", "_")
        if name not in measured.figures:
            raise TrainingError(f"metric: expected one that suits the labels, found {self._tuning.metric!r}.")
        value = measured.figures[name]
        return -value if name == "log_loss" else value

    def _fits(self, trial: Trial) -> bool:
        return self._tuning.max_size is None or trial.bytes <= self._tuning.max_size

    def _keep(self, found: Trial) -> None:
        if not self._fits(found):
            return
        if not self.trials or found.value > max(trial.value for trial in self.trials):
            self._say(f"trial {self.tried}: {self._tuning.metric} {abs(found.value):.4f}, the best so far")
        self.trials.append(found)

    def _reserve(self) -> float:
        """Return the seconds that the last training of what is best now will take."""
        if not self.trials:
            return 0.0
        best = max(self.trials, key=lambda trial: trial.value)
        return _START + _OVERHEAD * best.seconds * self._tuning.folds / (self._tuning.folds - 1)

    def choose(self) -> Trial:
        """Return the best trial, or the plain recipe where the best is not better by more than chance."""
        if not self.trials:
            raise TrainingError(
                f"max size: expected a model of at most {self._tuning.max_size:,} bytes, found none of {self.tried} so"
                " small. Allow more, or make a larger one small with textclf export."
            )
        best = max(self.trials, key=lambda trial: trial.value)
        if self.plain is None or self.plain not in self.trials or best is self.plain:
            return best
        gains = np.array(best.values) - np.array(self.plain.values)
        is_chance = gains.mean() <= gains.std(ddof=1) / np.sqrt(len(gains))
        return self.plain if is_chance else best

    def importance(self) -> dict[str, float]:
        """Return each setting's share in how the values differ."""
        import optuna

        done = self._study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        if len(done) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in done}) == 1:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where trials tell too little all shares come out equal, with a warning
            found = optuna.importance.get_param_importances(self._study)
        return {} if len(set(found.values())) == 1 else {name: round(float(share), 4) for name, share in found.items()}


def _trial(settings: Settings, values: Sequence[float], measured: Sequence[Measured]) -> Trial:
    return Trial(
        settings,
        tuple(values),
        max(each.bytes for each in measured),
        max(each.seconds for each in measured),
    )


@contextmanager
def _study(tuning: Tuning, base: Settings, data: LabelledTexts) -> Iterator["optuna.Study"]:
    """Give the study of the file, under a name that other rows, settings or metrics do not share; or a new one."""
    import optuna
    import optuna.importance  # now, while the clock runs: it brings scikit-learn, which takes seconds

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    columns = [] if data.columns.is_plain else [data.columns.names]
    digest = hashlib.sha256(repr((tuning.metric, tuning.folds, base.as_dict(), *columns)).encode())
    for text, label in zip(data.texts, data.labels, strict=True):
        digest.update(f"{len(text)} {text}{label}\n".encode("utf-8", "surrogatepass"))
    storage = None if tuning.study is None else optuna.storages.RDBStorage(f"sqlite:///{tuning.study}")
    try:
        yield optuna.create_study(
            study_name=digest.hexdigest()[:16],
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=base.seed % 2**32),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


_CHARS: dict[str, tuple[int, int]] = {"none": (0, 0), "2-4": (2, 4), "2-5": (2, 5), "3-6": (3, 6)}

FIRST: dict[str, Any] = {
    "kind": "linear", "l2": 0.15, "word_ngrams": 2, "pattern_ngrams": 0, "char_ngrams": "2-5", "weighting": "sif",
}  # fmt: skip
"""The first proposal after the plain recipe: what the plain recipe starts from."""


def suggest(trial: "optuna.trial.BaseTrial", base: Settings, *, weigh_classes: bool, allow_chars: bool) -> Settings:
    """Return `base` with what the trial proposes. Without `allow_chars` there are no sub-words."""
    kind = trial.suggest_categorical("kind", ["linear", "network"])
    chars = trial.suggest_categorical("char_ngrams", list(_CHARS)) if allow_chars else "none"
    patterns = trial.suggest_categorical("pattern_ngrams", [0, 3]) if allow_chars else 0
    chosen: dict[str, Any] = {
        "l2": trial.suggest_float("l2", 0.002, 3.0, log=True),
        "word_ngrams": trial.suggest_int("word_ngrams", 1, 3),
        "pattern_ngrams": patterns,
        "char_ngrams": _CHARS[chars],
        "weighting": trial.suggest_categorical("weighting", ["mean", "sif", "tfidf"]),
    }
    if weigh_classes:
        chosen["class_weight"] = trial.suggest_categorical("class_weight", ["none", "balanced"])
    if kind == "network":
        chosen |= {
            "optimizer": "adam",
            "hidden": (trial.suggest_categorical("hidden", [32, 128]),),
            "activation": trial.suggest_categorical("activation", ["relu", "tanh"]),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        }
    return replace(base, **chosen)
