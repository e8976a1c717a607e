"""Would more rows help? Cross-validated figures at growing shares of the rows, a curve through them, a forecast.

Held-out error falls as a power of the number of rows towards a floor, error(n) = a + b n^(−c) (Hestness et al. 2017,
"Deep learning scaling is predictable, empirically"). For a given c the best a and b are a line through the points
(n^(−c), error), in closed form; so the fit tries every c of a grid (variable projection: Golub & Pereyra 1973). It has
no starting point, always ends, and fits all resamples at once.

Letters: ``n`` rows, ``k`` classes, ``s`` sizes (the largest first, each half the one before), ``F`` folds, ``R``
repeats, ``B`` resamples. Where rows may have several labels, micro-F1 takes the place of accuracy: with one label a row
they are the same number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textclf.errors import TrainingError
from textclf.labels import classes_of, label_sets, multi_hot
from textclf.metrics.bootstrap import ClassCounts, Interval, RowPatterns
from textclf.settings import Settings
from textclf.text.copies import group_copies
from textclf.training.data import RowsByClass, deal
from textclf.training.train import LabelledTexts, train
from textclf.types import Array, BoolArray, Integers
from textclf.vectors import WordVectors

_REPEATS = (1, 1, 2, 2, 2, 2)  # of each size: small subsets differ much from each other, and cost little
_SMALLEST, _SMALLEST_OF_CLASS, _FEWEST_SIZES = 20, 2, 3
_TIMES = (1, 2, 10)
_RESAMPLES = 2000
_RESAMPLED_AT_ONCE = 100
_EXPONENTS = np.linspace(0.05, 1.0, 96)  # measured exponents lie within; a steeper fall is a start, not a trend


Answers = Integers | BoolArray
"""Class numbers, shape (…, n), or where rows may have several labels which are given, shape (…, n, k)."""


@dataclass(frozen=True)
class Point:
    """What models trained on `rows` rows reach on rows that they have not seen."""

    rows: int
    accuracy: Interval
    macro_f1: Interval


@dataclass(frozen=True)
class Forecast:
    """What is expected of a model trained on `times` as many rows as there are, and the gain over all there are.

    A gain has no interval: that of the curve's slope alone is too narrow, for the law itself holds only roughly.
    """

    times: int
    rows: int
    accuracy: Interval
    macro_f1: Interval
    accuracy_gain: float
    macro_f1_gain: float


@dataclass(frozen=True)
class Law:
    """The curve 1 − figure = a + b n^(−c), with the interval of each number."""

    a: Interval
    b: Interval
    c: Interval


@dataclass(frozen=True)
class PowerLaws:
    """B curves: `a` ≥ 0, the floor, `b` ≥ 0 and `c` > 0, each of shape (B,)."""

    a: Array
    b: Array
    c: Array

    def error(self, n: float) -> Array:
        """Return the error at n rows on each curve, shape (B,)."""
        error: Array = self.a + self.b * n**-self.c
        return error


@dataclass(frozen=True)
class ClassGain:
    """One class's F1 with half of the largest size and with all of it, its rows in the data, and the difference."""

    label: str
    rows: int
    half: float
    full: float
    gain: Interval


@dataclass(frozen=True)
class LearningCurve:
    """The learning curve of a table; `points` from the smallest size, `gains` from the largest gain."""

    n: int
    trainings: int
    points: list[Point]
    forecasts: list[Forecast]
    accuracy_law: Law
    macro_f1_law: Law
    gains: list[ClassGain]
    is_multi_label: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        return {
            "n": self.n,
            "trainings": self.trainings,
            "points": [self._named(_plain(point)) for point in self.points],
            "forecasts": [self._named(_plain(forecast)) for forecast in self.forecasts],
            "power_law": self._named({"accuracy": _plain(self.accuracy_law), "macro_f1": _plain(self.macro_f1_law)}),
            "per_class": [_plain(gain) for gain in self.gains],
        }

    def _named(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values under the name that the first figure has."""
        if not self.is_multi_label:
            return values
        return {name.replace("accuracy", "micro_f1"): value for name, value in values.items()}


def _plain(value: Point | Forecast | Law | ClassGain) -> dict[str, Any]:
    return {name: vars(part) if isinstance(part, Interval) else part for name, part in vars(value).items()}


@dataclass(frozen=True)
class CurvePlan:
    """What is to be trained: each row's fold, shape (n,), and the sizes, the largest first.

    `y`, shape (n,): each row's class. Where rows may have several labels it is the rarest of them, and `Y`, shape
    (n, k), has them all. `groups`, shape (n,): rows of one number have the same text.
    """

    y: Integers
    labels: tuple[str, ...]
    fold: Integers
    folds: int
    sizes: tuple[int, ...]
    groups: Integers
    Y: BoolArray | None = None

    @property
    def trainings(self) -> int:
        """How many models will be trained."""
        return self.folds * sum(_REPEATS[: len(self.sizes)])


def plan_curve(data: LabelledTexts, folds: int, rng: np.random.Generator, *, multi_label: bool = False) -> CurvePlan:
    """Deal the rows of each class out to folds and choose the sizes; raises TrainingError when rows are too few.

    Rows of fold -1, of a class that no other fold has, train every time and are not judged.
    """
    sets = label_sets(data.labels, multi_label=multi_label)
    labels = classes_of(sets, multi_label, set())
    truth = multi_hot(sets, labels)
    n, k = truth.shape
    groups = group_copies(data.only_texts)
    rows = RowsByClass.of(truth, groups)
    fold = deal(rows, folds, rng)
    sizes_of_folds = np.bincount(fold[fold >= 0], minlength=folds)
    largest = n - int(sizes_of_folds.max())
    smallest = max(_SMALLEST, _SMALLEST_OF_CLASS * k)
    sizes = tuple(largest >> step for step in range(len(_REPEATS)) if largest >> step >= smallest)
    if len(sizes) < _FEWEST_SIZES:
        least = -(-(smallest << (_FEWEST_SIZES - 1)) * folds // (folds - 1)) + 1
        raise TrainingError(
            f"rows: expected at least {least:,} for a curve of {k:,} classes, found {n:,}. Add rows, or merge classes."
        )
    if not sizes_of_folds.all():
        raise TrainingError(f"texts: expected different ones for each of {folds} folds, found too few. Add others.")
    return CurvePlan(rows.y, labels, fold, folds, sizes, groups, truth > 0 if multi_label else None)


def measure_learning_curve(
    data: LabelledTexts,
    plan: CurvePlan,
    settings: Settings,
    vectors: WordVectors | None,
    rng: np.random.Generator,
    *,
    progress: Callable[[int], None],
) -> LearningCurve:
    """Train as planned and return what it shows.

    Each training is one fit with no rows set aside, unless rows may have several labels: thresholds need some.
    """
    if plan.Y is None:
        settings = replace(settings, valid_fraction=0.0)
    given = _predictions(data, plan, settings, vectors, rng, progress)
    drawn_folds = rng.multinomial(plan.folds, np.full(plan.folds, 1 / plan.folds), size=_RESAMPLES)
    resampled = [_resample(plan, answers, drawn_folds, rng) for answers in given]
    found = np.stack([value for value, _ in resampled])  # (s, 2)
    samples = np.stack([drawn for _, drawn in resampled])  # (s, 2, B)
    points = [
        Point(rows, *(Interval.of(float(value), drawn) for value, drawn in zip(found[j], samples[j], strict=True)))
        for j, rows in enumerate(plan.sizes)
    ]
    # The first curve of each figure goes through the values, the others through the resampled ones.
    errors = 1 - np.concatenate([found[..., None], samples], axis=2)
    laws = [fit_power_laws(np.array(plan.sizes, np.float64), errors[:, figure].T) for figure in range(2)]
    return LearningCurve(
        len(plan.y),
        plan.trainings,
        points[::-1],
        [_forecast(laws, len(plan.y), times) for times in _TIMES],
        _law(laws[0]),
        _law(laws[1]),
        _class_gains(plan, given, rng),
        plan.Y is not None,
    )


def stratified_order(y: Integers, rng: np.random.Generator) -> Integers:
    """Return the rows in a random order of which every beginning holds each class in its share, within one row."""
    place = np.empty(len(y))
    for number in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == number))
        place[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(place)


def _predictions(
    data: LabelledTexts,
    plan: CurvePlan,
    settings: Settings,
    vectors: WordVectors | None,
    rng: np.random.Generator,
    progress: Callable[[int], None],
) -> Sequence[Answers]:
    """Return for each size what each row gets from models that have not seen it: its class, or its labels."""
    shape, kind = ((len(plan.y),), np.int64) if plan.Y is None else (plan.Y.shape, np.bool_)
    given: list[Answers] = [np.empty((repeats, *shape), kind) for repeats in _REPEATS[: len(plan.sizes)]]
    for fold in range(plan.folds):
        inside, held_out = np.flatnonzero(plan.fold != fold), np.flatnonzero(plan.fold == fold)
        for repeat in range(max(_REPEATS)):
            order = inside[stratified_order(plan.y[inside], rng)]  # its beginnings are nested in each other
            for answers, size in zip(given, plan.sizes, strict=True):
                if repeat < len(answers):
                    answers[repeat, held_out] = _answer(data, plan, np.sort(order[:size]), held_out, settings, vectors)
                    progress(1)
    return given


def _answer(
    data: LabelledTexts,
    plan: CurvePlan,
    rows: Integers,
    held_out: Integers,
    settings: Settings,
    vectors: WordVectors | None,
) -> Answers:
    """Train on some rows and return the class numbers of others, or which labels they get, shape (m, k)."""
    if plan.Y is not None and (plan.Y[rows] == plan.Y[rows[0]]).all():
        return np.tile(plan.Y[rows[0]], (len(held_out), 1))
    present = np.unique(plan.y[rows])
    if plan.Y is None and len(present) == 1:  # there is nothing to learn: this is what such rows lead to
        return np.full(len(held_out), present[0])
    model = train(data.take(rows.tolist()), settings, vectors).model
    numbers = {label: number for number, label in enumerate(plan.labels)}
    own = np.array([numbers[label] for label in model.labels])
    predictions = model.predict([data.texts[i] for i in held_out], threads=settings.threads)
    if plan.Y is None:
        return own[predictions.classes]
    answers = np.zeros((len(held_out), len(plan.labels)), np.bool_)
    answers[:, own] = predictions.given
    return answers


def _resample(plan: CurvePlan, given: Answers, drawn: Integers, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return accuracy and macro-F1 of one size, shape (2,), and the same of resampled folds and repeats, shape (2, B).

    `drawn`, shape (B, F): how often each fold occurs, alike for all sizes, for the folds' rows are the same. A
    bootstrap of F folds is narrower than the truth by √((F − 1) / F); the spread is widened by it.
    """
    repeats, k = len(given), len(plan.labels)
    cells = np.stack([_counts(plan, answers, fold) for answers in given for fold in range(plan.folds)])
    chance = np.full(repeats, 1 / repeats)
    of_cell = np.stack([rng.multinomial(drawn[:, fold] * repeats, chance) for fold in range(plan.folds)], axis=2)
    found = _figures(cells.sum(axis=0))
    samples = _figures((of_cell.reshape(len(drawn), -1) @ cells.reshape(len(cells), -1)).reshape(-1, 3, k))
    wider = found[:, None] + np.sqrt(plan.folds / (plan.folds - 1)) * (samples - found[:, None])
    return found, np.clip(wider, 0.0, 1.0)


def _counts(plan: CurvePlan, answers: Answers, fold: int) -> Integers:
    """Return each class's hits, predictions and rows in one fold, shape (3, k)."""
    inside, k = plan.fold == fold, len(plan.labels)
    if plan.Y is not None:
        return np.stack([each.sum(axis=0) for each in _label_counts(plan.Y[inside], answers[inside])])
    y, given = plan.y[inside], answers[inside]
    return np.stack([np.bincount(classes, minlength=k) for classes in (y[y == given], given, y)])


def _figures(counts: Integers) -> Array:
    """Return accuracy and macro-F1, shape (2, …), of counts of shape (…, 3, k)."""
    of = ClassCounts(counts[..., 0, :], counts[..., 1, :], counts[..., 2, :])
    micro = 2 * of.hits.sum(axis=-1) / np.maximum((of.predicted + of.support).sum(axis=-1), 1)
    return np.stack([micro, of.macro_f1])


def _label_counts(has: BoolArray, given: BoolArray) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return row by row, shape (n, k), the labels that are given rightly, those given, and those that rows have."""
    return has & given, given, has


def _forecast(laws: list[PowerLaws], n: int, times: int) -> Forecast:
    figures = [1 - law.error(times * n) for law in laws]
    accuracy, macro_f1 = (Interval.of(float(drawn[0]), drawn[1:]) for drawn in figures)
    accuracy_gain, macro_f1_gain = (float(law.error(n)[0] - law.error(times * n)[0]) for law in laws)
    return Forecast(times, times * n, accuracy, macro_f1, accuracy_gain, macro_f1_gain)


def _law(laws: PowerLaws) -> Law:
    return Law(*(Interval.of(float(drawn[0]), drawn[1:]) for drawn in (laws.a, laws.b, laws.c)))


def _class_gains(plan: CurvePlan, given: Sequence[Answers], rng: np.random.Generator) -> list[ClassGain]:
    """Return each class's F1 at the largest size beside half of it; intervals by resampling the texts."""
    judged = plan.fold >= 0
    if plan.Y is not None:
        return _label_gains(plan, plan.Y, [answers[0][judged] for answers in given[:2]], rng)
    said = np.column_stack([given[1][0][judged], given[0][0][judged]])
    patterns = RowPatterns.of(plan.y[judged], said, len(plan.labels), plan.groups[judged])
    half, full = (patterns.counts(patterns.rows[None], number).f1[0] for number in range(2))
    blocks = [patterns.counts(rows, 1).f1 - patterns.counts(rows, 0).f1 for rows in patterns.resample(rng, _RESAMPLES)]
    samples, rows = np.concatenate(blocks), np.bincount(plan.y)
    gains = [
        ClassGain(label, int(rows[j]), float(half[j]), float(full[j]), _gain(float(full[j] - half[j]), samples[:, j]))
        for j, label in enumerate(plan.labels)
    ]
    return sorted(gains, key=lambda gain: -gain.gain.value)


def _label_gains(
    plan: CurvePlan, Y: BoolArray, answers: Sequence[BoolArray], rng: np.random.Generator
) -> list[ClassGain]:
    """Return the gains where rows may have several labels: `answers` at the largest size, then at half of it."""
    judged = plan.fold >= 0
    counts = [
        tuple(_sum_copies(each, plan.groups[judged]) for each in _label_counts(Y[judged], given)) for given in answers
    ]
    n = len(counts[0][0])
    full, half = (ClassCounts(*(each.sum(axis=0) for each in of)).f1 for of in counts)
    samples = []
    for start in range(0, _RESAMPLES, _RESAMPLED_AT_ONCE):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(_RESAMPLED_AT_ONCE, _RESAMPLES - start)).astype(float)
        of_full, of_half = (ClassCounts(*(drawn @ each for each in of)).f1 for of in counts)
        samples.append(of_full - of_half)
    gained = np.concatenate(samples)
    rows = Y.sum(axis=0).tolist()
    gains = [
        ClassGain(label, rows[j], float(half[j]), float(full[j]), _gain(float(full[j] - half[j]), gained[:, j]))
        for j, label in enumerate(plan.labels)
    ]
    return sorted(gains, key=lambda gain: -gain.gain.value)


def _sum_copies(counts: BoolArray, groups: Integers) -> Array:
    """Return the counts of rows, shape (n, k), as those of texts."""
    from scipy.sparse import csr_array

    _, text_of_row = np.unique(groups, return_inverse=True)
    n = len(groups)
    texts = csr_array((np.ones(n), (text_of_row, np.arange(n))))
    summed: Array = texts @ counts.astype(np.float64)
    return summed


def _gain(value: float, samples: Array) -> Interval:
    interval = Interval.of(value, samples)
    return Interval(value, None, None) if interval.is_point else interval  # no resample told the sizes apart


# --- the power law ------------------------------------------------------------------------------------------------


def fit_power_laws(n: Array, errors: Array) -> PowerLaws:
    """Return the curves that lie nearest to `errors`, shape (B, s), at `n` rows, shape (s,), in least squares."""
    a, b, c, least = (np.full(len(errors), start) for start in (0.0, 0.0, 0.0, np.inf))
    for exponent in _EXPONENTS:
        tried_a, tried_b = _line(n**-exponent, errors)
        squares = ((tried_a[:, None] + tried_b[:, None] * n**-exponent - errors) ** 2).sum(axis=1)
        better = squares < least
        a, b, least = np.where(better, [tried_a, tried_b, squares], [a, b, least])
        c = np.where(better, exponent, c)
    return PowerLaws(a, b, c)


def _line(x: Array, errors: Array) -> tuple[Array, Array]:
    """Return the nearest lines a + b x with neither a nor b below 0, each of shape (B,)."""
    centred, mean = x - x.mean(), errors.mean(axis=1)
    b = np.maximum(errors @ centred / (centred @ centred), 0.0)
    a = mean - b * x.mean()
    through_origin = errors @ x / (x @ x)  # where a is held at 0; errors are never negative
    return np.maximum(a, 0.0), np.where(a < 0, through_origin, b)
