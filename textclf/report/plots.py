"""The pictures of a report. Each function returns SVG to stand in a page (see `svg`).

Letters: ``n`` rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.metrics.bootstrap import Interval, wilson_interval
from textclf.metrics.calibration_error import Reliability
from textclf.model.card import EpochFigures
from textclf.report.svg import FONT, INK, SERIES, SOFT, draw
from textclf.types import Array, Integers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 4.2, 3.1  # inches; a phone shows 4.2 inches at about the size that they have
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
_MARKERS = "osD^vP"
_POINTS = 160  # of a curve
_FEWEST = 10  # rows; a share of fewer says nothing


@dataclass(frozen=True)
class CoverageCurve:
    """The share of rows that is right among the most confident ones: rising coverage, and the precision at each."""

    coverage: Array
    precision: Array

    @staticmethod
    def of(confidence: Array, right: npt.NDArray[np.bool_]) -> "CoverageCurve":
        """Return the curve of n rows, shape (n,) each; rows of equal confidence are answered together."""
        n = len(confidence)
        order = np.argsort(-confidence, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(confidence[order])), n - 1)  # the last row of each confidence
        ends = ends[(ends >= min(_FEWEST, n) - 1)]
        if len(ends) > _POINTS:
            ends = np.unique(ends[np.searchsorted(ends, np.linspace(ends[0], n - 1, _POINTS))])
        return CoverageCurve((ends + 1) / n, np.cumsum(right[order])[ends] / (ends + 1))


@dataclass(frozen=True)
class Mark:
    """A promise, and what it came to: the share answered, and the share of the answers that was right (if any).

    `answer_from`: the confidence from which on rows are answered, in words.
    """

    target: float
    answer_from: str
    coverage: float
    precision: float | None


def loss_curves(history: Sequence[EpochFigures]) -> str:
    """Return how the loss, and what was seen on validation rows, went from epoch to epoch."""
    from matplotlib.ticker import MaxNLocator

    validated = [epoch for epoch in history if epoch.valid_loss is not None]
    numbers = [epoch.number for epoch in validated]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
        steps = [epoch.number for epoch in history]
        axes[0].plot(steps, [epoch.loss for epoch in history], color=SERIES[0], label="training")
        if validated:
            losses = [epoch.valid_loss for epoch in validated]
            axes[0].plot(numbers, losses, color=SERIES[1], linestyle=_DASHES[1], label="validation")
            for i, (name, key) in enumerate((("accuracy", "valid_accuracy"), ("macro-F1", "valid_macro_f1"))):
                figures = [getattr(epoch, key) for epoch in validated]
                axes[1].plot(numbers, figures, color=SERIES[i + 2], linestyle=_DASHES[i], label=name)
            axes[1].set(xlabel="epoch", title="on validation rows")
            if numbers[-1] < steps[-1]:
                axes[0].axvline(numbers[-1] + 0.5, color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
            for part in axes:
                part.legend()
        then = ", then step of the fit with n-grams" if validated and numbers[-1] < steps[-1] else ""
        axes[0].set(xlabel=f"epoch{then}" if validated else "step", ylim=(0, None), xlim=(0, None))
        axes[0].set_title("mean loss and penalty of weights")
        for part in axes:
            part.title.set(color=SOFT, fontsize=FONT)
            part.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    text = f"The loss falls from {history[0].loss:.3f} to {history[-1].loss:.3f} in {len(history)} steps."
    return draw(1.6 * _WIDTH if validated else _WIDTH, 0.85 * _HEIGHT, paint, title="Learning curves", text=text)


def reliability(series: Mapping[str, Reliability], *, what: str = "share that is right") -> str:
    """Return the reliability diagram: confidence and the share that is right, in bins of equally many rows.

    The first of the `series` has bars of 95% confidence, and its confidences are counted below.
    """
    bins = {name: counted.bins() for name, counted in series.items()}
    lowest = min(min(each.confidence, each.accuracy) for found in bins.values() for each in found)
    start = max(np.floor(lowest * 10) / 10 - 0.05, -0.03)

    def paint(figure: "Figure") -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
        for number, (name, found) in reversed(list(enumerate(bins.items()))):
            x, y = (np.array([getattr(each, key) for each in found]) for key in ("confidence", "accuracy"))
            if not number:
                low, high = np.array([wilson_interval(each.accuracy, each.n) for each in found]).T
                axes.vlines(x, low, high, color=SERIES[0], linewidth=1, alpha=0.45)
            axes.plot(
                x, y, color=_colour(number), marker=_marker(number), markersize=3.6 - 0.3 * (number > 0),
                linewidth=1.1, linestyle=_dashes(number), markerfacecolor=_colour(number) if not number else "none",
                label=name,
            )  # fmt: skip
        if len(bins) > 1:
            handles, names = axes.get_legend_handles_labels()
            axes.legend(handles[::-1], names[::-1], loc="upper left")
        axes.set(xlim=(start, 1.03), ylim=(start, 1.03), ylabel=what)
        first = next(iter(series.values())).counts[0].reshape(50, -1).sum(axis=1)
        below.bar(np.arange(50) / 50 + 0.01, first / first.sum(), width=0.017, color=SERIES[0], alpha=0.6, linewidth=0)
        below.set(xlabel="confidence", ylabel="rows", yticks=[])
        below.grid(visible=False)

    text = "; ".join(f"{name}: calibration error {counted.ece:.3f}" for name, counted in series.items())
    return draw(_WIDTH, 1.2 * _HEIGHT, paint, title="Reliability diagram", text=text)


def coverage_precision(
    curves: Mapping[str, CoverageCurve], marks: Sequence[Mark] = (), *, what: str = "share right"
) -> str:
    """Return which share of the answers is right when only the most confident rows are answered."""

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for number, (name, curve) in enumerate(curves.items()):
            axes.plot(curve.coverage, curve.precision, color=_colour(number), linestyle=_dashes(number), label=name)
        for mark in marks:
            promised = f"promised: {mark.target:g}"
            axes.axhline(mark.target, color=SERIES[1], linewidth=0.9, linestyle=_DASHES[1], label=promised)
            if mark.precision is not None:
                axes.plot(
                    [mark.coverage], [mark.precision], marker="D", markersize=6, color=SERIES[1], linestyle="none",
                    markeredgecolor=INK, markeredgewidth=0.7, zorder=5, label=f"answered from {mark.answer_from}",
                )  # fmt: skip
                axes.axvline(mark.coverage, color=SERIES[1], linewidth=0.9, linestyle=_DASHES[2])
        if len(curves) > 1 or marks:
            axes.legend()
        values = np.concatenate([curve.precision for curve in curves.values()])
        lowest = min([float(values.min()), *(m.target for m in marks), *(m.precision or 1.0 for m in marks)])
        room = 0.08 * (1.0 - lowest) + 0.005
        axes.set(xlim=(0, 1.02), ylim=(lowest - room, 1 + room), xlabel="share of rows answered", ylabel=what)

    said = [
        f"{name}: {curve.precision[-1]:.3f} of all rows, {np.interp(0.5, curve.coverage, curve.precision):.3f} of the "
        "most confident half"
        for name, curve in curves.items()
    ]
    return draw(_WIDTH, 1.2 * _HEIGHT, paint, title="Precision by share answered", text="; ".join(said))


def precision_recall(decisions: Reliability, precision: float, recall: float) -> str:
    """Return precision and recall over all labels' decisions as one threshold moves, and where the model stands."""
    counts, _, hits = decisions.counts[:, ::-1].cumsum(axis=1)
    some = (counts > 0) & (hits > 0)

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.plot(hits[some] / max(hits[-1], 1), hits[some] / counts[some], color=SERIES[0])
        axes.plot(
            [recall], [precision], marker="D", markersize=6, color=SERIES[1], markeredgecolor=INK, markeredgewidth=0.7,
            linestyle="none", label="with the labels' thresholds",
        )  # fmt: skip
        axes.legend(loc="lower left")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03), xlabel="recall", ylabel="precision")

    text = f"With the labels' thresholds precision is {precision:.3f} and recall {recall:.3f}."
    return draw(_WIDTH, 1.2 * _HEIGHT, paint, title="Precision and recall", text=text)


def ranking_curves(score: Array, has: npt.NDArray[np.bool_], roc_auc: float, average_precision: float) -> str:
    """Return ROC and precision by recall, as the probability falls from which on a class is given.

    `score`: the class's probability, and `has`: whether the row has it, both of shape (n,). The two figures are told.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # rows of one score come together
    if len(ends) > _POINTS:
        ends = np.unique(ends[np.linspace(0, len(ends) - 1, _POINTS).astype(np.int64)])
    hits = np.cumsum(has[order])[ends]
    wrong = ends + 1 - hits
    recall, fallout = hits / has.sum(), wrong / (~has).sum()

    titles = f"ROC, area {roc_auc:.3f}", f"precision–recall, average precision {average_precision:.3f}"

    def paint(figure: "Figure") -> None:
        roc, precision = figure.subplots(1, 2)
        roc.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
        roc.plot([0, *fallout], [0, *recall], color=SERIES[0])
        roc.set(xlabel="false positive rate", ylabel="true positive rate")
        precision.axhline(has.mean(), color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
        precision.plot(recall, hits / (ends + 1), color=SERIES[0])
        precision.set(xlabel="recall", ylabel="precision")
        for axes, title in ((roc, titles[0]), (precision, titles[1])):
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03))
            axes.set_title(title, color=SOFT, fontsize=FONT)

    middle = int(np.argmin(np.abs(recall - 0.5)))
    text = f"At a recall of {recall[middle]:.2f} the false positive rate is {fallout[middle]:.2f}."
    return draw(1.6 * _WIDTH, 0.95 * _HEIGHT, paint, title="ROC and precision by recall", text=text)


def label_counts(truth: Integers, given: Integers) -> str:
    """Return how many texts have, and get, no label, one label, two … ; both count texts from 0 labels on."""
    from matplotlib.ticker import MaxNLocator

    places = np.arange(max(len(truth), len(given)))

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for number, (name, counts) in enumerate((("have", truth), ("get", given))):
            padded = np.pad(counts, (0, len(places) - len(counts)))
            axes.bar(places + 0.4 * number - 0.2, padded, width=0.36, color=SERIES[number], linewidth=0, label=name)
        axes.grid(axis="x", visible=False)
        axes.legend()
        axes.set(xlabel="labels", ylabel="texts")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))

    return draw(_WIDTH, 0.85 * _HEIGHT, paint, title="Labels a text", text="How many labels texts have, and get.")


def interval_plot(intervals: Sequence[tuple[int, Interval]], first: Interval, *, what: str) -> str:
    """Return figures with their intervals, one line each from the top, numbered as their table numbers them."""

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.axvline(first.value, color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
        for number, found in intervals:
            low, high = (found.value if end is None else end for end in (found.low, found.high))
            axes.plot([low, high], [number, number], color=_colour(number - 1), linewidth=2.2, solid_capstyle="butt")
            axes.plot([found.value], [number], marker=_marker(number - 1), markersize=5, color=_colour(number - 1))
        numbers = [number for number, _ in intervals]
        axes.set(ylim=(max(numbers) + 0.6, min(numbers) - 0.6), yticks=numbers, xlabel=what)
        axes.set_yticklabels([f"{number}" for number in numbers])
        axes.grid(axis="y", visible=False)

    text = "; ".join(f"{number}: {found.value:.3f}" for number, found in intervals)
    height = 0.55 + 0.24 * len(intervals)
    return draw(_WIDTH, max(height, 1.2), paint, title=f"{what} with 95% intervals", text=text)


def slice_plot(names: Sequence[str], accuracy: Array) -> str:
    """Return the accuracy of each classifier, a column of shape (slices, m), on slices of the rows in order."""

    def paint(figure: "Figure") -> None:
        axes: Axes = figure.add_subplot()
        for number, column in enumerate(accuracy.T):
            axes.plot(
                np.arange(len(column)), column, color=_colour(number), linestyle=_dashes(number),
                marker=_marker(number), markersize=4, label=f"{number + 1}",
            )  # fmt: skip
        axes.set_xticks(np.arange(len(names)), names)
        axes.set(xlabel="words", ylabel="accuracy", xlim=(-0.3, len(names) - 0.7))
        axes.legend(ncols=3)

    return draw(_WIDTH, _HEIGHT, paint, title="Accuracy by length", text="Accuracy in quarters of the rows by length.")


def _colour(number: int) -> str:
    return SERIES[number % len(SERIES)]


def _dashes(number: int) -> Any:  # noqa: ANN401 - a name or a tuple, as matplotlib has it
    return _DASHES[number % len(_DASHES)]


def _marker(number: int) -> str:
    return _MARKERS[number % len(_MARKERS)]
