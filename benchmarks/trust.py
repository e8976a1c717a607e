"""Whether probabilities and promises hold on test rows: calibration, abstention, and texts of another kind.

    python benchmarks/trust.py --data DIR [SET…]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv). Models are trained on train.csv by the plain
command with --target-precision 0.95, which cross-validates. Printed are three tables: the expected calibration error
with and without the temperature; what was promised and what the test rows show, and in how many of 100 resamples of
them the promise holds; and the share of texts of the other sets, and of random letters, that get an answer at 0.95.
"""

import argparse
from pathlib import Path

import numpy as np
from peers import SETS, read

from textclf.calibration import uncalibrated
from textclf.model import Model
from textclf.recipe import LabelledTexts, train
from textclf.reliability import Reliability
from textclf.settings import Settings
from textclf.vectors import open_vectors

TARGETS = (0.90, 0.95, 0.99)
_RESAMPLES = 100
_STRANGERS = 1000


def ece(P: np.ndarray, y: np.ndarray) -> float:
    """Return the expected calibration error of probabilities, shape (n, k), of rows of classes `y`."""
    counts = Reliability()
    counts.add(P.max(axis=1), P.argmax(axis=1) == y)
    return counts.ece


def promises(model: Model, texts: list[str], y: np.ndarray) -> list[str]:
    """Return a cell for each target: coverage, precision, and in how many resamples the promise holds."""
    predictions = model.predict(texts, threads=2)
    right = predictions.classes == y
    rng, cells = np.random.default_rng(0), []
    for target in TARGETS:
        answered = model.answered(predictions, model.answer_from(target))
        if not answered.any():
            cells.append("nothing answered")
            continue
        kept = 0
        for _ in range(_RESAMPLES):
            rows = rng.integers(0, len(y), len(y))
            chosen = right[rows][answered[rows]]
            kept += not len(chosen) or chosen.mean() >= target
        cells.append(f"{answered.mean():.1%} answered, {right[answered].mean():.4f} right, kept {kept}")
    return cells


def random_letters(count: int) -> list[str]:
    """Return texts of random letters and blanks."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz    "))
    return ["".join(rng.choice(letters, rng.integers(20, 120))) for _ in range(count)]


def main() -> None:
    """Train, measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Calibration and abstention on test rows.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    options = parser.parse_args()
    sets = options.sets or SETS
    tests = {}
    for name in sets:
        path = options.data / name / "test.csv"
        tests[name] = read(path if path.exists() else options.data / name / "dev.csv")
    strangers = {name: texts[:_STRANGERS] for name, (texts, _) in tests.items()}
    strangers["random letters"] = random_letters(_STRANGERS)
    vectors = open_vectors("starter")
    calibration, kept, unlike = [], [], []
    for name in sets:
        model = train(
            LabelledTexts(*read(options.data / name / "train.csv")), Settings(target_precision=0.95), vectors
        ).model
        texts, labels = tests[name]
        y = model.classes_of(labels)
        P = model.predict(texts, threads=2).P
        before = ece(uncalibrated(P, model.temperature), y)
        calibration.append(f"| {name} | {before:.4f} | {ece(P, y):.4f} | {model.temperature:.2f} |")
        kept.append(f"| {name} | " + " | ".join(promises(model, texts, y)) + " |")
        answer_from = model.answer_from(0.95)
        shares = [model.answered(model.predict(other, threads=2), answer_from).mean() for other in strangers.values()]
        cells = [
            f"({share:.1%})" if other == name else f"{share:.1%}"
            for other, share in zip(strangers, shares, strict=True)
        ]
        unlike.append(f"| {name} | " + " | ".join(cells) + " |")
        print(calibration[-1], kept[-1], unlike[-1], sep="\n", flush=True)
    print("\n| set | uncalibrated | calibrated | temperature |\n|---|---|---|---|", *calibration, sep="\n")
    print("\n| set |" + "".join(f" {t} |" for t in TARGETS) + "\n|---|---|---|---|", *kept, sep="\n")
    print("\n| model of | " + " | ".join(strangers) + " |\n" + "|---" * (len(strangers) + 1) + "|", *unlike, sep="\n")


if __name__ == "__main__":
    main()
