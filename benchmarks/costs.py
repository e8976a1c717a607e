"""What decisions by cost come to beside the likeliest label, and beside scikit-learn's tuned threshold.

    python benchmarks/costs.py --data DIR [--splits 10]

DIR holds sms_spam with train.csv and test.csv. Losing a message costs ten times as much as letting a spam through. The
first split is that of the files, the others are drawn from all rows, as many to test on. Printed is the cost of 1,000
rows: the mean over the splits and its standard error.
"""

import argparse
from pathlib import Path

import numpy as np
from peers import read
from sklearn.metrics import make_scorer
from sklearn.model_selection import StratifiedShuffleSplit, TunedThresholdClassifierCV

from textclf import TextClassifier
from textclf.model.decision import Costs, DecisionSettings
from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

LOST, LET_THROUGH = 10.0, 1.0
COSTS = Costs((("ham", "spam", LOST), ("spam", "ham", LET_THROUGH)))


def cost(truth: np.ndarray, given: np.ndarray) -> float:
    """Return the cost of 1,000 rows."""
    lost, let_through = (truth == "ham") & (given == "spam"), (truth == "spam") & (given == "ham")
    return 1000 * float(LOST * lost.mean() + LET_THROUGH * let_through.mean())


def main() -> None:
    """Print a line for each way to decide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    parts = [read(options.data / "sms_spam" / f"{name}.csv") for name in ("train", "test")]
    texts, labels = (np.array([*parts[0][i], *parts[1][i]], object) for i in (0, 1))
    n = len(parts[0][0])
    shuffled = StratifiedShuffleSplit(max(options.splits - 1, 1), test_size=len(parts[1][0]), random_state=0)
    splits = [(np.arange(n), np.arange(n, len(texts))), *shuffled.split(texts, labels)][: options.splits]
    vectors, scorer = open_vectors("starter"), make_scorer(cost, greater_is_better=False)
    found: dict[str, list[float]] = {}
    for rest, test in splits:
        data, asked = texts[test].tolist(), DecisionSettings(costs=COSTS)
        for name, target in (("a tenth held out", None), ("all rows cross-validated", 0.95)):
            rows = LabelledTexts(texts[rest].tolist(), labels[rest].tolist())
            model = train(rows, Settings(target_precision=target), vectors).model
            for rule, decision in (("likeliest label", model.decision), ("--costs", model.decide(asked))):
                given = np.array(model.cells(model.predict(data, decision)))
                found.setdefault(f"{rule}, {name}", []).append(cost(labels[test], given))
        tuned = TunedThresholdClassifierCV(TextClassifier(), scoring=scorer, random_state=0)
        given = tuned.fit(texts[rest].tolist(), labels[rest]).predict(data)
        found.setdefault("TunedThresholdClassifierCV of the same classifier", []).append(cost(labels[test], given))
    for name, costs in found.items():
        error = np.std(costs) / len(costs) ** 0.5
        print(f"{name}: {np.mean(costs):.1f} ± {error:.1f}; first split {costs[0]:.2f}")


if __name__ == "__main__":
    main()
