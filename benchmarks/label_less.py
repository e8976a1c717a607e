"""Accuracy by number of labels where the rows to label are chosen: by chance, by margin, or by `textclf suggest`.

    python benchmarks/label_less.py --data DIR [--sets SET…] [--most 500] [--seeds 5] [--json FILE] [--svg FILE]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv, where there is no test.csv). For each seed and
strategy the program begins without a label, chooses a batch of rows from train.csv, looks their labels up, trains, and
measures on the test rows, 1,000 at most; then it chooses the next batch with that model. If a set has no train.csv, it
chooses from the first half of test.csv and measures on the second. Copies in the pool are left out.

`margin` is the rule that small-text calls BreakingTies: with the same model both choose the same rows. Needs
scikit-learn; the picture needs the extra `report`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from few_labels import SERIES, SOFT, Rows, draw, read_set, stand_alone
from sklearn.metrics import f1_score

from textclf.analysis.suggestion import batches_of, suggest_by_model, suggest_cold
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.text.copies import group_copies
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors, open_vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETS = ["sst2", "trec6", "banking77", "sms_spam", "germeval2018", "ag_news"]
BATCH = 50
SHARE = 0.95
"""Of the accuracy with all labels: how many labels reach it."""

Choice = Callable[["Pool", Model | None, np.ndarray, int, np.random.Generator], np.ndarray]
"""Returns the numbers of the rows to label next, given those that are not labelled."""


@dataclass(frozen=True)
class Curve:
    """What one strategy reached on one set: means over the seeds, by number of labels."""

    set: str
    strategy: str
    seeds: int
    labels: list[int]
    accuracy: list[float]
    macro_f1: list[float]

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What was measured."""
        return self.set, self.strategy, self.seeds, self.labels[-1]


@dataclass(frozen=True)
class Pool:
    """The texts that labels are asked for, with their labels, and the rows to measure on."""

    texts: list[str]
    labels: list[str]
    rows: Rows
    vectors: WordVectors

    @staticmethod
    def of(rows: Rows, vectors: WordVectors) -> "Pool":
        """Return the different texts of a set."""
        firsts = np.unique(group_copies(rows.texts)).tolist()
        return Pool([rows.texts[i] for i in firsts], [rows.labels[i] for i in firsts], rows, vectors)

    def train(self, numbers: Sequence[int], seed: int) -> Model | None:
        """Train on these rows; None where they have one label only."""
        texts, labels = [self.texts[i] for i in numbers], [self.labels[i] for i in numbers]
        if len(set(labels)) < 2:
            return None
        return train(LabelledTexts(texts, labels), Settings(seed=seed), self.vectors).model

    def measure(self, model: Model | None, labels: Sequence[str]) -> tuple[float, float]:
        """Return accuracy and macro-F1 on the test rows; without a model all of them get the only label there is."""
        wanted = self.rows.judged_labels
        found = [labels[0]] * len(wanted) if model is None else model.cells(model.predict(self.rows.judged_texts))
        right = np.mean([a == b for a, b in zip(found, wanted, strict=True)])
        return float(right), float(f1_score(wanted, found, average="macro"))


# --- strategies -------------------------------------------------------------------------------------------------------


def by_chance(_pool: Pool, _model: Model | None, free: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose rows by chance."""
    return rng.permutation(free)[:n]


def by_margin(pool: Pool, model: Model | None, free: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose the rows of the smallest margins (BreakingTies of small-text); without a model by chance."""
    if model is None:
        return by_chance(pool, model, free, n, rng)
    two = np.sort(model.predict([pool.texts[i] for i in free]).P, axis=1)[:, -2:]
    return free[np.argsort(two[:, 1] - two[:, 0], kind="stable")[:n]]


def by_suggestion(pool: Pool, model: Model | None, free: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose as `textclf suggest` does."""
    texts = [pool.texts[i] for i in free]
    if model is None:
        found = suggest_cold(pool.vectors, batches_of(texts), n, rng)
    else:
        found = suggest_by_model(model, pool.vectors, ((one, model.predict(one.texts)) for one in batches_of(texts)), n)
    return free[np.array(found.rows.rows) - 1]


STRATEGIES: dict[str, Choice] = {"random": by_chance, "margin": by_margin, "suggest": by_suggestion}


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(name: str, pool: Pool, strategy: str, most: int, seeds: int) -> Curve:
    """Label up to `most` rows with every seed, and return the means."""
    counts = [min(n, len(pool.texts)) for n in range(BATCH, most + 1, BATCH)]
    figures = np.zeros((seeds, len(counts), 2))
    for seed in range(1, seeds + 1):
        rng = np.random.default_rng(seed)
        numbers: list[int] = []
        model = None
        for step, count in enumerate(counts):
            free = np.setdiff1d(np.arange(len(pool.texts)), numbers)
            chosen = STRATEGIES[strategy](pool, model, free, count - len(numbers), rng).tolist()
            short = count - len(numbers) - len(chosen)  # near-copies were all that was left to suggest
            numbers += chosen + by_chance(pool, None, np.setdiff1d(free, chosen), short, rng).tolist()
            model = pool.train(numbers, seed)
            figures[seed - 1, step] = pool.measure(model, [pool.labels[i] for i in numbers])
    accuracy, macro_f1 = figures.mean(axis=0).round(5).T.tolist()
    curve = Curve(name, strategy, seeds, counts, accuracy, macro_f1)
    print(f"{name:14}{strategy:12}" + " ".join(f"{a:.3f}" for a in accuracy), file=sys.stderr, flush=True)
    return curve


def measure_all(name: str, pool: Pool) -> Curve:
    """Return what all labels reach: the line that the others are held to."""
    accuracy, macro_f1 = pool.measure(pool.train(range(len(pool.texts)), 1), pool.labels)
    return Curve(name, "all", 1, [len(pool.texts)], [accuracy], [macro_f1])


def labels_needed(curve: Curve, wanted: float) -> float | None:
    """Return how many labels reach an accuracy, between two points of the curve; None where none does."""
    accuracy = np.maximum.accumulate(curve.accuracy)
    if accuracy[-1] < wanted:
        return None
    place = int(np.argmax(accuracy >= wanted))
    if place == 0:
        return float(curve.labels[0])
    low, high = accuracy[place - 1], accuracy[place]
    part = (wanted - low) / (high - low)
    return float(curve.labels[place - 1] + part * (curve.labels[place] - curve.labels[place - 1]))


# --- showing ----------------------------------------------------------------------------------------------------------


def table(curves: Sequence[Curve], full: dict[str, float], strategies: Sequence[str]) -> str:
    """Return two tables: figures by number of labels, and how many labels 95% of the full accuracy takes."""
    lines = [f"| set | labels | {' | '.join(f'{one} accuracy | macro-F1' for one in strategies)} |"]
    lines.append("|---" * (2 + 2 * len(strategies)) + "|")
    by_key = {(curve.set, curve.strategy): curve for curve in curves}
    for name in full:
        some = by_key[name, strategies[0]].labels
        for step in [i for i, count in enumerate(some) if count in (50, 100, 200, 300, 500) or i == len(some) - 1]:
            cells = [
                f"{100 * by_key[name, one].accuracy[step]:.1f} | {100 * by_key[name, one].macro_f1[step]:.1f}"
                for one in strategies
            ]
            lines.append(f"| {name} | {some[step]:,} | {' | '.join(cells)} |")
    lines += ["", f"| set | all labels | {SHARE:.0%} of it | {' | '.join(strategies)} |"]
    lines.append("|---" * (3 + len(strategies)) + "|")
    for name, accuracy in full.items():
        needed = [labels_needed(by_key[name, one], SHARE * accuracy) for one in strategies]
        most = by_key[name, strategies[0]].labels[-1]
        cells = [f"more than {most:,}" if n is None else f"{n:,.0f}" for n in needed]
        lines.append(f"| {name} | {100 * accuracy:.1f} | {100 * SHARE * accuracy:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(curves: Sequence[Curve], full: dict[str, float], strategies: Sequence[str]) -> str:
    """Return the curves as an SVG file: accuracy above, macro-F1 below, a column for each set."""
    by_key = {(curve.set, curve.strategy): curve for curve in curves}

    def paint(figure: "Figure") -> None:
        panels = figure.subplots(2, len(full), squeeze=False)
        for (row, what), (column, name) in product(enumerate(("accuracy", "macro_f1")), enumerate(full)):
            axes: Axes = panels[row][column]
            for number, one in enumerate(strategies):
                curve = by_key[name, one]
                figures = [100 * figure for figure in getattr(curve, what)]
                axes.plot(curve.labels, figures, color=SERIES[number], label=one, linewidth=1.6)
            if what == "accuracy":
                axes.axhline(100 * SHARE * full[name], color=SOFT, linewidth=0.8, linestyle=":")
                axes.set_title(name, fontsize=9)
        panels[0][0].set_ylabel("accuracy, percent", fontsize=9)
        panels[1][0].set_ylabel("macro-F1, percent", fontsize=9)
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=len(strategies))
        figure.supxlabel("labels", fontsize=9, color=SOFT)

    text = (
        f"Accuracy and macro-F1 of {', '.join(strategies)} on {', '.join(full)}, by number of labels."
        f" Dotted: {SHARE:.0%} of the accuracy with all labels. The page's tables have the figures."
    )
    return stand_alone(draw(max(3 * len(full), 6), 5, paint, title="Accuracy by labels and strategy", text=text))


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the program with a word if something is missing."""
    parser = argparse.ArgumentParser(description="Accuracy by number of labels and by how rows are chosen.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--sets", nargs="+", default=SETS, help=f"default: {' '.join(SETS)}")
    parser.add_argument("--most", type=int, default=500, help="labels at the end, a multiple of 50")
    parser.add_argument("--seeds", type=int, default=5, help="sessions of each strategy")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--json", type=Path, help="keep the curves here; those that it has are not measured again")
    parser.add_argument("--svg", type=Path, help="write the picture here")
    options = parser.parse_args(arguments)
    for name in options.sets:
        if not (options.data / name).is_dir():
            parser.error(f"{options.data / name}: expected the folder of a set, found none.")
    if options.most < BATCH or options.most % BATCH:
        parser.error(f"--most: expected a multiple of {BATCH}, found {options.most}.")
    if options.svg and find_spec("matplotlib") is None:
        parser.error("--svg: expected matplotlib, which is not installed. Install the extra report.")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = read_options(arguments)
    known = json.loads(options.json.read_text("utf-8")) if options.json and options.json.exists() else []
    curves = {curve.key: curve for curve in (Curve(**one) for one in known)}
    strategies = options.strategies
    vectors = open_vectors("starter")
    full: dict[str, float] = {}
    shown: list[Curve] = []
    for name in options.sets:
        pool = Pool.of(read_set(options.data / name), vectors)
        for strategy in ("all", *strategies):
            seeds, most = (1, len(pool.texts)) if strategy == "all" else (options.seeds, options.most)
            key = (name, strategy, seeds, min(most, len(pool.texts)))
            if key not in curves:
                is_all = strategy == "all"
                curves[key] = measure_all(name, pool) if is_all else measure(name, pool, strategy, most, seeds)
                if options.json:
                    options.json.write_text(json.dumps([asdict(curve) for curve in curves.values()]), "utf-8")
            if strategy == "all":
                full[name] = curves[key].accuracy[0]
            else:
                shown.append(curves[key])
    print(table(shown, full, strategies))
    if options.svg:
        options.svg.write_text(picture(shown, full, strategies), "utf-8")


if __name__ == "__main__":
    main()
