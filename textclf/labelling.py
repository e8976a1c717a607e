"""Label the rows of a table: batches in, batches out, in constant memory.

A batch is cut into pieces that are predicted at once, by as many threads as are given, while the rows of the pieces
before are written. Where a batch is cut does not depend on the threads, so neither does a bit of the output.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textclf.arrays import Array
    from textclf.model import Model
    from textclf.predictions import Predictions
    from textclf.tables import Batch, Table, TableWriter

BATCH_ROWS = 8192
"""Rows of a table that are read at a time."""

_PIECE_ROWS = 512
"""Rows predicted at a time by a thread: the arrays of larger pieces leave the processor's cache."""


@dataclass(frozen=True)
class Wanted:
    """What is written for each row: the `top_k` likeliest labels, all probabilities with `proba`.

    With `answer_from`, the confidence from which on each label is given, shape (k,), whether the model abstains, too.
    """

    top_k: int | None = None
    proba: bool = False
    answer_from: "Array | None" = None

    def columns(self, model: "Model") -> list[str]:
        """Return the names of the added columns: label, confidence, then those of the likeliest labels.

        Of a model that gives one label, that is the likeliest, and the next come after it; of a multi-label model
        `label` holds the labels given, and all of the likeliest come after it.
        """
        names = ["label", "confidence"] + (["abstained"] if self.answer_from is not None else [])
        for rank in range(self._first_rank(model), min(self.top_k or 1, len(model.labels)) + 1):
            names += [f"label_top{rank}", f"confidence_top{rank}"]
        return names + ([f"p_{label}" for label in model.labels] if self.proba else [])

    def values(self, model: "Model", predictions: "Predictions") -> Iterator[list[str | float]]:
        """Give the values of the added columns for each row."""
        last = self.top_k or 1
        ranked = (-predictions.P).argsort(axis=1, kind="stable")[:, self._first_rank(model) - 1 : last].tolist()
        answers = [None] * len(predictions)
        if self.answer_from is not None:
            answers = model.answered(predictions, self.answer_from).tolist()
        cells = map(model.cell, model.label_sets(predictions.given))
        figures = zip(
            cells, predictions.confidence.round(6).tolist(), ranked, predictions.P.round(6), answers, strict=True
        )
        for cell, confidence, best, P, answer in figures:
            row = P.tolist()
            values: list[str | float] = [cell, confidence]
            if answer is not None:
                values.append("false" if answer else "true")
            for number in best:
                values += [model.labels[number], row[number]]
            yield values + (row if self.proba else [])

    def _first_rank(self, model: "Model") -> int:
        return 1 if model.is_multi_label and self.top_k else 2


@dataclass(frozen=True)
class Labelled:
    """What became of a table's rows: `rows` labelled, `unknown` of them without a known word, `answered` of them."""

    rows: int
    unknown: int
    answered: int


def label_rows(
    model: "Model",
    table: "Table",
    wanted: Wanted,
    write: "Callable[[Batch, Predictions], None]",
    *,
    threads: int = 1,
    progress: "Callable[[int], None]" = lambda _: None,
) -> Labelled:
    """Predict the rows of an open table and hand each piece of them to `write`, in order."""
    rows = unknown = answered = 0
    with ThreadPoolExecutor(threads) as pool:
        for batch, predictions in predicted_pieces(model, table.batches(), pool):
            write(batch, predictions)
            if wanted.answer_from is not None:
                answered += int(model.answered(predictions, wanted.answer_from).sum())
            rows += len(batch)
            unknown += int((predictions.known == 0).sum())
            progress(len(batch))
    return Labelled(rows, unknown, answered)


def written(model: "Model", wanted: Wanted, writer: "TableWriter") -> "Callable[[Batch, Predictions], None]":
    """Return what writes each piece of a table with its labels."""
    return lambda batch, predictions: writer.write(batch, list(wanted.values(model, predictions)))


def predicted_pieces(
    model: "Model", batches: Iterable["Batch"], pool: ThreadPoolExecutor
) -> Iterator[tuple["Batch", "Predictions"]]:
    """Give each piece of each batch with its predictions, in order; a batch is done before the next one is read."""
    for batch in batches:
        pieces = [batch.select(range(i, min(i + _PIECE_ROWS, len(batch)))) for i in range(0, len(batch), _PIECE_ROWS)]
        yield from zip(pieces, pool.map(model.predict, [piece.texts for piece in pieces]), strict=True)
