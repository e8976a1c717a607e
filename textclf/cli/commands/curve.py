"""``textclf curve``: whether more rows would help."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textclf.cli.console import counting_steps, json_line, open_chosen_vectors, report_table, say
from textclf.cli.options import (
    INPUT,
    Command,
    ReadingOptions,
    TrainingOptions,
    json_option,
    locate_table,
    quiet_option,
    section,
    table_options,
    takes,
    training_options,
)
from textclf.cli.text_table import columns_text, interval_columns, short
from textclf.errors import say_count

if TYPE_CHECKING:
    from textclf.analysis.learning_curve import ClassGain, Forecast, Law, LearningCurve
    from textclf.metrics.bootstrap import Interval


@dataclass(frozen=True, kw_only=True)
class CurveOptions(ReadingOptions, TrainingOptions):
    """Which table the curve is of, and how it is measured."""

    table: Path
    folds: int
    as_json: bool
    quiet: bool


@click.command("curve", cls=Command, short_help="Forecast how much more rows would help.")
@click.argument("table", type=INPUT)
@section(
    "Measuring",
    click.option(
        "--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Number of folds of cross-validation."
    ),
    training_options(seed="Random seed. The same seed gives the same curve."),
)
@table_options(labelled=True, others=True)
@section("Output", json_option, quiet_option)
@takes(CurveOptions)
def command(options: CurveOptions) -> None:
    """Train on growing parts of TABLE, measure on held-out rows, and forecast figures for more rows.

    The time is that of about ten trainings, no file is written.

    \b
    textclf curve reviews.csv
    textclf curve reviews.csv --folds 3 --json
    """
    import numpy as np

    from textclf.analysis.learning_curve import measure_learning_curve, plan_curve
    from textclf.tables import read_examples
    from textclf.training.train import LabelledTexts

    quiet = options.quiet
    examples = read_examples(locate_table(options.table), options.table_options(multi_label=options.multi_label))
    report_table(examples)
    data = LabelledTexts.of(examples)
    rng = np.random.default_rng(options.seed)
    plan = plan_curve(data, options.folds, rng, multi_label=options.multi_label)
    opened = open_chosen_vectors(options.vectors, cache=not options.no_cache, quiet=quiet)
    sizes = f"{len(plan.sizes)} sizes of {plan.sizes[-1]:,} to {plan.sizes[0]:,} rows"
    say(f"{say_count(len(examples), 'text')}, {say_count(len(plan.labels), 'class')}", quiet=quiet)
    say(f"{plan.trainings} trainings: {options.folds} folds, {sizes}, the smaller ones twice", quiet=quiet)
    with counting_steps("training", plan.trainings, quiet=quiet) as count:
        curve = measure_learning_curve(data, plan, options.settings(), opened, rng, progress=count)
    click.echo(json_line(curve.as_dict()) if options.as_json else curve_text(curve))


# --- as text ---------------------------------------------------------------------------------------------------------

_CHART = 40  # characters
_CLASSES = 12


def curve_text(curve: "LearningCurve") -> str:
    """Return the curve as lines: each size and each forecast, the law, what more rows would bring, and to whom."""
    lines = [
        *_table(curve),
        "",
        f"{_main_metric(curve)} = {_law_text(curve.accuracy_law)}",
        f"macro-F1 = {_law_text(curve.macro_f1_law)}",
        "",
    ]
    lines += [_gain_text(forecast, _main_metric(curve)) for forecast in curve.forecasts if forecast.times > 1]
    return "\n".join([*lines, "", *_class_gain_lines(curve.gains, curve.points[-1].rows)])


def _main_metric(curve: "LearningCurve") -> str:
    return "micro-F1" if curve.is_multi_label else "accuracy"


def _table(curve: "LearningCurve") -> list[str]:
    shown: list[tuple[str, str, Interval, Interval, str]] = [
        ("measured", f"{point.rows:,}", point.accuracy, point.macro_f1, "●") for point in curve.points
    ]
    for forecast in curve.forecasts:
        name = "forecast: all rows" if forecast.times == 1 else f"forecast: {forecast.times} times"
        shown.append((name, f"{forecast.rows:,}", forecast.accuracy, forecast.macro_f1, "○"))
    low, high = min(_low(row[2]) for row in shown), max(_high(row[2]) for row in shown)
    rows = [["", "rows", _main_metric(curve), "95% interval", "macro-F1", "95% interval"]]
    rows += [
        [name, n, *interval_columns(accuracy), *interval_columns(macro_f1)] for name, n, accuracy, macro_f1, _ in shown
    ]
    bars = [
        ["rows", _scale(low, high, _main_metric(curve))],
        *([row[1], _bar(row[2], low, high, row[4]).ljust(_CHART)] for row in shown),
    ]
    return [*columns_text(rows), "", *columns_text(bars)]


def _scale(low: float, high: float, name: str) -> str:
    left, right = f"{low:.3f}", f"{high:.3f}"
    return left + f" {name} ".center(_CHART - len(left) - len(right), "┈") + right


def _bar(interval: "Interval", low: float, high: float, mark: str) -> str:
    """Draw an interval and its value on a line of the chart."""

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (_CHART - 1)) if high > low else 0

    start, end, middle = place(_low(interval)), place(_high(interval)), place(interval.value)
    line = [" "] * start + ["─"] * (end - start + 1)
    line += [" "] * (middle + 1 - len(line))
    line[middle] = mark
    return "".join(line)


def _low(interval: "Interval") -> float:
    return interval.value if interval.low is None else interval.low


def _high(interval: "Interval") -> float:
    return interval.value if interval.high is None else interval.high


def _law_text(law: "Law") -> str:
    curve = f"{1 - law.a.value:.3f} − {law.b.value:.2f} · rows^−{law.c.value:.2f}"
    return f"{curve} (exponent {_low(law.c):.2f} to {_high(law.c):.2f})"


def _gain_text(forecast: "Forecast", name: str) -> str:
    accuracy, macro_f1 = 100 * forecast.accuracy_gain, 100 * forecast.macro_f1_gain
    return f"{forecast.times} times the rows: {accuracy:+.1f} points of {name}, {macro_f1:+.1f} of macro-F1"


def _class_gain_lines(gains: "list[ClassGain]", full: int) -> list[str]:
    rows = [["classes that gained most", "rows", f"F1 at {full // 2:,}", f"at {full:,}", "gain", "95% interval"]]
    for gain in gains[:_CLASSES]:
        figures = (f"{gain.rows:,}", f"{gain.half:.4f}", f"{gain.full:.4f}")
        rows += [[short(gain.label), *figures, *interval_columns(gain.gain, "+")]]
    more = len(gains) - _CLASSES
    return columns_text(rows) + ([f"… and {more:,} more classes; --json has all"] if more > 0 else [])
