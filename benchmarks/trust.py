"""Whether probabilities, promises and explanations hold on test rows, and whether texts of another kind are noticed.

    python benchmarks/trust.py --data DIR [SET…]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv). A model is trained on train.csv by the plain
command, and one with --target-precision 0.95, which cross-validates. Printed are tables: the expected calibration error
(beside fastText's); what was promised and what the test rows show, and in how many of 100 resamples of them the promise
holds; the share of texts of the other sets, and of random letters, that get an answer at 0.95; which of these tables
the drift check calls different; and whether explanations name the words that matter, add up, and how long they take.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from peers import SETS, fasttext_confident, read

from textclf.explain import Explanation, explain
from textclf.metrics.calibration_error import Reliability
from textclf.model.decision import DecisionSettings
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import WordVectors, open_vectors

TARGETS = (0.90, 0.95, 0.99)
_RESAMPLES = 100
_STRANGERS = 1000
_EXPLAINED, _DELETED = 500, 3
_TIMED = 1000

Texts = list[str]


def ece(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of rows, shape (n,), in bins of equally many rows."""
    counts = Reliability()
    counts.add(confidence, right)
    return counts.ece


def calibration(plain: Model, careful: Model, training: LabelledTexts, texts: Texts, labels: Texts) -> str:
    """Return cells: errors of fastText, of the plain model without and with calibration, of the cross-validated one."""
    answers = fasttext_confident(training.texts, training.labels, texts, 1)
    right = np.array([label for label, _ in answers]) == np.array(labels)
    cells = [ece(np.array([p for _, p in answers]), right)]
    y = plain.classes_of(labels)
    for model, calibrated in ((plain, False), (plain, True), (careful, False), (careful, True)):
        found = model.predict(texts, threads=2)
        assert found.Z is not None
        P = found.P if calibrated else model.uncalibrated(found.Z)
        cells.append(ece(P.max(axis=1), P.argmax(axis=1) == y))
    scaled = "classes" if careful.card.scaling is not None else "temperature"
    return " | ".join(f"{cell:.4f}" for cell in cells) + f" | {careful.temperature:.2f} | {scaled}"


def promises(model: Model, found: Predictions, y: np.ndarray) -> str:
    """Return a cell for each target: coverage, precision, in how many resamples the promise holds."""
    right = found.classes == y
    rng, cells = np.random.default_rng(0), []
    for target in TARGETS:
        answered = replace(found, decision=model.decide(DecisionSettings(target_precision=target))).answered
        if not answered.any():
            cells.append("nothing")
            continue
        kept = 0
        for _ in range(_RESAMPLES):
            rows = rng.integers(0, len(y), len(y))
            chosen = right[rows][answered[rows]]
            kept += not len(chosen) or chosen.mean() >= target
        cells.append(f"{answered.mean():.1%}, {right[answered].mean():.3f}, {kept}")
    return " | ".join(cells)


def random_letters(count: int) -> Texts:
    """Return texts of random letters and blanks."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz    "))
    return ["".join(rng.choice(letters, rng.integers(20, 120))) for _ in range(count)]


def is_drift(model: Model, found: Predictions) -> bool:
    """Return whether these texts are called different from those of training."""
    profile = model.profile()
    found.count(profile)
    drift = model.drift(profile)
    return drift is not None and drift.differs


def false_alarms(data: LabelledTexts, vectors: WordVectors) -> str:
    """Return a cell: how many resamples of training rows held out are called different by a model of the others."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.texts)).tolist()
    kept, rest = order[: 3 * len(order) // 4], order[3 * len(order) // 4 :]
    others = LabelledTexts([data.texts[i] for i in kept], [data.labels[i] for i in kept])
    model = train(others, Settings(), vectors).model
    found = model.predict([data.texts[i] for i in rest], threads=2)
    alarms = 0
    for _ in range(_RESAMPLES):
        rows = rng.integers(0, len(rest), _STRANGERS)
        drawn = Predictions(found.P[rows], found.tokens[rows], found.known[rows], found.known_shares[rows])
        alarms += is_drift(model, drawn)
    return f"{alarms} of {_RESAMPLES}"


def without(explanation: Explanation, tokens: Sequence[int]) -> str:
    """Return the text without some of its tokens, by their numbers."""
    text = list(explanation.shown)
    for number in tokens:
        text[explanation.starts[number] : explanation.ends[number]] = " " * (
            explanation.ends[number] - explanation.starts[number]
        )
    return "".join(text)


def explanations(model: Model, texts: Texts) -> str:
    """Return cells: how far the label's probability falls without the words named first, and without random ones."""
    rng = np.random.default_rng(0)
    explained = [e for e in explain(model, texts) if len(e.starts) > _DELETED][:_EXPLAINED]
    named = [without(e, np.argsort(-e.contributions, kind="stable")[:_DELETED].tolist()) for e in explained]
    drawn = [without(e, rng.permutation(len(e.starts))[:_DELETED].tolist()) for e in explained]
    classes = model.classes_of([e.label for e in explained])
    before = np.array([e.probability for e in explained])
    falls = [before - model.predict(part).P[np.arange(len(classes)), classes] for part in (named, drawn)]
    off = max(abs(e.base + e.contributions.sum() + e.between.sum() - e.score) for e in explained)
    many = (texts * (_TIMED // len(texts) + 1))[:_TIMED]
    started = time.perf_counter()
    explain(model, many)
    took = time.perf_counter() - started
    started = time.perf_counter()
    model.predict(many)
    times = took / (time.perf_counter() - started)
    more = (falls[0] > falls[1]).mean()
    return f"{falls[0].mean():.3f} | {falls[1].mean():.3f} | {more:.1%} | {off:.0e} | {took:.1f} | {times:.0f}"


def main() -> None:
    """Train, measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Calibration, abstention, drift and explanations on test rows.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    options = parser.parse_args()
    sets = options.sets or SETS
    tests = {}
    for name in [*SETS, "ag_news"]:
        path = options.data / name / "test.csv"
        tests[name] = read(path if path.exists() else options.data / name / "dev.csv")
    strangers = {name: texts[:_STRANGERS] for name, (texts, _) in tests.items()}
    strangers["random letters"] = random_letters(_STRANGERS)
    vectors = open_vectors("starter")
    tables: dict[str, list[str]] = {
        "fastText | uncalibrated | calibrated | cross-validated, uncalibrated | calibrated | temperature | of": [],
        " | ".join(map(str, TARGETS)): [],
        "answered: " + " | ".join(strangers): [],
        "different: " + " | ".join(strangers): [],
        "resamples of training rows called different": [],
        "without named words | without random ones | named fall further | sum off by | seconds for 1,000 | times "
        "predicting them": [],
    }
    for name in sets:
        training = LabelledTexts(*read(options.data / name / "train.csv"))
        plain, careful = (train(training, Settings(target_precision=t), vectors).model for t in (None, 0.95))
        texts, labels = tests[name]
        found, promised = careful.predict(texts, threads=2), careful.decide(DecisionSettings(target_precision=0.95))
        others = [careful.predict(other, threads=2) for other in strangers.values()]
        rows = (
            calibration(plain, careful, training, texts, labels),
            promises(careful, found, careful.classes_of(labels)),
            " | ".join(f"{replace(other, decision=promised).answered.mean():.1%}" for other in others),
            " | ".join("yes" if is_drift(careful, other) else "no" for other in others),
            false_alarms(training, vectors),
            explanations(plain, texts),
        )
        for table, row in zip(tables.values(), rows, strict=True):
            table.append(f"| {name} | {row} |")
            print(table[-1], flush=True)
    for head, table in tables.items():
        print(f"\n| set | {head} |\n" + "|---" * (head.count("|") + 2) + "|", *table, sep="\n")


if __name__ == "__main__":
    main()
