"""Accuracy by number of labels where the rows to label are chosen: by chance, by margin, or by `textclf suggest`.

    python benchmarks/label_less.py --data DIR [--sets SET…] [--seeds N] [--sessions FILE] [--svg FILE]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv, where there is no test.csv). A session begins
without a label. It chooses 50 rows from train.csv, looks their labels up, trains, and measures on the test rows, 1,000
at most. Then it chooses as many rows again as are labelled, with that model, and so on. If a set has no train.csv, it
chooses from the first half of test.csv and measures on the second. Copies in the pool are left out.

`margin` is the rule that small-text calls BreakingTies: with the same model both choose the same rows. `small-text` is
that package's own classifier, linear and on TF-IDF, with this rule; it is left out if the package is not installed.
Every session that ends is a line of the file of sessions: a run that was stopped goes on, and several may share it.
Needs scikit-learn; the picture needs the extra `report`.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from few_labels import SERIES, SOFT, Rows, check_sets_and_picture, draw, read_set, stand_alone
from peers import tfidf
from sklearn.metrics import f1_score

from textclf.analysis.suggestion import Guide, batches_of, suggest_rows
from textclf.model.model import Model
from textclf.settings import Settings
from textclf.text.copies import group_copies
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors, open_vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETS = {"sst2": 3200, "trec6": 3200, "banking77": 6400, "sms_spam": 800, "germeval2018": 3200, "ag_news": 400}
"""The sets, and how many labels a session on each gets: so many that random rows reach 95% of the full accuracy."""
SEEDS = {"banking77": 2}
"""Sessions of each strategy where they are not 5: here one takes as long as ten others."""
FIRST = 50
SHARE = 0.95
"""Of the figure with all labels: how many labels reach it."""
MEASURES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}

_MOST, _SEEDS = 1600, 5  # labels on other sets, sessions


@dataclass(frozen=True)
class Session:
    """What one session reached, by number of labels; `guessed`: the share of each batch that the model guessed right.

    The first batch is labelled without a model: 0.
    """

    set: str
    strategy: str
    seed: int
    labels: list[int]
    accuracy: list[float]
    macro_f1: list[float]
    guessed: list[float]

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What was measured."""
        return self.set, self.strategy, self.seed, self.labels[-1]


@dataclass(frozen=True)
class Pool:
    """The texts that labels are asked for, with their labels, and the rows to measure on."""

    texts: list[str]
    labels: list[str]
    rows: Rows

    @staticmethod
    def of(rows: Rows) -> "Pool":
        """Return the different texts of a set."""
        firsts = np.unique(group_copies(rows.texts)).tolist()
        return Pool([rows.texts[i] for i in firsts], [rows.labels[i] for i in firsts], rows)

    def free(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the numbers of all other texts."""
        return np.setdiff1d(np.arange(len(self.texts)), numbers)

    def share_right(self, numbers: Sequence[int], found: Sequence[str]) -> float:
        """Return how many of these texts have these labels, as a share."""
        return float(np.mean([self.labels[i] == label for i, label in zip(numbers, found, strict=True)]))

    def measure(self, found: Sequence[str]) -> tuple[float, float]:
        """Return accuracy and macro-F1 of labels for the test rows."""
        wanted = self.rows.judged_labels
        right = np.mean([a == b for a, b in zip(found, wanted, strict=True)])
        return float(right), float(f1_score(wanted, found, average="macro"))


class Learner(Protocol):
    """Chooses texts of a pool, and learns their labels."""

    def choose(self, n: int) -> list[int]:
        """Return the numbers of n texts to label next."""

    def learn(self, numbers: Sequence[int]) -> None:
        """Train on these texts and all before."""

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Return the label of each text."""


# --- textclf ----------------------------------------------------------------------------------------------------------

Choice = Callable[["TextclfLearner", np.ndarray, int], list[int]]
"""Returns the numbers of the texts to label next, given those that are not labelled."""


@cache
def starter() -> WordVectors:
    """Return the vectors that every session begins with."""
    return open_vectors("starter")


class TextclfLearner:
    """Trains as `textclf train` does, with no option; where there is one label only there is no model yet."""

    def __init__(self, pool: Pool, seed: int, choice: Choice) -> None:
        self.pool, self.seed, self._choice = pool, seed, choice
        self.rng = np.random.default_rng(seed)
        self.model: Model | None = None
        self.numbers: list[int] = []

    def choose(self, n: int) -> list[int]:
        """Choose by the strategy, and by chance what it leaves open: near-copies are not suggested."""
        free = self.pool.free(self.numbers)
        chosen = self._choice(self, free, n)
        return chosen + by_chance(self, np.setdiff1d(free, chosen), n - len(chosen))

    def learn(self, numbers: Sequence[int]) -> None:
        """Train a new model."""
        self.numbers += numbers
        texts, labels = ([column[i] for i in self.numbers] for column in (self.pool.texts, self.pool.labels))
        if len(set(labels)) > 1:
            self.model = train(LabelledTexts(texts, labels), Settings(seed=self.seed, threads=1), starter()).model

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Label by the model; without one every text gets the only label that there is."""
        if self.model is None:
            return [self.pool.labels[self.numbers[0]]] * len(texts)
        return self.model.cells(self.model.predict(texts))


def by_chance(learner: TextclfLearner, free: np.ndarray, n: int) -> list[int]:
    """Choose texts by chance."""
    return learner.rng.permutation(free)[:n].tolist()


def by_margin(learner: TextclfLearner, free: np.ndarray, n: int) -> list[int]:
    """Choose the texts of the smallest margins (BreakingTies of small-text); without a model by chance."""
    if learner.model is None:
        return by_chance(learner, free, n)
    two = np.sort(learner.model.predict([learner.pool.texts[i] for i in free]).P, axis=1)[:, -2:]
    return free[np.argsort(two[:, 1] - two[:, 0], kind="stable")[:n]].tolist()


def by_suggestion(learner: TextclfLearner, free: np.ndarray, n: int) -> list[int]:
    """Choose as `textclf suggest` does."""
    texts, known = ([learner.pool.texts[i] for i in some] for some in (free, learner.numbers))
    found = suggest_rows(batches_of(texts), n, learner.rng, Guide(starter(), learner.model, known))
    return free[np.array(found.rows.rows) - 1].tolist()


# --- small-text -------------------------------------------------------------------------------------------------------


class SmallTextLearner:
    """small-text as its scikit-learn part is used: BreakingTies, and a linear support vector machine on TF-IDF."""

    def __init__(self, pool: Pool, seed: int) -> None:
        from small_text import (
            BreakingTies,
            ConfidenceEnhancedLinearSVC,
            PoolBasedActiveLearner,
            SklearnClassifierFactory,
            SklearnDataset,
        )

        self._vectorizer = tfidf()
        self._names, self._y = np.unique(pool.labels, return_inverse=True)
        every = np.arange(len(self._names))
        self._make = lambda F: SklearnDataset(F, np.zeros(F.shape[0], np.int64), target_labels=every)
        dataset = SklearnDataset(self._vectorizer.fit_transform(pool.texts), self._y, target_labels=every)
        factory = SklearnClassifierFactory(ConfidenceEnhancedLinearSVC(), len(every))
        self._learner = PoolBasedActiveLearner(factory, BreakingTies(), dataset)
        self._first = np.random.default_rng(seed).permutation(len(pool.texts))
        self._has_begun = False

    def choose(self, n: int) -> list[int]:
        """Ask the strategy, at first chance."""
        return (self._learner.query(n) if self._has_begun else self._first[:n]).tolist()

    def learn(self, numbers: Sequence[int]) -> None:
        """Tell the labels of the rows that were asked for."""
        if self._has_begun:
            self._learner.update(self._y[numbers])
        else:
            self._learner.initialize_data(np.array(numbers), self._y[numbers])
            self._has_begun = True

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Label by its classifier."""
        found = self._learner.classifier.predict(self._make(self._vectorizer.transform(texts)))
        return self._names[found].tolist()


STRATEGIES: dict[str, Callable[[Pool, int], Learner]] = {
    "random": lambda pool, seed: TextclfLearner(pool, seed, by_chance),
    "margin": lambda pool, seed: TextclfLearner(pool, seed, by_margin),
    "suggest": lambda pool, seed: TextclfLearner(pool, seed, by_suggestion),
    "small-text": SmallTextLearner,
}
ALL = "all labels"


# --- measuring --------------------------------------------------------------------------------------------------------


def run_session(name: str, pool: Pool, strategy: str, seed: int, most: int) -> Session:
    """Label up to `most` rows, twice as many each time, and measure after each."""
    learner = STRATEGIES[strategy](pool, seed)
    numbers: list[int] = []
    session = Session(name, strategy, seed, [], [], [], [])
    for count in count_labels(min(most, len(pool.texts))):
        chosen = learner.choose(count - len(numbers))
        guessed = pool.share_right(chosen, learner.predict([pool.texts[i] for i in chosen])) if numbers else 0.0
        numbers += chosen
        learner.learn(chosen)
        accuracy, macro_f1 = pool.measure(learner.predict(pool.rows.judged_texts))
        session.labels.append(count)
        session.guessed.append(round(guessed, 5))
        session.accuracy.append(round(accuracy, 5))
        session.macro_f1.append(round(macro_f1, 5))
    return session


def count_labels(most: int) -> list[int]:
    """Return 50, 100, 200 and so on, at last `most`."""
    doubled = [FIRST << step for step in range(30) if FIRST << step < most]
    return [*doubled, most]


def run_full(name: str, pool: Pool) -> Session:
    """Return what all labels reach: what the others are held to."""
    learner = TextclfLearner(pool, 1, by_chance)
    learner.learn(range(len(pool.texts)))
    accuracy, macro_f1 = pool.measure(learner.predict(pool.rows.judged_texts))
    return Session(name, ALL, 1, [len(pool.texts)], [round(accuracy, 5)], [round(macro_f1, 5)], [0.0])


def mean_session(sessions: Sequence[Session]) -> Session:
    """Return the means of sessions with as many labels."""
    first = sessions[0]
    means = {
        what: np.mean([getattr(one, what) for one in sessions], axis=0).tolist() for what in (*MEASURES, "guessed")
    }
    return Session(first.set, first.strategy, len(sessions), first.labels, **means)


def labels_needed(labels: Sequence[int], figures: Sequence[float], wanted: float) -> float | None:
    """Return how many labels reach a figure, between two points on a logarithmic scale; None where none does."""
    reached = np.maximum.accumulate(figures)
    if reached[-1] < wanted:
        return None
    place = int(np.argmax(reached >= wanted))
    if place == 0:
        return float(labels[0])
    part = (wanted - reached[place - 1]) / (reached[place] - reached[place - 1])
    return float(labels[place - 1] * (labels[place] / labels[place - 1]) ** part)


# --- a person's time --------------------------------------------------------------------------------------------------

WORDS_A_MINUTE = 238
"""Silent reading of English (Brysbaert 2019, a mean of 190 studies)."""
KEY, DECIDE = 0.28, 1.35
"""Seconds: a key press of an average typist, a decision (the keystroke-level model of Card, Moran & Newell 1980)."""
NUMBERED, LETTERS = 9, 3
"""Labels that one key gives; letters that find another one, between the key of the search and Enter."""


def seconds_a_label(words: float, labels: int, guessed: float | None = None) -> float:
    """Return the seconds in which a simulated reader labels a text of so many words.

    The text is read, a label is decided on, and its keys are pressed. With a guess that is right in a share of
    `guessed`, the decision is whether it is right, and Enter takes it. If it is wrong, a label is decided on after
    that. `guessed` None: no guess is shown.
    """
    read = 60 * words / WORDS_A_MINUTE
    choose = DECIDE + KEY * (1 if labels <= NUMBERED else 1 + LETTERS + 1)
    if guessed is None:
        return read + choose
    return read + DECIDE + guessed * KEY + (1 - guessed) * choose


# --- showing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Results:
    """Mean sessions by set and strategy, and what all labels reach on each set."""

    means: dict[tuple[str, str], Session]
    full: dict[str, Session]

    @property
    def strategies(self) -> list[str]:
        """The strategies, in their order."""
        return [one for one in STRATEGIES if any(strategy == one for _, strategy in self.means)]

    def needed(self, name: str, strategy: str, what: str) -> float | None:
        """Return how many labels reach 95% of the figure with all labels."""
        one = self.means[name, strategy]
        return labels_needed(one.labels, getattr(one, what), SHARE * getattr(self.full[name], what)[0])


def show_figures(results: Results) -> str:
    """Return accuracy and macro-F1 by number of labels as a table."""
    head = " | ".join(f"{one} accuracy | macro-F1" for one in results.strategies)
    lines = [f"| set | labels | {head} |", "|---" * (2 + 2 * len(results.strategies)) + "|"]
    for name in results.full:
        for step, count in enumerate(results.means[name, results.strategies[0]].labels):
            cells = [
                f"{100 * getattr(results.means[name, one], what)[step]:.1f}"
                for one, what in product(results.strategies, MEASURES)
            ]
            lines.append(f"| {name} | {count:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def show_needed(results: Results, what: str) -> str:
    """Return how many labels 95% of the full figure takes as a table, and their ratio to those of random rows.

    Where a strategy does not reach it, the session's end stands for the number in the ratio: random rows may then need
    more, and the ratio be smaller.
    """
    strategies = results.strategies
    lines = [f"| set | all labels | {SHARE:.0%} of {MEASURES[what]} | {' | '.join(strategies)} |"]
    lines.append("|---" * (3 + len(strategies)) + "|")
    ratios = defaultdict(list)
    for name, full in results.full.items():
        needed = [results.needed(name, one, what) for one in strategies]
        most = results.means[name, strategies[0]].labels[-1]
        cells = [f"more than {most:,}" if n is None else f"{n:,.0f}" for n in needed]
        figure = 100 * getattr(full, what)[0]
        lines.append(f"| {name} | {full.labels[0]:,} | {SHARE * figure:.1f} | {' | '.join(cells)} |")
        for one, n in zip(strategies, needed, strict=True):
            ratios[one].append((n or most) / (needed[0] or most))
    means = [f"{np.exp(np.mean(np.log(ratios[one]))):.2f}" for one in strategies]
    lines.append(f"| **ratio to {strategies[0]}** | | | {' | '.join(means)} |")
    return "\n".join(lines)


def show_hours(results: Results, pools: dict[str, Pool], strategy: str = "suggest") -> str:
    """Return the seconds a label with and without the guess as a table, at each set's last numbers of labels."""
    lines = ["| set | words | labels to choose from | guess right | without guess | with guess | labels in an hour |"]
    lines.append("|---" * 7 + "|")
    for name, pool in pools.items():
        words = float(np.median([len(text.split()) for text in pool.texts]))
        labels, one = len(set(pool.labels)), results.means[name, strategy]
        for step in (1, len(one.labels) - 1):
            plain, helped = seconds_a_label(words, labels), seconds_a_label(words, labels, one.guessed[step])
            span = f"{one.labels[step - 1]:,}–{one.labels[step]:,}"
            lines.append(
                f"| {name}, {span} | {words:.0f} | {labels} | {one.guessed[step]:.0%} | {plain:.1f} s"
                f" | {helped:.1f} s | {3600 / plain:,.0f} → {3600 / helped:,.0f} |"
            )
    return "\n".join(lines)


def picture(results: Results) -> str:
    """Return the curves as an SVG file: accuracy above, macro-F1 below, a column for each set."""

    def paint(figure: "Figure") -> None:
        panels = figure.subplots(2, len(results.full), squeeze=False)
        for (row, what), (column, name) in product(enumerate(MEASURES), enumerate(results.full)):
            axes: Axes = panels[row][column]
            for number, one in enumerate(results.strategies):
                mean = results.means[name, one]
                figures = [100 * figure for figure in getattr(mean, what)]
                axes.plot(mean.labels, figures, color=SERIES[number], label=one, linewidth=1.6)
            axes.set_xscale("log", base=2)
            axes.set_xticks(mean.labels[::2], [f"{count:,}" for count in mean.labels[::2]])
            axes.tick_params(labelsize=8)
            axes.minorticks_off()
            axes.axhline(100 * SHARE * getattr(results.full[name], what)[0], color=SOFT, linewidth=0.8, linestyle=":")
            if row == 0:
                axes.set_title(name, fontsize=9)
            if column == 0:
                axes.set_ylabel(f"{MEASURES[what]}, percent", fontsize=9)
        handles = panels[0][0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=len(results.strategies))
        figure.supxlabel("labels", fontsize=9, color=SOFT)

    text = (
        f"Accuracy and macro-F1 of {', '.join(results.strategies)} on {', '.join(results.full)}, by number of labels."
        f" Dotted: {SHARE:.0%} of the figure with all labels. The page's tables have the figures."
    )
    size = max(2.4 * len(results.full), 6), 5
    return stand_alone(draw(*size, paint, title="Accuracy by labels and strategy", text=text))


# --- running ----------------------------------------------------------------------------------------------------------


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the program with a word if something is missing."""
    parser = argparse.ArgumentParser(description="Accuracy by number of labels and by how rows are chosen.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), help=f"default: {' '.join(SETS)}")
    parser.add_argument("--most", type=int, help="labels at the end [default: a number for each set]")
    few = " ".join(f"{name} {seeds}" for name, seeds in SEEDS.items())
    parser.add_argument("--seeds", type=int, help=f"sessions of each strategy [default: {_SEEDS}; {few}]")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--sessions", type=Path, help="add each session to this file; none that it has is run again")
    parser.add_argument("--svg", type=Path, help="write the picture here")
    options = parser.parse_args(arguments)
    check_sets_and_picture(parser, options)
    if options.most is not None and options.most < 2 * FIRST:
        parser.error(f"--most: expected {2 * FIRST} or more, found {options.most}.")
    if "small-text" in options.strategies and find_spec("small_text") is None:
        print("small-text is left out: it is not installed.", file=sys.stderr)
        options.strategies.remove("small-text")
    return options


def measure(options: argparse.Namespace, pools: dict[str, Pool]) -> Results:
    """Run the sessions that are not known, seed by seed, and return the means of all that were asked for."""
    kept = options.sessions
    lines = kept.read_text("utf-8").splitlines() if kept and kept.exists() else []
    sessions = {one.key: one for one in (Session(**json.loads(line)) for line in lines)}

    def find(name: str, strategy: str, seed: int) -> Session:
        pool = pools[name]
        most = len(pool.texts) if strategy == ALL else min(options.most or SETS.get(name, _MOST), len(pool.texts))
        key = name, strategy, seed, most
        if key not in sessions:
            one = run_full(name, pool) if strategy == ALL else run_session(name, pool, strategy, seed, most)
            sessions[key] = one
            print(f"{name:14}{strategy:12}{seed:2} " + " ".join(f"{a:.3f}" for a in one.accuracy), file=sys.stderr)
            if kept:
                with kept.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(asdict(one)) + "\n")
        return sessions[key]

    seeds = {name: options.seeds or SEEDS.get(name, _SEEDS) for name in pools}
    found = defaultdict(list)
    for seed, name, strategy in product(range(1, max(seeds.values()) + 1), pools, options.strategies):
        if seed <= seeds[name]:
            found[name, strategy].append(find(name, strategy, seed))
    full = {name: find(name, ALL, 1) for name in pools}
    return Results({key: mean_session(some) for key, some in found.items()}, full)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = read_options(arguments)
    pools = {name: Pool.of(read_set(options.data / name)) for name in options.sets}
    results = measure(options, pools)
    print(show_figures(results))
    for what in MEASURES:
        print(f"\n{show_needed(results, what)}")
    if "suggest" in options.strategies:
        print(f"\n{show_hours(results, pools)}")
    if options.svg:
        options.svg.write_text(picture(results), "utf-8")


if __name__ == "__main__":
    main()
