"""Measure word vectors: logistic regression on weighted averages, on training rows alone.

    python models/measure_starter.py --data DIR models/starter.bin.gz OTHER.bin

Each data set is a folder in DIR with a train.csv of the columns text and label; no test file is opened. With 8 and 32
labels a class the other rows are predicted, and the accuracy is the mean over the draws. "All" is the accuracy of
three-fold cross-validation.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from make_starter import average_matrix, count_matrix, sif_weights, unit_rows
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from textclf.vectors import WordVectors, open_vectors

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.str_]

DATA_SETS = "trec6,sst2,banking77,ohsumed"
SIF_A = 3e-3
LENGTH = 5.0  # the root mean square length of a text's vector: with it a penalty of 1 suits few labels and many


def read_rows(path: Path, most: int, *, seed: int = 0) -> tuple[list[str], Labels]:
    """Return the texts and labels of a table, `most` of them at most, drawn by chance."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(stream)]
    order = np.random.default_rng(seed).permutation(len(rows))[:most]
    return [rows[i][0] for i in order], np.array([rows[i][1] for i in order])


def zipf_probabilities(words: int) -> Matrix:
    """Return the probability of each word of a list, the commonest first, by Zipf's law: the first has .05."""
    probabilities: Matrix = (0.1 / (np.arange(words) + 2)).astype(np.float32)
    return probabilities


def average_texts(texts: Sequence[str], vectors: WordVectors) -> Matrix:
    """Return a vector for each text, shape (n, d), much as textclf makes it.

    Words without the mean of all words and of length 1, averaged by smooth inverse frequency; then all d numbers are
    scaled alike, to one length of a text.
    """
    E = unit_rows(vectors.matrix)
    weights = sif_weights(zipf_probabilities(len(vectors)), SIF_A)
    S: Matrix = average_matrix(count_matrix(texts, vectors.words), weights) @ E
    S -= S.mean(axis=0)
    S *= LENGTH / np.sqrt((S**2).sum(axis=1).mean())
    return S


def score(S: Matrix, y: Labels, train: npt.NDArray[np.intp], most: int = 3_000) -> float:
    """Return the accuracy of a model of the rows `train` on the other rows, the first `most` of them."""
    others = np.setdiff1d(np.arange(len(y)), train)[:most]
    model = LogisticRegression(C=1.0, tol=1e-3, max_iter=1_000).fit(S[train], y[train])
    return float((model.predict(S[others]) == y[others]).mean())


def draw_few(y: Labels, labels: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the numbers of `labels` rows of each class, drawn by chance."""
    return np.concatenate([rng.permutation(np.flatnonzero(y == label))[:labels] for label in np.unique(y)])


def measure(S: Matrix, y: Labels, draws: int) -> list[float]:
    """Return the accuracies with 8 and 32 labels a class and with all rows."""
    rng = np.random.default_rng(1)
    few = [float(np.mean([score(S, y, draw_few(y, labels, rng)) for _ in range(draws)])) for labels in (8, 32)]
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(S, y)
    return [*few, float(np.mean([score(S, y, train) for train, _ in folds]))]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of the data sets")
@click.option("--sets", default=DATA_SETS, show_default=True, help="Names of data sets")
@click.option("--draws", default=10, show_default=True, help="Draws of few labels")
@click.option("--rows", default=6_000, show_default=True, help="Rows of a data set at most")
@click.argument("files", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
def main(data: Path, sets: str, draws: int, rows: int, files: tuple[Path, ...]) -> None:
    """Print a table of accuracies for each file of word vectors."""
    names = sets.split(",")
    click.echo(f"| vectors | words × d | {' | '.join(f'{name} 8 / 32 / all' for name in names)} |")
    click.echo("|---|---|" + "---|" * len(names))
    for file in files:
        vectors = open_vectors(file, cache=False)
        cells = []
        for name in names:
            texts, y = read_rows(data / name / "train.csv", rows)
            accuracies = measure(average_texts(texts, vectors), y, draws)
            cells.append(" / ".join(f"{accuracy:.3f}".lstrip("0") for accuracy in accuracies))
        click.echo(f"| {file.name} | {len(vectors):,} × {vectors.dimension} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
