"""Where the plain `textclf train` is still wrong: error rates by kind of text, and the commonest confusions.

    python benchmarks/errors.py --data DIR [SET…]

DIR holds a folder for each set, with train.csv and test.csv (or dev.csv). This looks at test rows, after the fact:
nothing is chosen by it.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from peers import SETS, read

from textclf.settings import Settings
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

_NEGATIONS = (" not ", "n't", " no ", " never ")
_CONFUSIONS = 3


def rate(wrong: np.ndarray, rows: np.ndarray) -> str:
    """Return the share of these rows that is wrong, in percent."""
    return f"{100 * wrong[rows].mean():.1f}" if rows.any() else "–"


def analysis(folder: Path) -> str:
    """Return a row of the table for one set."""
    test = folder / "test.csv"
    texts, labels = read(test if test.exists() else folder / "dev.csv")
    model = train(LabelledTexts(*read(folder / "train.csv")), Settings(), open_vectors("starter")).model
    found = model.predict(texts, threads=2)
    y = model.classes_of(labels)
    wrong = found.classes != y
    quarters = np.searchsorted(np.quantile(found.tokens, [0.25, 0.75]), found.tokens)
    known_shares = found.known_shares[:, 0]
    negated = np.array([any(word in f" {text.lower()} " for word in _NEGATIONS) for text in texts])
    second = (-found.P).argsort(axis=1)[:, 1] == y
    pairs = Counter((model.labels[a], model.labels[b]) for a, b in zip(y[wrong], found.classes[wrong], strict=True))
    cells = [
        rate(wrong, wrong | True),
        rate(wrong, quarters == 0),
        rate(wrong, quarters == 2),
        rate(wrong, known_shares <= np.quantile(known_shares, 0.25)),
        rate(wrong, negated),
        rate(wrong, found.confidence > 0.9),
        f"{100 * second[wrong].mean():.0f}",
        ", ".join(f"{a} → {b} ({n})" for (a, b), n in pairs.most_common(_CONFUSIONS)),
    ]
    return f"| {folder.name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Where the plain command is still wrong.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the sets")
    options = parser.parse_args()
    heads = ["all", "shortest quarter", "longest quarter", "least known n-grams", "with a negation", "above 0.9 sure"]
    print("| set | " + " | ".join(heads) + " | second guess right | commonest confusions |")
    print("|---" * 9 + "|")
    for name in options.sets or SETS:
        print(analysis(options.data / name), flush=True)


if __name__ == "__main__":
    main()
