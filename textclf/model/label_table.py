"""Label the rows of a table: batches in, rows with what is added to each out, in order and in constant memory.

A batch is cut into pieces that are predicted at once, by as many threads as are given. Where it is cut does not depend
on the threads, so neither does a bit of what comes out.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textclf.model.decision import Decision
from textclf.model.drift import Profile
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.tables import Batch, Table, TableWriter
from textclf.text.copies import TextCopies
from textclf.types import Array

BATCH_ROWS = 8192
_PIECE_ROWS = 2048
"""Rows predicted at a time by a thread: the arrays of larger pieces leave the processor's cache."""
_PIECES_AHEAD = 8


def predict_batches(
    model: Model, batches: Iterable[Batch], decision: Decision | None = None, *, threads: int, ahead: bool
) -> Iterator[tuple[Batch, Predictions]]:
    """Give each piece of each batch with its predictions, labelled by a rule as `Model.predict` says.

    With `ahead` the next batch is read while pieces before are predicted; else a batch is done first, as whoever writes
    to a pipe may wait for the answers before writing more.
    """
    waiting: deque[tuple[Batch, Future[Predictions]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for batch in batches:
            for piece in _pieces(batch):
                waiting.append((piece, pool.submit(model.predict, piece.texts, decision)))
                while len(waiting) > _PIECES_AHEAD:
                    yield _take_done(waiting)
            while waiting and not ahead:
                yield _take_done(waiting)
        while waiting:
            yield _take_done(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def predict_texts(model: Model, texts: Sequence[str], *, threads: int = 1) -> Iterator[Predictions]:
    """Give the predictions of texts that are in memory, a piece at a time, in order."""
    for start in range(0, len(texts), _PIECE_ROWS):
        yield model.predict(texts[start : start + _PIECE_ROWS], threads=threads)


def _pieces(batch: Batch) -> Iterator[Batch]:
    for start in range(0, len(batch), _PIECE_ROWS):
        yield batch.part(start, start + _PIECE_ROWS)


def _take_done(waiting: deque[tuple[Batch, Future[Predictions]]]) -> tuple[Batch, Predictions]:
    piece, predictions = waiting.popleft()
    return piece, predictions.result()


_MOST_COMPARED = 1 << 16
"""Among so many of the first texts copies are looked for: more would take a second a million."""


@dataclass(frozen=True)
class PredictionColumns:
    """What is written for each row: the `top_k` likeliest labels, all probabilities with `proba`.

    `decision`: the rule that labels come from, the model's own if None; whether it abstains is written, too.
    """

    top_k: int | None = None
    proba: bool = False
    decision: Decision | None = None

    def names(self, model: Model) -> list[str]:
        """Return the names of the added columns: label, confidence, then those of the likeliest labels.

        Where the label is always the likeliest, the next come after it. Of a multi-label model, or by a rule with costs
        or an order, `label` holds what is given, and all of the likeliest come after it.
        """
        names = ["label", "confidence"] + (["abstained"] if self.may_abstain else [])
        for rank in range(self._first_rank(model), min(self.top_k or 1, len(model.labels)) + 1):
            names += [f"label_top{rank}", f"confidence_top{rank}"]
        return names + ([f"p_{label}" for label in model.labels] if self.proba else [])

    def values(self, model: Model, predictions: Predictions) -> list[Sequence[str | float]]:
        """Return the added columns, each with a value for every row."""
        columns: list[Sequence[str | float]] = [model.cells(predictions), _figures(predictions.confidence)]
        if self.may_abstain:
            columns.append(["false" if answer else "true" for answer in predictions.answered.tolist()])
        first, last = self._first_rank(model) - 1, self.top_k or 1
        if last > first:
            ranked = (-predictions.P).argsort(axis=1, kind="stable")
            for best in ranked[:, first:last].T:
                columns.append([model.labels[number] for number in best.tolist()])
                columns.append(_figures(predictions.P[np.arange(len(best)), best]))
        return columns + (list(map(_figures, predictions.P.T)) if self.proba else [])

    @property
    def may_abstain(self) -> bool:
        """Whether a row may get no answer."""
        return self.decision is not None and self.decision.may_abstain

    def _first_rank(self, model: Model) -> int:
        rule = model.decision if self.decision is None else self.decision
        return 2 if rule.gives_likeliest or not self.top_k else 1


def _figures(probabilities: Array) -> list[float]:
    """Return probabilities as they are written, shape (n,)."""
    figures: list[float] = probabilities.round(6).tolist()
    return figures


@dataclass(frozen=True)
class Labelled:
    """What became of a table's rows: `rows` labelled, `unknown` of them without a known word, `answered` of them.

    `profile`: what the texts are like (see `drift`). `independent`: the share of them that are as good as independent.
    """

    rows: int
    unknown: int
    answered: int
    profile: Profile
    independent: float


def label_rows(
    model: Model,
    table: Table,
    columns: PredictionColumns,
    write: Callable[[Batch, Predictions], None],
    *,
    threads: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Labelled:
    """Predict the rows of an open table and hand each piece of them to `write`, in order."""
    rows = unknown = answered = 0
    profile, copies = model.profile(), TextCopies(most=_MOST_COMPARED)
    ahead = isinstance(table.origin, Path)
    for batch, predictions in predict_batches(model, table.batches(), columns.decision, threads=threads, ahead=ahead):
        write(batch, predictions)
        answered += int(predictions.answered.sum())
        rows += len(batch)
        unknown += int((predictions.known == 0).sum())
        predictions.count(profile)
        copies.add(batch.texts)
        progress(len(batch))
    return Labelled(rows, unknown, answered, profile, copies.independent)


def make_writer(model: Model, columns: PredictionColumns, writer: TableWriter) -> Callable[[Batch, Predictions], None]:
    """Return what writes each piece of a table with its labels."""
    return lambda batch, predictions: writer.write(batch, columns.values(model, predictions))
