"""Predict the rows of a table: batches in, pieces with their predictions out, in order and in constant memory.

A batch is cut into pieces that are predicted at once, by as many threads as are given. Where it is cut, and from which
piece on the compiled loops are used, does not depend on the threads, so neither does a bit of what comes out.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from textclf.compiled import are_available, are_kept, prepare
from textclf.model import Model
from textclf.predictions import Predictions
from textclf.tables import Batch

BATCH_ROWS = 8192
_PIECE_ROWS, _COMPILED_PIECE_ROWS = 512, 2048
"""Rows predicted at a time by a thread. The arrays of larger pieces leave the processor's cache; the compiled loops
make few arrays, so that larger pieces save calls."""
_PIECES_AHEAD = 8
_CHARACTERS_TO_LOAD, _CHARACTERS_TO_COMPILE = 1_500_000, 20_000_000
"""So many characters take NumPy as long as it takes to load the compiled loops; or, for once, to compile them."""


def predict_batches(
    model: Model, batches: Iterable[Batch], *, threads: int, ahead: bool
) -> Iterator[tuple[Batch, Predictions]]:
    """Give each piece of each batch with its predictions.

    With `ahead` the next batch is read while pieces before are predicted; else a batch is done first, as whoever writes
    to a pipe may wait for the answers before writing more.
    """
    waiting: deque[tuple[Batch, Future[Predictions]]] = deque()
    pool = ThreadPoolExecutor(threads)
    predict, rows = model.predict, _PIECE_ROWS
    characters = 0
    try:
        for batch in batches:
            characters += sum(map(len, batch.texts))
            if rows == _PIECE_ROWS and _pays(model, characters):
                predict, rows = partial(model.predict, compiled=True), _COMPILED_PIECE_ROWS
            for piece in _pieces(batch, rows):
                waiting.append((piece, pool.submit(predict, piece.texts)))
                while len(waiting) > _PIECES_AHEAD:
                    yield _done(waiting)
            while waiting and not ahead:
                yield _done(waiting)
        while waiting:
            yield _done(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def predict_texts(model: Model, texts: Sequence[str], *, threads: int = 1) -> Iterator[Predictions]:
    """Give the predictions of texts that are in memory, a piece at a time, in order."""
    for start in range(0, len(texts), _PIECE_ROWS):
        yield model.predict(texts[start : start + _PIECE_ROWS], threads=threads)


def _pays(model: Model, characters: int) -> bool:
    """Whether to go on with the compiled loops, so many characters having been seen; makes them ready if so."""
    if characters < _CHARACTERS_TO_LOAD or not are_available() or not model.can_be_compiled:
        return False
    if characters < _CHARACTERS_TO_COMPILE and not are_kept():
        return False
    return prepare() and model.compiled is not None


def _pieces(batch: Batch, rows: int) -> Iterator[Batch]:
    for start in range(0, len(batch), rows):
        yield batch.part(start, start + rows)


def _done(waiting: deque[tuple[Batch, Future[Predictions]]]) -> tuple[Batch, Predictions]:
    piece, predictions = waiting.popleft()
    return piece, predictions.result()
