"""The pictures of a report. Each function returns SVG to stand in a page, light or dark.

A figure is drawn by matplotlib in stand-in colours, one for each role; in the SVG they become CSS variables of the
page. The same figure gives the same bytes: no date, no random ids.

Letters: ``n`` rows.
"""

import html
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.metrics.bootstrap import Interval, wilson_interval
from textclf.metrics.calibration_error import Reliability
from textclf.model.card import EpochFigures
from textclf.types import Array, Integers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INK, SOFT, LINE = "#010101", "#020202", "#030303"
"""Stand-ins for the page's colours of text, of what is less important, and of rules."""
SERIES = ("#010204", "#020408", "#03060c", "#040810", "#050a14", "#060c18")
"""Stand-ins for the colours of lines and points, in the order in which they are used."""

FONT = 8.5
_VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", **{colour: f"c{i}" for i, colour in enumerate(SERIES, 1)}}


def draw(width: float, height: float, paint: Callable[["Figure"], None], *, title: str, text: str) -> str:
    """Return what `paint` draws on a figure of so many inches as SVG, with a title and a text for who cannot see it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    chosen: dict[Any, Any] = {
        "svg.hashsalt": title, "svg.fonttype": "none", "text.parse_math": False, "font.size": FONT,
        "text.color": INK, "axes.edgecolor": SOFT, "axes.labelcolor": SOFT, "xtick.color": SOFT, "ytick.color": SOFT,
        "grid.color": LINE, "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False,
        "axes.spines.right": False, "axes.linewidth": 0.7, "grid.linewidth": 0.6, "lines.linewidth": 1.5,
        "legend.frameon": False, "legend.fontsize": FONT, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
        "axes.formatter.use_mathtext": False, "svg.id": None,
    }  # fmt: skip
    with mpl.rc_context(chosen), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has its own fonts
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    return _theme(stream.getvalue(), title, text)


def _theme(source: str, title: str, text: str) -> str:
    """Return the SVG element without what a page has no use for, its colours the page's own."""
    svg = source[source.index("<svg") :]
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"font(-family)?: [^;\"]*sans-serif;? ?", _size_only, svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", _round, tag[0]), svg)  # not the words between
    svg = re.sub(r"\s*\n\s*", " ", svg)
    used = set(re.findall(r"#([\w.]+)[\")]", svg))
    svg = re.sub(r' id="([\w.]+)"', lambda found: found[0] if found[1] in used else "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    view = re.search(r'viewBox="0 0 ([\d.]+) [^"]*"', svg)
    assert view is not None
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    begin = f'<svg {view[0]} style="--w: {view[1]}" {spaces} role="img"'
    words = f' aria-label="{html.escape(title)}"><title>{html.escape(title)}</title><desc>{html.escape(text)}</desc>'
    return (begin + words + svg[svg.index(">") + 1 :]).replace("> <", "><").strip()


def _round(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _size_only(found: re.Match[str]) -> str:
    size = re.search(r"[\d.]+px", found[0])
    return f"font-size: {size[0]}; " if size and not found[1] else ""


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


def learning_curves(history: Sequence[EpochFigures]) -> list[str]:
    """Return how losses, and figures of validation rows, went: over epochs of mini-batches, and over L-BFGS steps."""
    epochs = [epoch for epoch in history if not epoch.fit]
    fits = [list(steps) for number, steps in groupby(history, lambda epoch: epoch.fit) if number]
    validated = [epoch for epoch in epochs if epoch.valid_loss is not None]
    panels: list[tuple[str, Callable[[Axes], None], Sequence[EpochFigures]]] = []
    if epochs:
        panels += [("Network and vectors, by mini-batches", lambda axes: _paint_epochs(axes, epochs), epochs)]
    if fits:
        panels += [("All weights together, by L-BFGS", lambda axes: _paint_fits(axes, fits), [*chain(*fits)])]
    if validated:
        panels += [("On validation rows, by mini-batches", lambda axes: _paint_scores(axes, validated), validated)]
    return [
        _panel(title, paint, f"The loss falls from {steps[0].loss:.3f} to {steps[-1].loss:.3f} in {len(steps)} steps.")
        for title, paint, steps in panels
    ]


def _panel(title: str, paint: "Callable[[Axes], None]", text: str) -> str:
    """Return a small figure with its title above it."""
    from matplotlib.ticker import MaxNLocator

    def paint_figure(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.set_title(title, color=SOFT, fontsize=FONT)
        paint(axes)
        counts = axes.get_xlim()[1] > 2  # epochs or steps, and no shares
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=counts))

    return draw(_WIDTH, 0.85 * _HEIGHT, paint_figure, title=title, text=text)


def _paint_epochs(axes: "Axes", epochs: Sequence[EpochFigures]) -> None:
    axes.plot([epoch.number for epoch in epochs], [epoch.loss for epoch in epochs], color=SERIES[0], label="training")
    seen = [(epoch.number, epoch.valid_loss) for epoch in epochs if epoch.valid_loss is not None]
    if seen:
        axes.plot(*zip(*seen, strict=True), color=SERIES[1], linestyle=_DASHES[1], label="validation")
    axes.set(xlabel="epoch", ylabel="mean loss", ylim=(0, None))
    axes.legend()


def _paint_fits(axes: "Axes", fits: Sequence[Sequence[EpochFigures]]) -> None:
    for number, steps in enumerate(fits):
        line = [step.number for step in steps], [step.loss for step in steps]
        axes.plot(*line, color=SERIES[0], label=None if number else "training, L2 term included")
        if number:
            axes.axvline(steps[0].number - 0.5, color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
    ends = [(steps[-1].number, steps[-1].valid_loss) for steps in fits if steps[-1].valid_loss is not None]
    if ends:
        axes.plot(
            *zip(*ends, strict=True), color=SERIES[1], linestyle=_DASHES[1], linewidth=0.9, marker="D", markersize=4,
            label="validation",
        )  # fmt: skip
    axes.set(xlabel="step", ylabel="mean loss", ylim=(0, None))
    axes.legend()


def _paint_scores(axes: "Axes", epochs: Sequence[EpochFigures]) -> None:
    for i, (name, key) in enumerate((("accuracy", "valid_accuracy"), ("macro-F1", "valid_macro_f1"))):
        figures = [getattr(epoch, key) for epoch in epochs]
        axes.plot([epoch.number for epoch in epochs], figures, color=SERIES[i + 2], linestyle=_DASHES[i], label=name)
    axes.set(xlabel="epoch")
    axes.legend()


def reliability(
    series: Mapping[str, Reliability], *, what: str = "share that is right", independent: float = 1.0
) -> str:
    """Return the reliability diagram: confidence and the share that is right, in bins of equally many rows.

    The first of the `series` has bars of 95% confidence, for which the share `independent` of its rows counts. Its
    confidences are counted below.
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
                low, high = np.array([wilson_interval(each.accuracy, each.n * independent) for each in found]).T
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
                    markeredgecolor=INK, markeredgewidth=0.7, zorder=5, label=f"threshold {mark.answer_from}",
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


def ranking_curves(score: Array, has: npt.NDArray[np.bool_], roc_auc: float, average_precision: float) -> list[str]:
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

    def paint_roc(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
        axes.plot([0, *fallout], [0, *recall], color=SERIES[0])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), xlabel="false positive rate", ylabel="true positive rate")

    def paint_precision(axes: "Axes") -> None:
        axes.axhline(has.mean(), color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
        axes.plot(recall, hits / (ends + 1), color=SERIES[0])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), xlabel="recall", ylabel="precision")

    middle = int(np.argmin(np.abs(recall - 0.5)))
    at = f"At a recall of {recall[middle]:.2f} the"
    return [
        _panel(f"ROC, area {roc_auc:.3f}", paint_roc, f"{at} false positive rate is {fallout[middle]:.2f}."),
        _panel(
            f"Precision–recall, average precision {average_precision:.3f}", paint_precision,
            f"{at} precision is {hits[middle] / (ends[middle] + 1):.2f}.",
        ),
    ]  # fmt: skip


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


def interval_plot(intervals: Mapping[str, Interval], *, what: str) -> str:
    """Return figures with their intervals, one line each from the top; the dotted line is that of the first."""

    def paint(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for number, found in enumerate(intervals.values()):
            low, high = (found.value if end is None else end for end in (found.low, found.high))
            if not number:
                axes.axvline(found.value, color=SOFT, linewidth=0.8, linestyle=_DASHES[2])
            axes.plot([low, high], [number, number], color=_colour(number), linewidth=2.2, solid_capstyle="butt")
            axes.plot([found.value], [number], marker=_marker(number), markersize=5, color=_colour(number))
        axes.set(ylim=(len(intervals) - 0.4, -0.6), xlabel=what)
        axes.set_yticks(range(len(intervals)), intervals)
        axes.grid(axis="y", visible=False)

    text = "; ".join(f"{name}: {found.value:.3f}" for name, found in intervals.items())
    height = 0.55 + 0.24 * len(intervals)
    return draw(_WIDTH, max(height, 1.2), paint, title=f"{what} with 95% intervals", text=text)


def slice_plot(names: Sequence[str], accuracy: Array, classifiers: Sequence[str]) -> str:
    """Return the accuracy of m classifiers, shape (slices, m), on slices of the rows in order."""

    def paint(figure: "Figure") -> None:
        axes: Axes = figure.add_subplot()
        for number, column in enumerate(accuracy.T):
            axes.plot(
                np.arange(len(column)), column, color=_colour(number), linestyle=_dashes(number),
                marker=_marker(number), markersize=4, label=classifiers[number],
            )  # fmt: skip
        axes.set_xticks(np.arange(len(names)), names)
        axes.set(xlabel="words", ylabel="accuracy", xlim=(-0.3, len(names) - 0.7))
        axes.legend()

    return draw(_WIDTH, _HEIGHT, paint, title="Accuracy by length", text="Accuracy in quarters of the rows by length.")


def _colour(number: int) -> str:
    return SERIES[number % len(SERIES)]


def _dashes(number: int) -> Any:  # noqa: ANN401 - a name or a tuple, as matplotlib has it
    return _DASHES[number % len(_DASHES)]


def _marker(number: int) -> str:
    return _MARKERS[number % len(_MARKERS)]
