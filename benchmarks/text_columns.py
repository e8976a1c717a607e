"""Accuracy with two text columns: one of them, both joined, both kept apart, and what validation takes.

python benchmarks/text_columns.py --data FOLDER

FOLDER holds ag_news/test.csv, and banking77/train.csv and test.csv. AG News' titles and bodies are one string: they are
told apart where the agency's name stands between the two, as in `… (AP) AP - …`. Banking77's questions get a
stranger's question as their subject.
"""

import argparse
import csv
import random
import re
from pathlib import Path

import numpy as np

from textclf.settings import Settings
from textclf.storage.row_columns import RowColumns
from textclf.training.train import LabelledTexts, train
from textclf.vectors import open_vectors

Pairs = list[tuple[str, str, str]]
_AGENCY = re.compile(r"^(.*?\((\w[\w .]*)\)) (\2 - .*)$", re.DOTALL)
_LONGEST_TITLE, _QUESTIONS = 120, 4_000


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def news(folder: Path) -> tuple[Pairs, Pairs]:
    """Return title, body and label of the news whose parts can be told apart, to train on and to test on."""
    found = [(_AGENCY.match(row["text"]), row["label"]) for row in read(folder / "ag_news" / "test.csv")]
    rows = [(match[1], match[3], label) for match, label in found if match and len(match[1]) < _LONGEST_TITLE]
    random.Random(1).shuffle(rows)
    cut = int(0.7 * len(rows))
    return rows[:cut], rows[cut:]


def questions(folder: Path) -> tuple[Pairs, Pairs]:
    """Return a stranger's question, the question and its label, to train on and to test on."""
    tables = []
    for name in ("train", "test"):
        draw, rows = random.Random(2), read(folder / "banking77" / f"{name}.csv")
        rows = draw.sample(rows, _QUESTIONS) if name == "train" else rows
        tables.append([(draw.choice(rows)["text"], row["text"], row["label"]) for row in rows])
    return tables[0], tables[1]


def accuracy(rows: Pairs, test: Pairs, columns: tuple[int, ...], settings: Settings) -> tuple[float, bool]:
    """Return the accuracy on the test rows of a model of these columns, and whether it keeps them apart."""
    names = RowColumns(tuple(f"text {column}" for column in columns))
    texts, asked = ([names.pack([row[column] for column in columns]) for row in part] for part in (rows, test))
    data = LabelledTexts(texts, [label for *_, label in rows], columns=names)
    model = train(data, settings, open_vectors(settings.vectors)).model
    right = np.array(model.cells(model.predict(asked))) == np.array([label for *_, label in test])
    return float(right.mean()), model.features.is_apart


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    for name, make in (("AG News", news), ("Banking77", questions)):
        rows, test = make(folder)
        single = [accuracy(rows, test, (column,), Settings())[0] for column in (0, 1)]
        joined, apart = (accuracy(rows, test, (0, 1), Settings(columns=use))[0] for use in ("joined", "apart"))
        chosen, is_apart = accuracy(rows, test, (0, 1), Settings())
        print(
            f"{name}, {len(rows):,} rows: first {single[0]:.3f}, second {single[1]:.3f}, joined {joined:.3f}, apart"
            f" {apart:.3f}, auto {chosen:.3f} ({'apart' if is_apart else 'joined'})"
        )


if __name__ == "__main__":
    main()
