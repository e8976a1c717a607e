"""Predictions for many requests at once: what waits while a batch is predicted makes the next batch.

No clock is waited for: a batch begins when the loop has turned a few times and brought no further request, which is at
once in an idle service. Under load batches grow by themselves, to about as many as there are connections; that is
what makes them cheap, for a prediction of sixteen texts takes about twice as long as one of a single text. A batch is
cut so that it takes the way of few texts (`model.Model.logits`), and sums are taken in float64, so that a text gets
the same printed figures alone and in any company.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from textclf.model.decision import Decision
from textclf.model.model import Model
from textclf.model.prediction import Prediction
from textclf.serve.counters import Counters
from textclf.serve.messages import Busy
from textclf.serve.service_settings import ServeLimits

_MOST_TEXTS = 128  # of a batch
_MOST_CHARACTERS = 32 << 10  # of a batch, and of a request that is batched with others
_QUIET_TURNS = 4  # of the loop: a request takes two of them from its bytes to here
_A_TEXT = 64  # what a text costs however short it is, in characters

Outcome = TypeVar("Outcome")


class _Waiting(NamedTuple):
    model: Model
    texts: Sequence[str]
    decision: Decision | None
    size: int
    since: float
    answer: "asyncio.Future[list[Prediction]]"


class Batcher:
    """Predicts for whoever waits, in threads of its own, small requests together and large ones each by itself."""

    def __init__(self, threads: int, limits: ServeLimits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._is_predicting = False
        self._batches = ThreadPoolExecutor(1, "batch")
        self._large = ThreadPoolExecutor(threads, "large")

    def close(self) -> None:
        """End the threads."""
        for pool in (self._batches, self._large):
            pool.shutdown(wait=False, cancel_futures=True)

    async def predict(self, model: Model, texts: Sequence[str], decision: Decision | None = None) -> list[Prediction]:
        """Return the predictions of these texts, all by this model; raises Busy when too much waits.

        Their labels come from the `decision` rule, the model's own if None.
        """
        size = sum(map(len, texts)) + _A_TEXT * len(texts)
        if size > _MOST_CHARACTERS or len(texts) > _MOST_TEXTS:
            return await self.run(lambda: self._predict_batch(model, texts, decision), size)
        self._admit(size)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Prediction]] = loop.create_future()
        self._queue.append(_Waiting(model, texts, decision, size, loop.time(), answer))
        if not self._is_predicting:
            self._is_predicting = True
            self._gather(seen=0, quiet=0)
        return await answer

    async def run(self, work: Callable[[], Outcome], size: int) -> Outcome:
        """Return what `work` returns, done in a thread when its turn comes; raises Busy when too much waits."""
        self._admit(size)
        loop = asyncio.get_running_loop()
        since = loop.time()

        def run_in_time() -> Outcome:
            if loop.time() - since > self._limits.seconds:
                raise Busy
            return work()

        try:
            return await loop.run_in_executor(self._large, run_in_time)
        finally:
            self._leave(size)

    def _admit(self, size: int) -> None:
        if self._waiting and self._waiting + size > self._limits.waiting:
            raise Busy
        self._waiting += size
        self._counters.waiting.set(self._waiting)

    def _leave(self, size: int) -> None:
        self._waiting -= size
        self._counters.waiting.set(self._waiting)

    def _gather(self, seen: int, quiet: int) -> None:
        """Begin a batch as soon as no more requests arrive; `seen` waited when the loop turned last."""
        found = len(self._queue)
        quiet = 0 if found > seen else quiet + 1
        if quiet < _QUIET_TURNS and found < _MOST_TEXTS:
            asyncio.get_running_loop().call_soon(self._gather, found, quiet)
        else:
            self._start_batch()

    def _start_batch(self) -> None:
        batch = self._take_batch()
        if not batch:
            self._is_predicting = False
            return
        texts = [text for waiting in batch for text in waiting.texts]
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._batches, self._predict_batch, batch[0].model, texts, batch[0].decision)
        done.add_done_callback(lambda future: self._hand_out(batch, future))

    def _take_batch(self) -> list[_Waiting]:
        """Take requests for one model and rule from the queue, and send away those that have waited too long."""
        batch: list[_Waiting] = []
        texts = characters = 0
        oldest = asyncio.get_running_loop().time() - self._limits.seconds
        while self._queue:
            first = self._queue[0]
            if batch and (
                first.model is not batch[0].model
                or first.decision is not batch[0].decision
                or texts + len(first.texts) > _MOST_TEXTS
                or characters + first.size > _MOST_CHARACTERS
            ):
                break
            self._queue.popleft()
            if first.answer.done() or first.since < oldest:
                self._leave(first.size)
                if not first.answer.done():
                    first.answer.set_exception(Busy())
                continue
            batch.append(first)
            texts, characters = texts + len(first.texts), characters + first.size
        return batch

    def _hand_out(self, batch: list[_Waiting], done: "asyncio.Future[list[Prediction]]") -> None:
        error = None if done.cancelled() else done.exception()
        answers = [] if done.cancelled() or error else done.result()
        first = 0
        for waiting in batch:
            self._leave(waiting.size)
            stop = first + len(waiting.texts)
            if not waiting.answer.done():
                if done.cancelled():
                    waiting.answer.cancel()
                elif error:
                    waiting.answer.set_exception(error)
                else:
                    waiting.answer.set_result(answers[first:stop])
            first = stop
        self._gather(seen=0, quiet=0)

    def _predict_batch(self, model: Model, texts: Sequence[str], decision: Decision | None) -> list[Prediction]:
        self._counters.count_batch(len(texts))
        return list(model.each(texts, model.predict(texts, decision)))
