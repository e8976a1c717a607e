"""Predict the rows of a table: batches in, pieces with their predictions out, in order and in constant memory.

A batch is cut into pieces that are predicted at once, by as many threads as are given. Where it is cut does not depend
on the threads, so neither does a bit of what comes out.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from textclf.model.decision import Decision
from textclf.model.model import Model
from textclf.model.prediction import Predictions
from textclf.tables import Batch

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
