"""Accuracy of the plain `textclf train`, with fastText and TF-IDF + linear models in the same run.

    python benchmarks/accuracy.py --data DIR [SET…] [--seeds 3] [--json accuracy.json]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv, where there is no test.csv). Every choice is
made on training rows: textclf's by its own recipe, the peers' on a tenth held out. Test rows are only measured.
Needs the packages of the extra `bench`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from peers import PEERS, SETS, Outcome, Peer, read
from sklearn.metrics import f1_score

from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

_RESAMPLES = 2000

Data = tuple[list[str], list[str], list[str], list[str]]
"""Training texts and labels, test texts and labels."""


@dataclass(frozen=True)
class Score:
    """How one classifier did on one set: means over the seeds, and a 95% bootstrap interval over the test rows."""

    set: str
    classifier: str
    accuracy: float
    low: float
    high: float
    macro_f1: float
    spread: float
    """The largest accuracy of a seed minus the smallest."""
    chosen: str


def textclf_plain(source: str) -> Peer:
    """Return the classifier that trains with no option but the seed and the vectors."""
    vectors = open_vectors(source)

    def run(texts: Sequence[str], labels: Sequence[str], wanted: Sequence[str], seed: int) -> Outcome:
        model = train(LabelledTexts(texts, labels), Settings(seed=seed), vectors).model
        predictions = model.predict(wanted, threads=2)
        return [model.labels[number] for number in predictions.classes.tolist()], f"vectors {Path(source).name}"

    return run


def interval(right: np.ndarray) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the mean of `right`, shape (n,): each row's share of seeds that got it."""
    rng = np.random.default_rng(0)
    means = [right[rng.integers(0, len(right), len(right))].mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def score(name: str, classifier: str, predict: Peer, seeds: int, data: Data) -> Score:
    """Run a classifier with every seed."""
    texts, labels, test_texts, test_labels = data
    outcomes = [predict(texts, labels, test_texts, seed) for seed in range(1, seeds + 1)]
    right = np.array([[a == b for a, b in zip(found, test_labels, strict=True)] for found, _ in outcomes], float)
    f1 = [f1_score(test_labels, found, average="macro") for found, _ in outcomes]
    accuracies = right.mean(axis=1)
    low, high = interval(right.mean(axis=0))
    mean, spread = float(accuracies.mean()), float(np.ptp(accuracies))
    result = Score(name, classifier, mean, low, high, float(np.mean(f1)), spread, outcomes[0][1])
    print(f"{name:14}{classifier:22}{result.accuracy:.4f}  ({low:.4f}–{high:.4f})  {result.chosen}", file=sys.stderr)
    return result


def run_set(folder: Path, vectors: Sequence[str], peers: Sequence[str], seeds: int) -> list[Score]:
    """Measure every classifier on one set."""
    test = folder / "test.csv"
    data = (*read(folder / "train.csv"), *read(test if test.exists() else folder / "dev.csv"))
    runs = {"textclf" if v == "starter" else f"textclf, {Path(v).stem}": (textclf_plain(v), seeds) for v in vectors}
    runs |= {peer: (PEERS[peer], seeds if peer == "fastText" else 1) for peer in peers}
    return [score(folder.name, name, run, count, data) for name, (run, count) in runs.items()]


def table(scores: Sequence[Score]) -> str:
    """Return the scores as a Markdown table: sets in rows, classifiers in columns."""
    names = list(dict.fromkeys(score.classifier for score in scores))
    lines = ["| set | " + " | ".join(names) + " | ahead of the best peer |", "|---" * (len(names) + 2) + "|"]
    ahead = []
    for each in dict.fromkeys(score.set for score in scores):
        row = {score.classifier: score for score in scores if score.set == each}
        best = max((s.accuracy for name, s in row.items() if name in PEERS), default=float("nan"))
        ahead.append(100 * (row["textclf"].accuracy - best))
        cells = [f"{s.accuracy:.4f} ({s.low:.3f}–{s.high:.3f})" if (s := row.get(name)) else "" for name in names]
        lines.append(f"| {each} | " + " | ".join(cells) + f" | {ahead[-1]:+.2f} |")
    lines.append("| mean | " + " | " * len(names) + f"{np.mean(ahead):+.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description="Accuracy of textclf beside fastText and TF-IDF + linear models.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    parser.add_argument("--vectors", action="append", help="also textclf with these vectors; repeatable")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the scores here")
    options = parser.parse_args()
    vectors = ["starter", *(options.vectors or [])]
    sets = [options.data / name for name in options.sets or SETS]
    scores = [found for folder in sets for found in run_set(folder, vectors, options.peers, options.seeds)]
    print(table(scores))
    if options.json:
        options.json.write_text(json.dumps([asdict(s) for s in scores], indent=1, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
